"""Roles with pools, filled by the broker's own verbs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from shared.broker.ending.sweep import sweep
from shared.broker.events.succeed import succeed
from shared.broker.issue.prepare import prepare
from shared.broker.pool.fill import FillSummary, fill, refill
from shared.core.lease import Lease, State
from shared.core.message import Succession
from shared.core.names import LeaseId
from shared.core.pool import Pool
from shared.core.role import Target
from shared.issuers.service_principal.choice import SECRET, CredentialChoice
from shared.issuers.service_principal.target import ServicePrincipalTarget
from tests.fakes.world import World, principal_target

_TRIES = 20


def pooled_target(
    size: int = 2, *, credential: CredentialChoice = SECRET, pool: Pool | None = None, groups: int = 1, **more: Any
) -> ServicePrincipalTarget:
    """A role with so many leases in its pool."""
    return principal_target(1, groups, credential=credential, pool=pool or Pool(size), **({"ready": "token"} | more))


async def take_messages(scene: World) -> None:
    """Workers take every message of the two queues."""
    for message in (*scene.preparations.take(), *scene.fillings.take()):
        if isinstance(message, LeaseId):
            await prepare(scene.ports, "worker", message)
        elif isinstance(message, Succession):
            await succeed(scene.ports, "worker", message.lease)
        else:
            await refill(scene.ports, "worker", message)


async def fill_up(scene: World, *, rounds: int = 1) -> FillSummary:
    """The timer fills the pools so often, and workers make what it has opened. Returns the last summary."""
    done = FillSummary()
    for _ in range(rounds):
        done = await fill(scene.ports, "timer")
        await take_messages(scene)
    return done


def in_state(scene: World, state: State) -> list[Lease]:
    """The stored leases in that state, the oldest first."""
    return [lease for _, lease in sorted(scene.leases.rows.items()) if lease.state is state]


def touched(lease: Lease, **changes: Any) -> Lease:
    """The lease with these changes."""
    return replace(lease, **changes)


def has_pool(target: Target) -> bool:
    """Whether leases of that kind can stand in a pool."""
    return isinstance(target, ServicePrincipalTarget)


def of_one(target: Target) -> Target:
    """The target of a role that has one lease in its pool, for a quarter of an hour."""
    assert isinstance(target, ServicePrincipalTarget)
    return replace(target, pool=Pool(1, max_age=900))


async def filling(scene: World) -> None:
    """The timer fills the role's pool, and a worker makes what it has opened."""
    await fill(scene.ports, "timer")
    await take_messages(scene)


async def standing(scene: World) -> None:
    """The pool is filled, whatever the replicas show: what is delayed is taken up again."""
    for _ in range(_TRIES):
        await filling(scene)
        if in_state(scene, State.POOLED):
            return
        scene.clock.jump(61)
        await sweep(scene.ports, "sweep")
        await take_messages(scene)
    raise AssertionError("the pool is never filled")


async def watching(scene: World) -> None:
    """The timer fills pools, and looks at what stands there if it is time."""
    await fill(scene.ports, "timer")

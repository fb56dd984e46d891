"""A rule that rotates what it issues: a secret for each site, which lies in a vault under the name of the site's identity."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from typing import Any

from shared.broker.ending.sweep import sweep
from shared.core.access.bounds import Bounds
from shared.core.delivery import Delivery
from shared.core.lease import Lease
from shared.core.names import ObjectId
from shared.core.role import Role, Target
from tests.broker.events.scenes import APP, DELETED, active, bobs_role, deliver, document, scene
from tests.fakes.clock import START
from tests.fakes.vaults import VAULT
from tests.fakes.world import BOB, World, principal_target
from tests.support.deliveries import SHARED
from tests.support.pools import take_messages

TTL = 1800
NEAR = 1200.0
"""Seconds after which a lease is to have a successor."""
GONE = document(types=[DELETED], action={"revoke": {"of": "rule:sites"}})


def rotating_rule(*, rotate: bool = True, **changes: Any) -> dict[str, Any]:
    """The rule."""
    issue = {"role": "jit", "holder": "subject_identity", "ttl": TTL, "rotate": rotate}
    return document(action={"issue": issue}) | changes


def delivering_role(target: Target | None = None, **more: Any) -> Role:
    """Its role."""
    delivery = Delivery((VAULT,), SHARED)
    return bobs_role(
        target or principal_target(1, 0, ready="token"), **({"delivery": delivery, "delivers_since": START} | more)
    )


def the_holders_too() -> Role:
    """The role, from which the lease's holder may issue as well, and so renew."""
    return replace(delivering_role(), bounds=Bounds(service_principal_ids=frozenset({BOB.object_id, APP})))


def rotating(of: Role | None = None, *, publishing: bool = False, **changes: Any) -> World:
    """The rule, another one that revokes when a site is deleted, and the site."""
    return scene(of=of or delivering_role(), publishing=publishing, sites=rotating_rule(**changes), gone=GONE)


async def with_old_lease(of: Role | None = None, **changes: Any) -> World:
    """The same with a lease of the site whose last third has just begun."""
    made = rotating(of, **changes)
    await deliver(made)
    made.clock.jump(NEAR)
    return made


def at_each_call(work: Callable[[World], Coroutine[Any, Any, object]]) -> Iterator[tuple[int, World]]:
    """For each call of this work the call's ordinal, and a world with an old lease in which the call is still to come.

    Each world lives in event loops of its own, for each has its own clock.
    """
    undisturbed = _begun()
    before = len(undisturbed.calls.made)
    undisturbed.run(lambda: work(undisturbed))
    count = len(undisturbed.calls.made) - before
    assert count > 20
    for ordinal in range(1, count + 1):
        made = _begun()
        yield len(made.calls.made) + ordinal, made


def _begun() -> World:
    made = rotating()
    made.run(lambda: deliver(made))
    made.clock.jump(NEAR)
    return made


async def minutes(made: World, count: int = 1) -> None:
    """A sweep comes each minute, and workers take the messages."""
    for number in range(count):
        if number:
            made.clock.jump(60)
        await sweep(made.ports, "sweep")
        await take_messages(made)


def newest(made: World, holder: ObjectId = APP) -> str:
    """What whoever reads the holder's secret by its name gets. Raises ``Refused`` if its newest version is disabled."""
    return made.vaults.value(VAULT, name_for(holder))


def name_for(holder: ObjectId) -> str:
    """Under which a holder's secret lies."""
    return SHARED.replace("{holder}", holder)


def newest_lease(made: World, holder: ObjectId = APP) -> Lease:
    """The lease whose version is the newest of the holder's secret."""
    version = made.vaults.newest(VAULT, name_for(holder)).shown.version
    wanted = (name_for(holder), version)
    there = [each for each in made.leases.rows.values() if each.delivery is not None]
    (found,) = [each for each in there if each.delivery and (each.delivery.name, each.delivery.version) == wanted]
    return found


def ids(made: World) -> list[str]:
    """Those of the active leases, the oldest first."""
    return [each.id for each in active(made)]

"""The operations that meet, the worlds in which they do, and their pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import combinations_with_replacement

from shared.broker.configure import delete_role, put_role
from shared.broker.fan_out import leave
from shared.broker.force import revoke_as_operator
from shared.broker.issue import issue
from shared.broker.recall import recall
from shared.broker.reconcile import reconcile
from shared.broker.renew import renew
from shared.broker.repeat import issue_once
from shared.broker.revoke import revoke, revoke_role
from shared.broker.set_aside import set_aside
from shared.broker.sweep import end_due, sweep, sweep_on_time
from shared.core.batch import Batch
from shared.core.names import LeaseId
from shared.core.role import Target
from shared.core.role_document import write_role
from tests.crash.scenarios import TARGETS, fresh, issuing, issuing_once, with_answer_lost
from tests.crash.walk import Deed
from tests.fakes.world import ADMINISTRATOR, WEB, World, principal_target, request, role
from tests.model.model import Machine
from tests.schedules.explorer import Pair

LASTS = 300
"""Seconds of a lease."""
_LEFT = 60.0
OTHER_TARGET = principal_target(roles=1, groups=0)
"""What the role is changed to."""


@dataclass(frozen=True, slots=True)
class Verb:
    """One operation. ``scene``: the world that it needs, ``live`` if it does with any."""

    name: str
    deed: Deed
    verb: Callable[..., object]
    """The broker's function."""
    scene: str = "live"


@dataclass(frozen=True, slots=True)
class Meeting:
    """Two verbs that meet, and how the world is then, as the model says it."""

    pair: Pair
    verbs: tuple[Verb, Verb]
    start: Machine


def first(world: World) -> LeaseId:
    """The lease that the scene was made with."""
    return min(world.leases.rows)


async def renewing(world: World) -> object:
    """Alice renews."""
    return await renew(world.outside, request(), first(world), LASTS)


async def revoking(world: World) -> object:
    """Alice revokes."""
    return await revoke(world.outside, request(), first(world))


async def forcing(world: World) -> object:
    """An operator ends it in any case."""
    return await revoke_as_operator(world.outside, request(ADMINISTRATOR), first(world), force=True)


async def sweeping(world: World) -> object:
    """A sweep that somebody asked for."""
    return await sweep(world.outside, "sweep")


async def fanning_out(world: World) -> object:
    """The timer's, as if there were more than a few due."""
    return await sweep_on_time(world.outside, "timer", few=0)


async def taking_the_message(world: World) -> object:
    """A worker gets the message with the lease."""
    return await end_due(world.outside, "message", Batch("batch", (first(world),)))


async def taking_the_poison(world: World) -> object:
    """The message has failed too often."""
    return await set_aside(world.outside, "poison", Batch("batch", (first(world),)))


async def recalling(world: World) -> object:
    """A worker gets the message by which a role's revocation begins."""
    for said in world.revocations.recalls():
        await recall(world.outside, "recall", said)
    return None


async def reconciling(world: World) -> object:
    """The hourly run."""
    return await reconcile(world.outside, "reconcile")


async def changing_the_role(world: World) -> object:
    """An administrator writes it anew, with another target."""
    document = write_role(role(OTHER_TARGET, ttl=LASTS, max_ttl=2 * LASTS))
    return await put_role(world.outside, request(ADMINISTRATOR), WEB, document, expected=None)


async def deleting_the_role(world: World) -> object:
    """An administrator deletes it with its leases."""
    return await delete_role(world.outside, request(ADMINISTRATOR), WEB, expected=None, revoking=True)


async def revoking_the_role(world: World) -> object:
    """An administrator ends all its leases."""
    return await revoke_role(world.outside, request(ADMINISTRATOR), WEB)


VERBS = (
    Verb("issue", issuing, issue),
    Verb("issue under a key", issuing_once, issue_once, "fresh"),
    Verb("repeat", issuing_once, issue_once),
    Verb("renew", renewing, renew),
    Verb("revoke", revoking, revoke),
    Verb("force", forcing, revoke_as_operator),
    Verb("sweep", sweeping, sweep, "due"),
    Verb("fan out", fanning_out, sweep_on_time, "due"),
    Verb("message", taking_the_message, end_due, "due"),
    Verb("poison", taking_the_poison, set_aside, "due"),
    Verb("recall", recalling, recall, "revoked"),
    Verb("reconcile", reconciling, reconcile),
    Verb("change role", changing_the_role, put_role),
    Verb("delete role", deleting_the_role, delete_role),
    Verb("revoke role", revoking_the_role, revoke_role),
)


def _live(target: Target) -> World:
    return with_answer_lost(target, age=_LEFT)


def _due(target: Target) -> World:
    made = with_answer_lost(target, age=LASTS + 1.0)
    made.run(lambda: leave(made.outside, list(made.leases.rows)))
    return made


def _revoked(target: Target) -> World:
    made = with_answer_lost(target, age=_LEFT)
    made.run(lambda: revoking_the_role(made))
    return made


SCENES: dict[str, tuple[Callable[[Target], World], Machine]] = {
    "fresh": (fresh, Machine()),
    "live": (_live, Machine(lease="active")),
    "due": (_due, Machine(lease="active", expired=True)),
    "revoked": (_revoked, Machine(lease="over")),
}
_URGENT = ("fresh", "revoked", "due", "live")
_NEEDS_A_LEASE = {"renew", "revoke", "force", "message", "poison", "repeat"}


def meetings() -> Iterator[Meeting]:
    """Every two of them, one with itself included, for each kind of credential, in each scene that one of them needs."""
    for kind, target in TARGETS.items():
        for one, other in combinations_with_replacement(VERBS, 2):
            for scene in sorted({one.scene, other.scene}, key=_URGENT.index):
                names = {one.name, other.name}
                if (_NEEDS_A_LEASE if scene == "fresh" else {"issue under a key"}) & names:
                    continue
                make, start = SCENES[scene]
                name = f"{one.name} + {other.name}, {scene}, {kind}"
                pair = Pair(name, partial(make, target), (one.deed, other.deed))
                yield Meeting(pair, (one, other), start)

"""The deeds that the walks strike, and the worlds in which they are done."""

from __future__ import annotations

from shared.broker.fan_out import leave
from shared.broker.force import revoke_as_operator
from shared.broker.issue import Ask, Issued, issue
from shared.broker.recall import recall
from shared.broker.renew import renew
from shared.broker.repeat import issue_once
from shared.broker.revoke import revoke, revoke_role
from shared.broker.set_aside import set_aside
from shared.broker.sweep import end_due, sweep_on_time
from shared.core.names import LeaseId
from shared.core.role import Target
from tests.crash.walk import Scenario, sweeping
from tests.fakes.world import ADMINISTRATOR, WEB, World, principal_target, request, role, secret_target, world

TARGETS: dict[str, Target] = {
    "service principal": principal_target(roles=2, groups=1, ready="token"),
    "application secret": secret_target(ready="token"),
}


def fresh(target: Target, lag: float = 0.0) -> World:
    """A role and nothing else."""
    return world(role(target, ttl=300, max_ttl=600), lag=lag)


def with_lease(target: Target, lag: float = 0.0, *, age: float = 0.0) -> World:
    """A role and one active lease of that age in seconds."""
    made = fresh(target, lag)
    made.run(lambda: issuing(made))
    made.clock.jump(age)
    return made


async def issuing(world: World) -> Issued:
    """Alice issues."""
    return await issue(world.outside, request(), Ask(WEB))


def only(world: World) -> LeaseId:
    """The one lease there is."""
    (lease_id,) = world.leases.rows
    return lease_id


async def renewing(world: World) -> None:
    """Alice renews."""
    await renew(world.outside, request(), only(world), 300)


async def revoking(world: World) -> None:
    """Alice revokes."""
    await revoke(world.outside, request(), only(world))


def queued(target: Target, lag: float = 0.0) -> World:
    """Leases that are over and in the queue, two messages."""
    made = overdue(target, lag)
    made.run(lambda: leave(made.outside, list(made.leases.rows), together=2))
    return made


def overdue(target: Target, lag: float = 0.0) -> World:
    """Three leases that are over."""
    made = fresh(target, lag)
    for _ in range(3):
        made.run(lambda: issuing(made))
    made.clock.jump(301)
    return made


async def fanning_out(world: World) -> None:
    """The timer's sweep, as if there were more than a few."""
    await sweep_on_time(world.outside, "sweep", few=0)


async def taking_messages(world: World) -> None:
    """A worker takes every message that was ever sent, one after the other."""
    for batch in world.revocations.messages():
        await end_due(world.outside, "message", batch)


async def taking_poison(world: World) -> None:
    """The same, when they have failed too often."""
    for batch in world.revocations.messages():
        await set_aside(world.outside, "poison", batch)


async def recalling(world: World) -> None:
    """A worker takes the messages by which revocations of whole roles begin, and those that they have left to others."""
    for said in world.revocations.recalls():
        await recall(world.outside, "recall", said)
    await taking_messages(world)


def recalled(target: Target, lag: float = 0.0, count: int = 2) -> World:
    """A role whose leases, five minutes old, were revoked a moment ago."""
    made = fresh(target, lag)
    for _ in range(count):
        made.run(lambda: issuing(made))
    made.clock.jump(250)
    made.run(lambda: revoke_role(made.outside, request(ADMINISTRATOR), WEB))
    return made


def fan_outs(target: Target, lag: float = 0.0) -> list[Scenario]:
    """Every step of a lease's way through the queue."""
    return [
        Scenario("fan-out", lambda: overdue(target, lag), fanning_out),
        Scenario("message", lambda: queued(target, lag), taking_messages),
        Scenario("recall", lambda: recalled(target, lag), recalling),
        Scenario("poison", lambda: queued(target, lag), taking_poison),
    ]


async def issuing_once(world: World) -> Issued:
    """Alice issues under her key, for the first time or again."""
    return await issue_once(world.outside, request(), Ask(WEB), "alice-1")


async def forcing(world: World) -> None:
    """An operator ends whatever lease there is, in any case."""
    for lease_id in list(world.leases.rows):
        await revoke_as_operator(world.outside, request(ADMINISTRATOR), lease_id, force=True)


def with_answer_lost(target: Target, lag: float = 0.0, *, age: float = 0.0) -> World:
    """A lease that was issued under a key so many seconds ago, and whose secret nobody has got."""
    made = fresh(target, lag)
    made.run(lambda: issuing_once(made))
    made.clock.jump(age)
    return made


def scenarios(target: Target, lag: float = 0.0) -> list[Scenario]:
    """Every way to change a lease."""
    return [
        Scenario("issue", lambda: fresh(target, lag), issuing),
        Scenario("renew", lambda: with_lease(target, lag, age=60), renewing),
        Scenario("revoke", lambda: with_lease(target, lag, age=60), revoking),
        Scenario("revoke at once", lambda: with_lease(target, lag), revoking),
        Scenario("issue once", lambda: fresh(target, lag), issuing_once),
        Scenario("repeat", lambda: with_answer_lost(target, lag, age=60), issuing_once),
        Scenario("repeat at once", lambda: with_answer_lost(target, lag), issuing_once),
        Scenario("sweep", lambda: with_lease(target, lag, age=301), sweeping),
    ]


def forced(target: Target, lag: float = 0.0) -> list[Scenario]:
    """Letting go of a lease: what Azure refuses to undo stays behind, and is told."""
    return [
        Scenario("force revoke", lambda: with_lease(target, lag, age=200), forcing),
        Scenario("force revoke at once", lambda: with_lease(target, lag), forcing),
        Scenario("force revoke of a repeat", lambda: with_answer_lost(target, lag, age=200), forcing),
    ]


def issuing_scenarios(target: Target) -> list[Scenario]:
    """Every way to be given a credential: without a key, with one, and again under it."""
    issues = {"issue", "issue once", "repeat"}
    return [scenario for scenario in scenarios(target) if scenario.name in issues]

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

import pytest

from shared.broker.issue.issue import Issued
from shared.broker.revoke import revoke
from shared.core.errors import LeaseholdError, LostRace, Pending, Refused, Throttled, Unreachable
from shared.core.lease import State
from tests.crash.alternating import alternating
from tests.crash.promised import frozen_then_swept
from tests.crash.test_races import done_while_interrupted
from tests.crash.walk import Scenario, deaths, faults, length, live, require_nothing_left, require_owned, strike, sweep_once
from tests.fakes.calls import Died
from tests.fakes.world import World, request
from tests.model.judge import was_missed
from tests.support.every_kind import WITH_SECRETS
from tests.support.kinds import as_client_secret
from tests.support.operations import (
    TARGETS,
    Action,
    deleting_the_role,
    forcing_all,
    fresh,
    issuing_elsewhere,
    issuing_once,
    only,
    renewing,
    revoking_all,
    revoking_the_role,
    revoking_what_reaches,
    with_answer_lost,
)

type Report = Callable[[str, object], None]

MAKE: dict[str, Callable[[str, float], World]] = {
    "first": lambda kind, lag: fresh(TARGETS[kind], lag),
    "repeat": lambda kind, lag: with_answer_lost(TARGETS[kind], lag, age=60),
    "repeat at once": lambda kind, lag: with_answer_lost(TARGETS[kind], lag),
}


def walk(name: str, kind: str, lag: float) -> Scenario:
    """An issue under a key, for the first time or again."""
    return Scenario(name, lambda: MAKE[name](kind, lag), issuing_once)


WALKS = [
    pytest.param(walk(name, kind, lag), id=f"{name}, {kind}, lag {lag:.0f} s")
    for name in MAKE
    for kind in WITH_SECRETS
    for lag in (0.0, 3.0)
]
WALKS += [
    pytest.param(
        Scenario("first elsewhere", lambda kind=kind: fresh(TARGETS[kind]), issuing_elsewhere),  # type: ignore[misc]
        id=f"first elsewhere, {kind}",
    )
    for kind in WITH_SECRETS
]
"""Under a lease in another partition than the key. Whoever repeats does not know where it lies."""


_ERRORS = {"death": Died, "silence": Unreachable, "a definite no": Refused, "429": Throttled}


def alive(world: World) -> list[str]:
    """The secrets that Entra takes."""
    return [
        stored.text
        for application in world.cloud.applications.values()
        for stored in application.secrets.values()
        if stored.end > world.clock.now()
    ]


def succeed(world: World) -> Issued:
    """The caller repeats, as it may after any failure, until it has its answer."""
    for _ in range(5):
        with suppress(Pending):
            return world.run(lambda: issuing_once(world))
    raise AssertionError("the caller never gets its answer")


def require_one_answer(world: World, answer: Issued, answered: set[str], given: Sequence[Issued] = ()) -> None:
    """The lease is active, and of all the secrets that were ever answered, this answer's alone works.

    One whose own answer from Azure was lost is known to nobody; it may stay until the lease ends. So may one of the ``given``
    whose removal was asked for, and that no replica knew of yet.
    """
    missed = {as_client_secret(each.credential).client_secret.reveal() for each in given if was_missed(world, each)}
    text = as_client_secret(answer.credential).client_secret.reveal()
    for _ in range(2):
        world.clock.jump(25)
        sweep_once(world)
    stored = world.leases.rows[answer.lease.id]
    assert State.ACTIVE is stored.state
    assert [text] == [each for each in alive(world) if each in {*answered, text} - missed]
    assert [stored.id] == [each.id for each in world.leases.rows.values() if each.state is State.ACTIVE]


@pytest.mark.parametrize(("scenario", "error"), alternating(WALKS, _ERRORS, always=["death", "silence"]))
def test_a_caller_that_repeats_gets_one_lease_and_one_secret(
    scenario: Scenario, error: type[BaseException], record_property: Report
) -> None:
    """Whatever befell the request before, at whichever call, the repeat succeeds; no other one works."""
    count = 0
    for fault in faults(scenario):
        if fault.after and error in {Refused, Throttled}:
            continue
        world = scenario.make()
        answered, given = set(alive(world)), list[Issued]()

        async def once(world: World, answered: set[str] = answered, given: list[Issued] = given) -> None:
            answer = await scenario.action(world)
            assert isinstance(answer, Issued)
            given.append(answer)
            answered.add(as_client_secret(answer.credential).client_secret.reveal())

        strike(world, once, fault, error())
        require_owned(world)
        require_one_answer(world, succeed(world), answered, given)
        require_nothing_left(world)
        count += 1
    record_property("cases", count)
    assert count >= length(scenario) > 0


@pytest.mark.parametrize("kind", WITH_SECRETS)
def test_a_repeat_that_dies_after_one_that_died_leaves_nothing(kind: str, record_property: Report) -> None:
    """Strays of both are found: the lease knows that there may be several."""
    count = 0
    first = Scenario("repeat", lambda: with_answer_lost(TARGETS[kind], age=60), issuing_once)
    for one in deaths(first):
        for ordinal in range(1, 16, 2):
            world = first.make()
            strike(world, issuing_once, one, Died())
            world.clock.jump(70)
            world.calls.fail_at(len(world.calls.made) + ordinal, Died(), after=count % 2 == 0)
            with suppress(Died):
                world.run(lambda: live(world, issuing_once))  # noqa: B023 - run at once
            world.calls.revive()
            require_owned(world)
            require_nothing_left(world)
            count += 1
    record_property("cases", count)
    assert count > 0


OTHERS: list[Action] = [
    issuing_once,
    frozen_then_swept,
    revoking_all,
    revoking_the_role,
    revoking_what_reaches,
    deleting_the_role,
    forcing_all,
]


@pytest.mark.parametrize(("scenario", "other"), alternating(WALKS, {each.__name__: each for each in OTHERS}, many=4))
def test_a_repeat_that_is_interrupted_at_any_call_leaves_nothing(scenario: Scenario, other: Action) -> None:
    """By another repeat, by an end, by a frozen machine: whoever loses removes its own secret."""
    for ordinal in range(1, length(scenario) + 1):
        world = done_while_interrupted(scenario, ordinal, other)
        require_owned(world)
        require_nothing_left(world)


@pytest.mark.parametrize("kind", WITH_SECRETS)
def test_a_renewal_in_between_costs_a_repeat_nothing(kind: str) -> None:
    """It moves the lease, and not its secret."""
    scenario = Scenario("repeat", lambda: with_answer_lost(TARGETS[kind], age=60), issuing_once)
    for ordinal in range(1, length(scenario) + 1):
        world = done_while_interrupted(scenario, ordinal, renewing)
        assert 1 == [event.operation for event in world.audit.events].count("reissue")
        assert 1 == len(alive(world))
        assert not world.leases.rows[only(world)].maybe_more_secrets


@pytest.mark.parametrize("latency", [0.0, 0.3, 2.0])
@pytest.mark.parametrize("count", [2, 3, 12])
@pytest.mark.parametrize("kind", WITH_SECRETS)
@pytest.mark.parametrize("name", MAKE)
def test_many_at_once_share_one_lease_and_the_last_secret_lives(name: str, kind: str, count: int, latency: float) -> None:
    """Each secret works at the moment of its answer; in the end exactly one is left, one of those that were answered."""
    world = MAKE[name](kind, 0.0)
    world.calls.latency = latency
    answers: list[Issued] = []

    async def one() -> None:
        with suppress(Pending):
            answer = await issuing_once(world)
            assert as_client_secret(answer.credential).client_secret.reveal() in alive(world), (
                "the secret was removed before it was answered"
            )
            answers.append(answer)

    async def all_of_them() -> None:
        await asyncio.gather(*(one() for _ in range(count)))

    world.run(all_of_them)
    assert 1 == len({answer.lease.id for answer in answers}) == len(world.leases.rows)
    assert count == len(answers) or latency == 2.0
    assert [as_client_secret(answers[-1].credential).client_secret.reveal()] == alive(world)
    require_owned(world)
    require_nothing_left(world)


def test_a_repeat_of_a_revoked_lease_does_not_bring_it_back() -> None:
    """Whichever call of a repeat the revocation meets: the lease ends, and the repeat says so or came before."""
    scenario = Scenario("repeat", lambda: with_answer_lost(TARGETS["service principal"], age=200), issuing_once)
    for ordinal in range(1, length(scenario) + 1):
        world = scenario.make()
        world.calls.meanwhile(len(world.calls.made) + ordinal, lambda: live(world, ended))  # noqa: B023 - run at once
        with suppress(LeaseholdError):
            world.run(lambda: issuing_once(world))  # noqa: B023 - run at once
        assert not any(lease.state is State.ACTIVE for lease in world.leases.rows.values())
        require_nothing_left(world)


async def ended(world: World) -> None:
    """Alice gives the lease back; renewals of a turn may come in between."""
    with suppress(LostRace):
        await revoke(world.ports, request(), only(world))

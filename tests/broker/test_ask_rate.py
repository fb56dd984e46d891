"""How often one caller may issue in a minute, and be refused: exactly so often, on whichever workers it asks."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from shared.broker.inspect import role_if_issuable
from shared.broker.issue.idempotent import issue_once
from shared.broker.issue.issue import Issued, IssueRequest, issue
from shared.broker.ports import Ports
from shared.core.ask_window import AskType, AskWindow
from shared.core.caller import Caller
from shared.core.errors import (
    Forbidden,
    Interrupted,
    LeasedCaller,
    LeaseholdError,
    LostRace,
    Malformed,
    TooMany,
    TooManyIssues,
    Unavailable,
    Unreachable,
)
from shared.core.limits import Limits
from shared.core.names import RoleName
from shared.core.ports.callers import CallerKey
from shared.core.ports.documents import ANY
from tests.broker.test_admission import workers
from tests.fakes.calls import Died, MadeCall
from tests.fakes.clock import START
from tests.fakes.world import ALICE, BOB, WEB, World, request, role, world

NOBODYS, CAPPED = RoleName.parse("nobodys"), RoleName.parse("capped")
SKEWED = (0.0, 5.0)


def limited(most: int, latency: float = 0.0) -> World:
    """A caller may ask for so many leases in a minute."""
    return world(role(), role(name=CAPPED, max_leases=1), limits=Limits(issues_per_minute=most), latency=latency)


async def outcomes(count: int, *ports: Ports, caller: Caller = ALICE, name: RoleName = WEB) -> Counter[str]:
    """Of so many asks at once, in turn of every worker: codes, and ``issued``."""
    asks = (issue(ports[number % len(ports)], request(caller), IssueRequest(name)) for number in range(count))
    return Counter(map(outcome, await asyncio.gather(*asks, return_exceptions=True)))


def outcome(result: object) -> str:
    """The word for it."""
    if isinstance(result, LeaseholdError):
        return result.stable_code
    assert isinstance(result, Issued), result
    return "issued"


def window(scene: World, caller: Caller = ALICE) -> Counter[AskType]:
    """How many asks of each kind the caller's row has."""
    return Counter(kind for kind, _ in scene.caller_records.windows.get(CallerKey.of(caller), AskWindow()).asks)


@pytest.mark.parametrize(("most", "count"), [(1, 10), (20, 50), (50, 50), (60, 50)])
@pytest.mark.parametrize("skew", [(0.0,), SKEWED, (5.0, 0.0)])
@pytest.mark.parametrize("latency", [0.0, 0.02])
@pytest.mark.parametrize(("name", "served"), [(WEB, "issued"), (NOBODYS, "forbidden")])
async def test_exactly_as_many_as_the_minute_allows(
    most: int, count: int, skew: tuple[float, ...], latency: float, name: RoleName, served: str
) -> None:
    """Neither more nor fewer are served, and so many are refused for want of a right: all others are too many."""
    scene = limited(most, latency)
    found = await outcomes(count, *workers(scene, *skew), name=name)
    assert Counter({served: min(most, count), "too_many_issues": max(count - most, 0)}) == +found | Counter(too_many_issues=0)
    assert found["issued"] == len(scene.leases.rows)


async def test_the_minute_slides() -> None:
    """By the store's clock: workers whose clocks differ agree on it."""
    scene = limited(2)
    slow, fast = workers(scene, -5.0, 5.0)
    await issue(fast, request(), IssueRequest(WEB))
    scene.clock.jump(20)
    await issue(slow, request(), IssueRequest(WEB))
    for ports, seconds in ((slow, 39.5), (fast, 0.4)):
        scene.clock.jump(seconds)
        with pytest.raises(TooManyIssues):
            await issue(ports, request(), IssueRequest(WEB))
    scene.clock.jump(1)
    assert Counter(issued=1, too_many_issues=2) == await outcomes(3, slow, fast)


async def test_the_answer_says_when_to_come_again() -> None:
    """In the very second there is room."""
    scene = limited(1)
    await issue(scene.ports, request(), IssueRequest(WEB))
    scene.clock.jump(17.5)
    with pytest.raises(TooManyIssues) as caught:
        await issue(scene.ports, request(), IssueRequest(WEB))
    assert (("too_many_issues"), 43) == (caught.value.stable_code, caught.value.retry_after)
    scene.clock.jump(caught.value.retry_after)
    assert Counter(issued=1) == await outcomes(1, scene.ports)


async def test_each_caller_has_a_minute_of_its_own() -> None:
    """No row is everybody's."""
    scene = limited(3)
    for caller in (ALICE, BOB):
        assert Counter(issued=3, too_many_issues=2) == await outcomes(5, scene.ports, caller=caller)
    assert {CallerKey.of(ALICE), CallerKey.of(BOB)} == set(scene.caller_records.windows)


async def test_a_question_that_is_answered_no_counts_as_a_refused_ask() -> None:
    """Guesses by questions and by issues are counted together. A yes counts nothing."""
    scene = limited(2)
    for _ in range(3):
        assert None is not await role_if_issuable(scene.ports, request(), WEB)
    assert None is await role_if_issuable(scene.ports, request(), NOBODYS)
    with pytest.raises(Forbidden):
        await issue(scene.ports, request(), IssueRequest(NOBODYS))
    assert Counter({AskType.REFUSED: 2}) == window(scene)
    for name in (NOBODYS, WEB):
        with pytest.raises(TooMany) as caught:
            await role_if_issuable(scene.ports, request(), name)
        assert (TooMany, "too_many_issues") == (type(caught.value), caught.value.stable_code)
    assert ["whoami"] == [event.operation for event in scene.audit.events]


async def test_who_has_issued_often_may_still_ask() -> None:
    """A question opens no lease."""
    scene = limited(2)
    await outcomes(2, scene.ports)
    assert None is not await role_if_issuable(scene.ports, request(), WEB)
    assert None is await role_if_issuable(scene.ports, request(), NOBODYS)


async def test_a_leased_caller_that_asks_is_refused_and_not_counted() -> None:
    """It is no guess: it would be refused whatever it asked for."""
    scene = limited(2)
    scene.ports = replace(scene.ports, admitted=_not_admitted)
    with pytest.raises(LeasedCaller):
        await role_if_issuable(scene.ports, request(), NOBODYS)
    assert not window(scene)


async def _not_admitted() -> None:
    raise LeasedCaller


async def test_who_has_no_right_gets_403_before_429() -> None:
    """Also when its issues of the minute are used up."""
    scene = limited(2)
    await outcomes(2, scene.ports)
    with pytest.raises(Forbidden):
        await issue(scene.ports, request(), IssueRequest(NOBODYS))


async def test_a_role_that_goes_meanwhile_is_told_before_a_minute_that_is_used_up_meanwhile() -> None:
    """The second look finds both."""
    scene = limited(1)

    def meanwhile(call: MadeCall) -> None:
        if call.name == "leases.open":
            scene.roles._delete(WEB, ANY)
            used_up = AskWindow().counting(AskType.ISSUE, "x", scene.clock.truth())
            scene.caller_records.windows[CallerKey.of(ALICE)] = replace(used_up, version="v")

    scene.calls.watch = meanwhile
    with pytest.raises(Forbidden):
        await issue(scene.ports, request(), IssueRequest(WEB))
    assert {} == scene.leases.rows


async def test_who_was_refused_too_often_learns_nothing_of_any_role() -> None:
    """What it may issue, what it may not and what is not there are answered alike; another caller is served."""
    scene = limited(3)
    stranger = replace(ALICE, object_id=BOB.tenant_id)
    assert Counter(forbidden=3, too_many_issues=2) == await outcomes(5, scene.ports, name=NOBODYS)
    answers = []
    for name in (WEB, NOBODYS):
        for ask in (
            issue(scene.ports, request(), IssueRequest(name)),
            issue_once(scene.ports, request(), IssueRequest(name), "k"),
        ):
            with pytest.raises(TooMany) as caught:
                await ask
            answers.append((caught.value.stable_code, caught.value.detail, caught.value.retry_after))
    assert 1 == len(set(answers)), answers
    assert (Counter(issued=1), Counter(forbidden=1)) == (
        await outcomes(1, scene.ports, caller=BOB),
        await outcomes(1, scene.ports, caller=stranger),
    )
    scene.clock.jump(60)
    assert Counter(issued=1) == await outcomes(1, scene.ports)


async def test_refused_asks_use_up_no_issues() -> None:
    """Each kind is counted apart."""
    scene = limited(3)
    assert Counter(forbidden=2) == await outcomes(2, scene.ports, name=NOBODYS)
    assert Counter(issued=3) == await outcomes(3, scene.ports)
    assert {AskType.REFUSED: 2, AskType.ISSUE: 3} == window(scene)


async def test_what_a_lease_has_made_is_refused_as_such() -> None:
    """No limit comes before that."""
    scene = limited(1)

    async def refused() -> None:
        raise LeasedCaller

    await outcomes(2, scene.ports, name=NOBODYS)
    with pytest.raises(LeasedCaller):
        await issue(replace(scene.ports, admitted=refused), request(), IssueRequest(WEB))


async def test_repeats_are_never_counted() -> None:
    """And are served when the minute is used up. A new key is refused then, and stands for no lease."""
    scene = limited(2)
    first = await issue_once(scene.ports, request(), IssueRequest(WEB), "k")
    for _ in range(3):
        assert first.lease.id == (await issue_once(scene.ports, request(), IssueRequest(WEB), "k")).lease.id
    assert {AskType.ISSUE: 1} == window(scene)
    await outcomes(1, scene.ports)
    assert first.lease.id == (await issue_once(scene.ports, request(), IssueRequest(WEB), "k")).lease.id
    with pytest.raises(TooManyIssues):
        await issue_once(scene.ports, request(), IssueRequest(WEB), "new")
    scene.clock.jump(60)
    assert first.lease.id != (await issue_once(scene.ports, request(), IssueRequest(WEB), "new")).lease.id


async def test_what_is_refused_for_what_it_asks_is_not_counted() -> None:
    """A fault in the request opens no lease, and guesses no name."""
    scene = limited(1)
    with pytest.raises(Malformed):
        await issue(scene.ports, request(), IssueRequest(WEB, ttl=1))
    assert {} == window(scene)


async def test_an_issue_that_its_role_has_no_room_for_is_counted() -> None:
    """So asking again and again is limited, too."""
    scene = limited(3)
    assert Counter(issued=1, too_many_leases=2, too_many_issues=1) == await outcomes(4, scene.ports, name=CAPPED)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("error", [Unreachable(), Unavailable()])
@pytest.mark.parametrize(("name", "served"), [(WEB, "issued"), (NOBODYS, "forbidden")])
@pytest.mark.parametrize("most", [1, 2])
async def test_an_ask_whose_answer_was_lost_is_counted_once(
    *, error: Exception, after: bool, name: RoleName, served: str, most: int
) -> None:
    """The row says whether it is counted."""
    scene = limited(most)
    scene.calls.fail("caller_records.note", error, after=after)  # type: ignore[arg-type]  # both are the broker's own
    for expected in (*[served] * most, "too_many_issues"):
        assert Counter([expected]) == await outcomes(1, scene.ports, name=name)


async def test_an_issue_that_cannot_be_counted_is_not_made() -> None:
    """Nothing is left behind when others always come first."""
    scene = limited(5)
    scene.calls.fail("caller_records.note", LostRace(), times=10_000)
    with pytest.raises(Interrupted):
        await issue(scene.ports, request(), IssueRequest(WEB))
    assert {} == scene.leases.rows


@pytest.mark.parametrize("call", ["caller_records.window", "caller_records.note"])
async def test_trouble_in_storage_lets_no_issue_through(call: str) -> None:
    """The caller is told of it, and Azure is not called."""
    scene = limited(5)
    scene.calls.fail(call, Unavailable(), times=10_000)
    with pytest.raises((Unavailable, Interrupted)):
        await issue(scene.ports, request(), IssueRequest(WEB))
    assert [] == scene.calls.named("directory.upsert_application")


async def test_a_refusal_stands_if_it_cannot_be_counted() -> None:
    """The caller has no right, whatever storage does."""
    scene = limited(5)
    scene.calls.fail("caller_records.note", Unavailable(), times=10_000)
    with pytest.raises(Forbidden):
        await issue(scene.ports, request(), IssueRequest(NOBODYS))


@pytest.mark.parametrize("after", [False, True])
async def test_a_dead_workers_ask_counts_for_a_minute_at_most(*, after: bool) -> None:
    """Wherever in its issue it dies: then the caller may ask as often as ever."""
    ordinal, over = 0, False
    while not over:
        ordinal += 1
        scene = limited(2)
        scene.calls.fail_at(ordinal, Died(), after=after)
        try:
            await issue(scene.ports, request(), IssueRequest(WEB))
            over = True
        except Died:
            pass
        scene.calls.revive()
        scene.clock.jump(60)
        assert Counter(issued=2, too_many_issues=1) == await outcomes(3, scene.ports), f"died at call {ordinal}"
    assert ordinal > 10


async def test_what_counting_costs() -> None:
    """A read beside the look-up of the role, a write beside the second look. Asks of one worker do not compete."""
    calls = {}
    for most in (0, 100):
        scene = limited(most)
        await outcomes(1, scene.ports)
        calls[most] = scene.calls.names()
    assert ["caller_records.window", "caller_records.note"] == [each for each in calls[100] if each not in calls[0]]
    scene = limited(100)
    await outcomes(50, scene.ports)
    assert (50, 50) == tuple(len(scene.calls.named(name)) for name in ("caller_records.window", "caller_records.note"))


async def test_who_has_used_up_its_minute_costs_reads_alone() -> None:
    """No lease is opened for it."""
    scene = limited(1)
    await outcomes(1, scene.ports)
    before = len(scene.calls.made)
    await outcomes(1, scene.ports)
    made = {call.name for call in scene.calls.made[before:]}
    assert made == {"access.version", "caller_records.window", "generations.get", "roles.get"}


async def test_a_clock_that_was_hours_ahead_keeps_nobody_out() -> None:
    """What it has written does not count."""
    scene = limited(1)
    ahead = AskWindow().counting(AskType.ISSUE, "x", START.replace(year=START.year + 1))
    scene.caller_records.windows[CallerKey.of(ALICE)] = replace(ahead, version="v")
    assert Counter(issued=1) == await outcomes(1, scene.ports)

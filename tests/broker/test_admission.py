"""A role's ``max_leases``: as many as it says, on whichever workers they are issued."""

from __future__ import annotations

import asyncio
from copy import copy
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from shared.broker.issue.idempotent import issue_once
from shared.broker.issue.issue import Issued, IssueRequest, issue
from shared.broker.ports import Ports
from shared.broker.renew import renew
from shared.broker.revoke import revoke
from shared.core.errors import Interrupted, LostRace, Refused, TooMany, Unavailable, Unreachable
from shared.core.lease import State
from tests.broker.scenes import AZURE, issued, stored, swept
from tests.fakes.calls import Died
from tests.fakes.clock import FakeClock
from tests.fakes.world import WEB, World, request, role, world


@dataclass(frozen=True, slots=True)
class Astray:
    """A worker's clock that is wrong by so many seconds. Time passes as on the other's."""

    clock: FakeClock
    seconds: float

    def now(self) -> datetime:
        """See the port."""
        return self.clock.now() + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        """See the port."""
        return self.clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        """See the port."""
        await self.clock.sleep(seconds)


def workers(scene: World, *astray: float) -> list[Ports]:
    """As many, each with a clock, and with stores over the same rows: none knows who waits in another's memory."""
    return [
        replace(
            scene.ports,
            clock=Astray(scene.clock, seconds),
            roles=copy(scene.roles),
            caller_records=copy(scene.caller_records),
        )
        for seconds in astray
    ]


async def at_once(count: int, *outsides: Ports) -> tuple[list[Issued], list[TooMany]]:
    """So many asks, in turn of every worker; each is served, or refused for want of room."""
    asks = [issue(outsides[number % len(outsides)], request(), IssueRequest(WEB)) for number in range(count)]
    results = await asyncio.gather(*asks, return_exceptions=True)
    served = [each for each in results if isinstance(each, Issued)]
    refused = [each for each in results if isinstance(each, TooMany)]
    assert count == len(served) + len(refused), results
    return served, refused


def capped(most: int, latency: float = 0.0) -> World:
    """A role of so many leases."""
    return world(role(max_leases=most), latency=latency)


@pytest.mark.parametrize(("most", "asked"), [(1, 2), (1, 10), (3, 6), (6, 20), (5, 5), (5, 4)])
@pytest.mark.parametrize("astray", [(0.0,), (0.0, 5.0), (5.0, 0.0), (-2.5, 2.5, 0.0)])
@pytest.mark.parametrize("latency", [0.0, 0.05])
async def test_exactly_as_many_as_the_role_may_have_are_served(
    most: int, asked: int, astray: tuple[float, ...], latency: float
) -> None:
    """Neither more nor fewer, on one worker or several whose clocks disagree: ids do not order them."""
    scene = capped(most, latency)
    served, _ = await at_once(asked, *workers(scene, *astray))
    assert min(most, asked) == len(served) == len(scene.leases.rows)
    assert {State.ACTIVE} == {lease.state for lease in scene.leases.rows.values()}


async def test_whoever_was_served_never_gives_way() -> None:
    """Neither to an id that is less, which a slow clock gives, nor to an older one."""
    scene = capped(2)
    slow, fast = workers(scene, -3600.0, 0.0)
    first = await issue(fast, request(), IssueRequest(WEB))
    served, _ = await at_once(5, slow, fast)
    assert [1, 2] == [len(served), len(scene.leases.rows)]
    assert State.ACTIVE is stored(scene, first.lease.id).state
    await renew(fast, request(), first.lease.id, None)


async def test_a_place_is_free_when_its_lease_begins_to_end() -> None:
    """That Azure takes its time with the rest keeps nobody waiting."""
    scene = capped(1)
    first = await issued(scene)
    for name in ("authorization.unassign", "directory.delete_application"):
        scene.calls.fail(name, Unavailable(), times=50)
    await swept(scene, after=1000)
    assert State.ENDING is stored(scene, first.lease.id).state
    assert State.ACTIVE is (await issued(scene)).lease.state


async def test_a_failed_issue_gives_its_place_back() -> None:
    """At once, as far as it was undone."""
    scene = capped(1)
    scene.calls.fail("directory.upsert_application", Refused(), times=1)
    with pytest.raises(Refused):
        await issued(scene)
    assert State.ACTIVE is (await issued(scene)).lease.state


@pytest.mark.parametrize("after", [False, True])
async def test_a_dead_workers_place_does_not_leak(*, after: bool) -> None:
    """Wherever in its issue it dies, the next one is served once the sweep has been there, and only one."""
    ordinal, over = 0, False
    while not over:
        ordinal += 1
        scene = capped(1)
        scene.calls.fail_at(ordinal, Died(), after=after)
        try:
            await issued(scene)
            over = True
        except Died:
            pass
        scene.calls.revive()
        for _ in range(4):
            await swept(scene, after=1000)
        served, _ = await at_once(3, scene.ports)
        live = [lease for lease in scene.leases.rows.values() if lease.state.is_live]
        assert (1, 1) == (len(served), len(live)), f"died at call {ordinal}"
    assert ordinal > 8


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("error", [Unreachable(), Unavailable()])
async def test_an_admission_whose_answer_was_lost_is_found_again(*, error: Exception, after: bool) -> None:
    """The row says whether it was made: nobody is admitted twice, nor refused its own place."""
    scene = capped(1)
    scene.calls.fail("roles.admit", error, after=after)  # type: ignore[arg-type]  # both are the broker's own
    assert State.ACTIVE is (await issued(scene)).lease.state
    with pytest.raises(TooMany):
        await issued(scene)


async def test_repeats_take_no_room() -> None:
    """A full role still answers a repeat under its key."""
    scene = capped(1)
    first = await issue_once(scene.ports, request(), IssueRequest(WEB), "k")
    assert first.lease.id == (await issue_once(scene.ports, request(), IssueRequest(WEB), "k")).lease.id


async def test_who_always_comes_second_is_told_to_come_again() -> None:
    """And leaves nothing behind."""
    scene = capped(5)
    scene.calls.fail("roles.admit", LostRace(), times=10_000)
    with pytest.raises(Interrupted):
        await issued(scene)
    assert {} == scene.leases.rows


async def test_who_comes_second_asks_again_ever_later_and_for_half_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """From a twentieth of a second to a second, half of it more or less."""
    scene = capped(5)
    monkeypatch.setattr(scene.ids, "jitter", lambda: 0.25)
    scene.calls.fail("roles.admit", LostRace(), times=10_000)
    with pytest.raises(Interrupted):
        await issued(scene)
    asked = [call.began for call in scene.calls.named("roles.admissions")]
    pauses = [late - early for early, late in pairwise(asked)]
    assert [0.0375, 0.075, 0.15, 0.3, 0.6, 0.75, 0.75] == pytest.approx(pauses[:7])
    assert 30 <= asked[-1] - asked[0] < 30.75


async def test_what_an_admission_costs() -> None:
    """A role without ``max_leases`` pays nothing; with it: a read, the count, a write. A worker's own asks do not compete."""
    calls = {}
    for name, wanted in {"free": role(), "capped": role(max_leases=100)}.items():
        scene = world(wanted)
        await issued(scene)
        calls[name] = scene.calls.names()
    extra = [call for call in calls["capped"] if call not in calls["free"]]
    assert ["roles.admissions", "leases.room_taken", "roles.admit"] == extra
    scene = capped(100)
    await at_once(50, scene.ports)
    assert 50 == len(scene.calls.named("roles.admit"))


def test_the_row_does_not_grow() -> None:
    """It names those that are being made, and forgets them when they are not."""
    scene = capped(100)
    for _ in range(20):
        scene.run(lambda: issued(scene))
    assert 1 == len(scene.roles._admissions[WEB].leases)


@pytest.mark.parametrize("most", [1, 3])
async def test_a_role_never_has_more_leases_than_it_may(most: int) -> None:
    """Ten at once: some are refused, and at no instant are there too many."""
    scene = world(role(max_leases=most), latency=0.5)
    results = await asyncio.gather(*(issued(scene) for _ in range(10)), return_exceptions=True)
    refused = [result for result in results if isinstance(result, TooMany)]
    active = [lease for lease in scene.leases.rows.values() if lease.state is State.ACTIVE]
    assert 10 == len(refused) + len(active)
    assert most >= len(active)
    assert most >= len({thing.owner for thing in scene.leftovers() if thing.kind == "application"})


async def test_one_after_the_other_a_role_fills_up() -> None:
    """And has room again when one has ended."""
    scene = world(role(max_leases=2))
    first = await issued(scene)
    await issued(scene)
    with pytest.raises(TooMany) as caught:
        await issued(scene)
    assert ("too_many_leases", 2) == (caught.value.stable_code, len(scene.leases.rows))
    await revoke(scene.ports, request(), first.lease.id)
    assert State.ACTIVE is (await issued(scene)).lease.state


async def test_a_refused_issue_calls_azure_not_at_all() -> None:
    """The lease that stood for it is forgotten."""
    scene = world(role(max_leases=1))
    await issued(scene)
    before = len([call for call in scene.calls.made if call.service in AZURE])
    with pytest.raises(TooMany):
        await issued(scene)
    assert before == len([call for call in scene.calls.made if call.service in AZURE])

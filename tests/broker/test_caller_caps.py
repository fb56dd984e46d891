"""How many leases one caller may hold, in one role and over all roles: exactly so many, on whichever workers it asks."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import pytest

from shared.broker.issue.idempotent import issue_once
from shared.broker.issue.issue import Issued, IssueRequest, issue
from shared.broker.ports import Ports
from shared.broker.revoke import revoke, revoke_role
from shared.core.caller import Caller
from shared.core.errors import Interrupted, LostRace, Refused, TooMany, Unavailable, Unreachable
from shared.core.lease import State
from shared.core.limits import Limits
from shared.core.names import RoleName
from shared.core.ports.callers import CallerKey
from tests.broker.scenes import stored, swept
from tests.broker.test_admission import workers
from tests.fakes.calls import Died
from tests.fakes.world import ADMINISTRATOR, ALICE, BOB, OTHER_TENANT, WEB, World, request, role, world

OTHER = RoleName.parse("other")
SKEWED = (0.0, 5.0)


def capped(in_role: int | None = None, in_all: int | None = None, most: int | None = None, latency: float = 0.0) -> World:
    """Two roles with these caps."""
    roles = [role(name=name, max_leases_per_caller=in_role, max_leases=most) for name in (WEB, OTHER)]
    return world(*roles, limits=Limits(max_leases_per_caller=in_all), latency=latency)


async def asked(
    ports: Iterable[Ports], count: int, caller: Caller = ALICE, roles: tuple[RoleName, ...] = (WEB,)
) -> tuple[list[Issued], list[TooMany]]:
    """So many asks at once, in turn of every worker and role; each is served, or refused for want of room."""
    workers_of = list(ports)
    asks = [
        issue(workers_of[number % len(workers_of)], request(caller), IssueRequest(roles[number // 2 % len(roles)]))
        for number in range(count)
    ]
    results = await asyncio.gather(*asks, return_exceptions=True)
    served = [each for each in results if isinstance(each, Issued)]
    refused = [each for each in results if isinstance(each, TooMany)]
    assert count == len(served) + len(refused), results
    return served, refused


def codes(refused: Iterable[TooMany]) -> Counter[str]:
    """How many of each."""
    return Counter(each.stable_code for each in refused)


@pytest.mark.parametrize(("most", "count"), [(1, 2), (1, 10), (6, 50), (5, 5), (5, 4)])
@pytest.mark.parametrize("skew", [(0.0,), SKEWED, (5.0, 0.0)])
@pytest.mark.parametrize("latency", [0.0, 0.05])
@pytest.mark.parametrize("caps", ["in_role", "in_all"])
async def test_exactly_as_many_as_the_caller_may_hold_are_served(
    most: int, count: int, skew: tuple[float, ...], latency: float, caps: str
) -> None:
    """Neither more nor fewer, on one worker or two whose clocks disagree."""
    scene = capped(**{caps: most}, latency=latency)
    served, refused = await asked(workers(scene, *skew), count)
    assert min(most, count) == len(served) == len(scene.leases.rows)
    assert {State.ACTIVE} == {lease.state for lease in scene.leases.rows.values()}
    assert {"too_many_leases_of_caller"} >= set(codes(refused))


@pytest.mark.parametrize("latency", [0.0, 0.05])
@pytest.mark.parametrize(("caps", "expected"), [({"in_all": 5}, [5]), ({"in_role": 3}, [3, 3])])
async def test_the_cap_over_all_roles_counts_all_roles(caps: dict[str, int], expected: list[int], latency: float) -> None:
    """And a role's own cap is for that role alone."""
    scene = capped(**caps, latency=latency)
    served, _ = await asked(workers(scene, *SKEWED), 20, roles=(WEB, OTHER))
    counts = Counter(each.lease.id.role for each in served)
    assert expected == ([sum(counts.values())] if "in_all" in caps else [counts[WEB], counts[OTHER]])


async def test_each_caller_has_room_of_its_own() -> None:
    """Another's leases do not count, nor do those of the same object id in another tenant."""
    scene = capped(in_role=2, in_all=2)
    for caller in (ALICE, BOB):
        served, _ = await asked(workers(scene, *SKEWED), 6, caller)
        assert 2 == len(served)
    foreign = [replace(lease, holder=replace(lease.holder, tenant_id=OTHER_TENANT)) for lease in scene.leases.rows.values()]  # type: ignore[type-var]  # each has a holder
    scene.leases.rows.update({lease.id: lease for lease in foreign})
    served, _ = await asked([scene.ports], 3)
    assert 2 == len(served)


@pytest.mark.parametrize(
    ("caps", "expected"),
    [
        ({"most": 6, "in_role": 4}, 6),
        ({"most": 9, "in_role": 4}, 8),
        ({"most": 3, "in_role": 4, "in_all": 5}, 3),
        ({"most": 4, "in_role": 5, "in_all": 2}, 4),
    ],
)
@pytest.mark.parametrize("latency", [0.0, 0.05])
async def test_every_cap_holds_at_once(caps: dict[str, int], expected: int, latency: float) -> None:
    """Two callers, ten asks each: what the narrowest cap allows, exactly."""
    scene = capped(**caps, latency=latency)
    both = workers(scene, *SKEWED)
    results = await asyncio.gather(asked(both, 10), asked(both, 10, BOB))
    assert expected == sum(len(served) for served, _ in results)


@pytest.mark.parametrize("skew", [(0.0, 0.0), SKEWED])
@pytest.mark.parametrize("latency", [0.02, 0.05])
async def test_a_lease_that_its_role_refuses_takes_nobodys_room(skew: tuple[float, float], latency: float) -> None:
    """A role without room refuses a lease that the caller's row lists. Another role's issue gets the place all the same."""
    scene = capped(in_all=1, latency=latency)
    scene.roles.keep(role(name=WEB, max_leases=1))
    await issue(scene.ports, request(BOB), IssueRequest(WEB))
    one, other = workers(scene, *skew)
    for second in (one, other):
        asks = (issue(one, request(), IssueRequest(WEB)), issue(second, request(), IssueRequest(OTHER)))
        refused, served = await asyncio.gather(*asks, return_exceptions=True)
        assert isinstance(refused, TooMany), refused
        assert isinstance(served, Issued), served
        await revoke(scene.ports, request(), served.lease.id)


async def test_a_provisional_lease_is_believed_when_its_role_lists_it() -> None:
    """Then it refuses others at once, while it is still being made."""
    scene = capped(in_all=1, most=5, latency=1.0)
    first = asyncio.create_task(issue(scene.ports, request(), IssueRequest(WEB)))
    await scene.clock.sleep(8.5)
    (made,) = scene.leases.rows.values()
    assert State.PLANNED is made.state
    assert frozenset({made.id}) == scene.caller_records.admitted[CallerKey.of(ALICE)].provisional
    with pytest.raises(TooMany):
        await issue(scene.ports, request(), IssueRequest(OTHER))
    assert State.ACTIVE is (await first).lease.state


async def test_a_provisional_lease_of_a_dead_worker_keeps_others_waiting_for_half_a_minute_at_most() -> None:
    """Then the caller is told to come again; when the sweep has been there, there is room."""
    scene = capped(in_all=1, most=5)
    scene.calls.fail("roles.admit", Died())  # type: ignore[arg-type]  # as good as any failure
    with pytest.raises(Died):
        await issue(scene.ports, request(), IssueRequest(WEB))
    scene.calls.revive()
    with pytest.raises(Interrupted):
        await issue(scene.ports, request(), IssueRequest(OTHER))
    await swept(scene, after=60)
    assert State.ACTIVE is (await issue(scene.ports, request(), IssueRequest(OTHER))).lease.state


async def test_an_ending_lease_takes_no_room() -> None:
    """That Azure takes its time keeps nobody waiting."""
    scene = capped(in_role=1, in_all=1)
    first = await issue(scene.ports, request(), IssueRequest(WEB))
    with pytest.raises(TooMany):
        await issue(scene.ports, request(), IssueRequest(WEB))
    for name in ("authorization.unassign", "directory.delete_application"):
        scene.calls.fail(name, Unavailable(), times=50)
    await swept(scene, after=1000)
    assert State.ENDING is stored(scene, first.lease.id).state
    assert State.ACTIVE is (await issue(scene.ports, request(), IssueRequest(WEB))).lease.state


@pytest.mark.parametrize("caps", [{"in_role": 1}, {"in_all": 1}])
async def test_what_a_revocation_of_the_role_overtakes_takes_no_room(caps: dict[str, int]) -> None:
    """From its answer on, although none of the leases has begun to end; in other roles as well."""
    scene = capped(**caps)
    await issue(scene.ports, request(), IssueRequest(WEB))
    await revoke_role(scene.ports, request(ADMINISTRATOR), WEB)
    asked_for = OTHER if "in_all" in caps else WEB
    assert State.ACTIVE is (await issue(scene.ports, request(), IssueRequest(asked_for))).lease.state
    with pytest.raises(TooMany):
        await issue(scene.ports, request(), IssueRequest(asked_for))


async def test_repeats_take_no_room() -> None:
    """A caller without room still gets an answer to a repeat under its key."""
    scene = capped(in_role=1, in_all=1)
    first = await issue_once(scene.ports, request(), IssueRequest(WEB), "k")
    assert first.lease.id == (await issue_once(scene.ports, request(), IssueRequest(WEB), "k")).lease.id


@pytest.mark.parametrize("after", [False, True])
async def test_a_dead_workers_place_does_not_leak(*, after: bool) -> None:
    """Wherever in its issue it dies, the next one is served once the sweep has been there, and only one."""
    ordinal, over = 0, False
    while not over:
        ordinal += 1
        scene = capped(in_role=1, in_all=1, most=1)
        scene.calls.fail_at(ordinal, Died(), after=after)
        try:
            await issue(scene.ports, request(), IssueRequest(WEB))
            over = True
        except Died:
            pass
        scene.calls.revive()
        for _ in range(4):
            await swept(scene, after=1000)
        served, _ = await asked([scene.ports], 3)
        live = [lease for lease in scene.leases.rows.values() if lease.state.is_live]
        assert (1, 1) == (len(served), len(live)), f"died at call {ordinal}"
    assert ordinal > 12


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("error", [Unreachable(), Unavailable()])
async def test_an_admission_whose_answer_was_lost_is_found_again(*, error: Exception, after: bool) -> None:
    """The row says whether it was made: nobody is admitted twice, nor refused its own place."""
    scene = capped(in_role=1, in_all=1)
    scene.calls.fail("caller_records.admit", error, after=after)  # type: ignore[arg-type]  # both are the broker's own
    assert State.ACTIVE is (await issue(scene.ports, request(), IssueRequest(WEB))).lease.state
    with pytest.raises(TooMany):
        await issue(scene.ports, request(), IssueRequest(WEB))


async def test_a_failed_issue_gives_its_place_back() -> None:
    """At once, as far as it was undone."""
    scene = capped(in_role=1, in_all=1)
    scene.calls.fail("directory.upsert_application", Refused(), times=1)
    with pytest.raises(Refused):
        await issue(scene.ports, request(), IssueRequest(WEB))
    assert State.ACTIVE is (await issue(scene.ports, request(), IssueRequest(WEB))).lease.state


async def test_who_always_comes_second_is_told_to_come_again() -> None:
    """And leaves nothing behind."""
    scene = capped(in_role=5)
    scene.calls.fail("caller_records.admit", LostRace(), times=10_000)
    with pytest.raises(Interrupted):
        await issue(scene.ports, request(), IssueRequest(WEB))
    assert {} == scene.leases.rows


@pytest.mark.parametrize(
    ("caps", "expected"),
    [
        ({}, []),
        ({"in_role": 9}, ["caller_records.admissions", "leases.held_by", "caller_records.admit"]),
        ({"in_all": 9}, ["caller_records.admissions", "generations.all", "leases.held_by", "caller_records.admit"]),
    ],
)
async def test_what_an_admission_costs(caps: dict[str, int], expected: list[str]) -> None:
    """Without a cap on callers nothing. A worker's own asks do not compete."""
    free, scene = capped(), capped(**caps)
    for each in (free, scene):
        await issue(each.ports, request(), IssueRequest(WEB))
    assert expected == [call for call in scene.calls.names() if call not in free.calls.names()]
    scene = capped(in_role=100)
    await asked([scene.ports], 50)
    assert 50 == len(scene.calls.named("caller_records.admit"))


def test_the_row_does_not_grow() -> None:
    """It names those that are being made, and forgets them when they are not."""
    scene = capped(in_all=100)
    for number in range(20):
        scene.run(lambda number=number: issue(scene.ports, request(), IssueRequest((WEB, OTHER)[number % 2])))  # type: ignore[misc]
    assert 1 == len(scene.caller_records.admitted[CallerKey.of(ALICE)].leases)

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.broker.ending.sweep import sweep
from shared.broker.inspect import health, list_leases, may_issue, read_audit, read_lease, role_if_issuable, status
from shared.broker.reconcile.reconcile import reconcile
from shared.broker.revoke import revoke
from shared.core.access.bounds import Bounds
from shared.core.audit import Outcome
from shared.core.caller import Caller
from shared.core.errors import Forbidden, NotFound, Refused, Unreachable
from shared.core.lease import State
from shared.core.names import LeaseId, RoleName
from shared.core.ports.audit import AuditQuery
from shared.core.ports.leases import LeaseQuery
from tests.broker.scenes import issued, stored, swept
from tests.fakes.clock import START
from tests.fakes.world import ADMINISTRATOR, ALICE, BOB, WATCHER, WEB, World, request, role, world


@pytest.fixture
async def scene() -> World:
    """Two leases of Alice's and one of Bob's."""
    made = world(role(ttl=60))
    for caller in (ALICE, BOB, ALICE):
        await issued(made, request(caller))
    return made


@pytest.mark.parametrize(("caller", "count"), [(ALICE, 2), (BOB, 1), (WATCHER, 3), (ADMINISTRATOR, 3)])
async def test_a_caller_lists_its_own_leases_and_an_auditor_all(scene: World, caller: Caller, count: int) -> None:
    """Nobody needs to say so."""
    assert count == len((await list_leases(scene.ports, request(caller), LeaseQuery())).items)


async def test_a_page_of_what_is_ending_is_not_filled_with_what_has_ended(scene: World) -> None:
    """However much of that there is, and however new."""
    *newer, oldest = sorted(scene.leases.rows, key=lambda each: (each.age, each))
    states = dict.fromkeys(newer, State.ENDED) | {oldest: State.ENDING}
    scene.leases.rows = {each.id: replace(each, state=states[each.id]) for each in scene.leases.rows.values()}
    page = await list_leases(scene.ports, request(WATCHER), LeaseQuery(state=State.ENDING, limit=1))
    assert [oldest] == [each.id for each in page.items]


async def test_asking_for_another_holders_leases_takes_an_auditor(scene: World) -> None:
    """Even when there are none."""
    query = LeaseQuery(holder=BOB.object_id)
    with pytest.raises(Forbidden):
        await list_leases(scene.ports, request(), query)
    assert 1 == len((await list_leases(scene.ports, request(WATCHER), query)).items)


async def test_a_lease_is_read_by_its_holder_and_by_auditors(scene: World) -> None:
    """To others there is none."""
    bobs = next(lease for lease in scene.leases.rows.values() if lease.known_holder.object_id == BOB.object_id)
    found = [await read_lease(scene.ports, request(caller), bobs.id) for caller in (BOB, WATCHER, ADMINISTRATOR)]
    assert [bobs] * 3 == found
    with pytest.raises(NotFound):
        await read_lease(scene.ports, request(), bobs.id)


async def test_status_counts_and_shows_what_is_stuck() -> None:
    """By state, by role, with the last sweep and how long ago it was."""
    scene = world(role(ttl=60), role(name=RoleName("other")))
    await issued(scene, role=RoleName("other"))
    await swept(scene, after=900)
    await issued(scene)
    scene.calls.fail("directory.delete_application", Refused(azure_code="Forbidden"), times=8)
    for _ in range(8):
        await swept(scene, after=1801)
    await reconcile(scene.ports, "r")
    counted_at = scene.clock.now()
    scene.clock.jump(90)
    found = await status(scene.ports, request(WATCHER))
    assert counted_at == found.counted_at
    assert {State.STUCK: 1, State.ENDED: 1} == dict(found.by_state)
    assert {"web": {State.STUCK: 1}, "other": {State.ENDED: 1}} == found.by_role
    assert (90.0, ["azure_refused: Forbidden"]) == (found.sweep_lag, [lease.last_error for lease in found.stuck])


async def test_status_counts_no_lease_but_where_nobody_has(scene: World) -> None:
    """One of many that ask at once counts, and what it has counted is told until somebody counts again."""
    found = await asyncio.gather(*(status(scene.ports, request(WATCHER)) for _ in range(8)))
    await issued(scene)
    scene.clock.jump(60)
    later = await status(scene.ports, request(WATCHER))
    assert [{State.ACTIVE: 3}] * 9 == [dict(each.by_state) for each in (*found, later)]
    assert START == later.counted_at
    assert 1 == scene.calls.names().count("leases.count")


async def test_status_shows_what_is_overdue_as_it_is_now(scene: World) -> None:
    """What the sweep has left for five minutes; not what has ended, or was put off, since."""
    scene.clock.jump(60 + 299)
    scene.calls.fail("leases.get", Unreachable(), times=3)
    await sweep(scene.ports, "s")
    assert () == (await status(scene.ports, request(WATCHER))).overdue
    scene.clock.jump(1)
    scene.calls.fail("leases.get", Unreachable(), times=3)
    await sweep(scene.ports, "s")
    late = {each.id for each in (await status(scene.ports, request(WATCHER))).overdue}
    assert set(scene.leases.rows) == late
    await revoke(scene.ports, request(ADMINISTRATOR), next(iter(late)))
    assert 2 == len((await status(scene.ports, request(WATCHER))).overdue)
    await sweep(scene.ports, "s")
    assert () == (await status(scene.ports, request(WATCHER))).overdue


@pytest.mark.parametrize("sweeps", [0, 1])
async def test_status_looks_for_what_is_overdue_when_no_sweep_comes(scene: World, sweeps: int) -> None:
    """Its note tells nothing of leases that have become overdue since; and there may never have been one."""
    for _ in range(sweeps):
        await sweep(scene.ports, "s")
    scene.clock.jump(60 + 299)
    assert () == (await status(scene.ports, request(WATCHER))).overdue
    scene.clock.jump(15)
    late = (await status(scene.ports, request(WATCHER))).overdue
    assert set(scene.leases.rows) == {each.id for each in late}
    await revoke(scene.ports, request(ADMINISTRATOR), late[0].id)
    assert {each.id for each in late[1:]} == {each.id for each in (await status(scene.ports, request(WATCHER))).overdue}


async def test_status_shows_a_hundred_of_many_that_are_overdue() -> None:
    """However many there are while no sweep comes."""
    made = world(role(ttl=60))
    await issued(made)
    only = stored(made)
    made.leases.rows = {each: replace(only, id=each) for each in (LeaseId(f"web.{number:026d}") for number in range(101))}
    made.clock.jump(3600)
    assert 100 == len((await status(made.ports, request(WATCHER))).overdue)


async def test_status_shows_what_is_to_be_ended_before_what_is_to_be_forgotten() -> None:
    """Where no sweep comes for long, both are due: what has ended was made a week before, and is not overdue."""
    made = world(role(ttl=60))
    await issued(made)
    only = stored(made)
    old = LeaseId(f"web.{0:026d}")
    ended = replace(only, state=State.ENDED, due_at=START)
    made.leases.rows |= {each: replace(ended, id=each) for each in (LeaseId(f"{old[:-3]}{n:03d}") for n in range(150))}
    made.clock.jump(3600)
    assert [only.id] == [each.id for each in (await status(made.ports, request(WATCHER))).overdue]


async def test_status_reads_nothing_that_is_due_while_sweeps_come(scene: World) -> None:
    """It costs the same whatever is due, but for five minutes without a sweep."""
    await sweep(scene.ports, "s")
    scene.clock.jump(299)
    before = scene.calls.names().count("leases.due")
    await status(scene.ports, request(WATCHER))
    assert before == scene.calls.names().count("leases.due")
    scene.clock.jump(1)
    for seconds, looks in [(0, 1), (14, 1), (1, 2)]:
        scene.clock.jump(seconds)
        await status(scene.ports, request(WATCHER))
        assert before + looks == scene.calls.names().count("leases.due")


async def test_a_lease_is_overdue_from_the_fifth_minute_on() -> None:
    """To the second; and one more than a hundred is not told."""
    made = world(role(ttl=60))
    await issued(made)
    (only,) = made.leases.rows.values()
    ids = [LeaseId(f"web.{number:026d}") for number in range(101)]
    made.leases.rows = {each: replace(only, id=each) for each in ids}
    made.clock.jump(359)
    await made.run_history.swept(made.clock.now(), {}, ids[:3])
    assert () == (await status(made.ports, request(WATCHER))).overdue
    made.clock.jump(1)
    assert ids[:3] == [each.id for each in (await status(made.ports, request(WATCHER))).overdue]
    made.calls.fail("leases.get", Unreachable(), times=101)
    await sweep(made.ports, "s")
    assert 100 == len((await made.run_history.noted()).overdue)


async def test_a_hundred_stuck_leases_are_told() -> None:
    """The others are counted."""
    made = world(role())
    await issued(made)
    (only,) = made.leases.rows.values()
    ids = [LeaseId(f"web.{number:026d}") for number in range(101)]
    made.leases.rows = {each: replace(only, id=each, state=State.STUCK) for each in ids}
    found = await status(made.ports, request(WATCHER))
    assert (100, 101) == (len(found.stuck), found.by_state[State.STUCK])


async def test_status_before_the_first_sweep_has_no_lag() -> None:
    """Nothing is made up."""
    scene = world()
    found = await status(scene.ports, request(WATCHER))
    assert (None, None, {}, ()) == (found.last_sweep, found.sweep_lag, found.last_summary, found.stuck)


async def test_an_auditor_reads_the_trail(scene: World) -> None:
    """In order."""
    page = await read_audit(scene.ports, AuditQuery(START, START + timedelta(days=1)))
    assert [ALICE, BOB, ALICE] == [event.caller for event in page.items]


async def test_health_is_whether_storage_answers() -> None:
    """And never an error."""
    scene = world()
    assert await health(scene.ports)
    scene.calls.fail("run_history.reachable", Unreachable())
    assert not await health(scene.ports)


async def test_whoami_tells_of_the_callers_own_roles_alone(scene: World) -> None:
    """An admin's are all."""
    scene.roles.keep(role(name=RoleName("closed"), bounds=Bounds()))
    scene.roles.keep(role(name=RoleName("readers"), bounds=Bounds(app_roles=frozenset({"Reader"}))))
    assert [WEB] == [each.name for each in (await may_issue(scene.ports, request())).roles]
    assert ["closed", "readers", "web"] == [each.name for each in (await may_issue(scene.ports, request(ADMINISTRATOR))).roles]
    assert 3 == len(scene.leases.rows)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("closed", "not matched: no_bounds"),
        ("readers", "not matched: bound_app_roles; inline: bound_app_roles wants Reader, has none"),
        ("nope", "no such role; no policy gives issue on roles/nope/leases"),
    ],
)
async def test_why_a_caller_may_not_issue_is_for_the_audit_trail(scene: World, name: str, reason: str) -> None:
    """The kinds of constraint that failed, or that there is nothing."""
    scene.roles.keep(role(name=RoleName("closed"), bounds=Bounds()))
    scene.roles.keep(role(name=RoleName("readers"), bounds=Bounds(app_roles=frozenset({"Reader"}))))
    assert None is await role_if_issuable(scene.ports, request(), RoleName(name))
    event = scene.audit.events[-1]
    result = (event.operation, event.outcome, event.code, event.role, event.reason, event.caller)
    assert ("whoami", Outcome.REFUSED, "forbidden", name, reason, ALICE) == result


async def test_a_role_that_one_may_issue_from_leaves_no_event(scene: World) -> None:
    """The trail is of denials and of changes."""
    before = len(scene.audit.events)
    found = await role_if_issuable(scene.ports, request(), WEB)
    assert (WEB, before) == (found.name if found else None, len(scene.audit.events))


async def test_status_tells_what_to_mend_in_the_settings() -> None:
    """As they were read."""
    made = world(role())
    made.ports = replace(made.ports, warnings=("mend this",))
    assert ("mend this",) == (await status(made.ports, request(ADMINISTRATOR))).warnings


async def test_a_bug_is_no_sign_of_bad_health() -> None:
    """Only storage that does not answer is."""
    scene = world()
    scene.calls.fail_at(1, RuntimeError("a bug"), after=False)
    with pytest.raises(RuntimeError):
        await health(scene.ports)

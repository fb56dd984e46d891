"""An ask that does not wait: what becomes of the lease until it can be collected."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from shared.broker.configure.roles import delete_role
from shared.broker.issue.preparations import UNFINISHED, Accepted, Preference
from shared.broker.revoke import revoke, revoke_role
from shared.core.errors import Forbidden, Refused, Throttled, TooMany, Unavailable, Unreachable, Upstream
from shared.core.lease import Cause, State
from shared.core.names import LeaseId
from shared.core.preparing import TooManyPreparations
from shared.core.role import Target
from tests.broker.preparing import asked, collected, handed_out, prepared, taken, unproven
from tests.broker.scenes import AZURE, issued, stored, swept
from tests.fakes.world import ADMINISTRATOR, BOB, WEB, World, principal_target, request, role, world
from tests.support.every_kind import TOKENS, kinds_for, name_of, works
from tests.support.operations import OTHER_TARGET, TARGETS
from tests.support.pools import fill_up, pooled_target

EACH_KIND = pytest.mark.parametrize("target", [pytest.param(target, id=kind) for kind, target in TARGETS.items()])
PROVEN = principal_target(1, 0, ready="token")


async def test_an_ask_that_does_not_wait_calls_nothing_of_azure() -> None:
    """It stores the lease, sends its message and leaves an event. Nothing of it is made."""
    scene = world(role())
    found = await asked(scene, reason="nightly")
    assert isinstance(found, Accepted)
    lease = stored(scene)
    assert (State.PLANNED, True, 15) == (lease.state, lease.is_queued, found.after)
    assert [lease.id] == scene.preparations.leases()
    assert scene.preparations.lives == [timedelta(seconds=900)]
    assert not {call.service for call in scene.calls.made} & AZURE
    (event,) = scene.audit.events
    assert ("prepare", lease.id, "nightly") == (event.operation, event.lease, event.reason)
    assert lease.prepare_by == lease.planned_at + timedelta(seconds=900)


@EACH_KIND
async def test_the_worker_that_takes_the_message_makes_all_but_the_credential(target: Target) -> None:
    """Then the lease waits to be collected, for a quarter of an hour."""
    scene = world(role(target), kinds=kinds_for(target))
    await asked(scene)
    scene.clock.jump(10)
    lease = await taken(scene)
    assert lease is not None
    assert (State.PREPARED, scene.clock.now() + timedelta(seconds=900)) == (lease.state, lease.collect_by)
    assert not [call for call in scene.calls.made if call.name.endswith(".add_secret")]
    assert lease.id in {*scene.leased.rows.values()} or not scene.ports.kinds.principals(lease)
    given = await handed_out(scene)
    is_ready = target.ready != "none" or name_of(target) == "token"
    assert (State.ACTIVE, is_ready, True) == (given.lease.state, given.lease.ready, works(scene, given.credential))


async def test_a_message_that_comes_twice_or_late_does_no_harm() -> None:
    """While the lease is made, and when it is prepared, active, ended or gone."""
    scene = world(role(), latency=1.0)
    await asked(scene)
    first, second = await asyncio.gather(taken(scene), taken(scene))
    assert {State.PREPARED, None} == {each and each.state for each in (first, second)}
    assert await taken(scene) is None
    given = await handed_out(scene)
    assert await taken(scene) is None
    assert works(scene, given.credential)
    await revoke(scene.ports, request(), given.lease.id)
    assert await taken(scene) is None
    assert await taken(scene, LeaseId("web.00000000000000000000000001")) is None
    assert 1 == len([call for call in scene.calls.made if call.name == "directory.upsert_application"])


async def test_a_message_that_is_lost_is_sent_again_by_the_sweep() -> None:
    """Not before it should have been taken; and as often as there is time."""
    scene = world(role())
    scene.calls.fail("preparations.send", Unavailable())
    assert isinstance(await asked(scene), Accepted)
    assert [] == scene.preparations.leases()
    await swept(scene, after=59)
    assert [] == scene.preparations.leases()
    await swept(scene, after=1)
    await swept(scene, after=60)
    assert 2 * [stored(scene).id] == scene.preparations.leases()
    await taken(scene)
    assert State.PREPARED is stored(scene).state


async def test_what_no_worker_has_prepared_in_time_is_undone() -> None:
    """And told so for as long as the lease is stored."""
    scene = world(role())
    await asked(scene)
    for _ in range(14):
        await swept(scene, after=60)
    assert State.PLANNED is stored(scene).state
    await swept(scene, after=60)
    lease = stored(scene)
    assert (Cause.UNFINISHED, "not_proven", False) == (lease.cause, lease.failed_with, lease.state.is_open)
    assert await taken(scene) is None
    await swept(scene, after=300)
    assert (State.ENDED, []) == (stored(scene).state, scene.leftovers())


DELAYS = [
    pytest.param(Throttled(status=429), 15, id="429"),
    pytest.param(Throttled(status=429, retry_after=200.0), 200, id="429, a time named"),
    pytest.param(Unavailable(status=503), 15, id="503"),
]


@pytest.mark.parametrize(("failure", "pause"), DELAYS)
async def test_what_azure_delays_is_tried_again_by_another_worker(failure: Upstream, pause: int) -> None:
    """What is made already is found by its name."""
    scene = world(role())
    await asked(scene)
    scene.calls.fail("authorization.assign", failure, times=1000)
    lease = await taken(scene)
    assert lease is not None
    assert (State.PLANNED, True) == (lease.state, lease.is_queued)
    assert scene.clock.now() + timedelta(seconds=pause) == lease.due_at
    scene.calls.heal()
    await swept(scene, after=pause)
    await taken(scene)
    given = await handed_out(scene)
    assert works(scene, given.credential)
    await revoke(scene.ports, request(), given.lease.id)
    await swept(scene, after=300)
    assert [] == scene.leftovers()


async def test_what_azure_refuses_for_good_is_undone_at_once() -> None:
    """The lease says why."""
    scene = world(role())
    await asked(scene)
    scene.calls.fail("authorization.assign", Refused(status=403), times=1000)
    lease = await taken(scene)
    assert lease is not None
    assert (False, "azure_refused", Cause.FAILED) == (lease.state.is_open, lease.failed_with, lease.cause)
    await swept(scene, after=300)
    assert [] == scene.leftovers()


async def _change_the_role(scene: World) -> None:
    scene.roles.keep(role(OTHER_TARGET))


async def _revoke_the_role(scene: World) -> None:
    await revoke_role(scene.ports, request(ADMINISTRATOR), WEB)


async def _revoke(scene: World) -> None:
    await revoke(scene.ports, request(), stored(scene).id)


BETWEEN = [
    pytest.param(_change_the_role, "role_changed", id="role changed"),
    pytest.param(_revoke_the_role, "", id="role revoked"),
    pytest.param(_revoke, "", id="lease revoked"),
]


@pytest.mark.parametrize(("between", "code"), BETWEEN)
async def test_what_comes_between_ask_and_message_is_seen_by_the_worker(between: object, code: str) -> None:
    """Nothing is made then."""
    scene = world(role())
    await asked(scene)
    assert callable(between)
    await between(scene)
    await taken(scene)
    # A worker before this one might have made something.
    for _ in range(2):
        await swept(scene, after=300)
    lease = stored(scene)
    assert (State.ENDED, code) == (lease.state, lease.failed_with)
    assert not [call for call in scene.calls.made if call.name == "directory.upsert_application"]


async def test_a_role_that_is_deleted_takes_its_unfinished_leases_along() -> None:
    """They count as its leases, for a deletion as well."""
    scene = world(role())
    await asked(scene)
    await delete_role(scene.ports, request(ADMINISTRATOR), WEB, revoking=True)
    await taken(scene)
    for _ in range(2):
        await swept(scene, after=300)
    assert (State.ENDED, []) == (stored(scene).state, scene.leftovers())


async def test_a_worker_that_dies_is_followed_by_another() -> None:
    """When the lock is over; a message that the host delivers again is as good as the sweep's."""
    scene = world(role())
    await asked(scene)
    lease = stored(scene)
    now = scene.clock.now()
    await scene.leases.swap(lease.taken_up(now + timedelta(seconds=20), now + timedelta(seconds=210)), former=lease)
    assert await taken(scene) is None
    scene.clock.jump(20)
    again = await taken(scene)
    assert again is not None
    assert State.PREPARED is again.state


async def test_a_caller_has_so_many_unfinished_leases_of_a_role() -> None:
    """Prepared ones count, collected ones do not, another caller's do not. Nothing of the one too many is stored."""
    scene = world(role())
    for _ in range(UNFINISHED):
        await asked(scene)
    await taken(scene, min(scene.leases.rows))
    with pytest.raises(TooManyPreparations):
        await asked(scene)
    assert UNFINISHED == len(scene.leases.rows)
    await asked(scene, by=request(BOB))
    await collected(scene, lease_id=min(scene.leases.rows))
    await asked(scene)


@pytest.mark.parametrize("latency", [0.0, 3.0], ids=["not proven", "not made"])
async def test_an_ask_that_runs_out_of_time_is_counted_as_well(latency: float) -> None:
    """One too many is refused, and what it has made is undone."""
    scene = world(role(PROVEN), latency=latency)
    for _ in range(UNFINISHED):
        await asked(scene)
    with unproven(), pytest.raises(TooManyPreparations):
        await asked(scene, Preference(wait=8))
    assert UNFINISHED == sum(each.state.is_open for each in scene.leases.rows.values())
    assert not [each for each in scene.cloud.applications.values() if each.unique_name]


@pytest.mark.parametrize("size", [0, 1], ids=["new", "claimed"])
async def test_an_ask_whose_lease_may_be_in_the_queue_ends_that_lease(size: int) -> None:
    """The write counts, and its answer is lost. The caller is refused, so that nobody would ever collect it."""
    scene = world(role(pooled_target(size, credential=TOKENS)))
    await fill_up(scene)
    scene.calls.fail("leases.swap", Unreachable(), nth=1 + size, after=True)
    with pytest.raises(Unreachable):
        await asked(scene)
    assert not stored(scene).state.is_open


async def test_an_ask_that_does_not_wait_is_bound_by_caps_and_rights() -> None:
    """As any other."""
    scene = world(role(max_leases=1))
    await asked(scene)
    with pytest.raises(TooMany):
        await asked(scene)
    assert 1 == len(scene.leases.rows)
    with pytest.raises(Forbidden):
        await asked(scene, role="nope")


async def test_what_is_not_proven_in_time_is_removed_and_waits_prepared() -> None:
    """The caller gets the lease without a credential, and no secret is left of it."""
    scene = world(role(PROVEN))
    with unproven():
        found = await asked(scene, Preference(wait=20))
    assert isinstance(found, Accepted)
    lease = stored(scene)
    assert (State.PREPARED, 20, False) == (lease.state, lease.collect_wait, lease.lenient)
    (application,) = [each for each in scene.cloud.applications.values() if each.unique_name]
    assert not application.secrets
    assert "prepare" in {event.operation for event in scene.audit.events}
    given = await handed_out(scene)
    assert (True, True) == (given.lease.ready, works(scene, given.credential))


async def test_a_lenient_caller_gets_what_is_not_proven() -> None:
    """At once, and pending."""
    scene = world(role(PROVEN))
    with unproven():
        found = await asked(scene, Preference(is_lenient=True))
    assert not isinstance(found, Accepted)
    assert (State.ACTIVE, False) == (found.lease.state, found.lease.ready)
    assert not [call for call in scene.calls.made if call.name == "probe.signs_in"]
    with unproven():
        tried = await asked(scene, Preference(wait=5, is_lenient=True))
    assert not isinstance(tried, Accepted)
    assert not tried.lease.ready
    assert [call for call in scene.calls.made if call.name == "probe.signs_in"]


async def test_an_issue_that_runs_out_of_time_is_left_to_the_queue() -> None:
    """While Azure only takes its time. What is made already is found again."""
    scene = world(role(), latency=3.0)
    found = await asked(scene, Preference(wait=8))
    assert isinstance(found, Accepted)
    lease = stored(scene)
    assert (State.PLANNED, True, [lease.id]) == (lease.state, lease.is_queued, scene.preparations.leases())
    await taken(scene)
    given = await handed_out(scene)
    assert works(scene, given.credential)
    (application,) = [each for each in scene.cloud.applications.values() if each.unique_name]
    assert 1 == len(application.secrets)
    await revoke(scene.ports, request(), given.lease.id)
    await swept(scene, after=300)
    assert [] == scene.leftovers()


async def test_a_failure_of_azure_is_told_at_once() -> None:
    """It is no matter of time: nobody waits for an outage to pass."""
    scene = world(role())
    scene.calls.fail("directory.upsert_application", Unavailable(status=503), times=1000)
    with pytest.raises(Unavailable):
        await asked(scene, Preference(wait=8))
    assert [] == scene.preparations.leases()


async def test_the_pace_of_preparations_is_told() -> None:
    """By the worker that has made some."""
    scene = world(role(), latency=0.5)
    await prepared(scene)
    found = await asked(scene)
    assert isinstance(found, Accepted)
    assert 5 <= found.after < 15


async def test_a_plain_issue_makes_no_message_and_no_more_calls() -> None:
    """Whoever waits long enough is served as before."""
    scene, other = world(role()), world(role())
    await issued(scene)
    assert not isinstance(await asked(other, Preference(wait=45)), Accepted)
    assert scene.calls.names() == other.calls.names()
    assert [] == other.preparations.leases()


async def test_a_lease_that_no_worker_has_taken_up_ends_at_once() -> None:
    """There is nothing to look for. A worker that takes its message late finds it ended. Its time has never begun."""
    scene = world(role())
    await asked(scene)
    began = scene.clock.monotonic()
    ended = await revoke(scene.ports, request(), stored(scene).id)
    assert (State.ENDED, Cause.REVOKED, False) == (ended.state, ended.cause, ended.has_begun)
    assert began == scene.clock.monotonic()
    assert not {call.service for call in scene.calls.made} & AZURE
    assert await taken(scene) is None


async def test_a_lease_that_a_worker_has_taken_up_is_looked_for() -> None:
    """Whatever became of the worker."""
    scene = world(role())
    await asked(scene)
    scene.calls.fail("directory.upsert_application", Throttled("slow down", retry_after=200), times=1)
    await taken(scene)
    assert State.PLANNED is stored(scene).state
    ended = await revoke(scene.ports, request(), stored(scene).id)
    assert State.ENDING is ended.state
    assert {call.service for call in scene.calls.made} & AZURE


async def test_a_lease_that_was_active_says_when_for_ever() -> None:
    """One that never was has no time to tell, whatever it was planned for."""
    scene = world(role())
    lease = (await issued(scene)).lease
    assert (await revoke(scene.ports, request(), lease.id)).has_begun
    other = world(role())
    await prepared(other)
    await swept(other, after=900)
    assert (Cause.UNCOLLECTED, False) == (stored(other).cause, stored(other).has_begun)

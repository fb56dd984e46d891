"""Azure does not answer: nobody waits for what is known not to come, and everything goes on as soon as it answers again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.broker.ending.resume import AT_A_GO, Resumption, resume
from shared.broker.ending.sweep import Summary, end_due, sweep, sweep_on_time
from shared.broker.revoke import revoke
from shared.core.errors import IdentityRefused, LostRace, Refused, Throttled, Unavailable, Unreachable, Upstream
from shared.core.lease import State
from shared.core.message import WAITS, Batch
from shared.core.names import LeaseId
from shared.resilience.outages import Outages, Service
from tests.broker.scenes import AZURE, issued, stored, swept
from tests.fakes.calls import MadeCall
from tests.fakes.world import World, request, role, secret_target, world


@pytest.mark.parametrize("service", Service)
async def test_a_revocation_is_answered_at_once_while_a_service_is_known_to_be_down(service: Service) -> None:
    """Not a call is made that would have to be waited for; the sweep ends it."""
    made = world(role())
    await issued(made)
    made.clock.jump(300)
    made.ports.outages.note(service, answered=False)
    before = len(made.calls.made)
    lease = await revoke(made.ports, request(), stored(made).id)
    assert (State.ENDING, "azure_unavailable", 0) == (lease.state, lease.last_error, lease.attempts)
    assert AZURE.isdisjoint(call.service for call in made.calls.made[before:])
    await swept(made, after=60)
    assert (State.ENDED, []) == (stored(made).state, made.leftovers())


async def test_what_asks_another_service_is_ended_all_the_same() -> None:
    """A secret on an existing application has nothing in Resource Manager."""
    made = world(role(secret_target()))
    await issued(made)
    made.clock.jump(300)
    made.ports.outages.note(Service.RESOURCE_MANAGER, answered=False)
    assert State.ENDED is (await revoke(made.ports, request(), stored(made).id)).state


def test_only_the_first_answer_after_an_outage_is_a_recovery() -> None:
    """Each service by itself."""
    result: list[int] = []
    outages = Outages(lambda: result.append(1))
    outages.note(Service.GRAPH, answered=True)
    assert [] == result
    outages.note(Service.GRAPH, answered=False)
    outages.note(Service.RESOURCE_MANAGER, answered=True)
    assert [] == result
    outages.note(Service.GRAPH, answered=True)
    outages.note(Service.GRAPH, answered=True)
    assert [1] == result


async def failed(made: World, error: Upstream, times: int) -> None:
    """So many attempts to end the only lease, each in its time."""
    made.clock.jump(300)
    made.calls.fail("directory.delete_application", error, times=1000)
    for _ in range(times):
        await revoke(made.ports, request(), stored(made).id)
    made.calls.heal()


@pytest.mark.parametrize(("times", "state"), [(3, State.ENDING), (8, State.STUCK)])
@pytest.mark.parametrize("error", [Unavailable(status=503), Unreachable(), IdentityRefused(status=401)])
async def test_what_waits_only_because_of_the_outage_is_taken_up_at_once(error: Upstream, times: int, state: State) -> None:
    """Through the queue, a stuck one as well: minutes or an hour before its next attempt."""
    made = world(role())
    await issued(made)
    await failed(made, error, times)
    assert (state, True) == (stored(made).state, stored(made).due_at > made.clock.now())
    assert 1 == await resume(made.ports)
    (batch,) = made.revocations.messages()
    assert 1 == (await end_due(made.ports, "message", batch)).ended
    assert 0 == await resume(made.ports)


@pytest.mark.parametrize("seconds", [0, 1, 600])
async def test_what_is_due_already_is_taken_up_as_well(seconds: int) -> None:
    """Its pause has run out while nothing answered: no sweep may come for a minute, or at all."""
    made = world(role())
    await issued(made)
    await failed(made, Unreachable(), 1)
    made.clock.jump((stored(made).due_at - made.clock.now()).total_seconds() + seconds)
    swaps = len(made.calls.named("leases.swap"))
    assert 1 == await resume(made.ports)
    assert swaps == len(made.calls.named("leases.swap"))
    (batch,) = made.revocations.messages()
    assert 1 == (await end_due(made.ports, "message", batch)).ended
    assert (State.ENDED, []) == (stored(made).state, made.leftovers())


async def test_what_is_due_and_in_the_queue_is_not_queued_again() -> None:
    """Its message will be taken; once it was taken in vain, the lease waits like any other."""
    made = world(role())
    await issued(made)
    await failed(made, Unreachable(), 1)
    made.clock.jump(60)
    assert (1, 0) == (await resume(made.ports), await resume(made.ports))
    (batch,) = made.revocations.messages()
    made.calls.fail("directory.delete_application", Unreachable(), times=1000)
    await end_due(made.ports, "message", batch)
    made.calls.heal()
    assert 1 == await resume(made.ports)


async def test_a_lease_that_is_not_due_is_queued_again_whatever_waits_there() -> None:
    """Whoever has taken that message may have found the lease not due, and left it."""
    made = world(role())
    await issued(made)
    await failed(made, Unreachable(), 3)
    await made.queued_markers.note(Batch("earlier", (stored(made).id,)), made.clock.now() + WAITS)
    assert 1 == await resume(made.ports)


async def test_a_lease_of_a_worker_that_died_ending_it_is_taken_up() -> None:
    """It is held by nobody once its lock has run out."""
    made = world(role())
    await issued(made)
    await failed(made, Unreachable(), 3)
    only = stored(made)
    made.leases.rows[only.id] = replace(only, ending_held=True, due_at=made.clock.now())
    assert 1 == await resume(made.ports)


async def test_thousands_that_are_due_are_taken_up_once_each() -> None:
    """Each go finds those of the one before still due."""
    made = world(role())
    await issued(made)
    await failed(made, Unreachable(), 1)
    made.clock.jump(60)
    only, count = stored(made), 450
    ids = [LeaseId(f"web.{number:026d}") for number in range(count)]
    made.leases.rows = {each: replace(only, id=each) for each in ids}
    made.calls.fail("queued_markers.note", Unreachable(), times=1000)
    assert count == await resume(made.ports)
    assert sorted(ids) == sorted(each for batch in made.revocations.messages() for each in batch.leases)


@pytest.mark.parametrize("error", [Refused(azure_code="Forbidden"), Throttled(status=429, retry_after=600)])
async def test_what_azure_has_refused_keeps_its_pause(error: Upstream) -> None:
    """It waits for somebody to mend the cause, or for a limit."""
    made = world(role())
    await issued(made)
    await failed(made, error, 3)
    assert 0 == await resume(made.ports)


async def test_what_a_failing_service_has_put_off_is_taken_up_when_it_answers() -> None:
    """503 with ``Retry-After`` is an outage, with a guess at its end; 429 is a limit."""
    made = world(role())
    await issued(made)
    await failed(made, Throttled(status=503, azure_code="ServiceUnavailable", retry_after=600), 1)
    assert ("azure_unavailable: ServiceUnavailable", 0) == (stored(made).last_error, stored(made).attempts)
    assert 1 == await resume(made.ports)


async def test_what_a_worker_is_ending_again_is_left_to_it() -> None:
    """It has failed before, and now somebody holds it."""
    made = world(role())
    await issued(made)
    await failed(made, Unreachable(), 3)
    only = stored(made)
    now = made.clock.now()
    made.leases.rows[only.id] = replace(only, ending_held=True, due_at=now + timedelta(seconds=20))
    assert (0, []) == (await resume(made.ports), made.revocations.messages())


async def test_thousands_are_taken_up_some_at_a_go() -> None:
    """With a pause between, in which the service may show that it stands."""
    made = world(role())
    await issued(made)
    await failed(made, Unreachable(), 3)
    only = stored(made)
    count = 250
    made.leases.rows = {
        lease_id: replace(only, id=lease_id) for lease_id in (LeaseId(f"web.{number:026d}") for number in range(count))
    }
    began = made.clock.monotonic()
    before = len([call for call in made.calls.named("leases.swap") if call.began == began])
    assert count == await resume(made.ports)
    assert 15 == made.clock.monotonic() - began
    assert 200 == len([call for call in made.calls.named("leases.swap") if call.began == began]) - before
    assert count == sum(len(batch.leases) for batch in made.revocations.messages())


async def test_the_first_are_left_to_the_queue_before_the_others_are_looked_at() -> None:
    """Two hundred take their time in storage, and what waits begins at once."""
    made = world(role())
    await issued(made)
    await failed(made, Unreachable(), 3)
    only = stored(made)
    made.leases.rows = {
        lease_id: replace(only, id=lease_id) for lease_id in (LeaseId(f"web.{number:026d}") for number in range(AT_A_GO))
    }
    began = len(made.calls.made)
    await resume(made.ports)
    names = [call.name for call in made.calls.made[began:]]
    assert names.index("revocations.send") < 50
    assert AT_A_GO == sum(len(batch.leases) for batch in made.revocations.messages())


async def test_what_somebody_else_has_moved_meanwhile_is_not_queued() -> None:
    """It is in other hands; where storage does not answer nothing is known, and that is told."""
    made = world(role())
    await issued(made)
    await failed(made, Unreachable(), 3)
    made.calls.fail("leases.swap", LostRace())
    made.calls.fail("leases.swap", Unavailable())
    assert (0, []) == (await resume(made.ports), made.revocations.messages())
    with pytest.raises(Unavailable):
        await resume(made.ports)


async def down(made: World, times: int) -> None:
    """The only lease waits because Graph does not answer, which this worker knows."""
    await issued(made)
    made.clock.jump(300)
    made.calls.fail("directory.delete_application", Unreachable(), times=1000)
    for _ in range(times):
        await revoke(made.ports, request(), stored(made).id)
    made.ports.outages.note(Service.GRAPH, answered=False)


@pytest.mark.parametrize("sweeping", [sweep, sweep_on_time])
@pytest.mark.parametrize("times", [3, 8])
async def test_a_sweep_finds_out_whether_azure_answers_again(times: int, sweeping: Callable[..., Awaitable[Summary]]) -> None:
    """Though nothing is due: else one lease that waits alone would wait for minutes, or an hour, when nobody calls."""
    made = world(role())
    await down(made, times)
    made.calls.heal()
    assert stored(made).due_at > made.clock.now()
    assert 1 == (await sweeping(made.ports, "sweep")).ended
    assert (State.ENDED, []) == (stored(made).state, made.leftovers())


async def test_a_sweep_tries_no_lease_that_waits_for_another_service() -> None:
    """It would tell nothing of the one that is down."""
    made = world(role(secret_target()))
    await issued(made)
    made.clock.jump(300)
    made.calls.fail("applications.remove_secret", Unreachable(), times=1000)
    await revoke(made.ports, request(), stored(made).id)
    made.calls.heal()
    made.ports.outages.note(Service.RESOURCE_MANAGER, answered=False)
    assert Summary() == await sweep(made.ports, "sweep")
    assert State.ENDING is stored(made).state


@pytest.mark.parametrize(("jitter", "place"), [(0.2, 0), (0.6, 1)])
async def test_a_sweep_tries_any_of_those_that_wait(jitter: float, place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that fails for another reason as well must not be tried each time."""
    made = world(role())
    await down(made, 3)
    made.calls.heal()
    only = stored(made)
    ids = [LeaseId(f"web.{number:026d}") for number in (9, 8)]
    made.leases.rows = {each: replace(only, id=each) for each in ids}
    monkeypatch.setattr(made.ids, "jitter", lambda: jitter)
    await sweep(made.ports, "sweep")
    assert [ids[place]] == [each.id for each in made.leases.rows.values() if each.state is State.ENDED]


@pytest.mark.parametrize("times", [3, 8])
async def test_finding_out_in_vain_is_no_failed_attempt(times: int) -> None:
    """However often: the lease is due when it was, and counts as stuck when it has failed in its own time."""
    made = world(role())
    await down(made, times)
    before = stored(made)
    for _ in range(5):
        await sweep(made.ports, "sweep")
    after = stored(made)
    assert (before.state, before.attempts) == (after.state, after.attempts)
    assert 0 <= (after.due_at - max(before.due_at, made.clock.now())).total_seconds() <= 5 * 30


@pytest.mark.parametrize("times", [3, 8])
async def test_a_sweep_finds_out_whether_the_identity_is_accepted_again(times: int) -> None:
    """One lease is tried before its time; in vain that is no failed attempt."""
    made = world(role())
    await issued(made)
    await failed(made, IdentityRefused(status=401), times)
    refused = {"graph": made.clock.now()}
    ports = replace(made.ports, refused=lambda: refused)
    before = stored(made)
    made.calls.fail("directory.delete_application", IdentityRefused(status=401))
    assert 0 == (await sweep(ports, "sweep")).ended
    assert (before.state, before.attempts) == (stored(made).state, stored(made).attempts)
    made.calls.heal()
    assert 1 == (await sweep(ports, "sweep")).ended
    assert (State.ENDED, []) == (stored(made).state, made.leftovers())


async def test_no_sweep_tries_what_the_refused_identity_has_left_once_it_is_accepted() -> None:
    """It has been taken up by then."""
    made = world(role())
    await issued(made)
    await failed(made, IdentityRefused(status=401), 3)
    assert 0 == (await sweep(made.ports, "sweep")).ended


@pytest.mark.parametrize(
    "trouble", [("leases.swap", LostRace()), ("leases.list", Unavailable()), ("leases.get", Unavailable())]
)
async def test_a_sweep_that_cannot_find_out_goes_on(trouble: tuple[str, LostRace | Unavailable]) -> None:
    """Another worker was faster, or storage does not answer: the next one may."""
    made = world(role())
    await down(made, 3)
    made.calls.fail(*trouble)
    assert Summary() == await sweep(made.ports, "sweep")
    assert State.ENDING is stored(made).state


async def test_no_sweep_tries_what_is_not_due_while_azure_answers() -> None:
    """What waits for another reason, or for a service that is there, keeps its pause."""
    made = world(role())
    await down(made, 3)
    made.ports.outages.note(Service.GRAPH, answered=True)
    made.calls.heal()
    await sweep(made.ports, "sweep")
    assert State.ENDING is stored(made).state


async def test_a_service_that_comes_back_while_a_revocation_is_put_off_is_told_of_again() -> None:
    """Whoever took up what waits did not see this lease yet."""
    made, result, swaps = world(role()), list[int](), 0
    await issued(made)
    made.clock.jump(300)
    outages = made.ports.outages
    outages.recovered = lambda: result.append(swaps)
    outages.note(Service.GRAPH, answered=False)

    def comes_back(call: MadeCall) -> None:
        nonlocal swaps
        swaps += call.name == "leases.swap"
        if swaps == 2:
            outages.note(Service.GRAPH, answered=True)

    made.calls.watch = comes_back
    assert State.ENDING is (await revoke(made.ports, request(), stored(made).id)).state
    assert [2, 2] == result


async def test_what_comes_back_while_others_are_taken_up_is_taken_up_after_them() -> None:
    """One go at a time, and none is forgotten."""
    made = world(role())
    await issued(made)
    await failed(made, Unreachable(), 3)
    made.ports.outages.note(Service.GRAPH, answered=False)
    resumption = Resumption(made.ports)
    resumption()
    resumption()
    await made.clock.sleep(1)
    (batch,) = made.revocations.messages()
    await end_due(made.ports, "message", batch)
    listed = len(made.calls.named("leases.list"))
    resumption()
    await made.clock.sleep(14)
    listed, before = len(made.calls.named("leases.list")), listed
    assert listed > before
    await made.clock.sleep(100)
    assert listed == len(made.calls.named("leases.list"))

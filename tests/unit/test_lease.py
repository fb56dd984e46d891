from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shared.core.lease import ATTEMPTS_UNTIL_STUCK, Cause, Holder, IllegalMove, Lease, State
from shared.core.names import LeaseId
from shared.issuers.service_principal.schema import ServicePrincipalFootprint
from tests.fakes.clock import START
from tests.fakes.world import ALICE, TENANT


def after(seconds: float) -> timedelta:
    """Seconds."""
    return timedelta(seconds=seconds)


PLANNED = Lease(
    id=LeaseId("web.01kjpwd6m0v3rs3dtr98h6bcfn"),
    type="service_principal",
    state=State.PLANNED,
    holder=Holder(ALICE.object_id, TENANT),
    issued_at=START,
    expires_at=START + after(900),
    max_expires_at=START + after(3600),
    ttl=900,
    renewable=True,
    parts=(ServicePrincipalFootprint("leasehold-web"),),
    planned_at=START,
    due_at=START + after(20),
    made_by=START + after(210),
    max_ttl=3600,
)
NOW = START + after(30)
ACTIVE = PLANNED.activated(NOW, ready=True)
ENDING = ACTIVE.ending(Cause.EXPIRED, NOW, NOW + after(20))
STUCK = replace(ENDING, state=State.STUCK, attempts=ATTEMPTS_UNTIL_STUCK)
ENDED = ENDING.ended(NOW, timedelta(days=7))
POOLED = PLANNED.pooled(NOW, NOW + after(7 * 86400), ready=True)
PREPARED = PLANNED.prepared(NOW, NOW + after(900))
BY_STATE = {lease.state: lease for lease in (PLANNED, POOLED, PREPARED, ACTIVE, ENDING, STUCK, ENDED)}

MOVES: dict[str, tuple[Callable[[Lease], Lease], set[State]]] = {
    "activated": (lambda lease: lease.activated(NOW, ready=False), {State.PLANNED, State.PREPARED}),
    "renewed": (lambda lease: lease.renewed(NOW + after(60)), {State.ACTIVE}),
    "reissuing": (lambda lease: lease.rotating(NOW + after(60)), {State.ACTIVE}),
    "reissued": (lambda lease: lease.rotated(lease.footprint, NOW, ready=True, maybe_more_secrets=False), {State.ACTIVE}),
    "let_go": (lambda lease: lease.force_ended(NOW, timedelta(days=7)), {State.ENDING, State.STUCK}),
    "ending": (lambda lease: lease.ending(Cause.REVOKED, NOW, NOW), set(State) - {State.ENDED}),
    "looked_at_again": (lambda lease: lease.looked_at_again(NOW), {State.ENDING, State.STUCK}),
    "proving": (lambda lease: lease.proving(NOW), {State.ACTIVE}),
    "put_off": (lambda lease: lease.postponed(NOW, "x", 0.5, 0.0), {State.ENDING, State.STUCK}),
    "given_up": (lambda lease: lease.stuck_at_once(NOW, "x", 0.5), {State.ENDING, State.STUCK}),
    "failed": (lambda lease: lease.failed(NOW, "x", 0.5), {State.ENDING, State.STUCK}),
    "ended": (lambda lease: lease.ended(NOW, after(1)), {State.ENDING, State.STUCK}),
}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("name", MOVES)
def test_a_move_is_legal_from_its_states_only(name: str, state: State) -> None:
    """Every move from every state."""
    move, legal = MOVES[name]
    if state in legal:
        move(BY_STATE[state])
    else:
        with pytest.raises(IllegalMove):
            move(BY_STATE[state])


def test_only_what_has_ended_is_not_live() -> None:
    """Anything of the others may still exist in Azure."""
    assert [State.ENDED] == [state for state in State if not state.is_live]


def test_time_runs_from_activation() -> None:
    """Not from planning."""
    assert (NOW, NOW + after(900), NOW + after(3600)) == (ACTIVE.issued_at, ACTIVE.expires_at, ACTIVE.max_expires_at)


def test_an_active_lease_is_due_at_its_end() -> None:
    """And what it made was made by its activation."""
    assert (ACTIVE.expires_at, NOW, True) == (ACTIVE.due_at, ACTIVE.made_by, ACTIVE.ready)


def test_a_lease_that_is_not_renewable_ends_for_good_at_its_ttl() -> None:
    """However long its role would allow."""
    fixed = replace(PLANNED, renewable=False).activated(NOW, ready=False)
    assert (fixed.expires_at, NOW + after(900)) == (fixed.max_expires_at, fixed.expires_at)


@given(some.integers(0, 4000), some.integers(-1000, 100_000))
def test_a_renewal_moves_the_end_within_its_bounds(later: int, increment: int) -> None:
    """Never past the maximum, never earlier than it was, and the lease is due at its end."""
    renewed = ACTIVE.renewed(NOW + after(later + increment))
    assert ACTIVE.expires_at <= renewed.expires_at <= ACTIVE.max_expires_at
    assert renewed.expires_at == renewed.due_at


def test_a_renewal_moves_the_end_to_the_instant_asked_for() -> None:
    """Within the bounds it is taken as it is."""
    assert NOW + after(1600) == ACTIVE.renewed(NOW + after(1600)).expires_at


def test_the_first_cause_stays() -> None:
    """An expired lease that is revoked as well has expired."""
    assert Cause.EXPIRED is ENDING.ending(Cause.REVOKED, NOW, NOW).cause


def test_what_is_stuck_stays_stuck_until_it_has_ended() -> None:
    """So that operators see it meanwhile."""
    again = STUCK.ending(Cause.REVOKED, NOW, NOW)
    assert [State.STUCK, State.STUCK, State.ENDED] == [
        again.state,
        again.failed(NOW, "x", 0).state,
        again.ended(NOW, after(1)).state,
    ]


def test_a_planned_lease_taken_from_its_worker_may_still_be_worked_on() -> None:
    """When its worker will have given up stays as it was planned."""
    assert PLANNED.made_by == PLANNED.ending(Cause.REVOKED, NOW, NOW).made_by


def test_a_planned_lease_that_its_own_worker_gives_up_is_made_by_now() -> None:
    """It has stopped."""
    assert NOW == PLANNED.ending(Cause.FAILED, NOW, NOW).made_by


def test_an_active_lease_that_ends_stays_made_when_it_was() -> None:
    """Ending makes nothing."""
    assert ACTIVE.made_by == ACTIVE.ending(Cause.FAILED, NOW + after(60), NOW).made_by


def waits(jitter: float) -> list[float]:
    """Seconds until the next attempt, after each of ten failed ones."""
    lease, found = ENDING, []
    for _ in range(10):
        lease = lease.failed(NOW, "x", jitter)
        found.append((lease.due_at - NOW).total_seconds())
    return found


def test_waits_double_up_to_a_quarter_of_an_hour_then_an_hour() -> None:
    """The eighth failure makes it stuck."""
    assert [15.0, 30.0, 60.0, 120.0, 240.0, 480.0, 900.0, 3600.0, 3600.0, 3600.0] == waits(0.5)


@given(some.floats(0, 1, exclude_max=True))
def test_jitter_keeps_a_wait_within_half_of_it(jitter: float) -> None:
    """From half as long to half as long again."""
    for exact, found in zip(waits(0.5), waits(jitter), strict=True):
        assert 0.5 * exact <= found < 1.5 * exact + 0.001


def test_a_lease_is_stuck_after_eight_failures() -> None:
    """And keeps the last error."""
    lease = ENDING
    states = []
    for count in range(ATTEMPTS_UNTIL_STUCK):
        lease = lease.failed(NOW, f"error {count}", 0.0)
        states.append(lease.state)
    assert [State.ENDING] * 7 + [State.STUCK] == states
    assert (8, "error 7") == (lease.attempts, lease.last_error)


def test_a_lease_that_is_given_up_is_stuck_at_once() -> None:
    """Tried again within the hour or so, and stuck still when that fails."""
    lease = ENDING.stuck_at_once(NOW, "poisoned", 0.5)
    assert (State.STUCK, "poisoned", timedelta(hours=1)) == (lease.state, lease.last_error, lease.due_at - NOW)
    assert State.STUCK is lease.failed(NOW, "x", 0.5).state


def test_the_pause_that_azure_asks_for_is_kept() -> None:
    """A shorter one does not hurry, and it is no failed attempt."""
    postponed = [ENDING.postponed(NOW, "x", 0.0, asked) for asked in (120.0, 1.0, 0.0)]
    assert [120.0, 15.0, 15.0] == [(lease.due_at - NOW).total_seconds() for lease in postponed]
    assert {(0, State.ENDING)} == {(lease.attempts, lease.state) for lease in postponed}


def test_an_ended_lease_is_due_when_its_record_may_go() -> None:
    """After its retention; its last error is of no interest any more."""
    ended = ENDING.failed(NOW, "x", 0.0).ended(NOW, timedelta(days=7))
    assert (NOW + timedelta(days=7), NOW, "") == (ended.due_at, ended.ended_at, ended.last_error)


def test_nobody_is_said_to_hold_a_lease_that_has_ended() -> None:
    """Whoever has ended it is done, be its hold not over."""
    held = ACTIVE.ending(Cause.EXPIRED, NOW, NOW + after(20))
    assert (True, False) == (held.ending_held, held.ended(NOW, timedelta(days=7)).ending_held)


def test_a_lease_that_gets_a_fresh_secret_may_have_several_until_it_is_sure() -> None:
    """And absence is not believed before its worker has given up."""
    begun = ACTIVE.rotating(NOW + after(60))
    assert (True, 1, NOW + after(60)) == (begun.maybe_more_secrets, begun.rotations, begun.made_by)
    done = begun.rotated(ACTIVE.footprint, NOW, ready=False, maybe_more_secrets=False)
    assert (False, None, NOW) == (done.maybe_more_secrets, done.rotating_until, done.made_by)
    assert begun.due_at == ACTIVE.due_at == done.due_at


def test_a_lease_is_handed_out_unless_its_own_worker_says_that_it_failed() -> None:
    """Whoever else ends it cannot know."""
    assert (False, True) == (PLANNED.handed_out, ACTIVE.handed_out)
    assert [True, True, False] == [
        ACTIVE.ending(cause, NOW, NOW).handed_out for cause in (*(Cause.REVOKED, Cause.EXPIRED, Cause.FAILED),)
    ]


def test_a_lease_that_is_let_go_keeps_its_last_error() -> None:
    """It is read by whoever wonders what became of it."""
    gone = replace(STUCK, last_error="azure_scope_locked").force_ended(NOW, timedelta(days=7))
    assert (State.ENDED, "azure_scope_locked", NOW + timedelta(days=7)) == (gone.state, gone.last_error, gone.due_at)


@pytest.mark.parametrize("lease", [PLANNED, ACTIVE], ids=["planned", "active"])
def test_only_an_end_is_put_off(lease: Lease) -> None:
    """Nothing else waits for Azure's leave."""
    with pytest.raises(IllegalMove):
        lease.postponed(NOW, "x", 0.0, 60.0)


def test_a_lease_is_being_ended_while_whoever_ends_it_gives_signs_of_life() -> None:
    """Not before it ends, not after the hold, not when nobody holds it."""
    held = ACTIVE.ending(Cause.EXPIRED, NOW, NOW + after(20))
    assert [True, False] == [held.is_being_ended(NOW + after(seconds)) for seconds in (19, 21)]
    assert replace(held, state=State.STUCK).is_being_ended(NOW)
    later = NOW + after(20)
    done = [
        held.failed(NOW, "x", 0.5),
        held.looked_at_again(later),
        held.postponed(NOW, "x", 0.5, 0),
        held.stuck_at_once(NOW, "x", 0.5),
    ]
    for other in (ACTIVE, replace(held, ending_held=False), *done, ENDED):
        assert not other.is_being_ended(NOW)

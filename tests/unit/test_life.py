"""The table of a lease's life: every cell, in the table, in the moves of ``Lease``, and in docs/life.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from shared.core.footprint import Footprint
from shared.core.lease import ATTEMPTS_UNTIL_STUCK, Cause, Holder, Lease
from shared.core.life import OPEN, STANDING, TABLE, WITH_HOLDER, Due, Event, IllegalMove, State, step, steps_of
from shared.core.names import LeaseId
from shared.issuers.service_principal.schema import ServicePrincipalFootprint
from tests.fakes.clock import START
from tests.fakes.world import ALICE, TENANT

PAGE = Path(__file__).parents[2] / "docs" / "life.md"
NOW, SOON, LATER = (START + timedelta(seconds=seconds) for seconds in (30, 50, 900))
RETENTION = timedelta(days=7)
HOLDER = Holder(ALICE.object_id, TENANT)
FOOTPRINT: Footprint = ServicePrincipalFootprint("leasehold-web")
PLANNED = Lease(
    id=LeaseId("web.01kjpwd6m0v3rs3dtr98h6bcfn"),
    type="service_principal",
    state=State.PLANNED,
    holder=HOLDER,
    issued_at=START,
    expires_at=START + timedelta(seconds=900),
    max_expires_at=START + timedelta(seconds=3600),
    ttl=900,
    renewable=True,
    parts=(FOOTPRINT,),
    planned_at=START,
    due_at=START + timedelta(seconds=20),
    made_by=START + timedelta(seconds=210),
    max_ttl=3600,
)
ENDING = PLANNED.ending(Cause.REVOKED, NOW, SOON)
STUCK = replace(ENDING, state=State.STUCK, attempts=ATTEMPTS_UNTIL_STUCK)
IN_STATE: Mapping[State, Lease] = {
    State.PLANNED: PLANNED,
    State.POOLED: replace(PLANNED, state=State.POOLED, holder=None),
    State.PREPARED: replace(PLANNED, state=State.PREPARED),
    State.ACTIVE: replace(PLANNED, state=State.ACTIVE),
    State.ENDING: ENDING,
    State.STUCK: STUCK,
    State.ENDED: replace(ENDING, state=State.ENDED),
}
MOVES: Mapping[Event, Callable[[Lease], Lease]] = {
    Event.LOCK: lambda it: it.locked_until(SOON),
    Event.QUEUE: lambda it: it.queued(LATER),
    Event.TAKE_UP: lambda it: it.taken_up(SOON, LATER),
    Event.POOL: lambda it: it.pooled(NOW, LATER, ready=False),
    Event.CLAIM: lambda it: it.claimed("0" * 26, replace(PLANNED, due_at=SOON)),
    Event.GIVE_BACK: lambda it: it.given_back(replace(PLANNED, state=State.POOLED, holder=None, due_at=LATER)),
    Event.PREPARE: lambda it: it.prepared(NOW, LATER),
    Event.COLLECT: lambda it: it.collecting(LATER),
    Event.ACTIVATE: lambda it: it.activated(NOW, ready=False),
    Event.RENEW: lambda it: it.renewed(LATER + timedelta(seconds=60)),
    Event.TELL: lambda it: it.end_told(),
    Event.FALL_BEHIND: lambda it: it.behind("x", SOON),
    Event.KEEP_UP: lambda it: it.kept_up(),
    Event.SEEK: lambda it: it.seeking_successor(SOON),
    Event.SUCCEED: lambda it: it.succeeded(),
    Event.ROTATE: lambda it: it.rotating(SOON),
    Event.PROVE: lambda it: it.proving(SOON),
    Event.END_ROTATION: lambda it: it.rotated(FOOTPRINT, NOW, ready=False, maybe_more_secrets=False),
    Event.GIVE_UP_ROTATION: lambda it: it.rotation_given_up(),
    Event.END: lambda it: it.ending(Cause.REVOKED, NOW, SOON),
    Event.LOOK_AGAIN: lambda it: it.looked_at_again(LATER),
    Event.POSTPONE: lambda it: it.postponed(NOW, "x", 0.0, 60.0),
    Event.FAIL: lambda it: it.failed(NOW, "x", 0.5),
    Event.GET_STUCK: lambda it: it.stuck_at_once(NOW, "x", 0.5),
    Event.FINISH: lambda it: it.ended(NOW, RETENTION),
    Event.FORCE_END: lambda it: it.force_ended(NOW, RETENTION),
}
"""The move of ``Lease`` that each event is."""
ALSO: Mapping[State, set[Event]] = {State.STUCK: {Event.FAIL}}
"""Events whose move does something else there: a failure of what is stuck leaves it stuck (``GET_STUCK``)."""


def due_next(due: Due, before: Lease, after: Lease) -> set[datetime]:
    """When a lease may be due after an event that is due so, by the instants of ``MOVES``."""
    return {
        Due.LOCK: {SOON},
        Due.MESSAGE: {LATER},
        Due.MAX_AGE: {LATER},
        Due.COLLECT_BY: {LATER},
        Due.COLLECTED: {max(before.due_at, LATER)},
        Due.UNDOING: {SOON},
        Due.EXPIRY: {after.expires_at},
        Due.SUCCESSOR: {SOON},
        Due.UPKEEP: {SOON},
        Due.ATTEMPT: {LATER, *(NOW + timedelta(seconds=wait) for wait in (60, 15, 3600))},
        Due.RETENTION: {NOW + RETENTION},
        Due.AS_BEFORE: {before.due_at},
    }[due]


@pytest.mark.parametrize("event", Event)
@pytest.mark.parametrize("state", State)
def test_every_cell_is_what_the_move_does_or_is_refused(state: State, event: Event) -> None:
    """The move gives the state of the table, due when the table says; an impossible one names the state and the event."""
    lease = IN_STATE[state]
    if (state, event) in TABLE:
        wanted, moved = TABLE[state, event], MOVES[event](lease)
        assert wanted == step(state, event)
        assert wanted.state is moved.state
        assert moved.due_at in due_next(wanted.due, lease, moved)
        return
    with pytest.raises(IllegalMove) as refused:
        step(state, event, lease.id)
    assert (state, event, f"{event}: impossible for a lease that is {state} ({lease.id})") == (
        refused.value.state,
        refused.value.event,
        str(refused.value),
    )
    if event not in ALSO.get(state, set()):
        with pytest.raises(IllegalMove, match=f"lease that is {state}"):
            MOVES[event](lease)


def test_every_event_is_a_move_of_a_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """None stands in the table alone, and no move asks for another event than its own, but for a failure too many."""
    asked = list[Event]()

    def noting(state: State, event: Event, name: str = "") -> object:
        asked.append(event)
        return step(state, event, name)

    monkeypatch.setattr("shared.core.lease.step", noting)
    for event, move in MOVES.items():
        before, _ = next(steps_of(event))
        move(IN_STATE[before])
        assert [event] == asked
        asked.clear()
    assert {*Event} == {*MOVES} == {event for _, event in TABLE}


def test_each_state_is_reached_and_left() -> None:
    """But for the first, which a lease is opened in, and the last."""
    others = {(before, after.state) for (before, _), after in TABLE.items() if before is not after.state}
    assert {*State} - {State.PLANNED} <= {after for _, after in others}
    assert {*State} - {State.ENDED} == {before for before, _ in others}


def test_whatever_is_open_can_be_ended_and_what_has_ended_stays_so() -> None:
    """Nothing leads back from an end."""
    over = {*State} - {*OPEN}
    assert {*State} - {State.ENDED} == {state for state, _ in steps_of(Event.END)}
    assert all(after.state in over for (before, _), after in TABLE.items() if before in over)
    assert not [cell for cell in TABLE if cell[0] is State.ENDED]


def test_states_are_what_their_groups_say() -> None:
    """What is pooled is open, and nobody's; what stands has a holder or is pooled."""
    assert [State.ENDED] == [state for state in State if not state.is_live]
    assert {*OPEN} == {state for state in State if state.is_open}
    assert {State.POOLED, State.ENDED} == {state for state in State if not state.is_somebodys}
    assert {*STANDING} == {*WITH_HOLDER, State.POOLED}


def table() -> str:
    """The table as docs/life.md shows it. An empty cell is impossible."""
    rows = [["event", *(f"`{state}`" for state in State), "due next"]]
    rows.append(["---"] * len(rows[0]))
    for event in Event:
        cells = [TABLE.get((state, event)) for state in State]
        due = next(each.due for each in cells if each)
        assert {due} == {each.due for each in cells if each}, f"{event}: the page has one column for what is due"
        rows.append([event, *(each.state if each else "" for each in cells), due])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def test_the_page_shows_the_table() -> None:
    """Row for row. Where this fails, the page takes the rows of the message."""
    shown = PAGE.read_text(encoding="utf-8")
    assert table() in shown, f"docs/life.md does not show:\n{table()}"

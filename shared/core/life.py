"""The life of a lease as one table: which event may happen in which state, which state follows, and what is due next.

``shared.core.lease`` has a method for each event, and asks this table. docs/life.md shows the table. This module only says what
is possible; it changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where a lease is in its life."""

    PLANNED = "planned"
    """A worker makes the lease, or the lease waits for one."""
    POOLED = "pooled"
    """Everything but the credential is made. The lease has no holder: it waits in a pool until a caller claims it."""
    PREPARED = "prepared"
    """Everything but the credential is made. The holder has not collected the lease yet."""
    ACTIVE = "active"
    ENDING = "ending"
    STUCK = "stuck"
    ENDED = "ended"

    @property
    def is_live(self) -> bool:
        """Whether anything of the lease may still exist in Azure."""
        return self is not State.ENDED

    @property
    def is_open(self) -> bool:
        """Whether nobody has begun to end the lease."""
        return self in OPEN

    @property
    def is_somebodys(self) -> bool:
        """Whether callers count the lease as live: in their listings, and against a role's ``max_leases``."""
        return self.is_live and self is not State.POOLED


OPEN = (State.PLANNED, State.POOLED, State.PREPARED, State.ACTIVE)
"""The states before anybody has begun to end a lease. Revoking a role ends the leases in all of them."""
BEFORE_ACTIVE = frozenset(OPEN) - {State.ACTIVE}
"""The states before the credential is handed out. The lease's time has not begun."""
STANDING = (State.POOLED, State.PREPARED, State.ACTIVE)
"""The states in which the lease's objects must exist in Azure. If they are gone, somebody else has deleted them."""
WITH_HOLDER = (State.PREPARED, State.ACTIVE)
"""The states in which a lease always has a holder. In PLANNED and after the end it may have one."""


class Cause(StrEnum):
    """Why a lease ends."""

    EXPIRED = "expired"
    REVOKED = "revoked"
    UNFINISHED = "unfinished"
    """The worker that was issuing the lease died."""
    FAILED = "failed"
    """The issue failed."""
    VANISHED = "vanished"
    """Somebody else deleted what was made for the lease."""
    UNCOLLECTED = "uncollected"
    """The lease was prepared, and its holder did not collect it in time."""
    DRAINED = "drained"
    """The lease was pooled. Nobody claimed it in time, or its pool does not need it any more."""
    TAMPERED = "tampered"
    """The lease was pooled. Somebody else has changed what was made for it."""
    SUBJECT_GONE = "subject_gone"
    """An event rule has ended the lease: the resource in Azure is gone for which it was issued, or whose identity held it."""
    SUBJECT_REPLACED = "subject_replaced"
    """The same, and the resource is there: it has another identity than the lease's holder."""

    @property
    def in_general(self) -> Cause:
        """The cause by which a version knows it that has no event rules."""
        return Cause.REVOKED if self in _OF_EVENTS else self


_OF_EVENTS = frozenset({Cause.SUBJECT_GONE, Cause.SUBJECT_REPLACED})


class Event(StrEnum):
    """What can happen to a lease. The values are the words of an error."""

    LOCK = "lock"
    """The worker that has the lease lock extends it."""
    QUEUE = "queue"
    """A message was sent, and the lease waits for the worker that receives it."""
    TAKE_UP = "take up"
    """A worker has received the message, and makes the lease."""
    POOL = "pool"
    CLAIM = "claim"
    GIVE_BACK = "give back"
    """Whoever has claimed the lease is refused, and nothing was made for the claim."""
    PREPARE = "prepare"
    COLLECT = "collect"
    """A worker makes the credential of a prepared lease while its holder waits."""
    ACTIVATE = "activate"
    RENEW = "renew"
    TELL = "tell"
    """An event has told that the lease's end is near."""
    FALL_BEHIND = "fall behind"
    """The vault of a delivered lease was not told of the lease's end. A sweep tells it."""
    KEEP_UP = "keep up"
    """The vault was told."""
    SEEK = "seek a successor"
    """The last third of the lease's time has begun: a worker is asked to issue its successor."""
    SUCCEED = "succeed"
    """The lease has a successor, or is to have none."""
    ROTATE = "rotate"
    PROVE = "prove"
    """A worker tries out a fresh credential, while the former one still works."""
    END_ROTATION = "end rotation"
    GIVE_UP_ROTATION = "give up rotation"
    END = "end"
    """The worker that says so undoes the lease, or leaves it to the sweep at once."""
    LOOK_AGAIN = "look again"
    POSTPONE = "postpone"
    FAIL = "fail"
    GET_STUCK = "get stuck"
    FINISH = "finish"
    FORCE_END = "force end"


class Due(StrEnum):
    """What ``due_at`` of the lease is set to: the instant at which the sweep looks at the lease next."""

    LOCK = "the end of the lease lock"
    MESSAGE = "the end of its message's life"
    MAX_AGE = "its max age"
    COLLECT_BY = "the instant by which it must be collected"
    COLLECTED = "the instant by which it must be collected, or the one by which the worker has given up, if that is later"
    EXPIRY = "its end, or before that what an event tells, or its successor"
    SUCCESSOR = "the next try to issue its successor, or what is due before"
    UPKEEP = "the next try to tell its vault, or what is due before"
    UNDOING = "the end of the lease lock, or now if no worker takes the lease"
    ATTEMPT = "the next attempt"
    RETENTION = "the end of the retention"
    AS_BEFORE = "what was due before"


@dataclass(frozen=True, slots=True)
class Step:
    """The result of an event: the state that follows, and what is due next."""

    state: State
    due: Due


class IllegalMove(Exception):
    """The event cannot happen in that state. Callers check the state first, so this error is a defect of the broker."""

    def __init__(self, state: State, event: Event, name: str = "") -> None:
        super().__init__(f"{event}: impossible for a lease that is {state}{f' ({name})' if name else ''}")
        self.state = state
        self.event = event


def _staying(*states: State) -> Mapping[State, State]:
    return {state: state for state in states}


_TO_ENDING = dict.fromkeys((*OPEN, State.ENDING), State.ENDING)
_ENDING = _staying(State.ENDING, State.STUCK)
_TO_ENDED = dict.fromkeys(_ENDING, State.ENDED)
_EVENTS: Mapping[Event, tuple[Due, Mapping[State, State]]] = {
    Event.LOCK: (Due.LOCK, _staying(State.PLANNED, State.ENDING, State.STUCK)),
    Event.QUEUE: (Due.MESSAGE, _staying(State.PLANNED)),
    Event.TAKE_UP: (Due.LOCK, _staying(State.PLANNED)),
    Event.POOL: (Due.MAX_AGE, {State.PLANNED: State.POOLED}),
    Event.CLAIM: (Due.LOCK, {State.POOLED: State.PLANNED}),
    Event.GIVE_BACK: (Due.MAX_AGE, {State.PLANNED: State.POOLED}),
    Event.PREPARE: (Due.COLLECT_BY, {State.PLANNED: State.PREPARED}),
    Event.COLLECT: (Due.COLLECTED, _staying(State.PREPARED)),
    Event.ACTIVATE: (Due.EXPIRY, dict.fromkeys((State.PLANNED, State.PREPARED), State.ACTIVE)),
    Event.RENEW: (Due.EXPIRY, _staying(State.ACTIVE)),
    Event.TELL: (Due.EXPIRY, _staying(State.ACTIVE)),
    Event.FALL_BEHIND: (Due.UPKEEP, _staying(State.ACTIVE)),
    Event.KEEP_UP: (Due.EXPIRY, _staying(State.ACTIVE)),
    Event.SEEK: (Due.SUCCESSOR, _staying(State.ACTIVE)),
    Event.SUCCEED: (Due.EXPIRY, _staying(State.ACTIVE)),
    Event.ROTATE: (Due.AS_BEFORE, _staying(State.ACTIVE)),
    Event.PROVE: (Due.AS_BEFORE, _staying(State.ACTIVE)),
    Event.END_ROTATION: (Due.AS_BEFORE, _staying(State.ACTIVE)),
    Event.GIVE_UP_ROTATION: (Due.AS_BEFORE, _staying(State.PREPARED, State.ACTIVE)),
    Event.END: (Due.UNDOING, {**_TO_ENDING, State.STUCK: State.STUCK}),
    Event.LOOK_AGAIN: (Due.ATTEMPT, _ENDING),
    Event.POSTPONE: (Due.ATTEMPT, _ENDING),
    Event.FAIL: (Due.ATTEMPT, _staying(State.ENDING)),
    Event.GET_STUCK: (Due.ATTEMPT, dict.fromkeys(_ENDING, State.STUCK)),
    Event.FINISH: (Due.RETENTION, _TO_ENDED),
    Event.FORCE_END: (Due.RETENTION, _TO_ENDED),
}
TABLE: Mapping[tuple[State, Event], Step] = {
    (before, event): Step(after, due) for event, (due, states) in _EVENTS.items() for before, after in states.items()
}
"""Every step that is possible. A pair of state and event that is missing is impossible."""


def step(state: State, event: Event, name: str = "") -> Step:
    """Returns what follows the event in that state. If that is impossible, raises ``IllegalMove`` with ``name`` in its text."""
    found = TABLE.get((state, event))
    if found is None:
        raise IllegalMove(state, event, name)
    return found


def steps_of(event: Event) -> Iterator[tuple[State, Step]]:
    """Yields each state in which the event can happen, with what follows, in the order of ``State``."""
    return ((state, TABLE[state, event]) for state in State if (state, event) in TABLE)

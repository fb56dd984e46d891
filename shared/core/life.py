"""The life of a lease as one table: which event may happen in which state, what state follows, and what is due next.

``shared.core.lease`` has a method for each event and asks this table. docs/life.md shows the table. Nothing here does anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where a lease is in its life."""

    PLANNED = "planned"
    """It is being made, or waits for the worker that makes it."""
    POOLED = "pooled"
    """It is made but for the credential, and nobody holds it: it waits in a pool for a caller to claim it."""
    PREPARED = "prepared"
    """It is made but for the credential, and its holder has not collected it yet."""
    ACTIVE = "active"
    ENDING = "ending"
    STUCK = "stuck"
    ENDED = "ended"

    @property
    def is_live(self) -> bool:
        """Whether anything of it may still exist in Azure."""
        return self is not State.ENDED

    @property
    def is_open(self) -> bool:
        """Whether nobody has begun to end it."""
        return self in OPEN

    @property
    def is_somebodys(self) -> bool:
        """Whether it is live for callers: for listings of live leases, and for whoever counts what a role has out."""
        return self.is_live and self is not State.POOLED


OPEN = (State.PLANNED, State.POOLED, State.PREPARED, State.ACTIVE)
"""Before anybody has begun to end a lease. Whatever revokes a role ends all of them."""
STANDING = (State.POOLED, State.PREPARED, State.ACTIVE)
"""What was made for the lease must be there: if it is gone, somebody else has deleted it."""
WITH_HOLDER = (State.PREPARED, State.ACTIVE)
"""In these states a lease has a holder. A pooled one has none, and neither has one that was never claimed."""


class Event(StrEnum):
    """What happens to a lease, in the words that an error says it with."""

    LOCK = "lock"
    """A worker is at work on it, and gives a sign of life."""
    QUEUE = "queue"
    """It waits for a worker that takes its message."""
    TAKE_UP = "take up"
    """A worker has taken its message, and makes it."""
    POOL = "pool"
    CLAIM = "claim"
    PREPARE = "prepare"
    COLLECT = "collect"
    """A worker makes the credential of a prepared lease, whose holder waits."""
    ACTIVATE = "activate"
    RENEW = "renew"
    ROTATE = "rotate"
    PROVE = "prove"
    """A worker tries out a fresh credential beside the former one."""
    END_ROTATION = "end rotation"
    GIVE_UP_ROTATION = "give up rotation"
    END = "end"
    LOOK_AGAIN = "look again"
    POSTPONE = "postpone"
    FAIL = "fail"
    GET_STUCK = "get stuck"
    FINISH = "finish"
    FORCE_END = "force end"


class Due(StrEnum):
    """The instant at which somebody must look at the lease next."""

    LOCK = "the end of the lease lock"
    MESSAGE = "the end of its message's life"
    MAX_AGE = "its max age"
    COLLECT_BY = "the instant by which it must be collected"
    COLLECTED = "the instant by which it must be collected, or the one by which the worker has given up, if that is later"
    EXPIRY = "its end"
    ATTEMPT = "the next attempt"
    RETENTION = "the end of the retention"
    AS_BEFORE = "what was due before"


@dataclass(frozen=True, slots=True)
class Step:
    """What follows an event: the state of the lease, and what is due next."""

    state: State
    due: Due


class IllegalMove(Exception):
    """The event cannot happen to a lease in that state. Callers look at the state first; this is a defect."""

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
    Event.PREPARE: (Due.COLLECT_BY, {State.PLANNED: State.PREPARED}),
    Event.COLLECT: (Due.COLLECTED, _staying(State.PREPARED)),
    Event.ACTIVATE: (Due.EXPIRY, dict.fromkeys((State.PLANNED, State.PREPARED), State.ACTIVE)),
    Event.RENEW: (Due.EXPIRY, _staying(State.ACTIVE)),
    Event.ROTATE: (Due.AS_BEFORE, _staying(State.ACTIVE)),
    Event.PROVE: (Due.AS_BEFORE, _staying(State.ACTIVE)),
    Event.END_ROTATION: (Due.AS_BEFORE, _staying(State.ACTIVE)),
    Event.GIVE_UP_ROTATION: (Due.AS_BEFORE, _staying(State.PREPARED, State.ACTIVE)),
    Event.END: (Due.LOCK, {**_TO_ENDING, State.STUCK: State.STUCK}),
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
"""Every step that there is. A cell that is missing is impossible."""


def step(state: State, event: Event, name: str = "") -> Step:
    """What follows the event in that state. Raises ``IllegalMove``, which says ``name`` as well."""
    found = TABLE.get((state, event))
    if found is None:
        raise IllegalMove(state, event, name)
    return found


def steps_of(event: Event) -> Iterator[tuple[State, Step]]:
    """The states in which the event can happen, and what follows in each, in the order of a life."""
    return ((state, TABLE[state, event]) for state in State if (state, event) in TABLE)

"""The lease: the record of one issued credential, and the moves of its life.

``shared.core.life`` says which move is possible in which state, and what state follows. Each move here asks it, and raises
``IllegalMove`` if the move is impossible.

Every lease has one ``due_at``: the next instant at which somebody must look at it. While a worker works on a lease it *holds*
it: it keeps pushing ``due_at`` a few seconds ahead. A worker that dies stops pushing, and the sweep takes over.

All moves are pure: they return the lease as it should be stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self

from shared.core.footprint import Footprint
from shared.core.forms import LEASE
from shared.core.life import OPEN, WITH_HOLDER, Event, IllegalMove, State, step
from shared.core.names import LeaseId, ObjectId

__all__ = ["ATTEMPTS_UNTIL_STUCK", "FORM", "Cause", "Holder", "IllegalMove", "Lease", "LeaseView", "State"]

FORM = LEASE.written
"""From this form on a lease's index rows lie where this version looks for them."""
ATTEMPTS_UNTIL_STUCK = 8
_FIRST_WAIT = 15.0
_LONGEST_WAIT = 900.0
_STUCK_WAIT = 3600.0


class Cause(StrEnum):
    """Why a lease ends."""

    EXPIRED = "expired"
    REVOKED = "revoked"
    UNFINISHED = "unfinished"
    """The worker that was issuing it died."""
    FAILED = "failed"
    """Issuing it failed."""
    VANISHED = "vanished"
    """Somebody else deleted what was made for it."""
    UNCOLLECTED = "uncollected"
    """It was prepared, and its holder has not collected it in time."""
    DRAINED = "drained"
    """It was pooled, and nobody has claimed it in time, or its pool does not want it any more."""


_ON_ITS_WAY = timedelta(seconds=60)
"""Graph's replicas are seconds behind its writes, not minutes."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Whom the credential was issued to."""

    object_id: ObjectId
    tenant_id: ObjectId
    app_id: ObjectId | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseView:
    """What may be told of a lease. Times are UTC.

    ``issued_at``, ``expires_at`` and ``max_expires_at`` are estimates until it is active, and final from activation.
    """

    id: LeaseId
    type: str
    state: State
    holder: Holder | None
    """``None`` for a lease that is pooled, that is made for a pool, or that ended there."""
    issued_at: datetime
    expires_at: datetime
    max_expires_at: datetime
    ttl: int
    renewable: bool
    ready: bool = False
    """Whether the credential has been seen to work."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    cause: Cause | None = None
    """Why it ends or ended."""
    attempts: int = 0
    """Failed attempts to end it."""
    last_error: str = ""
    generation: int = 0
    """The role's under which it was opened, or claimed from a pool; 0 for rows of before there were any."""
    claim: str = ""
    """The ULID of its claim, if it was claimed from a pool. If it was not, its opening counts as its claim."""

    def __post_init__(self) -> None:
        """Raises ``TypeError`` if it lacks a holder in a state that needs one, or has one that it cannot have."""
        if (self.holder is None) if self.state in WITH_HOLDER else (self.state is State.POOLED and self.holder is not None):
            raise TypeError(f"{self.id} is {self.state} {'without' if self.holder is None else 'with'} a holder")

    @property
    def place(self) -> LeaseId:
        """Where it stands among all leases, by age: its id, or of a lease that was claimed from a pool, its claim."""
        return LeaseId.of(self.id.role, self.claim) if self.claim else self.id

    @property
    def known_holder(self) -> Holder:
        """The holder of a lease that has one. Raises ``TypeError`` if it has none."""
        if self.holder is None:
            raise TypeError(f"{self.id} has no holder")
        return self.holder

    def is_overtaken(self, generation: int) -> bool:
        """Whether its role's generation, as given, has revoked it and nobody is ending it yet."""
        return self.generation < generation and self.state in OPEN

    def under(self, generation: int) -> Self:
        """As it is to be told when its role is of that generation. Not to be stored."""
        return replace(self, state=State.ENDING, cause=Cause.REVOKED) if self.is_overtaken(generation) else self


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease(LeaseView):
    """One lease. ``version`` is the stored row's ETag, empty before it is stored."""

    parts: tuple[Footprint, ...]
    """What must vanish when it ends. The first is its kind's own. Each other part is undone by whoever answers for its type."""
    planned_at: datetime
    due_at: datetime
    made_by: datetime
    """By then everything that it may have made in Azure was made; while it is planned, the instant by which its worker has
    given up, or by which the message that waits for a worker is dropped. Absence is believed some minutes later."""
    max_ttl: int
    reason: str = ""
    """Why the caller wants it, in the caller's words."""
    ended_at: datetime | None = None
    key_digest: str = ""
    """Of the caller's key under which it was issued, if there was one. A key of another digest does not stand for the lease."""
    handed_out: bool = False
    """Whether it was ever active, so that its credential may have reached the caller."""
    ending_held: bool = False
    """Whether, up to ``due_at``, a worker is at work ending it. One that only waits for its next attempt is nobody's."""
    maybe_more_secrets: bool = False
    """Whether there may be other secrets of the lease than the one that its footprint names."""
    rotations: int = 0
    """How often a fresh secret was begun; whose number this is may store its secret."""
    rotating_until: datetime | None = None
    """While a fresh secret is being made: the instant by which its worker has given up."""
    target_digest: str = ""
    """Of what its role granted when it was issued; empty for a lease from before this was kept."""
    undone_by: datetime | None = None
    """By then whatever the attempts to end it have deleted has come to light where it went: in the recycle bin."""
    ready_at: datetime | None = None
    """When its credential, or in a pool what will hold it, was seen to work."""
    undone: frozenset[int] = frozenset()
    """The places of the parts that are undone while others are left. Empty once it has ended."""
    form: int = field(default=FORM, compare=False)
    """Of its rows, as they were read. The next write brings those of an older version into today's."""
    version: str = ""

    @property
    def footprint(self) -> Footprint:
        """Its kind's own part."""
        return self.parts[0]

    @property
    def left(self) -> dict[int, Footprint]:
        """The parts that are not undone yet, by their places."""
        return {place: part for place, part in enumerate(self.parts) if place not in self.undone}

    def locked_until(self, instant: datetime) -> Lease:
        """Held by a worker until then."""
        self._step(Event.LOCK)
        undone_by = instant + _ON_ITS_WAY if self.undone_by is not None else None
        return replace(self, due_at=instant, undone_by=undone_by)

    def knowing(self, footprint: Footprint, place: int = 0) -> Lease:
        """With a footprint that says more, in place of that part."""
        return replace(self, parts=(*self.parts[:place], footprint, *self.parts[place + 1 :]))

    def without(self, places: Iterable[int]) -> Lease:
        """With the parts at these places undone."""
        return replace(self, undone=self.undone.union(places))

    @property
    def is_queued(self) -> bool:
        """Whether it waits for a worker that takes its message. Nobody else looks at it before the message's life is over."""
        return self.state is State.PLANNED and self.due_at == self.made_by

    def queued(self, until: datetime) -> Lease:
        """PLANNED, waiting for a worker that takes its message, whose life ends then. Nobody has a lock on it."""
        self._step(Event.QUEUE)
        return replace(self, due_at=until, made_by=until)

    def taken_up(self, until: datetime, made_by: datetime) -> Lease:
        """PLANNED, made by a worker that has taken its message: held until then. By ``made_by`` the worker has given up."""
        self._step(Event.TAKE_UP)
        return replace(self, due_at=until, made_by=made_by)

    def pooled(self, now: datetime, until: datetime, *, ready: bool) -> Lease:
        """PLANNED -> POOLED: everything is made but the credential. It waits until then for somebody to claim it."""
        after = self._step(Event.POOL)
        ready_at = now if ready else None
        return replace(self, state=after, holder=None, due_at=until, made_by=now, ready_at=ready_at)

    def claimed(
        self, claim: str, holder: Holder, generation: int, *, now: datetime, until: datetime, made_by: datetime
    ) -> Lease:
        """POOLED -> PLANNED: the holder's from now on, under the role's generation as it is now. Held until then.

        ``claim`` is a ULID of now. By ``made_by`` the worker has given up.
        """
        after = self._step(Event.CLAIM)
        claimed = replace(self, state=after, claim=claim, holder=holder, generation=generation)
        return replace(claimed, planned_at=now, due_at=until, made_by=made_by)

    def prepared(self, now: datetime, collect_by: datetime) -> Lease:
        """PLANNED -> PREPARED: everything is made but the credential, for which the holder comes by then."""
        return replace(self, state=self._step(Event.PREPARE), due_at=collect_by, made_by=now)

    def collecting(self, until: datetime) -> Lease:
        """PREPARED, while a worker makes the credential: it has given up by then. Another's may be there from before."""
        after = self._step(Event.COLLECT)
        made_by, due_at = max(self.made_by, until), max(self.due_at, until)
        maybe_more = self.maybe_more_secrets or self.rotations > 0
        begun = replace(self, state=after, maybe_more_secrets=maybe_more, made_by=made_by, due_at=due_at)
        return replace(begun, rotations=self.rotations + 1, rotating_until=until)

    def activated(self, now: datetime, *, ready: bool) -> Lease:
        """PLANNED or PREPARED -> ACTIVE: its time runs from now."""
        after = self._step(Event.ACTIVATE)
        most = now + timedelta(seconds=self.max_ttl if self.renewable else self.ttl)
        expires = min(now + timedelta(seconds=self.ttl), most)
        return replace(
            self,
            state=after,
            issued_at=now,
            expires_at=expires,
            max_expires_at=most,
            due_at=expires,
            made_by=now,
            ready=ready,
            ready_at=now if ready else self.ready_at,
            rotating_until=None,
            handed_out=True,
        )

    def rotating(self, until: datetime) -> Lease:
        """ACTIVE, about to get a fresh secret: from now on there may be several, made by then."""
        self._step(Event.ROTATE)
        made_by = max(self.made_by, until)
        return replace(self, maybe_more_secrets=True, made_by=made_by, rotations=self.rotations + 1, rotating_until=until)

    def proving(self, until: datetime) -> Lease:
        """ACTIVE, while the fresh secret is tried out beside the former one: its worker gives a sign of life by then."""
        self._step(Event.PROVE)
        return replace(self, made_by=max(self.made_by, until), rotating_until=until)

    def rotated(self, footprint: Footprint, made_by: datetime, *, ready: bool, maybe_more_secrets: bool) -> Lease:
        """ACTIVE, with the fresh secret."""
        self._step(Event.END_ROTATION)
        return replace(
            self.knowing(footprint),
            maybe_more_secrets=maybe_more_secrets,
            made_by=made_by,
            ready=ready,
            rotating_until=None,
        )

    def rotation_given_up(self) -> Lease:
        """ACTIVE, or PREPARED, and the attempt is over: what it has left behind is not known."""
        self._step(Event.GIVE_UP_ROTATION)
        return replace(self, rotating_until=None)

    def renewed(self, until: datetime) -> Lease:
        """ACTIVE, with another end: never past ``max_expires_at``, never earlier than before."""
        self._step(Event.RENEW)
        expires = max(self.expires_at, min(until, self.max_expires_at))
        return replace(self, expires_at=expires, due_at=expires)

    def ending(self, cause: Cause, now: datetime, until: datetime) -> Lease:
        """-> ENDING, held until then; the first cause stays, and what is stuck stays stuck until it has ended.

        Only the worker that was issuing it says ``FAILED``: it has stopped. From anybody else's hands it may still be at work.
        """
        state = self._step(Event.END)
        made_by = now if self.state is State.PLANNED and cause is Cause.FAILED else self.made_by
        handed_out = self.handed_out and (cause is not Cause.FAILED or self.rotations > 0)
        ending = replace(self, state=state, cause=self.cause or cause, due_at=until, made_by=made_by, handed_out=handed_out)
        return replace(ending, undone_by=until + _ON_ITS_WAY, ending_held=until > now)

    def is_being_ended(self, now: datetime) -> bool:
        """Whether another worker is at it, which gives signs of life: whoever came in between would tell of the end as well."""
        return self.ending_held and now < self.due_at and self.state in {State.ENDING, State.STUCK}

    def looked_at_again(self, when: datetime) -> Lease:
        """ENDING with nothing found to undo, but too early to believe it."""
        self._step(Event.LOOK_AGAIN)
        return replace(self, due_at=when, undone_by=min(when, self.undone_by or when), ending_held=False)

    def postponed(self, now: datetime, error: str, jitter: float, wait: float) -> Lease:
        """ENDING, when Azure has asked to come back later: in ``wait`` seconds or more. That is no failed attempt."""
        self._step(Event.POSTPONE)
        due_at = now + timedelta(seconds=max(wait, _FIRST_WAIT) + _FIRST_WAIT * jitter)
        return replace(self, last_error=error, due_at=due_at, undone_by=now + _ON_ITS_WAY, ending_held=False)

    def failed(self, now: datetime, error: str, jitter: float) -> Lease:
        """ENDING after a failed attempt: due again later; STUCK when it has failed too often. ``jitter`` is in [0, 1)."""
        attempts = self.attempts + 1
        stuck = self.state is State.STUCK or attempts >= ATTEMPTS_UNTIL_STUCK
        state = self._step(Event.GET_STUCK if stuck else Event.FAIL)
        wait = _STUCK_WAIT if stuck else min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** (attempts - 1))
        wait *= 0.5 + jitter
        due_at = now + timedelta(seconds=wait)
        result = replace(self, state=state, attempts=attempts, last_error=error, due_at=due_at)
        return replace(result, undone_by=now + _ON_ITS_WAY, ending_held=False)

    def stuck_at_once(self, now: datetime, error: str, jitter: float) -> Lease:
        """ENDING -> STUCK at once: tried again slowly. ``jitter`` is in [0, 1)."""
        state = self._step(Event.GET_STUCK)
        attempts = max(self.attempts, ATTEMPTS_UNTIL_STUCK)
        due_at = now + timedelta(seconds=_STUCK_WAIT * (0.5 + jitter))
        return replace(self, state=state, attempts=attempts, last_error=error, due_at=due_at, ending_held=False)

    def ended(self, now: datetime, retention: timedelta) -> Lease:
        """-> ENDED: nothing is left in Azure; due again when the record itself may go."""
        return replace(self._over(Event.FINISH, now, retention), last_error="")

    def force_ended(self, now: datetime, retention: timedelta) -> Lease:
        """-> ENDED, whatever may be left in Azure: the last error stays to be read."""
        return self._over(Event.FORCE_END, now, retention)

    @property
    def on_last_attempt(self) -> bool:
        """Whether it becomes STUCK if the attempt to end it fails that is being made now."""
        return self.state is State.ENDING and self.attempts + 1 >= ATTEMPTS_UNTIL_STUCK

    def _over(self, event: Event, now: datetime, retention: timedelta) -> Lease:
        over = replace(self, state=self._step(event), ended_at=now, due_at=now + retention, ending_held=False)
        return replace(over, undone=frozenset())

    def _step(self, event: Event) -> State:
        """The state that follows. Raises ``IllegalMove``."""
        return step(self.state, event, self.id).state

r"""The lease: the record of one issued credential, its states, and the moves between them.

::

    PLANNED -> ACTIVE -> ENDING -> ENDED -> (pruned)
        \________________/ |  ^
                           v  |
                          STUCK      attempts exhausted; still tried, slowly

Every lease has one ``due_at``: the next instant at which somebody must look at it. While a worker works on a lease it *holds*
it: it keeps pushing ``due_at`` a few seconds ahead. A worker that dies stops pushing, and the sweep takes over.

All moves are pure: they return the lease as it should be stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self

from shared.core.footprint import Footprint
from shared.core.forms import LEASE
from shared.core.names import LeaseId, ObjectId

FORM = LEASE.written
"""Of the rows that are written today."""
ATTEMPTS_UNTIL_STUCK = 8
_FIRST_WAIT = 15.0
_LONGEST_WAIT = 900.0
_STUCK_WAIT = 3600.0


class State(StrEnum):
    """Where a lease is in its life."""

    PLANNED = "planned"
    ACTIVE = "active"
    ENDING = "ending"
    STUCK = "stuck"
    ENDED = "ended"

    @property
    def is_live(self) -> bool:
        """Whether anything of it may still exist in Azure."""
        return self is not State.ENDED


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

    ``issued_at``, ``expires_at`` and ``max_expires_at`` are estimates while it is planned, and final from activation.
    """

    id: LeaseId
    type: str
    state: State
    holder: Holder
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
    """The role's under which it was opened; 0 for rows of before there were any."""

    def is_overtaken(self, generation: int) -> bool:
        """Whether its role's generation, as given, has revoked it and nobody is ending it yet."""
        return self.generation < generation and self.state in {State.PLANNED, State.ACTIVE}

    def under(self, generation: int) -> Self:
        """As it is to be told when its role is of that generation. Not to be stored."""
        return replace(self, state=State.ENDING, cause=Cause.REVOKED) if self.is_overtaken(generation) else self


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease(LeaseView):
    """One lease. ``version`` is the stored row's ETag, empty before it is stored."""

    footprint: Footprint
    planned_at: datetime
    due_at: datetime
    made_by: datetime
    """By then everything that it may have made in Azure was made; while it is planned, the instant by which its worker has
    given up. Absence is believed some minutes later."""
    max_ttl: int
    reason: str = ""
    """Why the caller wants it, in the caller's words."""
    ended_at: datetime | None = None
    key: str = ""
    """The digest of the caller's key under which it was issued, if there was one."""
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
    form: int = field(default=FORM, compare=False)
    """Of its rows, as they were read. The next write brings those of an older version into today's."""
    version: str = ""

    def locked_until(self, instant: datetime) -> Lease:
        """Held by a worker until then."""
        undone_by = instant + _ON_ITS_WAY if self.undone_by is not None else None
        return replace(self, due_at=instant, undone_by=undone_by)

    def knowing(self, footprint: Footprint) -> Lease:
        """With a footprint that says more."""
        return replace(self, footprint=footprint)

    def activated(self, now: datetime, *, ready: bool) -> Lease:
        """PLANNED -> ACTIVE: its time runs from now."""
        self._require(State.PLANNED)
        most = now + timedelta(seconds=self.max_ttl if self.renewable else self.ttl)
        expires = min(now + timedelta(seconds=self.ttl), most)
        return replace(
            self,
            state=State.ACTIVE,
            issued_at=now,
            expires_at=expires,
            max_expires_at=most,
            due_at=expires,
            made_by=now,
            ready=ready,
            handed_out=True,
        )

    def rotating(self, until: datetime) -> Lease:
        """ACTIVE, about to get a fresh secret: from now on there may be several, made by then."""
        self._require(State.ACTIVE)
        made_by = max(self.made_by, until)
        return replace(self, maybe_more_secrets=True, made_by=made_by, rotations=self.rotations + 1, rotating_until=until)

    def proving(self, until: datetime) -> Lease:
        """ACTIVE, while the fresh secret is tried out beside the former one: its worker gives a sign of life by then."""
        self._require(State.ACTIVE)
        return replace(self, made_by=max(self.made_by, until), rotating_until=until)

    def rotated(self, footprint: Footprint, made_by: datetime, *, ready: bool, maybe_more_secrets: bool) -> Lease:
        """ACTIVE, with the fresh secret."""
        self._require(State.ACTIVE)
        return replace(
            self,
            footprint=footprint,
            maybe_more_secrets=maybe_more_secrets,
            made_by=made_by,
            ready=ready,
            rotating_until=None,
        )

    def rotation_given_up(self) -> Lease:
        """ACTIVE, and the attempt is over: what it has left behind is not known."""
        return replace(self, rotating_until=None)

    def renewed(self, until: datetime) -> Lease:
        """ACTIVE, with another end: never past ``max_expires_at``, never earlier than before."""
        self._require(State.ACTIVE)
        expires = max(self.expires_at, min(until, self.max_expires_at))
        return replace(self, expires_at=expires, due_at=expires)

    def ending(self, cause: Cause, now: datetime, until: datetime) -> Lease:
        """-> ENDING, held until then; the first cause stays, and what is stuck stays stuck until it has ended.

        Only the worker that was issuing it says ``FAILED``: it has stopped. From anybody else's hands it may still be at work.
        """
        self._require(State.PLANNED, State.ACTIVE, State.ENDING, State.STUCK)
        state = State.STUCK if self.state is State.STUCK else State.ENDING
        made_by = now if self.state is State.PLANNED and cause is Cause.FAILED else self.made_by
        handed_out = self.handed_out and (cause is not Cause.FAILED or self.rotations > 0)
        ending = replace(self, state=state, cause=self.cause or cause, due_at=until, made_by=made_by, handed_out=handed_out)
        return replace(ending, undone_by=until + _ON_ITS_WAY, ending_held=until > now)

    def is_being_ended(self, now: datetime) -> bool:
        """Whether another worker is at it, which gives signs of life: whoever came in between would tell of the end as well."""
        return self.ending_held and now < self.due_at and self.state in {State.ENDING, State.STUCK}

    def looked_at_again(self, when: datetime) -> Lease:
        """ENDING with nothing found to undo, but too early to believe it."""
        self._require(State.ENDING, State.STUCK)
        return replace(self, due_at=when, undone_by=min(when, self.undone_by or when), ending_held=False)

    def postponed(self, now: datetime, error: str, jitter: float, wait: float) -> Lease:
        """ENDING, when Azure has asked to come back later: in ``wait`` seconds or more. That is no failed attempt."""
        self._require(State.ENDING, State.STUCK)
        due_at = now + timedelta(seconds=max(wait, _FIRST_WAIT) + _FIRST_WAIT * jitter)
        return replace(self, last_error=error, due_at=due_at, undone_by=now + _ON_ITS_WAY, ending_held=False)

    def failed(self, now: datetime, error: str, jitter: float) -> Lease:
        """ENDING after a failed attempt: due again later; STUCK when it has failed too often. ``jitter`` is in [0, 1)."""
        self._require(State.ENDING, State.STUCK)
        attempts = self.attempts + 1
        stuck = attempts >= ATTEMPTS_UNTIL_STUCK
        wait = _STUCK_WAIT if stuck else min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** (attempts - 1))
        wait *= 0.5 + jitter
        state = State.STUCK if stuck else State.ENDING
        due_at = now + timedelta(seconds=wait)
        told = replace(self, state=state, attempts=attempts, last_error=error, due_at=due_at)
        return replace(told, undone_by=now + _ON_ITS_WAY, ending_held=False)

    def stuck_at_once(self, now: datetime, error: str, jitter: float) -> Lease:
        """ENDING -> STUCK at once: tried again slowly. ``jitter`` is in [0, 1)."""
        self._require(State.ENDING, State.STUCK)
        attempts = max(self.attempts, ATTEMPTS_UNTIL_STUCK)
        due_at = now + timedelta(seconds=_STUCK_WAIT * (0.5 + jitter))
        return replace(self, state=State.STUCK, attempts=attempts, last_error=error, due_at=due_at, ending_held=False)

    def ended(self, now: datetime, retention: timedelta) -> Lease:
        """-> ENDED: nothing is left in Azure; due again when the record itself may go."""
        self._require(State.ENDING, State.STUCK)
        return replace(self, state=State.ENDED, ended_at=now, due_at=now + retention, last_error="", ending_held=False)

    def force_ended(self, now: datetime, retention: timedelta) -> Lease:
        """-> ENDED, whatever may be left in Azure: the last error stays to be read."""
        return replace(self.ended(now, retention), last_error=self.last_error)

    @property
    def on_last_attempt(self) -> bool:
        """Whether it becomes STUCK if the attempt to end it fails that is being made now."""
        return self.state is State.ENDING and self.attempts + 1 >= ATTEMPTS_UNTIL_STUCK

    def _require(self, *states: State) -> None:
        if self.state not in states:
            raise IllegalMove(f"{self.id} is {self.state}")


class IllegalMove(Exception):
    """A lease is in no state for this move. Callers look at the state first; this is a defect."""

"""The lease: the record of one issued credential, and a method for each event of its life.

``shared.core.life`` says which event is possible in which state, and which state follows. Each method asks it, and raises
``IllegalMove`` if the event is impossible.

Every lease has one ``due_at``: the next instant at which the sweep looks at it. A worker that works on a lease has the *lease
lock*: it keeps moving ``due_at`` a few seconds ahead. If the worker dies, ``due_at`` passes, and the sweep takes over.

The methods are pure: they return the lease as it should be stored.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.core.footprint import Footprint
from shared.core.lease_record import FORM, LeaseRecord
from shared.core.lease_view import Holder, LeaseView
from shared.core.life import Cause, Event, IllegalMove, State, step
from shared.core.readiness.record import Readiness

__all__ = ["ATTEMPTS_UNTIL_STUCK", "FORM", "NOT_PROVEN", "Cause", "Holder", "IllegalMove", "Lease", "LeaseView", "State"]

ATTEMPTS_UNTIL_STUCK = 8
NOT_PROVEN = "not_proven"
"""Why a lease failed that no worker has prepared, or proven, in time."""
_FIRST_WAIT = 15.0
_LONGEST_WAIT = 900.0
_STUCK_WAIT = 3600.0
_SAID_BY_ITS_WORKER = (Cause.FAILED, Cause.VANISHED)
_ON_ITS_WAY = timedelta(seconds=60)
"""After this time every replica of Graph shows a deletion in the recycle bin: replicas are seconds behind, not minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease(LeaseRecord):
    """One lease, and what may happen to it."""

    def locked_until(self, instant: datetime) -> Lease:
        """PLANNED, ENDING or STUCK, locked by a worker until then."""
        self._step(Event.LOCK)
        undone_by = instant + _ON_ITS_WAY if self.undone_by is not None else None
        return replace(self, due_at=instant, undone_by=undone_by)

    def knowing(self, footprint: Footprint, place: int = 0) -> Lease:
        """Returns the lease with the part at that place replaced by a footprint that says more."""
        return replace(self, parts=(*self.parts[:place], footprint, *self.parts[place + 1 :]))

    def without(self, places: Iterable[int]) -> Lease:
        """Returns the lease with the parts at these places marked as undone."""
        return replace(self, undone=self.undone.union(places))

    @property
    def is_queued(self) -> bool:
        """Whether the lease waits for the worker that receives its message. The sweep looks after the message has expired."""
        return self.state is State.PLANNED and self.due_at == self.made_by

    def queued(self, until: datetime) -> Lease:
        """PLANNED, without a lock. It waits for the worker that receives its message, which expires at ``until``."""
        self._step(Event.QUEUE)
        return replace(self, due_at=until, made_by=until)

    def left_to_queue(self, prepare_by: datetime) -> Lease:
        """PLANNED. A worker that receives its message prepares it by then, and nobody has to wait. ``queued`` comes next."""
        return replace(self, prepare_by=self.prepare_by or prepare_by)

    def made(self, footprint: Footprint) -> Lease:
        """PLANNED, with everything made but the credential, as the footprint says. It is not seen to work yet."""
        return replace(self.knowing(footprint), is_made=True)

    def is_to_prepare(self, now: datetime) -> bool:
        """Whether a worker should still prepare the lease, although no caller waits for it."""
        return self.state is State.PLANNED and self.prepare_by is not None and now < self.prepare_by

    def taken_up(self, until: datetime, made_by: datetime, *, with_credential: bool = False) -> Lease:
        """PLANNED, locked until ``until`` by the worker that received its message. By ``made_by`` that worker has given up.

        ``with_credential``: the worker makes the credential as well. An earlier try may have left another one.
        """
        self._step(Event.TAKE_UP)
        taken = self._with_one_more_try() if with_credential else self
        return replace(taken, due_at=until, made_by=made_by, is_untouched=False)

    @property
    def is_for_pool(self) -> bool:
        """Whether it is made, or stands ready, while nobody holds it."""
        return self.holder is None and self.state in {State.PLANNED, State.POOLED}

    def pooled(self, now: datetime, until: datetime, *, ready: bool, readiness: Readiness | None = None) -> Lease:
        """PLANNED -> POOLED: everything but the credential is made. A caller can claim the lease until ``until``.

        ``ready`` and ``readiness`` as for ``prepared``.
        """
        after = self._step(Event.POOL)
        pooled = replace(self, state=after, holder=None, due_at=until, made_by=now, prepare_by=None)
        unchecked = not ready and readiness is None
        return replace(pooled, ready=ready, unchecked=unchecked, ready_at=now if ready else None, readiness=readiness)

    def claimed(self, claim: str, planned: Lease) -> Lease:
        """POOLED -> PLANNED: it becomes what is ``planned`` for a caller, under its own id, with what was seen of it.

        ``claim`` is a ULID of now. ``planned`` has a footprint that knows what is made already.
        """
        after, own = self._step(Event.CLAIM), self
        return replace(
            planned,
            id=own.id,
            state=after,
            claim=claim,
            ready_at=own.ready_at,
            readiness=own.readiness,
            pool_digest=own.pool_digest,
            form=own.form,
            by_scope=own.by_scope,
            version=own.version,
        )

    def given_back(self, former: Lease) -> Lease:
        """PLANNED -> POOLED: the lease as it was before it was claimed. Nothing was made for the claim."""
        self._step(Event.GIVE_BACK)
        return replace(former, version=self.version, form=self.form, by_scope=self.by_scope)

    def prepared(
        self,
        now: datetime,
        collect_by: datetime,
        *,
        ready: bool = False,
        readiness: Readiness | None = None,
        seen_at: datetime | None = None,
    ) -> Lease:
        """PLANNED -> PREPARED: everything but the credential is made. The holder has to collect it by ``collect_by``.

        ``ready``: what will hold the credential was seen to work, ``readiness`` is what was seen, ``seen_at`` when, if before.
        """
        state, ready_at = self._step(Event.PREPARE), (seen_at or now) if ready else self.ready_at
        return replace(
            self, state=state, due_at=collect_by, made_by=now, ready_at=ready_at, readiness=readiness or self.readiness
        )

    @property
    def collect_by(self) -> datetime | None:
        """By when the lease must be collected; ``None`` if it does not wait for that."""
        return self.due_at if self.state is State.PREPARED else None

    def collecting(self, until: datetime) -> Lease:
        """PREPARED, while a worker makes the credential. It has given up by ``until``. An earlier try may leave a secret."""
        after = self._step(Event.COLLECT)
        made_by, due_at = max(self.made_by, until), max(self.due_at, until)
        return replace(self._with_one_more_try(), state=after, made_by=made_by, due_at=due_at, rotating_until=until)

    def _with_one_more_try(self) -> Lease:
        """Returns the lease, of which one more credential may be made: an earlier try may have left another one."""
        return replace(self, rotations=self.rotations + 1, maybe_more_secrets=self.maybe_more_secrets or self.rotations > 0)

    def activated(
        self,
        now: datetime,
        *,
        ready: bool,
        readiness: Readiness | None = None,
        seen_at: datetime | None = None,
        tokens_until: datetime | None = None,
    ) -> Lease:
        """PLANNED or PREPARED -> ACTIVE: the TTL begins now. ``readiness``: what was seen; ``None`` if nobody has looked.

        ``seen_at``: when, if that was before. ``tokens_until``: the end of the token that is handed out.
        """
        after = self._step(Event.ACTIVATE)
        most = now + self.longest
        expires = min(now + timedelta(seconds=self.ttl), most)
        active = replace(
            self,
            state=after,
            issued_at=now,
            expires_at=expires,
            max_expires_at=most,
            due_at=expires,
            made_by=now,
            ready=ready,
            unchecked=not ready and readiness is None,
            readiness=readiness,
            ready_at=(seen_at or now) if ready else self.ready_at,
            rotating_until=None,
            handed_out=True,
            is_unissued=False,
            tokens_until=_later(self.tokens_until, tokens_until),
        )
        return _to_be_succeeded(active) if self.rotating_rule else active

    def rotating(self, until: datetime) -> Lease:
        """ACTIVE, before a fresh secret is made: from now on there may be several. By ``until`` the worker has given up."""
        self._step(Event.ROTATE)
        made_by = max(self.made_by, until)
        return replace(self, maybe_more_secrets=True, made_by=made_by, rotations=self.rotations + 1, rotating_until=until)

    def proving(self, until: datetime) -> Lease:
        """ACTIVE, while the fresh secret is tried out and the former one works. The living worker moves ``until`` ahead."""
        self._step(Event.PROVE)
        return replace(self, made_by=max(self.made_by, until), rotating_until=until)

    def rotated(
        self,
        footprint: Footprint,
        made_by: datetime,
        *,
        ready: bool,
        maybe_more_secrets: bool,
        now: datetime | None = None,
        readiness: Readiness | None = None,
        tokens_until: datetime | None = None,
    ) -> Lease:
        """ACTIVE, with the fresh secret. ``readiness`` and ``tokens_until`` as for ``activated``.

        ``now`` is when it was seen to work.
        """
        self._step(Event.END_ROTATION)
        return replace(
            self.knowing(footprint),
            maybe_more_secrets=maybe_more_secrets,
            made_by=made_by,
            ready=ready,
            unchecked=not ready and readiness is None,
            readiness=readiness,
            ready_at=now if ready else None,
            rotating_until=None,
            tokens_until=_later(self.tokens_until, tokens_until),
        )

    def rotation_given_up(self) -> Lease:
        """ACTIVE or PREPARED, after a rotation that failed. What it has left behind is not known."""
        self._step(Event.GIVE_UP_ROTATION)
        return replace(self, rotating_until=None)

    def told_to_collect(self, until: datetime) -> Lease:
        """ACTIVE, or what it is. A repeat of its ask was told to collect the lease, and may do so until then."""
        return replace(self, repeat_by=until)

    def renewed(self, until: datetime) -> Lease:
        """ACTIVE, with a later end: at most ``max_expires_at``, and never earlier than before."""
        self._step(Event.RENEW)
        expires = max(self.expires_at, min(until, self.max_expires_at))
        if expires == self.expires_at:
            return self
        renewed = replace(self, expires_at=expires, due_at=expires, tell_at=None)
        return _to_be_succeeded(renewed) if self.successor_at is not None else renewed

    @property
    def is_due_early(self) -> bool:
        """Whether it is active and due before its end: an event tells that its end is near, its vault is told of its end, or
        its successor is issued.
        """
        return self.state is State.ACTIVE and self.due_at < self.expires_at

    def is_to_be_told(self, now: datetime) -> bool:
        """Whether it is due only because an event is to tell that its end is near."""
        return self.lasts(now) and self.tell_at is not None and self.tell_at <= now

    def to_be_told(self, at: datetime) -> Lease:
        """ACTIVE: an event is to tell at that instant that its end is near."""
        return replace(self, tell_at=at, due_at=min(self.due_at, at))

    def end_told(self) -> Lease:
        """ACTIVE, after an event has told that its end is near."""
        self._step(Event.TELL)
        return _due_as_it_stands(replace(self, tell_at=None))

    @property
    def near_end(self) -> datetime:
        """When the last third of its time begins."""
        return self.expires_at - timedelta(seconds=self.ttl // 3)

    def is_to_be_succeeded(self, now: datetime) -> bool:
        """Whether the time has come for its successor, and there is none yet."""
        return self.lasts(now) and self.successor_at is not None and self.near_end <= now

    def seeks_successor(self, now: datetime) -> bool:
        """Whether it is due because a worker is to be asked for its successor."""
        return self.lasts(now) and self.successor_at is not None and self.successor_at <= now

    def seeking_successor(self, again: datetime) -> Lease:
        """ACTIVE: a worker is asked for its successor. If there is none at ``again``, another one is asked."""
        self._step(Event.SEEK)
        return _due_as_it_stands(replace(self, successor_at=min(again, self.expires_at)))

    def succeeded(self) -> Lease:
        """ACTIVE, and has a successor, or is to have none. It lives on until its own end."""
        self._step(Event.SUCCEED)
        return _due_as_it_stands(replace(self, successor_at=None))

    def lasts(self, now: datetime) -> bool:
        """Whether it is ACTIVE, and its end is still to come. If it is due all the same, then to be kept up."""
        return self.state is State.ACTIVE and now < self.expires_at

    def behind(self, error: str, again: datetime) -> Lease:
        """ACTIVE: its vault was not told of its end. A sweep tells the vault at ``again``, if nothing else is due before."""
        self._step(Event.FALL_BEHIND)
        return replace(self, last_error=error, due_at=_first_of(self, again))

    def kept_up(self) -> Lease:
        """ACTIVE: its vault was told of its end."""
        self._step(Event.KEEP_UP)
        return _due_as_it_stands(replace(self, last_error=""))

    def ending(self, cause: Cause, now: datetime, until: datetime) -> Lease:
        """-> ENDING, locked until ``until``. The first cause stays. A stuck lease stays STUCK until it has ended.

        Of a planned lease, only the worker that was issuing it says ``FAILED`` or ``VANISHED``: that worker has stopped. With
        any other cause the worker may still be at work.
        """
        state = self._step(Event.END)
        too_late = self.state is State.PLANNED and self.prepare_by is not None and cause is Cause.UNFINISHED
        made_by = now if self.state is State.PLANNED and cause in _SAID_BY_ITS_WORKER else self.made_by
        handed_out = self.handed_out and (cause is not Cause.FAILED or self.rotations > 0)
        ending = replace(self, state=state, cause=self.cause or cause, due_at=until, made_by=made_by, handed_out=handed_out)
        failed_with = self.failed_with or (NOT_PROVEN if too_late else "")
        return replace(ending, undone_by=until + _ON_ITS_WAY, ending_held=until > now, failed_with=failed_with)

    def failing(self, code: str, now: datetime, until: datetime) -> Lease:
        """-> ENDING as ``FAILED``, for an error with that code. Nobody was handed out the credential."""
        return replace(self, failed_with=self.failed_with or code).ending(Cause.FAILED, now, until)

    def is_being_ended(self, now: datetime) -> bool:
        """Whether a living worker is ending the lease. A second worker would record the end in the audit trail again."""
        return self.ending_held and now < self.due_at and self.state in {State.ENDING, State.STUCK}

    def looked_at_again(self, when: datetime) -> Lease:
        """ENDING, when nothing was found to undo, but it is too early to believe that nothing exists."""
        self._step(Event.LOOK_AGAIN)
        return replace(self, due_at=when, undone_by=min(when, self.undone_by or when), ending_held=False)

    def postponed(self, now: datetime, error: str, jitter: float, wait: float) -> Lease:
        """ENDING, when Azure has asked to wait for ``wait`` seconds. That does not count as a failed attempt."""
        self._step(Event.POSTPONE)
        due_at = now + timedelta(seconds=max(wait, _FIRST_WAIT) + _FIRST_WAIT * jitter)
        return replace(self, last_error=error, due_at=due_at, undone_by=now + _ON_ITS_WAY, ending_held=False)

    def failed(self, now: datetime, error: str, jitter: float) -> Lease:
        """ENDING after a failed attempt, due again later. STUCK after too many attempts. ``jitter`` is in [0, 1)."""
        attempts = self.attempts + 1
        stuck = self.state is State.STUCK or attempts >= ATTEMPTS_UNTIL_STUCK
        state = self._step(Event.GET_STUCK if stuck else Event.FAIL)
        wait = _STUCK_WAIT if stuck else min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** (attempts - 1))
        wait *= 0.5 + jitter
        due_at = now + timedelta(seconds=wait)
        result = replace(self, state=state, attempts=attempts, last_error=error, due_at=due_at)
        return replace(result, undone_by=now + _ON_ITS_WAY, ending_held=False)

    def stuck_at_once(self, now: datetime, error: str, jitter: float) -> Lease:
        """ENDING -> STUCK at once, due again in an hour or so. ``jitter`` is in [0, 1)."""
        state = self._step(Event.GET_STUCK)
        attempts = max(self.attempts, ATTEMPTS_UNTIL_STUCK)
        due_at = now + timedelta(seconds=_STUCK_WAIT * (0.5 + jitter))
        return replace(self, state=state, attempts=attempts, last_error=error, due_at=due_at, ending_held=False)

    def ended(self, now: datetime, retention: timedelta) -> Lease:
        """-> ENDED: nothing is left in Azure. It is due again when its row may be deleted."""
        return replace(self._over(Event.FINISH, now, retention), last_error="")

    def force_ended(self, now: datetime, retention: timedelta) -> Lease:
        """-> ENDED, although something may be left in Azure. The last error stays readable."""
        return self._over(Event.FORCE_END, now, retention)

    @property
    def on_last_attempt(self) -> bool:
        """Whether the lease becomes STUCK if the present attempt to end it fails."""
        return self.state is State.ENDING and self.attempts + 1 >= ATTEMPTS_UNTIL_STUCK

    def _over(self, event: Event, now: datetime, retention: timedelta) -> Lease:
        over = replace(self, state=self._step(event), ended_at=now, due_at=now + retention, ending_held=False)
        return replace(over, undone=frozenset())

    def _step(self, event: Event) -> State:
        """Returns the state that follows. Raises ``IllegalMove`` if the event is impossible."""
        return step(self.state, event, self.id).state


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max(each for each in (one, other) if each is not None) if one or other else None


def _to_be_succeeded(lease: Lease) -> Lease:
    return replace(lease, successor_at=lease.near_end, due_at=min(lease.due_at, lease.near_end))


def _due_as_it_stands(lease: Lease) -> Lease:
    """Returns an active lease that is due at the first instant that is left.

    If its vault was not told of its end, no field says when it will be: then it is due as before.
    """
    return lease if lease.last_error else replace(lease, due_at=_first_of(lease))


def _first_of(lease: Lease, *instants: datetime) -> datetime:
    early = (each for each in (lease.tell_at, lease.successor_at) if each is not None)
    return min((lease.expires_at, *instants, *early))

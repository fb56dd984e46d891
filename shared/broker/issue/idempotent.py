"""Issuing under a key of the caller's: a repeat finds the lease of the first request, in whatever state it is."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import overload

from shared.broker.access import Issuing, issuing_from
from shared.broker.issue.asking import filled_as_kept
from shared.broker.issue.attempt import Issued
from shared.broker.issue.collect import collect_now
from shared.broker.issue.issue import issue
from shared.broker.issue.planning import IssueRequest
from shared.broker.issue.preparations import Accepted, Preference, accepted, queue_again
from shared.broker.issue.rotate import is_under_way, rotate
from shared.broker.issue.under_key import find_lease
from shared.broker.ports import Actor, Ports
from shared.broker.rules import require_same_target
from shared.core.errors import (
    Conflict,
    Gone,
    LeaseholdError,
    LostRace,
    Malformed,
    Pending,
    RoleOutdated,
    TooManyIssues,
    Unreadable,
)
from shared.core.idempotency_key import KEPT, IdempotencyKey, digest_of, fingerprint_of
from shared.core.lease import Cause, Lease, State
from shared.core.names import LeaseId
from shared.core.parameters.errors import FactMissing, ParameterNotAllowed
from shared.core.preparing import NotProven
from shared.core.role import Role
from shared.kinds.optional import hands_out_again
from shared.resilience.tasks import both

_ON_ITS_WAY = 5.0
"""Seconds after which a request that has stored its key and not its lease is taken for dead: the two follow at once.
If the request was only slow, it loses the key.
"""
_REFUSED_OF_NOW = (RoleOutdated, TooManyIssues, Unreadable, Malformed, FactMissing, ParameterNotAllowed)
"""Refusals of an issue now. The same request may have been served before, under the role and the facts of that time."""
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 2.0


@overload
async def issue_once(ports: Ports, actor: Actor, wanted: IssueRequest, key: str, preference: None = None) -> Issued: ...


@overload
async def issue_once(
    ports: Ports, actor: Actor, wanted: IssueRequest, key: str, preference: Preference | None
) -> Issued | Accepted: ...


async def issue_once(
    ports: Ports, actor: Actor, wanted: IssueRequest, key: str, preference: Preference | None = None
) -> Issued | Accepted:
    """A new lease, or the one that was issued under this key before, with a fresh secret; the former secret is removed.

    Raises what ``issue`` raises; ``Conflict`` when the key stands for another body, ``Gone`` when its lease has ended. If
    another request is at work on the lease for longer than this one waits, the answer to a request with a ``preference`` is
    ``Accepted``, and one without raises ``Pending``.
    """
    return await _Repeatable.of(ports, actor, wanted, key, preference).run()


@dataclass(slots=True)
class _Repeatable:
    ports: Ports
    actor: Actor
    wanted: IssueRequest
    digest: str
    fingerprint: str
    mint_until: float
    """On the monotonic clock, like the next: the platform ends the request soon after, or the caller is to be answered."""
    deadline: float
    preference: Preference | None = None
    pause: float = _FIRST_PAUSE
    seen: str = ""
    """The version of a key that was found to stand for no lease, and since when on the monotonic clock."""
    seen_since: float = 0.0

    @classmethod
    def of(
        cls, ports: Ports, actor: Actor, wanted: IssueRequest, key: str, preference: Preference | None = None
    ) -> _Repeatable:
        waits = ports.timing.repeat if preference is None else min(ports.timing.repeat, preference.seconds)
        mints = ports.timing.mint
        if preference is not None and not preference.is_lenient:
            # However long this request waits for another's work before it begins its own.
            mints = min(mints, preference.seconds)
        return cls(
            ports,
            actor,
            wanted,
            digest_of(actor.caller, wanted.role, key),
            fingerprint_of(
                *(wanted.ttl, wanted.reason, wanted.metadata),
                *(wanted.ask.parameters, wanted.ask.within or "", wanted.ask.credential),
                wanted.delivery,
            ),
            ports.within(mints),
            ports.within(waits),
            preference,
        )

    async def run(self) -> Issued | Accepted:
        """First as if the key were new: only its own insertion tells, and most are.

        A role that issues no more may have issued under this key, and so may a caller that may issue no more for now.
        """
        former = ""
        refusal: LeaseholdError | None = None
        while refusal is None:
            try:
                return await self._begin(former)
            except LostRace:
                pass
            except _REFUSED_OF_NOW as refused:
                refusal = refused
            found = await self._meet()
            if not isinstance(found, str):
                return found
            former = found
        raise refusal

    async def _begin(self, former: str) -> Issued | Accepted:
        key, preference = self._key(former), self.preference
        made = await issue(self.ports, self.actor, self.wanted, key=key, deadline=self.mint_until, preference=preference)
        if isinstance(made, Accepted):
            return made
        # A repeat may have found the lease active before this one could answer, and replaced the secret.
        stored = await self.ports.leases.get(made.lease.id)
        if stored is None or stored.rotations:
            raise LostRace
        return made

    def _key(self, former: str) -> IdempotencyKey:
        now = self.ports.now()
        lease_id = LeaseId.of(self.wanted.role, self.ports.ids.ulid(now))
        key = IdempotencyKey(self.digest, self.fingerprint, lease_id, now + KEPT, former)
        # One transaction then writes both, which saves two calls: about one id in sixteen fits.
        while not key.is_beside:
            key = replace(key, lease_id=LeaseId.of(self.wanted.role, self.ports.ids.ulid(now)))
        return key

    async def _meet(self) -> Issued | Accepted | str:
        """The lease that the key stands for, or the version of a key that stands for none: empty when there is no such key."""
        while True:
            # Anew each time: the role may change while this one waits. Its generation is read before the lease: one of an
            # earlier generation stays so.
            ((role, issuing), generation), key = await both(
                both(
                    issuing_from(self.ports, self.actor.caller, self.wanted.role),
                    self.ports.generations.get(self.wanted.role),
                ),
                self.ports.leases.find_key(self.digest),
            )
            if key is None or key.until <= self.ports.now():
                return key.version if key else ""
            lease = await find_lease(self.ports, key)
            if lease is None:
                if not self._may_be_on_its_way(key):
                    return key.version
                if not await self._waited():
                    raise Pending
                continue
            self._require_same(key)
            if _came_to_nothing(lease.under(generation.number)):
                return key.version
            self._require_not_over(lease.under(generation.number))
            found = await self._served(lease, role, issuing)
            if found is not None:
                return found

    async def _served(self, lease: Lease, role: Role, issuing: Issuing) -> Issued | Accepted | None:
        """Returns the answer; ``None`` if the lease is to be looked at again. Raises ``Pending`` if there is no more time."""
        if lease.state is State.PLANNED and lease.due_at <= self.ports.now():
            await self._relieve(lease)
            return None
        with suppress(LostRace):
            if (found := await self._handed_out(lease, role, issuing)) is not None:
                return found
        return None if await self._waited() else self._told_to_wait(lease)

    async def _handed_out(self, lease: Lease, role: Role, issuing: Issuing) -> Issued | Accepted | None:
        """Returns the lease with its credential; ``None`` as long as another worker is at work on it. Raises ``LostRace``."""
        if lease.state is State.PLANNED or is_under_way(self.ports, lease):
            return None
        if lease.state is State.PREPARED:
            preference = self.preference or Preference(is_lenient=True, wait=int(self.ports.timing.proving))
            # Of a repeat that is to be answered at once, nothing is made.
            preference = preference if preference.is_async else preference.collecting(lease)
            return await collect_now(self.ports, self.actor, lease, preference, self.deadline)
        filled, _ = await filled_as_kept(self.ports, role, issuing, lease)
        if (delivered := self.ports.courier.delivered(lease)) is not None:
            message = require_same_target(self.ports, lease, filled.role)
            await self.ports.audit.record(
                self.actor.done(self.ports, "reissue", role=lease.id.role, lease=lease.id, reason=message)
            )
            return Issued(lease, delivered)
        must_prove = self.preference is not None and not self.preference.is_lenient
        is_reused = hands_out_again(self.ports.kinds.of(lease).issuer, filled.role.target)
        takes_time = must_prove and filled.role.target.ready != "none" and not is_reused
        if takes_time and self.preference is not None and self.preference.is_async:
            require_same_target(self.ports, lease, filled.role)
            return await self._told_to_collect(lease)
        try:
            fields, until = self.wanted.ask.credential, self.deadline
            return await rotate(self.ports, self.actor, lease, filled, prove_until=until, must_prove=must_prove, fields=fields)
        except NotProven:
            return await self._told_to_collect(await self.ports.leases.get(lease.id) or lease)

    async def _told_to_collect(self, lease: Lease) -> Accepted:
        """The time of this repeat is used up. Its holder may collect the active lease, however long ago it was handed out."""
        until = self.ports.now() + timedelta(seconds=self.ports.timing.grace)
        if lease.state is not State.ACTIVE:
            raise LostRace("the lease has ended")
        return accepted(self.ports, await self.ports.leases.swap(lease.told_to_collect(until), former=lease))

    def _told_to_wait(self, lease: Lease) -> Accepted:
        if self.preference is None:
            raise Pending
        return accepted(self.ports, lease)

    def _may_be_on_its_way(self, key: IdempotencyKey) -> bool:
        """Whether another request may be about to store the lease to which the key points, or its digest in that lease."""
        now = self.ports.clock.monotonic()
        if self.seen != key.version:
            self.seen, self.seen_since = key.version, now
        return not key.is_beside and now < self.seen_since + _ON_ITS_WAY

    def _require_same(self, key: IdempotencyKey) -> None:
        if key.fingerprint != self.fingerprint:
            sentence = f"This key was used for another request, and stands for the lease {key.lease_id}."
            raise Conflict(sentence, code="idempotency_key_reused")

    def _require_not_over(self, lease: Lease) -> None:
        if not lease.state.is_open or (lease.state is State.ACTIVE and lease.expires_at <= self.ports.now()):
            raise Gone(f"The lease {lease.id}, for which this key stands, has ended.", code="lease_ended")

    async def _relieve(self, lease: Lease) -> None:
        """Its worker has died: the sweep undoes it, and the key is free. If nobody waits for it, another worker prepares it."""
        now = self.ports.now()
        with suppress(LostRace):
            if lease.is_to_prepare(now):
                await queue_again(self.ports, lease)
                return
            await self.ports.leases.swap(lease.ending(Cause.UNFINISHED, now, now), former=lease)

    async def _waited(self) -> bool:
        """Waits for another request that is at work on the lease. Returns ``False`` if there is no more time."""
        rest = self.pause * (0.5 + self.ports.ids.jitter())
        if self.ports.clock.monotonic() + rest >= self.deadline:
            return False
        await self.ports.clock.sleep(rest)
        self.pause = min(2 * self.pause, _LONGEST_PAUSE)
        return True


def _came_to_nothing(lease: Lease) -> bool:
    """Whether it ends without ever having been handed out: a key that stands for it is free again."""
    return not lease.state.is_open and not lease.handed_out

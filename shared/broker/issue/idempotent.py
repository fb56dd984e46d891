"""Issuing under a key of the caller's: a repeat finds the lease of the first request, in whatever state it is."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

from shared.broker.access import issuing_from
from shared.broker.issue.asking import filled_as_kept
from shared.broker.issue.issue import Issued, IssueRequest, issue
from shared.broker.issue.rotate import is_under_way, rotate
from shared.broker.issue.under_key import find_lease
from shared.broker.ports import Actor, Ports
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
from shared.resilience.tasks import both

_ON_ITS_WAY = 5.0
"""Seconds after which a request that has stored its key and not its lease is taken for dead: the two follow at once.
If the request was only slow, it loses the key.
"""
_REFUSED_OF_NOW = (RoleOutdated, TooManyIssues, Unreadable, Malformed, FactMissing, ParameterNotAllowed)
"""Refusals of an issue now. The same request may have been served before, under the role and the facts of that time."""
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 2.0


async def issue_once(ports: Ports, actor: Actor, wanted: IssueRequest, key: str) -> Issued:
    """A new lease, or the one that was issued under this key before, with a fresh secret; the former secret is removed.

    Raises what ``issue`` raises; ``Conflict`` when the key stands for another body, ``Gone`` when its lease has ended,
    ``Pending`` when another request is at work on it for longer than this one may wait.
    """
    return await _Repeatable.of(ports, actor, wanted, key).run()


@dataclass(slots=True)
class _Repeatable:
    ports: Ports
    actor: Actor
    wanted: IssueRequest
    digest: str
    fingerprint: str
    mint_until: float
    """On the monotonic clock, like the next: the platform ends the request soon after."""
    deadline: float
    pause: float = _FIRST_PAUSE
    seen: str = ""
    """The version of a key that was found to stand for no lease, and since when on the monotonic clock."""
    seen_since: float = 0.0

    @classmethod
    def of(cls, ports: Ports, actor: Actor, wanted: IssueRequest, key: str) -> _Repeatable:
        return cls(
            ports,
            actor,
            wanted,
            digest_of(actor.caller, wanted.role, key),
            fingerprint_of(
                *(wanted.ttl, wanted.reason, wanted.metadata),
                *(wanted.ask.parameters, wanted.ask.within or "", wanted.ask.credential),
            ),
            ports.within(ports.timing.mint),
            ports.within(ports.timing.repeat),
        )

    async def run(self) -> Issued:
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
            if isinstance(found, Issued):
                return found
            former = found
        raise refusal

    async def _begin(self, former: str) -> Issued:
        made = await issue(self.ports, self.actor, self.wanted, key=self._key(former), deadline=self.mint_until)
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

    async def _meet(self) -> Issued | str:
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
            if lease is None and self._may_be_on_its_way(key):
                await self._wait()
                continue
            if lease is None:
                return key.version
            self._require_same(key)
            if _came_to_nothing(lease.under(generation.number)):
                return key.version
            self._require_not_over(lease.under(generation.number))
            if lease.state is State.ACTIVE and not is_under_way(self.ports, lease):
                filled, _ = await filled_as_kept(self.ports, role, issuing, lease)
                with suppress(LostRace):
                    fields = self.wanted.ask.credential
                    return await rotate(self.ports, self.actor, lease, filled, prove_until=self.deadline, fields=fields)
            elif lease.state is State.PLANNED and lease.due_at <= self.ports.now():
                await self._relieve(lease)
                continue
            await self._wait()

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
        """Its worker has died: the sweep undoes it, and the key is free."""
        now = self.ports.now()
        with suppress(LostRace):
            await self.ports.leases.swap(lease.ending(Cause.UNFINISHED, now, now), former=lease)

    async def _wait(self) -> None:
        """For another request that is at work on the lease. Raises ``Pending`` when that takes too long."""
        rest = self.pause * (0.5 + self.ports.ids.jitter())
        if self.ports.clock.monotonic() + rest >= self.deadline:
            raise Pending
        await self.ports.clock.sleep(rest)
        self.pause = min(2 * self.pause, _LONGEST_PAUSE)


def _came_to_nothing(lease: Lease) -> bool:
    """Whether it ends without ever having been handed out: a key that stands for it is free again."""
    return not lease.state.is_open and not lease.handed_out

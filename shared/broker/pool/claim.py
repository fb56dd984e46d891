"""Takes a lease out of the role's pool for a caller, or opens a new one if there is none that fits.

Two callers never get the same lease: the write that gives it a holder takes effect only if nobody else has changed its row
since it was read. The hints say where to look, and nothing depends on them.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta

from shared.broker.ending.lease_lock import LeaseLock
from shared.broker.issue.asking import Filled
from shared.broker.issue.deliver import with_delivery
from shared.broker.issue.mint import Minting
from shared.broker.issue.planning import LAST_CALL
from shared.broker.issue.under_key import open_lease
from shared.broker.pool.hints import drain, forget, misfit, note
from shared.broker.ports import Ports
from shared.core.errors import LeaseholdError, LostRace, Throttled, Uncertain, Unreadable, Upstream
from shared.core.idempotency_key import IdempotencyKey
from shared.core.lease import Cause, Lease, State
from shared.core.pool import MAX_SIZE, Hint
from shared.core.tenant_policy import PolicyForbids
from shared.kinds.kind import Order
from shared.kinds.pooling import MadeAtClaim, assignments_in_pool, pool_digest, pool_issuer, pool_of

log = logging.getLogger(__name__)

_TRIES = 5
"""Leases that one request tries to take. Whoever loses so many races finds the pool as good as empty."""
_VANISHED = 2
"""So many leases of a pool may turn out to be gone. Then the request takes no more chances."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A lease that is stored for a caller: PLANNED, and locked. ``pooled`` is what it was in the pool, with its hint."""

    lease: Lease
    order: Order
    pooled: Lease | None = None
    hint: Hint | None = None

    async def taken(self, ports: Ports) -> None:
        """Lets others know that the lease has left the pool: no hint leads to it. Raises nothing that is foreseen."""
        if self.hint is not None:
            await forget(ports, self.hint)

    async def refill(self, ports: Ports) -> None:
        """Asks for another lease in the place of this one, which does not go back any more. Raises nothing that is foreseen."""
        if self.hint is None:
            return
        role = self.lease.id.role
        try:
            # One message does for all that are claimed before it is sent.
            await ports.refills.run(role, lambda: ports.fillings.refill(role))
        except Upstream:
            log.warning("the pool of role %s is filled by the next timer", role, exc_info=True)

    def is_untouched(self, minting: Minting, failure: LeaseholdError) -> bool:
        """Returns whether the failed claim has certainly made nothing in Azure, so that the lease is as good as before.

        What Azure has refused for a reason of this lease's own does not count: the lease would be refused to the next one too.
        """
        if self.pooled is None or minting.learned != minting.planned:
            return False
        match pool_issuer(minting.kind).made_at_claim(minting.order):
            case MadeAtClaim.NOTHING:
                return isinstance(failure, Throttled | Uncertain | PolicyForbids)
            case MadeAtClaim.CREDENTIAL:
                return isinstance(failure, Throttled | PolicyForbids) and not failure.is_after_doubt
            case MadeAtClaim.MORE:
                return False

    async def withdraw(self, ports: Ports, lock: LeaseLock) -> None:
        """Nothing was made for the caller: a new lease is forgotten, and one of a pool goes back.

        If another worker has moved it meanwhile, that worker ends it.
        """
        former = self.pooled
        if former is None or self.hint is None:
            await lock.forget()
            return
        with suppress(LostRace):
            await lock.release(lambda it: it.given_back(former))
            await note(ports, self.hint)
            ports.tried.forget(former.id)


@dataclass(slots=True)
class Opening:
    """Opens leases for one ask, one after the other if need be. ``planned`` is a new lease, as its caller wants it."""

    ports: Ports
    filled: Filled
    order: Order
    planned: Lease
    key: IdempotencyKey | None
    _taken: int = field(default=0, init=False)
    _tried: set[str] = field(default_factory=set, init=False)

    async def next(self) -> Opened:
        """Returns a lease of the pool, or a new one. Raises ``LostRace`` if the key is another lease's; ``Upstream``."""
        if self._wants_pooled and self._taken < _VANISHED:
            async for hint in self._hints():
                if (opened := await self._try(hint)) is not None:
                    self._taken += 1
                    return opened
        return Opened(await open_lease(self.ports, self._from_now(), self.key), self.order)

    @property
    def _wants_pooled(self) -> bool:
        """Whether a lease of the pool may do. What is assigned already lies at the role's own scopes, and not further down."""
        kinds, template = self.ports.kinds, self.filled.template
        is_narrowed = self.filled.within is not None and assignments_in_pool(kinds, template) > 0
        return pool_of(kinds, template).size > 0 and not is_narrowed

    async def _hints(self) -> AsyncIterator[Hint]:
        """Yields hints of the role, any of them: callers that come at once do not all want the same lease. What another request
        of this worker has tried comes last.

        Looks again after each try. Whoever has won a race forgets the hint, so that the losers find what is left. If they
        went on with what they have read, one of seven would find nothing in a pool that has a lease for each.
        """
        digest, role = pool_digest(self.ports.kinds, self.filled.template), self.planned.id.role
        for _ in range(_TRIES):
            found = await self.ports.hints.run(role, lambda: self.ports.pools.oldest(role, MAX_SIZE))
            fitting = [each for each in found if (each.digest, each.generation) == (digest, self.planned.generation)]
            left = [each for each in fitting if each.lease not in self._tried]
            if not left:
                return
            left = [each for each in left if each.lease not in self.ports.tried] or left
            hint = left[int(self.ports.ids.jitter() * len(left))]
            self._tried.add(hint.lease)
            self.ports.tried.note(hint.lease)
            yield hint

    async def _try(self, hint: Hint) -> Opened | None:
        """Returns the lease, taken; ``None`` if it is not to be had. Raises as ``next``."""
        ports = self.ports
        try:
            pooled = await ports.leases.get(hint.lease)
        except Unreadable as unread:
            log.error("%s", unread)  # noqa: TRY400 - its frames say no more
            return None
        if pooled is None or pooled.state is not State.POOLED:
            await forget(ports, hint)
            return None
        if why := misfit(ports, pooled, self.filled.template, self.planned.generation):
            await drain(ports, hint, why)
            return None
        return await self._take(pooled, hint)

    async def _take(self, pooled: Lease, hint: Hint) -> Opened | None:
        """The write of the lease's row alone decides who has it.

        A key points to the lease first. It stands for the lease once the lease has its digest, and once the key was written
        again after that: whoever has taken the key for free meanwhile has it (``under_key.py``).
        """
        ports = self.ports
        order, planned = self._as_claimed(pooled)
        if self.key is not None:
            await self._point(pooled)
        try:
            claimed = await ports.leases.swap(pooled.claimed(ports.ids.ulid(ports.now()), planned), former=pooled)
        except LostRace:
            return None
        if self.key is not None:
            try:
                await self._point(pooled)
            except LostRace:
                now = ports.now()
                with suppress(LostRace):
                    await ports.leases.swap(claimed.ending(Cause.FAILED, now, now), former=claimed)
                raise
        return Opened(claimed, order, pooled, hint)

    async def _point(self, pooled: Lease) -> None:
        if self.key is not None:
            pointing = replace(self.key, lease_id=pooled.id, is_apart=True)
            self.key = replace(self.key, version=(await self.ports.leases.point(pointing)).version)

    def _as_claimed(self, pooled: Lease) -> tuple[Order, Lease]:
        """Returns what is still to be made, and what the lease becomes."""
        kinds = self.ports.kinds
        order = replace(self.order, lease_id=pooled.id, claimed=True)
        footprint = pool_issuer(kinds.of(pooled)).plan_claimed(order, pooled.footprint)
        claimed = replace(self._from_now(), id=pooled.id, parts=(footprint,))
        vault = self._vault()
        return order, with_delivery(self.ports, self.filled.role, kinds.with_derived(claimed), vault)

    def _vault(self) -> str | None:
        """Returns the vault to which the credential is delivered. Where it lies there may depend on the lease's id."""
        return self.planned.delivery.vault if self.planned.delivery is not None else None

    def _from_now(self) -> Lease:
        """Returns the lease as it is planned, with its instants from now on: the first one that was taken may have vanished."""
        now, timing = self.ports.now(), self.ports.timing
        made_by = max(self.planned.made_by, now + LAST_CALL)
        return replace(self.planned, due_at=now + timedelta(seconds=timing.lease_lock), made_by=made_by)

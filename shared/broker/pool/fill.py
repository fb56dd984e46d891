"""Keeps the pools of roles full: ends what a pool does not need any more, and opens what it is short of.

Who makes the leases is the worker that takes their messages (``shared.broker.issue.prepare``). One worker at a time counts a
role's pool and opens leases for it: two would both see that one is missing.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.broker.listing import all_leases
from shared.broker.pool.hints import drain, forget, hint_of, misfit, note
from shared.broker.pool.making import open_for_pool
from shared.broker.pool.watch import watch
from shared.broker.ports import Ports
from shared.broker.rules import broken_by
from shared.broker.telling.announce import announce_low
from shared.core.errors import LeaseholdError, LostRace, Unreadable
from shared.core.generation import Generation
from shared.core.lease import Cause, Lease, LeaseView, State
from shared.core.names import LeaseId, RoleName
from shared.core.pool import MAX_SIZE, Filling, Hint, Hunger, is_low, turns
from shared.core.ports.leases import LeaseQuery
from shared.core.role import Role
from shared.kinds.pooling import pool_digest, pool_of
from shared.resilience.priority import in_background
from shared.resilience.tasks import both

log = logging.getLogger(__name__)

LOW_FOR = timedelta(minutes=10)
"""A pool that is less than half full for so long is told of in the log."""
_PAGE = 200


@dataclass(frozen=True, slots=True)
class FillSummary:
    """What one filling did: leases that were opened, that drain, that were looked at, and that somebody else had touched."""

    opened: int = 0
    drained: int = 0
    looked_at: int = 0
    tampered: int = 0


async def fill(ports: Ports, request_id: str) -> FillSummary:
    """Fills all pools, and looks after what stands in them. Callers' calls go first. Raises ``Upstream`` if storage fails."""
    with in_background():
        (roles, generations), (hints, fillings) = await both(
            both(ports.roles.list(), ports.generations.all()), both(ports.pools.hints(), ports.pools.fillings())
        )
        return await _Fill(ports, request_id, {role.name: role for role in roles}, hints, generations).run(fillings)


async def refill(ports: Ports, request_id: str, name: RoleName) -> FillSummary:
    """Fills one role's pool, of which a lease was claimed. Raises as ``fill``."""
    with in_background():
        (role, generation), hints = await both(
            both(ports.roles.get(name), ports.generations.get(name)), ports.pools.oldest(name, MAX_SIZE)
        )
        if role is None:
            return FillSummary()
        filling = _Fill(ports, request_id, {name: role}, {name: hints}, {name: generation})
        return FillSummary(opened=await filling.open_missing())


@dataclass(slots=True)
class _Fill:
    ports: Ports
    request_id: str
    roles: Mapping[RoleName, Role]
    hints: Mapping[RoleName, Sequence[Hint]]
    generations: Mapping[RoleName, Generation]

    async def run(self, fillings: Mapping[RoleName, Filling]) -> FillSummary:
        drained = [await self._drain(name) for name in {*self.hints}]
        opened = await self.open_missing()
        standing = [hint for name in self.hints for hint in self._standing(name)]
        looked_at, tampered = await watch(self.ports, self.request_id, self.roles, standing)
        for name, filling in fillings.items():
            await self._tend(name, filling)
        return FillSummary(opened, sum(drained), looked_at, tampered)

    def _wanted(self, name: RoleName) -> int:
        """Returns how many leases are to stand ready. None of a role from which nothing can be issued."""
        role = self.roles.get(name)
        if role is None or role.outdated or broken_by(self.ports, role):
            return 0
        return pool_of(self.ports.kinds, role).size

    def _generation(self, name: RoleName) -> int:
        return self.generations[name].number if name in self.generations else 0

    def _standing(self, name: RoleName) -> list[Hint]:
        """Returns the hints at leases that fit the role of today, the oldest first."""
        role = self.roles.get(name)
        if role is None or not (pool := pool_of(self.ports.kinds, role)).size:
            return []
        digest, oldest = pool_digest(self.ports.kinds, role), self.ports.now() - timedelta(seconds=pool.max_age)
        current = [each for each in self.hints.get(name, ()) if each.generation >= self._generation(name)]
        return [each for each in current if each.digest == digest and each.ready_at > oldest]

    def _stands_long(self, name: RoleName, ready_at: datetime) -> bool:
        """Returns whether another lease is to be made in the place of one that stands since then."""
        return ready_at <= self.ports.now() - pool_of(self.ports.kinds, self.roles[name]).replaced_after

    async def _drain(self, name: RoleName) -> int:
        """Ends what does not fit, and of what is too many the oldest. Returns how many leases end.

        What a revocation has overtaken, the fan-out ends as well.
        """
        fitting = self._standing(name)
        size = pool_of(self.ports.kinds, role).size if (role := self.roles.get(name)) is not None else 0
        stays = {each.lease for each in fitting[max(0, len(fitting) - size) :]}
        ended = 0
        for each in self.hints[name]:
            if each.lease not in stays:
                cause = Cause.REVOKED if each.generation < self._generation(name) else Cause.DRAINED
                ended += await drain(self.ports, each, cause)
        return ended

    async def open_missing(self) -> int:
        """Opens leases for pools that are short of them, for whose largest share is missing first. Returns how many."""
        hungry = [each for name in self.roles if (each := await self._hunger(name)) is not None]
        opened = 0
        try:
            for name in turns(hungry):
                role = self.roles[name]
                await open_for_pool(self.ports, self.request_id, role, self._generation(name))
                opened += 1
        finally:
            for each in hungry:
                await self._end_turn(each, is_full=each.missing == 0)
        return opened

    async def _hunger(self, name: RoleName) -> Hunger | None:
        """Returns of what the role's pool is short; ``None`` if of nothing, or if this is not the time, or another's turn."""
        wanted, now = self._wanted(name), self.ports.now()
        if len([each for each in self._standing(name) if not self._stands_long(name, each.ready_at)]) >= wanted:
            return None
        try:
            filling = await self.ports.pools.change_filling(name, lambda it: it.taken_up(now))
        except LostRace:
            return None
        if filling is None:
            return None
        return Hunger(name, wanted, await self._count(name), filling.hungry_since or now)

    async def _end_turn(self, hunger: Hunger, *, is_full: bool) -> None:
        try:
            await self.ports.pools.change_filling(hunger.role, lambda it: it.finished(is_full=is_full))
        except LeaseholdError:
            log.warning("the pool of role %s is filled again half a minute later", hunger.role, exc_info=True)

    async def _count(self, name: RoleName) -> int:
        """Returns how many leases stand in the pool or are made for it, by their own rows. Notes hints that were lost.

        Does not count what soon stands too long: the next one is made before that one ends, so that the pool is never empty.
        Reads those that are being made first: one that comes to stand in the pool meanwhile is seen twice, and not missed.
        """
        hinted = {each.lease for each in self.hints.get(name, ())}
        counted = {view.id async for view in self._views(name, State.PLANNED) if self._is_for_pool(view)}
        async for view in self._views(name, State.POOLED):
            lease = await self._read(view.id)
            if lease is None or lease.state is not State.POOLED:
                continue
            if misfit(self.ports, lease, self.roles[name], self._generation(name)) is not None:
                # Its hint may be lost, too.
                await drain(self.ports, hint_of(lease))
                counted.discard(lease.id)
                continue
            hint = hint_of(lease)
            if not self._stands_long(name, hint.ready_at):
                counted.add(lease.id)
            if lease.id not in hinted:
                await note(self.ports, hint)
        for hint in self.hints.get(name, ()):
            found = await self._read(hint.lease)
            if found is None or not found.is_for_pool:
                await forget(self.ports, hint)
        return len(counted)

    def _is_for_pool(self, view: LeaseView) -> bool:
        return view.holder is None and not view.is_overtaken(self._generation(view.id.role))

    async def _read(self, lease_id: LeaseId) -> Lease | None:
        try:
            return await self.ports.leases.get(lease_id)
        except Unreadable:
            return None

    def _views(self, name: RoleName, state: State) -> AsyncIterator[LeaseView]:
        return all_leases(self.ports, LeaseQuery(role=name, state=state, limit=_PAGE))

    async def _tend(self, name: RoleName, filling: Filling) -> None:
        """Tells of a pool that is low for long, and forgets how a pool was filled that is full or is not there any more."""
        wanted, ready = self._wanted(name), len(self._standing(name))
        if ready >= wanted:
            if not wanted:
                await self._end_unhinted(name)
                await self.ports.pools.forget_filling(name)
            elif filling.hungry_since is not None:
                await self.ports.pools.change_filling(name, lambda it: it.finished(is_full=True))
            return
        since = filling.hungry_since
        if is_low(ready, wanted) and since is not None and since + LOW_FOR <= self.ports.now():
            log.error("pool_low role=%s ready=%d wanted=%d since=%s", name, ready, wanted, _text(since))
            await announce_low(self.ports, name, filling, since, ready=ready, wanted=wanted)

    async def _end_unhinted(self, name: RoleName) -> None:
        """Ends what still stands in the pool of a role that has none any more, and to which no hint leads."""
        role, hinted = self.roles.get(name), {each.lease for each in self.hints.get(name, ())}
        if role is not None and pool_of(self.ports.kinds, role).size:
            return
        async for view in self._views(name, State.POOLED):
            lease = await self._read(view.id) if view.id not in hinted else None
            if lease is not None and lease.is_for_pool:
                await drain(self.ports, hint_of(lease))


def _text(instant: datetime) -> str:
    return instant.isoformat(timespec="seconds")

"""Keeping roles and callers within the leases that they may have, on whichever workers the leases are issued.

A lease takes room from its admission until it begins to end. Who is admitted is decided by one row, of the role or of the
caller, which lists the leases that are admitted and still being made: each admission reads the row, counts, and replaces the
row if it is as it was. So the admissions of a row come one after the other in storage's own order. Neither an id nor a clock is
compared, and nobody who was admitted gives way.

What a row lists is believed only of a lease that is PLANNED: one whose worker has died takes no room once the sweep has taken
it up, and nothing has to be given back.

A caller's row serves both caps on a caller: in one role, and over all roles. The caller's row comes first. If the role has
``max_leases`` as well, the lease stands in the caller's row as provisional: the role may still refuse it. A provisional lease
refuses nobody before the role's row lists it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping
from dataclasses import dataclass
from weakref import WeakValueDictionary

from shared.broker.ports import Ports
from shared.core.errors import Interrupted, LostRace, TooMany, Uncertain
from shared.core.lease import Lease, State
from shared.core.names import LeaseId, RoleName
from shared.core.ports.callers import CallerAdmissions, CallerKey
from shared.core.role import Role
from shared.resilience.tasks import all_of, both

_PATIENCE = 30.0
"""Seconds after which an issue gives up. An attempt fails only if another worker's attempt succeeds, or if storage fails."""
_PAUSE = 0.05
_LONGEST_PAUSE = 1.0
_lines: WeakValueDictionary[tuple[int, Hashable], asyncio.Lock] = WeakValueDictionary()
"""A lock for each role and each caller. One worker's issues wait for it, so that none makes another one's write fail."""


async def admit(ports: Ports, lease: Lease, role: Role, *, since: int) -> None:
    """Returns when the lease, which is stored and PLANNED, is within every cap that holds for it. ``since`` is the role's
    generation.

    Raises ``TooMany``, ``Upstream``, or ``Interrupted`` if other workers have won each attempt. Without any cap it makes no
    call.
    """
    caps = _CallerCaps(lease.id.role, role.max_leases_per_caller, ports.limits.max_leases_per_caller)
    if lease.holder is not None and caps.are_any:
        caller = CallerKey.of(lease.holder)
        attempt = _CallerAttempt(
            ports=ports, lease=lease, caller=caller, caps=caps, since=since, is_provisional=role.max_leases is not None
        )
        await _in_line(ports, caller, attempt.run)
    if (most := role.max_leases) is not None:
        await _in_line(ports, lease.id.role, lambda: _admitted(ports, lease, most, since))


async def _in_line(ports: Ports, who: Hashable, attempt: Callable[[], Awaitable[bool]]) -> None:
    line = _lines.setdefault((id(ports.roles), who), asyncio.Lock())
    until, pause = ports.within(_PATIENCE), _PAUSE
    async with line:
        while not await attempt():
            if ports.clock.monotonic() >= until:
                raise Interrupted
            await ports.clock.sleep(pause * (0.5 + ports.ids.jitter()))
            pause = min(2 * pause, _LONGEST_PAUSE)


async def _admitted(ports: Ports, lease: Lease, most: int, since: int) -> bool:
    """Makes one attempt. Returns ``False`` if another worker has replaced the row meanwhile, or may have."""
    role = lease.id.role
    admissions = await ports.roles.admissions(role)
    if lease.id in admissions.leases:
        return True
    room = await ports.leases.room_taken(role, admissions.leases, most, since=since)
    if room.taken >= most:
        raise TooMany("The role has as many live leases as it may have.", code="too_many_leases")
    try:
        await ports.roles.admit(role, room.planned | {lease.id}, former=admissions)
    except (LostRace, Uncertain):
        return False
    return True


@dataclass(frozen=True, slots=True)
class _CallerCaps:
    """How many leases a caller may hold in this role, and in all."""

    role: RoleName
    in_role: int | None
    in_all: int | None

    @property
    def are_any(self) -> bool:
        """Whether either is set."""
        return self.in_role is not None or self.in_all is not None

    def are_full(self, taken: Collection[LeaseId]) -> bool:
        """Returns whether the leases that take room leave none for another one of the role."""
        of_role = sum(each.role == self.role for each in taken)
        is_full = self.in_role is not None and of_role >= self.in_role
        return is_full or (self.in_all is not None and len(taken) >= self.in_all)


@dataclass(frozen=True, slots=True, kw_only=True)
class _CallerAttempt:
    """Attempts to admit a lease to its caller."""

    ports: Ports
    lease: Lease
    caller: CallerKey
    caps: _CallerCaps
    since: int
    is_provisional: bool

    async def run(self) -> bool:
        """One attempt: ``False`` when the row was replaced meanwhile, or when provisional leases alone leave no room."""
        admissions, generations = await both(self.ports.caller_records.admissions(self.caller), self._generations())
        if self.lease.id in admissions.leases:
            return True
        held = await self.ports.leases.held_by(self.caller.tenant_id, self.caller.object_id)
        standing = [each for each in held if each.generation >= generations.get(each.id.role, 0)]
        made = {each.id for each in standing if each.state is not State.PLANNED}
        planned = {each.id for each in standing if each.state is State.PLANNED and each.id in admissions.leases}
        unsure = planned & admissions.provisional
        if self.caps.are_full(made | planned):
            listed = await self._listed_by_roles(unsure) if unsure else frozenset()
            if self.caps.are_full(made | (planned - unsure) | listed):
                raise TooMany("You have as many live leases as you may have.", code="too_many_leases_of_caller")
            return False
        own = frozenset({self.lease.id})
        provisional = (unsure | own) if self.is_provisional else unsure
        try:
            wanted = CallerAdmissions(frozenset(planned | own), frozenset(provisional), admissions.version)
            await self.ports.caller_records.admit(self.caller, wanted)
        except (LostRace, Uncertain):
            return False
        return True

    async def _generations(self) -> Mapping[RoleName, int]:
        """Returns the generations of roles, as far as the caps need them: an overtaken lease takes no room."""
        own = {self.caps.role: self.since}
        if self.caps.in_all is None:
            return own
        return {name: each.number for name, each in (await self.ports.generations.all()).items()} | own

    async def _listed_by_roles(self, unsure: Collection[LeaseId]) -> frozenset[LeaseId]:
        """Returns those that their roles have admitted."""
        found = await all_of(*(self.ports.roles.admissions(role) for role in {each.role for each in unsure}))
        return frozenset(unsure) & frozenset().union(*(each.leases for each in found))

"""Finding where Azure and the leases have drifted apart. Reads only.

Each kind of credential surveys what there is of its own in Azure, and so does whoever answers for another part of leases. Here
the broker judges what was seen. Azure is read first and the leases after: a lease is stored before anything of it is made. So
what was seen has its lease here, or has none any more, and what once has no live lease never has one again. What is taken for
the broker's own is said by each survey.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import zip_longest

from shared.broker.ports import Ports
from shared.core import ownership
from shared.core.audit import AuditEvent, Outcome
from shared.core.errors import Unreadable
from shared.core.footprint import Footprint
from shared.core.lease import Lease, State
from shared.core.life import STANDING
from shared.core.names import LeaseId, ObjectId, RoleName, Scope
from shared.core.ports.audit import AuditQuery
from shared.core.ports.leases import LeaseQuery
from shared.core.role import Role
from shared.kinds.part import Places
from shared.kinds.survey import Candidate, Reading, Survey

LEASE = "lease"
"""What a lease is called among the things that were found; the others are called as their kinds call them."""
_GRACE = timedelta(hours=1)
"""Age from which an object without a live lease is an orphan; raised where a setting makes absence believed later."""
_LAST_CALL = timedelta(seconds=30)
"""How long a call to Azure that has begun in time may still take."""
_TOLD_WITHIN = timedelta(minutes=10)
"""After a lease was opened, the audit trail tells what came of it."""
_ASKED_FOR = {"issue", "revoke"}
"""Done for a caller."""
_OWN = "end"
"""Done by the broker of itself."""
_PAGE = 1000
_SECONDS = 60.0
"""After the lists were read nothing is compared for longer: what has been found can still be dealt with in the same run."""


@dataclass(frozen=True, slots=True)
class Orphan:
    """Something of the broker's that belongs to no live lease. ``name`` says in Azure's own ids what it is."""

    type: str
    lease: LeaseId
    name: str
    footprint: Footprint
    is_whole: bool
    """Whether the footprint stands for all of its lease, so that what its names lead to goes as well."""


@dataclass(slots=True)
class Drift:
    """What one look has found. ``unread`` are places that could not be read this time."""

    orphans: list[Orphan] = field(default_factory=list)
    vanished: list[Lease] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    unreadable: tuple[LeaseId, ...] = ()
    """Leases whose rows cannot be read: nothing of theirs is an orphan."""


async def find_drift(ports: Ports) -> Drift:
    """Raises ``Upstream`` if storage, or what the broker owns, cannot be read."""
    roles = await ports.roles.list()
    gathered = {part.type: _Gathered() for part in ports.kinds.parts}
    for role in roles:
        if (kind := ports.kinds.find(role.type)) is not None:
            gathered[kind.type].add(kind.schema.places(role.target))
    # A role may point elsewhere by now, or be gone: what its leases have left is where they were.
    unreadable: list[LeaseId] = []
    async for lease_id, footprint in ports.leases.footprints():
        if footprint is None:
            unreadable.append(lease_id)
        else:
            part = ports.kinds.part_of(footprint)
            gathered[part.type].add(part.schema.places_of(footprint))
    surveys = {part.type: part.issuer.survey(gathered[part.type].places) for part in ports.kinds.parts}
    seen = [await survey.run() for survey in surveys.values()]
    drift = await _Comparison(ports, surveys, seen, {role.name: role for role in roles}).run()
    drift.unread[:0] = (f"lease {each}" for each in unreadable)
    return replace(drift, unreadable=tuple(unreadable))


@dataclass(slots=True)
class _Gathered:
    """The places of a type's roles and leases. Each once, however many name it."""

    scopes: dict[str, Scope] = field(default_factory=dict)
    """By their keys."""
    groups: dict[ObjectId, None] = field(default_factory=dict)
    applications: dict[ObjectId, None] = field(default_factory=dict)
    others: dict[str, None] = field(default_factory=dict)

    def add(self, places: Places) -> None:
        self.scopes.update({scope.key: scope for scope in places.scopes})
        self.groups.update(dict.fromkeys(places.groups))
        self.applications.update(dict.fromkeys(places.applications))
        self.others.update(dict.fromkeys(places.others))

    @property
    def places(self) -> Places:
        return Places(tuple(self.scopes.values()), tuple(self.groups), tuple(self.applications), tuple(self.others))


class _Comparison:
    """Of what was seen in Azure with the leases."""

    def __init__(
        self,
        ports: Ports,
        surveys: Mapping[str, Survey],
        seen: Sequence[Mapping[str, Sequence[Candidate]]],
        roles: dict[RoleName, Role],
    ) -> None:
        self._ports = ports
        self._surveys = surveys
        self._seen = seen
        self._roles = roles
        self._reading = Reading([place for survey in surveys.values() for place in survey.reading.unread])
        self._orphans: dict[str, Orphan] = {}
        """By their names."""
        self._vanished: list[Lease] = []
        self._standing: set[LeaseId] = set()
        self._read: dict[LeaseId, Lease | None] = {}
        """Leases as they were when first asked for, after Azure."""
        self._stop_at = ports.within(_SECONDS)
        self._made_before = ports.now() - _grace(ports)

    async def run(self) -> Drift:
        suspects = await self._suspects()
        for kind in self._ports.kinds:
            for lease_id in self._in_time("leases", suspects[kind.type][: kind.suspects]):
                await self._reading.try_to(f"lease {lease_id}", self._check(lease_id))
        for place, candidates in self._places():
            for candidate in self._in_time(place, candidates):
                await self._judge(candidate)
        return Drift([*self._orphans.values()], self._vanished, self._reading.unread)

    def _places(self) -> Iterator[tuple[str, Sequence[Candidate]]]:
        """The first of each survey, then the second of each: one that has seen much does not use up the run."""
        for row in zip_longest(*(places.items() for places in self._seen)):
            yield from (each for each in row if each is not None)

    async def _suspects(self) -> Mapping[str, list[LeaseId]]:
        """Notes the leases whose objects must be there. Returns those that their kind's survey does not show, by kind."""
        suspects: dict[str, list[LeaseId]] = {kind.type: [] for kind in self._ports.kinds}
        query = LeaseQuery(standing=True, limit=_PAGE)
        while True:
            page = await self._ports.leases.list(query)
            for view in page.items:
                self._standing.add(view.id)
                is_active = view.state is State.ACTIVE
                if view.type in suspects and not self._surveys[view.type].shows(view.id, with_credential=is_active):
                    suspects[view.type].append(view.id)
            if page.cursor is None:
                return suspects
            query = replace(query, cursor=LeaseId(page.cursor))

    async def _check(self, lease_id: LeaseId) -> None:
        """A missing object may be on a list that was not read, or too young for the lists: only its own absence counts."""
        try:
            lease = await self._ports.leases.get(lease_id)
        except Unreadable:
            return
        if lease is None or lease.state not in STANDING:
            return
        settled = lease.made_by + timedelta(seconds=self._ports.timing.settle)
        if settled < self._ports.now() and not await self._stands(lease):
            self._vanished.append(lease)

    async def _stands(self, lease: Lease) -> bool:
        for part in lease.parts:
            if not await self._ports.kinds.part_of(part).issuer.stands(part):
                return False
        return True

    async def _judge(self, candidate: Candidate) -> None:
        if candidate.goes_with in self._orphans or not await self._is_over(candidate.lease, candidate.since):
            return
        lease = await self._lease(candidate.lease)
        footprint = await candidate.footprint(lease, self._roles.get(candidate.lease.role))
        if footprint is None or not (candidate.is_proof or await self._is_known(candidate.lease)):
            return
        orphan = Orphan(candidate.type, candidate.lease, candidate.name, footprint, candidate.is_whole)
        self._orphans[candidate.name] = orphan

    async def _is_over(self, lease_id: LeaseId, since: datetime | None) -> bool:
        """Whether it is old enough, by its own time, and its lease is not live. A lease that cannot be read may be."""
        if since is None or since >= self._made_before or lease_id in self._standing:
            return False
        try:
            lease = await self._lease(lease_id)
        except Unreadable:
            return False
        return lease is None or (not lease.state.is_live and self._is_gone_everywhere(lease))

    def _is_gone_everywhere(self, lease: Lease) -> bool:
        """Whether no replica can still show what ended with the lease, and was never an orphan."""
        settled = timedelta(seconds=self._ports.timing.settle)
        return lease.ended_at is None or lease.ended_at + settled < self._ports.now()

    async def _lease(self, lease_id: LeaseId) -> Lease | None:
        if lease_id not in self._read:
            self._read[lease_id] = await self._ports.leases.get(lease_id)
        return self._read[lease_id]

    def _in_time[T](self, place: str, items: Sequence[T]) -> Iterator[T]:
        """The items, for as long as there is time. Notes the place when there is none."""
        for item in items:
            if self._ports.clock.monotonic() >= self._stop_at:
                self._reading.unread.append(f"{place}: not all of it in one run")
                return
            yield item

    async def _is_known(self, lease_id: LeaseId) -> bool:
        """Whether this broker has ever had the lease: its record is there still, or the audit trail tells of it."""
        if await self._lease(lease_id) is not None:
            return True
        opened = ownership.opened_at(lease_id)
        page = await self._ports.audit.read(AuditQuery(opened, opened + _TOLD_WITHIN, lease=lease_id))
        return any(_proves(event) for event in page.items)


def _proves(event: AuditEvent) -> bool:
    """Whether it tells that this broker has had the lease: a refusal or a failure may name any that somebody thinks of."""
    by_whom = event.operation == _OWN or (event.operation in _ASKED_FOR and event.caller is not None)
    return event.outcome is Outcome.DONE and by_whom


def _grace(ports: Ports) -> timedelta:
    """Longer than any issue may take, and what it made may be unseen."""
    longest = timedelta(seconds=ports.timing.mint + 2 * ports.timing.settle) + _LAST_CALL
    return max(_GRACE, longest)

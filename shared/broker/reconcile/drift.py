"""Finds where Azure and the stored leases differ. This module only reads.

Each kind of credential surveys its own objects in Azure. Each further part of leases has a survey, too. A survey says which
objects are the broker's own. This module compares them with the leases.

Azure is read first, the leases after. A lease is stored before anything is made for it. So an object that a survey has seen
has a stored lease, or its lease is over. An object without a live lease never gets one again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import zip_longest

from shared.broker.listing import all_leases
from shared.broker.ports import Ports
from shared.core import ownership
from shared.core.audit import AuditEvent, Outcome
from shared.core.errors import Unreadable
from shared.core.footprint import Footprint
from shared.core.lease import Lease, LeaseView, State
from shared.core.life import STANDING
from shared.core.names import LeaseId, ObjectId, RoleName, Scope
from shared.core.ports.audit import AuditQuery
from shared.core.ports.leases import LeaseQuery
from shared.core.role import Role
from shared.kinds.part import Places
from shared.kinds.pooling import ASSIGNMENT_MISSING, VANISHED, PoolSurvey, Trouble
from shared.kinds.survey import Candidate, Reading, Survey

LEASE = "lease"
"""The word for a lease in the report. Each other object has the word that its kind gives it."""
_GRACE = timedelta(hours=1)
"""Age from which an object without a live lease is an orphan. ``_grace`` raises it if a setting needs longer."""
_LAST_CALL = timedelta(seconds=30)
"""The longest time that a call to Azure takes after it has begun."""
_TOLD_WITHIN = timedelta(minutes=10)
"""Within this time after a lease was opened, the audit trail has an event that tells the result."""
_ASKED_FOR = {"issue", "revoke"}
"""Operations for a caller."""
_OWN = {"end", "fill"}
"""Operations that the broker does without a caller."""
_PAGE = 1000
_SECONDS = 60.0
"""The comparison stops after this time, so that the same run can still delete the orphans that it has found."""


@dataclass(frozen=True, slots=True)
class Orphan:
    """An object of the broker's that belongs to no live lease. ``name`` identifies it by Azure's own ids."""

    type: str
    lease: LeaseId
    name: str
    footprint: Footprint
    is_whole: bool
    """Whether the footprint stands for the whole lease. If it does, the undo also deletes what is found by its names."""


@dataclass(frozen=True, slots=True)
class Touched:
    """A pooled lease that somebody else has touched."""

    lease: Lease
    trouble: Trouble


@dataclass(slots=True)
class Drift:
    """The differences that one run has found. ``unread`` lists the places that it could not read."""

    orphans: list[Orphan] = field(default_factory=list)
    vanished: list[Lease] = field(default_factory=list)
    touched: list[Touched] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    unreadable: tuple[LeaseId, ...] = ()
    """Leases whose rows cannot be read. Their objects are no orphans."""


async def find_drift(ports: Ports) -> Drift:
    """Compares Azure with the leases. Raises ``Upstream`` if storage, or the list of what the broker owns, cannot be read."""
    began, roles = ports.now(), await ports.roles.list()
    gathered = {part.type: _Gathered() for part in ports.kinds.parts}
    for role in roles:
        if (kind := ports.kinds.find(role.type)) is not None:
            gathered[kind.type].add(kind.schema.places(role.target))
        if role.delivery is not None:
            gathered[ports.courier.type].add(Places(others=role.delivery.vaults))
    # A role may have another target by now, or be deleted. What its leases left behind is still at their old places.
    unreadable: list[LeaseId] = []
    async for lease_id, footprint in ports.leases.footprints():
        if footprint is None:
            unreadable.append(lease_id)
        else:
            part = ports.kinds.part_of(footprint)
            gathered[part.type].add(part.schema.places_of(footprint))
    surveys = {part.type: part.issuer.survey(gathered[part.type].places) for part in ports.kinds.parts}
    seen = [await survey.run() for survey in surveys.values()]
    drift = await _Comparison(ports, surveys, seen, {role.name: role for role in roles}, began).run()
    drift.unread[:0] = (f"lease {each}" for each in unreadable)
    return replace(drift, unreadable=tuple(unreadable))


@dataclass(slots=True)
class _Gathered:
    """The places that the roles and leases of one type name, without repetition."""

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
    """Compares what the surveys have seen with the leases."""

    def __init__(
        self,
        ports: Ports,
        surveys: Mapping[str, Survey],
        seen: Sequence[Mapping[str, Sequence[Candidate]]],
        roles: dict[RoleName, Role],
        began: datetime,
    ) -> None:
        self._ports = ports
        self._surveys = surveys
        self._seen = seen
        self._roles = roles
        self._reading = Reading([place for survey in surveys.values() for place in survey.reading.unread])
        self._orphans: dict[str, Orphan] = {}
        """By their names."""
        self._vanished: list[Lease] = []
        self._touched: list[Touched] = []
        self._pooled: list[LeaseView] = []
        self._standing: set[LeaseId] = set()
        self._read: dict[LeaseId, Lease | None] = {}
        """Each lease as it was when it was first read. Every read is later than the surveys."""
        self._stop_at = ports.within(_SECONDS)
        self._made_before = ports.now() - _grace(ports)
        self._began = began
        """When the surveys began: what was made long before then must be in them."""

    async def run(self) -> Drift:
        suspects = await self._suspects()
        for kind in self._ports.kinds:
            for lease_id in self._in_time("leases", suspects[kind.type][: kind.suspects]):
                await self._reading.try_to(f"lease {lease_id}", self._check(lease_id))
        for place, candidates in self._places():
            for candidate in self._in_time(place, candidates):
                await self._judge(candidate)
        for view in self._in_time("pools", self._pooled):
            await self._reading.try_to(f"lease {view.id}", self._check_pooled(view))
        return Drift([*self._orphans.values()], self._vanished, self._touched, self._reading.unread)

    def _places(self) -> Iterator[tuple[str, Sequence[Candidate]]]:
        """Yields the first place of each survey, then the second of each. So one long survey does not use up the run's time."""
        for row in zip_longest(*(places.items() for places in self._seen)):
            yield from (each for each in row if each is not None)

    async def _suspects(self) -> Mapping[str, list[LeaseId]]:
        """Notes the leases whose objects must be there. Returns those that their kind's survey does not show, by kind."""
        suspects: dict[str, list[LeaseId]] = {kind.type: [] for kind in self._ports.kinds}
        async for view in all_leases(self._ports, LeaseQuery(standing=True, limit=_PAGE)):
            self._standing.add(view.id)
            is_active = view.state is State.ACTIVE
            if view.state is State.POOLED:
                self._pooled.append(view)
            if view.type in suspects and not self._surveys[view.type].shows(view.id, with_credential=is_active):
                suspects[view.type].append(view.id)
        return suspects

    async def _check(self, lease_id: LeaseId) -> None:
        """Looks at the lease's own objects. They may be missing in a list that was not read, or be too young for the lists."""
        try:
            lease = await self._ports.leases.get(lease_id)
        except Unreadable:
            return
        if lease is None or lease.state not in STANDING:
            return
        settled = lease.made_by + timedelta(seconds=self._ports.timing.settle)
        if settled < self._ports.now() and not await self._stands(lease):
            if lease.state is State.POOLED:
                self._touched.append(Touched(lease, Trouble(VANISHED, what="its application or principal is gone")))
            else:
                self._vanished.append(lease)

    async def _check_pooled(self, view: LeaseView) -> None:
        """Looks whether a pooled lease still has the assignments that it was made with. Nobody else would before its claim."""
        survey: object = self._surveys.get(view.type)
        if not isinstance(survey, PoolSurvey) or any(each.lease.id == view.id for each in self._touched):
            return
        try:
            lease = await self._ports.leases.get(view.id)
        except Unreadable:
            return
        if lease is None or lease.state is not State.POOLED:
            return
        settled = lease.made_by + timedelta(seconds=self._ports.timing.settle)
        if settled < self._began and (missing := survey.lacks(lease.footprint)):
            self._touched.append(Touched(lease, Trouble(ASSIGNMENT_MISSING, what=f"role assignment {missing} is gone")))

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
        """Whether the object is old enough and its lease is not live. A lease that cannot be read counts as live."""
        if since is None or since >= self._made_before or lease_id in self._standing:
            return False
        try:
            lease = await self._lease(lease_id)
        except Unreadable:
            return False
        return lease is None or (not lease.state.is_live and self._is_gone_everywhere(lease))

    def _is_gone_everywhere(self, lease: Lease) -> bool:
        """Whether so much time has passed since the end that no replica still shows an object which the end deleted."""
        settled = timedelta(seconds=self._ports.timing.settle)
        return lease.ended_at is None or lease.ended_at + settled < self._ports.now()

    async def _lease(self, lease_id: LeaseId) -> Lease | None:
        if lease_id not in self._read:
            self._read[lease_id] = await self._ports.leases.get(lease_id)
        return self._read[lease_id]

    def _in_time[T](self, place: str, items: Sequence[T]) -> Iterator[T]:
        """Yields the items while there is time. If time runs out, notes the place as unread."""
        for item in items:
            if self._ports.clock.monotonic() >= self._stop_at:
                self._reading.unread.append(f"{place}: not all of it in one run")
                return
            yield item

    async def _is_known(self, lease_id: LeaseId) -> bool:
        """Whether this broker has ever had the lease: its row still exists, or the audit trail has an event of it."""
        if await self._lease(lease_id) is not None:
            return True
        opened = ownership.opened_at(lease_id)
        page = await self._ports.audit.read(AuditQuery(opened, opened + _TOLD_WITHIN, lease=lease_id))
        return any(_proves(event) for event in page.items)


def _proves(event: AuditEvent) -> bool:
    """Whether the event proves that this broker had the lease. A refusal or a failure may name an invented lease id."""
    by_whom = event.operation in _OWN or (event.operation in _ASKED_FOR and event.caller is not None)
    return event.outcome is Outcome.DONE and by_whom


def _grace(ports: Ports) -> timedelta:
    """Returns a time longer than any issue takes, plus the time in which replicas may not show what it made."""
    longest = timedelta(seconds=ports.timing.mint + 2 * ports.timing.settle) + _LAST_CALL
    return max(_GRACE, longest)

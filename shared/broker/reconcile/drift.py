"""Finding where Azure and the leases have drifted apart. Reads only.

The directory is read first and the leases after: a lease is stored before anything of it is made, so what is seen there has its
lease here, or has none any more; and what once has no live lease never has one again.

What is taken for the broker's own:

* an application that the broker's identity owns, and that carries unique name, display name and tag; with it its service
  principal, its memberships in groups that roles or leases name, and the assignments whose names its lease's id determines;
* a role assignment that the broker's identity made, whose description names the lease and whose name the lease's id determines;
* a secret on an existing application, or an object in the recycle bin, that is called after a lease which this broker's own
  records know. Neither tells who made it, and another broker's are called alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from shared.broker.ports import Ports
from shared.broker.reconcile.azure_state import AzureState, Places, read_azure_state
from shared.core import ownership
from shared.core.audit import AuditEvent, Outcome
from shared.core.errors import Unreadable
from shared.core.footprint import ApplicationSecretFootprint, Assignment, Footprint, ServicePrincipalFootprint
from shared.core.lease import Lease, State
from shared.core.names import LeaseId, ObjectId, RoleName
from shared.core.ports.audit import AuditQuery
from shared.core.ports.inventory import AzureInventory, DirectoryObject, FoundApplication
from shared.core.ports.leases import LeaseQuery
from shared.core.role import Role, ServicePrincipalTarget

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
_MOST_SUSPECTS = 200
"""Leases that one run looks at more closely because their objects are missing from the lists."""
_SECONDS = 60.0
"""After the lists were read nothing is compared for longer: what has been found can still be dealt with in the same run."""


class OrphanType(StrEnum):
    """What was found."""

    APPLICATION = "application"
    RECYCLED = "recycled"
    APPLICATION_SECRET = "application_secret"  # noqa: S105 - a kind of thing
    ASSIGNMENT = "assignment"
    LEASE = "lease"


@dataclass(frozen=True, slots=True)
class Orphan:
    """Something of the broker's that belongs to no live lease. ``name`` says in Azure's own ids what it is."""

    kind: OrphanType
    lease: LeaseId
    name: str
    footprint: Footprint


@dataclass(slots=True)
class Drift:
    """What one look has found. ``unread`` are places that could not be read this time."""

    orphans: list[Orphan] = field(default_factory=list)
    vanished: list[Lease] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    unreadable: tuple[LeaseId, ...] = ()
    """Leases whose rows cannot be read: nothing of theirs is an orphan."""


async def find_drift(ports: Ports) -> Drift:
    """Raises ``Upstream`` when storage, or what the broker owns, cannot be read."""
    roles, inventory, places = await ports.roles.list(), ports.inventory, Places()
    for role in roles:
        places.point(role)
    # A role may point elsewhere by now, or be gone: what its leases have left is where they were.
    unreadable: list[LeaseId] = []
    async for lease_id, footprint in ports.leases.footprints():
        if footprint is None:
            unreadable.append(lease_id)
        else:
            places.hold(footprint)
    seen = await read_azure_state(inventory, places)
    seen.unread += (f"lease {each}" for each in unreadable)
    drift = await _Comparison(ports, inventory, places, {role.name: role for role in roles}, seen).run()
    return replace(drift, unreadable=tuple(unreadable))


class _Comparison:
    """Of what was seen in Azure with the leases."""

    def __init__(
        self, ports: Ports, inventory: AzureInventory, places: Places, roles: dict[RoleName, Role], seen: AzureState
    ) -> None:
        self._ports = ports
        self._inventory = inventory
        self._places = places
        self._roles = roles
        self._seen = seen
        self._orphans: list[Orphan] = []
        self._vanished: list[Lease] = []
        self._active: set[LeaseId] = set()
        self._read: dict[LeaseId, Lease | None] = {}
        """Leases as they were when first asked for, after the directory."""
        self._stop_at = ports.within(_SECONDS)
        self._made_before = ports.now() - _grace(ports)

    async def run(self) -> Drift:
        for lease_id in self._in_time("leases", (await self._suspects())[:_MOST_SUSPECTS]):
            await self._seen.readable(f"lease {lease_id}", self._check(lease_id))
        await self._find_applications()
        await self._find_assignments()
        await self._find_secrets()
        await self._find_recycled()
        return Drift(self._orphans, self._vanished, self._seen.unread)

    async def _suspects(self) -> list[LeaseId]:
        """Notes the active leases; gives those that the lists do not show."""
        named = {each.lease for each in self._seen.secrets}
        suspects, query = list[LeaseId](), LeaseQuery(state=State.ACTIVE, limit=_PAGE)
        while True:
            page = await self._ports.leases.list(query)
            self._active.update(view.id for view in page.items)
            suspects += [view.id for view in page.items if view.id not in named and not self._seen.holds(view.id)]
            if page.cursor is None:
                return suspects
            query = replace(query, cursor=LeaseId(page.cursor))

    async def _check(self, lease_id: LeaseId) -> None:
        """A missing object may be on a list that was not read, or too young for the lists: only its own absence counts."""
        try:
            lease = await self._ports.leases.get(lease_id)
        except Unreadable:
            return
        if lease is None or lease.state is not State.ACTIVE:
            return
        settled = lease.made_by + timedelta(seconds=self._ports.timing.settle)
        if settled < self._ports.now() and not await self._inventory.stands(lease.footprint):
            self._vanished.append(lease)

    async def _find_applications(self) -> None:
        for lease_id, application in self._in_time("applications", [*self._seen.applications.items()]):
            if await self._is_over(lease_id, application.since):
                footprint = await self._footprint_of(lease_id, application)
                self._orphans.append(Orphan(OrphanType.APPLICATION, lease_id, application.object_id, footprint))

    async def _footprint_of(self, lease_id: LeaseId, application: FoundApplication) -> ServicePrincipalFootprint:
        principal = self._seen.principals.get(application.app_id)
        held = tuple(
            each.assignment
            for each in self._seen.assignments
            if each.principal == principal and ownership.is_assignment_of(lease_id, each.assignment.name)
        )
        groups = tuple[ObjectId, ...]()
        if principal is not None and self._places.groups:
            groups = await self._inventory.groups_of(principal, tuple(self._places.groups))
        return ServicePrincipalFootprint(
            application.unique_name,
            held,
            groups,
            await self._is_to_be_purged(lease_id),
            application.object_id,
            application.app_id,
            principal,
        )

    async def _find_assignments(self) -> None:
        claimed = {each for orphan in self._orphans for each in _assignments_in(orphan.footprint)}
        for found in self._in_time("assignments", self._seen.assignments):
            lease_id = found.lease
            if lease_id is None or found.made_by != self._seen.identity or found.assignment in claimed:
                continue
            if await self._is_over(lease_id, found.since):
                place = f"{found.assignment.scope}/providers/Microsoft.Authorization/roleAssignments/{found.assignment.name}"
                footprint = ServicePrincipalFootprint(ownership.unique_name(lease_id), (found.assignment,))
                self._orphans.append(Orphan(OrphanType.ASSIGNMENT, lease_id, place, footprint))

    async def _find_secrets(self) -> None:
        for found in self._in_time("secrets", self._seen.secrets):
            if await self._is_over(found.lease, found.secret.since) and await self._is_known(found.lease):
                footprint = ApplicationSecretFootprint(found.application, found.secret.display_name, found.secret.key_id)
                name = f"{found.secret.key_id} of application {found.application}"
                self._orphans.append(Orphan(OrphanType.APPLICATION_SECRET, found.lease, name, footprint))

    async def _find_recycled(self) -> None:
        by_app_id = {item.app_id: item for item in self._seen.recycled if isinstance(item, FoundApplication)}
        # What stays there meets every run: each begins elsewhere, so that none of it hides the rest for ever.
        first = int(self._ports.ids.jitter() * len(self._seen.recycled))
        for item in self._in_time("recycle bin", [*self._seen.recycled[first:], *self._seen.recycled[:first]]):
            lease_id = _lease_of_recycled(item, by_app_id)
            if lease_id is None or not await self._is_over(lease_id, item.since):
                continue
            if await self._is_to_be_purged(lease_id, otherwise=False) and await self._is_known(lease_id):
                orphan = Orphan(OrphanType.RECYCLED, lease_id, item.object_id, _footprint_of_recycled(item, lease_id))
                self._orphans.append(orphan)

    async def _is_over(self, lease_id: LeaseId, since: datetime | None) -> bool:
        """Whether it is old enough, by its own time, and its lease is not live. A lease that cannot be read may be."""
        if since is None or since >= self._made_before or lease_id in self._active:
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
        """The items, for as long as there is time; notes the place when there is none."""
        for item in items:
            if self._ports.clock.monotonic() >= self._stop_at:
                self._seen.unread.append(f"{place}: not all of it in one run")
                return
            yield item

    async def _is_known(self, lease_id: LeaseId) -> bool:
        """Whether this broker has ever had the lease: its record is there still, or the audit trail tells of it."""
        if await self._lease(lease_id) is not None:
            return True
        opened = ownership.opened_at(lease_id)
        told = await self._ports.audit.read(AuditQuery(opened, opened + _TOLD_WITHIN, lease=lease_id))
        return any(_proves(event) for event in told.items)

    async def _is_to_be_purged(self, lease_id: LeaseId, *, otherwise: bool = True) -> bool:
        """As its lease says; else as its role says today; else ``otherwise``."""
        lease = await self._lease(lease_id)
        if lease is not None and isinstance(lease.footprint, ServicePrincipalFootprint):
            return lease.footprint.purge
        role = self._roles.get(lease_id.role)
        target = role.target if role is not None else None
        return target.permanently_delete if isinstance(target, ServicePrincipalTarget) else otherwise


def _proves(event: AuditEvent) -> bool:
    """Whether it tells that this broker has had the lease: a refusal or a failure may name any that somebody thinks of."""
    by_whom = event.operation == _OWN or (event.operation in _ASKED_FOR and event.caller is not None)
    return event.outcome is Outcome.DONE and by_whom


def _grace(ports: Ports) -> timedelta:
    """Longer than any issue may take, and what it made may be unseen."""
    longest = timedelta(seconds=ports.timing.mint + 2 * ports.timing.settle) + _LAST_CALL
    return max(_GRACE, longest)


def _assignments_in(footprint: Footprint) -> tuple[Assignment, ...]:
    return footprint.assignments if isinstance(footprint, ServicePrincipalFootprint) else ()


def _lease_of_recycled(item: DirectoryObject, by_app_id: dict[ObjectId, FoundApplication]) -> LeaseId | None:
    if isinstance(item, FoundApplication):
        return item.lease
    application = by_app_id.get(item.app_id)
    return application.lease if application is not None else ownership.lease_named(item.display_name)


def _footprint_of_recycled(item: DirectoryObject, lease_id: LeaseId) -> ServicePrincipalFootprint:
    if isinstance(item, FoundApplication):
        return ServicePrincipalFootprint(item.unique_name, application_id=item.object_id, app_id=item.app_id)
    return ServicePrincipalFootprint(ownership.unique_name(lease_id), app_id=item.app_id, principal_id=item.object_id)

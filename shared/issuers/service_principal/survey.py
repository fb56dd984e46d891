"""Surveys what leases with a service principal of their own have left in Azure. Reads only.

These objects count as the broker's own:

* An application that the broker's identity owns, with unique name, display name and tag. With it go its service principal, its
  memberships in groups that roles or leases name, and the assignments whose names come from its lease's id.
* A role assignment that the broker's identity has made, whose description names the lease and whose name comes from the lease's
  id.
* An object in the recycle bin that is named after a lease, if this broker's records know the lease. The object does not show
  which broker has made it, and another broker names its objects in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from shared.core import ownership
from shared.core.footprint import Assignment
from shared.core.lease import Lease
from shared.core.names import LeaseId, ObjectId, Scope
from shared.core.ports.inventory import AzureInventory, DirectoryObject, FoundApplication, FoundAssignment, FoundPrincipal
from shared.core.ports.system import Ids
from shared.core.role import Role
from shared.issuers.service_principal.schema import ServicePrincipalFootprint, ServicePrincipalTarget
from shared.kinds.part import Places
from shared.kinds.survey import Candidate, Reading


@dataclass(slots=True)
class ServicePrincipalSurvey:
    """Satisfies ``Survey``. Finds each marked object that the broker owns, in the bin or not, and each assignment."""

    inventory: AzureInventory
    places: Places
    ids: Ids
    reading: Reading = field(default_factory=Reading)
    identity: ObjectId = field(default_factory=lambda: ObjectId(""))
    applications: dict[LeaseId, FoundApplication] = field(default_factory=dict)
    principals: dict[ObjectId, ObjectId] = field(default_factory=dict)
    """Object ids, by client id."""
    recycled: list[DirectoryObject] = field(default_factory=list)
    assignments: list[FoundAssignment] = field(default_factory=list)

    def shows(self, lease_id: LeaseId, *, with_credential: bool) -> bool:
        """Returns whether there is an application, with a secret if the lease must have one, and its service principal."""
        application = self.applications.get(lease_id)
        if application is None or application.app_id not in self.principals:
            return False
        return not (with_credential and application.lacks_secret)

    def lacks(self, footprint: ServicePrincipalFootprint) -> str:
        """Returns an assignment that is not there. See ``PoolSurvey``. Of scopes that could not be read, nothing is known."""
        unread = {each.casefold() for each in self.reading.unread}
        found = {(each.assignment.scope.key, each.assignment.name) for each in self.assignments}
        wanted = (each for each in footprint.assignments if each.scope.key not in unread)
        return next((each.resource_id for each in wanted if (each.scope.key, each.name) not in found), "")

    async def run(self) -> Mapping[str, Sequence[Candidate]]:
        """Reads all places. Raises ``Upstream`` if the objects that the broker owns cannot be read."""
        self.identity = await self.inventory.identity()
        async for item in self.inventory.owned():
            if isinstance(item, FoundPrincipal):
                self.principals[item.app_id] = item.object_id
            elif (lease_id := item.lease) is not None:
                self.applications[lease_id] = item
        await self.reading.try_to("the recycle bin", self._look_into_bin())
        for scope in self.places.scopes:
            await self.reading.try_to(scope, self._look_at(scope))
        return {
            "applications": [OwnApplication(self, *each) for each in self.applications.items()],
            "assignments": [*self._own_assignments()],
            "recycle bin": self._recycled(),
        }

    async def _look_into_bin(self) -> None:
        ours = set[ObjectId]()
        async for item in self.inventory.recycled():
            if isinstance(item, FoundApplication) and item.lease is not None:
                ours.add(item.app_id)
                self.recycled.append(item)
            elif isinstance(item, FoundPrincipal) and (item.app_id in ours or ownership.lease_named(item.display_name)):
                self.recycled.append(item)

    async def _look_at(self, scope: Scope) -> None:
        self.assignments += await self.inventory.assignments_at(scope)

    def _own_assignments(self) -> Iterator[OwnAssignment]:
        for found in self.assignments:
            if found.made_by == self.identity and (lease_id := found.lease) is not None:
                yield OwnAssignment(self, lease_id, found)

    def _recycled(self) -> list[Candidate]:
        applications = {item.app_id: item for item in self.recycled if isinstance(item, FoundApplication)}
        # Objects that stay in the bin come up in every run. Each run begins elsewhere, or they would hide the rest for ever.
        first = int(self.ids.jitter() * len(self.recycled))
        turned = [*self.recycled[first:], *self.recycled[:first]]
        named = ((item, _lease_of(item, applications)) for item in turned)
        return [Recycled(item, lease_id) for item, lease_id in named if lease_id is not None]

    def held(self, lease_id: LeaseId, principal: ObjectId | None) -> tuple[Assignment, ...]:
        """Returns the principal's assignments whose names come from the lease's id, whoever has made them."""
        return tuple(
            each.assignment
            for each in self.assignments
            if each.principal == principal and ownership.is_assignment_of(lease_id, each.assignment.name)
        )


def _lease_of(item: DirectoryObject, applications: Mapping[ObjectId, FoundApplication]) -> LeaseId | None:
    if isinstance(item, FoundApplication):
        return item.lease
    application = applications.get(item.app_id)
    return application.lease if application is not None else ownership.lease_named(item.display_name)


@dataclass(frozen=True, slots=True)
class OwnApplication:
    """An application that the broker owns. Satisfies ``Candidate``, like the two that follow."""

    survey: ServicePrincipalSurvey
    lease: LeaseId
    found: FoundApplication
    type: ClassVar[str] = "application"
    is_proof: ClassVar[bool] = True
    is_whole: ClassVar[bool] = True
    goes_with: ClassVar[str] = ""

    @property
    def name(self) -> str:
        """Its object id."""
        return self.found.object_id

    @property
    def since(self) -> datetime | None:
        """When it was made."""
        return self.found.since

    async def footprint(self, lease: Lease | None, role: Role | None) -> ServicePrincipalFootprint:
        """Returns a footprint with the application's principal, and with the principal's assignments and memberships."""
        survey, principal = self.survey, self.survey.principals.get(self.found.app_id)
        groups = tuple[ObjectId, ...]()
        if principal is not None and survey.places.groups:
            groups = await survey.inventory.groups_of(principal, survey.places.groups)
        return ServicePrincipalFootprint(
            self.found.unique_name,
            survey.held(self.lease, principal),
            groups,
            _is_to_be_purged(lease, role, otherwise=True),
            self.found.object_id,
            self.found.app_id,
            principal,
        )


@dataclass(frozen=True, slots=True)
class OwnAssignment:
    """A role assignment that the broker made."""

    survey: ServicePrincipalSurvey
    lease: LeaseId
    """The lease in the assignment's description and name."""
    found: FoundAssignment
    type: ClassVar[str] = "assignment"
    is_proof: ClassVar[bool] = True
    is_whole: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """Its resource id."""
        return self.found.assignment.resource_id

    @property
    def since(self) -> datetime | None:
        """When it was made."""
        return self.found.since

    @property
    def goes_with(self) -> str:
        """The lease's application, if the assignment is to the application's principal."""
        application = self.survey.applications.get(self.lease)
        if application is None or self.found.principal != self.survey.principals.get(application.app_id):
            return ""
        return application.object_id

    async def footprint(self, lease: Lease | None, role: Role | None) -> ServicePrincipalFootprint:  # noqa: ARG002 - the protocol's
        """Returns the footprint of the assignment alone."""
        return ServicePrincipalFootprint(ownership.unique_name(self.lease), (self.found.assignment,))


@dataclass(frozen=True, slots=True)
class Recycled:
    """An application or a service principal in the recycle bin."""

    item: DirectoryObject
    lease: LeaseId
    type: ClassVar[str] = "recycled"
    is_proof: ClassVar[bool] = False
    is_whole: ClassVar[bool] = False
    goes_with: ClassVar[str] = ""

    @property
    def name(self) -> str:
        """Its object id."""
        return self.item.object_id

    @property
    def since(self) -> datetime | None:
        """When it was deleted."""
        return self.item.since

    async def footprint(self, lease: Lease | None, role: Role | None) -> ServicePrincipalFootprint | None:
        """Returns ``None`` if neither the lease nor the role wants the object purged."""
        if not _is_to_be_purged(lease, role, otherwise=False):
            return None
        if isinstance(self.item, FoundApplication):
            return ServicePrincipalFootprint(self.item.unique_name, application_id=self.item.object_id, app_id=self.item.app_id)
        return ServicePrincipalFootprint(
            ownership.unique_name(self.lease), app_id=self.item.app_id, principal_id=self.item.object_id
        )


def _is_to_be_purged(lease: Lease | None, role: Role | None, *, otherwise: bool) -> bool:
    """Returns what the lease says. Without a lease, returns what the role says today. Without a role, ``otherwise``."""
    if lease is not None and isinstance(lease.footprint, ServicePrincipalFootprint):
        return lease.footprint.purge
    if role is not None and isinstance(role.target, ServicePrincipalTarget):
        return role.target.permanently_delete
    return otherwise

"""Surveys what leases have assigned to their holders. Reads only.

A role assignment counts as the broker's own if the broker's identity has made it, its description names the lease as one that
grants to its holder, and its name comes from the lease's id. There is no application whose list would tell of a lease: the
assignments at the scopes are all that there is. Assignments to principals of leases' own have another description.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from shared.core.caller import CallerType
from shared.core.lease import Lease
from shared.core.names import LeaseId, ObjectId, Scope
from shared.core.ports.inventory import AzureInventory, FoundAssignment
from shared.core.role import Role
from shared.issuers.role_grant.footprint import Grant, RoleGrantFootprint
from shared.kinds.part import Places
from shared.kinds.survey import Candidate, Reading


@dataclass(slots=True)
class RoleGrantSurvey:
    """Satisfies ``Survey``. Finds each assignment that a lease has given to its holder."""

    inventory: AzureInventory
    places: Places
    reading: Reading = field(default_factory=Reading)
    grants: list[OwnGrant] = field(default_factory=list)
    granting: set[LeaseId] = field(default_factory=set)

    def shows(self, lease_id: LeaseId, *, with_credential: bool) -> bool:  # noqa: ARG002 - there is nothing else of it
        """Returns whether there is an assignment of the lease's. If only some of several are gone, the lease stands."""
        return lease_id in self.granting

    async def run(self) -> Mapping[str, Sequence[Candidate]]:
        """Makes one call for the broker's own id, if there is a scope, and one for each page of assignments of each scope."""
        if self.places.scopes:
            identity = await self.inventory.identity()
            for scope in self.places.scopes:
                await self.reading.try_to(scope, self._look_at(scope, identity))
        return {"grants": self.grants}

    async def _look_at(self, scope: Scope, identity: ObjectId) -> None:
        for found in await self.inventory.assignments_at(scope):
            if found.made_by == identity and (lease_id := found.granting_lease) is not None:
                self.grants.append(OwnGrant(lease_id, found))
                self.granting.add(lease_id)


@dataclass(frozen=True, slots=True)
class OwnGrant:
    """A role assignment that the broker has made for a lease's holder. Satisfies ``Candidate``."""

    lease: LeaseId
    found: FoundAssignment
    type: ClassVar[str] = "grant"
    is_proof: ClassVar[bool] = True
    is_whole: ClassVar[bool] = False
    goes_with: ClassVar[str] = ""

    @property
    def grant(self) -> Grant:
        """As a footprint has it."""
        placed = self.found.assignment
        return Grant(placed.scope, placed.name, self.found.definition_id)

    @property
    def name(self) -> str:
        """Its resource id."""
        return self.found.assignment.resource_id

    @property
    def since(self) -> datetime | None:
        """When it was made."""
        return self.found.since

    async def footprint(self, lease: Lease | None, role: Role | None) -> RoleGrantFootprint:  # noqa: ARG002 - the protocol's
        """Returns the footprint of the assignment alone."""
        return RoleGrantFootprint(self.found.principal, CallerType.APPLICATION, (self.grant,))

"""Looking at Azure: what there is of the broker's own, and what there is where roles point and leases were. Reads only."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass, field

from shared.core import ownership
from shared.core.errors import Upstream
from shared.core.footprint import ApplicationSecretFootprint, Footprint, ServicePrincipalFootprint
from shared.core.names import LeaseId, ObjectId, Scope
from shared.core.ports.inventory import (
    AzureInventory,
    DirectoryObject,
    FoundApplication,
    FoundAssignment,
    FoundPrincipal,
    FoundSecret,
)
from shared.core.role import ApplicationSecretTarget, Role, ServicePrincipalTarget

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Places:
    """Where roles point, and where leases that are not forgotten have been. Each once, however many do."""

    scopes: dict[str, Scope] = field(default_factory=dict)
    """By their keys."""
    groups: dict[ObjectId, None] = field(default_factory=dict)
    applications: dict[ObjectId, None] = field(default_factory=dict)
    """Existing ones, which hold secrets of leases."""

    def point(self, role: Role) -> None:
        """Adds where the role points."""
        match role.target:
            case ServicePrincipalTarget(azure_roles=roles, azure_groups=groups):
                self._add(groups, [each.scope for each in roles])
            case ApplicationSecretTarget(application_object_id=application):
                self.applications[application] = None

    def hold(self, footprint: Footprint) -> None:
        """Adds where a lease has been."""
        match footprint:
            case ServicePrincipalFootprint(assignments=assignments, groups=groups):
                self._add(groups, [each.scope for each in assignments])
            case ApplicationSecretFootprint(application_id=application):
                self.applications[application] = None

    def _add(self, groups: Iterable[ObjectId], scopes: Iterable[Scope]) -> None:
        self.groups.update(dict.fromkeys(groups))
        self.scopes.update({scope.key: scope for scope in scopes})


@dataclass(frozen=True, slots=True)
class LeaseSecret:
    """A secret on an existing application that is called after a lease."""

    lease: LeaseId
    application: ObjectId
    secret: FoundSecret


@dataclass(slots=True)
class AzureState:
    """An entry for each marked object that the broker owns, and for each marked assignment and secret at the places.

    What is not marked is not kept. ``unread`` are places that could not be read this time.
    """

    identity: ObjectId = field(default_factory=lambda: ObjectId(""))
    applications: dict[LeaseId, FoundApplication] = field(default_factory=dict)
    principals: dict[ObjectId, ObjectId] = field(default_factory=dict)
    """Object ids, by client id."""
    recycled: list[DirectoryObject] = field(default_factory=list)
    assignments: list[FoundAssignment] = field(default_factory=list)
    secrets: list[LeaseSecret] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    def holds(self, lease_id: LeaseId) -> bool:
        """Whether the lists show what an active lease's credential needs."""
        application = self.applications.get(lease_id)
        return application is not None and application.has_secret and application.app_id in self.principals

    async def readable(self, place: str, reading: Awaitable[None]) -> None:
        """Reads a place; one that cannot be read now does not keep the others waiting."""
        try:
            await reading
        except Upstream as failure:
            log.warning("%s could not be read: %s", place, failure)
            self.unread.append(place)


async def read_azure_state(inventory: AzureInventory, places: Places) -> AzureState:
    """One look around. Raises ``Upstream`` when what the broker owns cannot be read."""
    seen = AzureState(await inventory.identity())
    async for item in inventory.owned():
        if isinstance(item, FoundPrincipal):
            seen.principals[item.app_id] = item.object_id
        elif (lease_id := item.lease) is not None:
            seen.applications[lease_id] = item
    await seen.readable("the recycle bin", _look_into_bin(inventory, seen))
    for application in places.applications:
        await seen.readable(f"application {application}", _look_at_application(inventory, seen, application))
    for scope in places.scopes.values():
        await seen.readable(scope, _look_at_scope(inventory, seen, scope))
    return seen


async def _look_into_bin(inventory: AzureInventory, seen: AzureState) -> None:
    ours = set[ObjectId]()
    async for item in inventory.recycled():
        if isinstance(item, FoundApplication) and item.lease is not None:
            ours.add(item.app_id)
            seen.recycled.append(item)
        elif isinstance(item, FoundPrincipal) and (item.app_id in ours or ownership.lease_named(item.display_name)):
            seen.recycled.append(item)


async def _look_at_application(inventory: AzureInventory, seen: AzureState, application: ObjectId) -> None:
    for secret in await inventory.secrets_on(application):
        if (lease_id := ownership.lease_in(secret.display_name)) is not None:
            seen.secrets.append(LeaseSecret(lease_id, application, secret))


async def _look_at_scope(inventory: AzureInventory, seen: AzureState, scope: Scope) -> None:
    seen.assignments += await inventory.assignments_at(scope)

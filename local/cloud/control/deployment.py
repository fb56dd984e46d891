"""What a deployed broker has in Azure, put into the local one: from the very files that a deployment is made from.

Role assignments, locks and resources come from the compiler's snapshots of the templates, Graph permissions and the API
application from the files that ``infra/entra.sh`` reads.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from local import snapshots
from local.cloud.control import provision
from local.cloud.tenant.resources import Lock, RoleAssignment
from local.snapshots import INFRA

if TYPE_CHECKING:
    from local.cloud.local_azure import LocalAzure
    from local.cloud.tenant.directory import Application, Identity, ServicePrincipal

_PLACED = ("storage", "monitoring", "grants", "events")
"""The snapshots in which the broker's identity is known. Of the app, there is nothing that the local Azure has a type for."""


def identity_id(world: LocalAzure) -> str:
    """The resource id of the broker's identity."""
    given = {snapshots.SUBSCRIPTION: world.subscription_id}
    return snapshots.read("plain", given).only("Microsoft.ManagedIdentity/userAssignedIdentities").id


def application() -> dict[str, Any]:
    """What the API application is registered with, as Graph takes it."""
    document: dict[str, Any] = json.loads((INFRA / "application.json").read_text())
    return document


def graph_permissions(*, groups: bool, caller_groups: bool = False, graph_app_roles: bool = False) -> list[str]:
    """The broker's application permissions in Microsoft Graph.

    With ``groups``, those for roles with ``azure_groups`` too. With ``caller_groups``, those for callers in many groups. With
    ``graph_app_roles``, those for roles that have permissions in Graph themselves.
    """
    options = {"--groups": groups, "--caller-groups": caller_groups, "--graph-app-roles": graph_app_roles}
    asked = {name for name, given in options.items() if given}
    lines = (line.split() for line in (INFRA / "graph-permissions.txt").read_text().splitlines() if not line.startswith("#"))
    return [name for name, *options in lines if not options or not asked.isdisjoint(options)]


def ids(world: LocalAzure, broker: Identity, api: Application, principal: ServicePrincipal) -> dict[str, str]:
    """What stands in this world for each id of the snapshots."""
    return {
        snapshots.TENANT: world.tenant_id,
        snapshots.SUBSCRIPTION: world.subscription_id,
        snapshots.PRINCIPAL: broker.object_id,
        snapshots.CLIENT: broker.client_id,
        snapshots.AUDIENCE: api.app_id,
        snapshots.APPLICATION: api.id,
        snapshots.APPLICATION_PRINCIPAL: principal.id,
    }


def place(world: LocalAzure, known: dict[str, str]) -> None:
    """Makes what the snapshots name: resources first, so that there is something to lock and to give rights on."""
    found = [each for name in _PLACED for each in snapshots.read(name, known).resources]
    extensions = {"Microsoft.Authorization/roleAssignments": _assign, "Microsoft.Authorization/locks": _lock}
    for each in found:
        if each.type not in extensions:
            made = provision.resource(world, each.id, each.body.get("location"), each.body.get("tags"))
            made.properties |= each.properties
    for each in found:
        if each.type in extensions:
            extensions[each.type](world, each)


def _assign(world: LocalAzure, resource: snapshots.Resource) -> None:
    given, now = resource.properties, world.clock.now()
    world.tree.role_assignments[resource.name] = RoleAssignment(
        name=resource.name,
        scope=resource.scope,
        role_definition_id=given["roleDefinitionId"],
        principal_id=given["principalId"],
        principal_type=given["principalType"],
        created=now,
        updated=now,
        created_by="",
        updated_by="",
        condition=given.get("condition"),
        condition_version=given.get("conditionVersion"),
        description=given.get("description"),
    )


def _lock(world: LocalAzure, resource: snapshots.Resource) -> None:
    given = resource.properties
    world.tree.locks[resource.id.lower()] = Lock(resource.name, resource.scope, given["level"], given.get("notes"))

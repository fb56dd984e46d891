"""Objects put straight into the tenant, without a call: what set-up and tests start from.

Nothing here goes through replication: what is set up has been there for a while.
"""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any, Literal, get_args

from local.cloud.arm import managed_identities
from local.cloud.arm.managed_identities import USER_ASSIGNED, header
from local.cloud.disturbances.profiles import HOME
from local.cloud.engine.errors import InputError
from local.cloud.rbac import builtin_roles
from local.cloud.tenant.directory import Application, AppRoleAssignment, Group, Identity, Password, ServicePrincipal, User
from local.cloud.tenant.first_party import ALL, AZURE_CLI, GRAPH
from local.cloud.tenant.resources import Resource, RoleAssignment, RoleDefinition

if TYPE_CHECKING:
    from collections.abc import Iterable

    from local.cloud.local_azure import LocalAzure

LOCATION = HOME
type Managed = Literal["system_assigned", "user_assigned"]
MANAGED: tuple[Managed, ...] = get_args(Managed.__value__)
_MANAGEMENT_GROUPS = "/providers/Microsoft.Management/managementGroups/"
_YEAR = 365 * 86400
_RESOURCE = re.compile(
    r"^/subscriptions/[^/]+/resourceGroups/(?P<group>[^/]+)/providers/(?P<namespace>[^/]+)(?P<names>(?:/[^/]+/[^/]+)+)$",
    re.IGNORECASE,
)


def resource_group(world: LocalAzure, name: str, location: str = LOCATION, tags: dict[str, str] | None = None) -> Resource:
    """A resource group; one that exists is left as it is."""
    group_id = f"/subscriptions/{world.subscription_id}/resourceGroups/{name}"
    made = Resource(group_id, "Microsoft.Resources/resourceGroups", location, tags or {})
    return world.tree.resources.setdefault(group_id.casefold(), made)


def resource(world: LocalAzure, resource_id: str, location: str | None = None, tags: dict[str, str] | None = None) -> Resource:
    """A resource, and its group when that is missing; raises ``InputError`` when the id is none of this subscription."""
    parts = _RESOURCE.match(resource_id)
    if parts is None or not resource_id.casefold().startswith(f"/subscriptions/{world.subscription_id}/"):
        raise InputError(f"not a resource id of subscription {world.subscription_id}: {resource_id}")
    group = resource_group(world, parts["group"])
    kind = "/".join([parts["namespace"], *parts["names"].strip("/").split("/")[0::2]])
    made = Resource(resource_id, kind, location or group.location, tags or {})
    return world.tree.resources.setdefault(resource_id.casefold(), made)


def application(
    world: LocalAzure, name: str, properties: dict[str, Any] | None = None, owners: Iterable[str] = ()
) -> tuple[Application, ServicePrincipal]:
    """A registration in this tenant with its service principal, both with these owners."""
    now = world.clock.now()
    made = Application(world.guid(), world.guid(), now, {"displayName": name, "signInAudience": "AzureADMyOrg"})
    made.properties |= properties or {}
    made.owners = list(owners)
    principal = ServicePrincipal(world.guid(), made.app_id, now, {"displayName": name, "accountEnabled": True})
    principal.properties["appOwnerOrganizationId"] = world.tenant_id
    principal.owners = list(owners)
    world.directory.applications[made.id] = made
    world.directory.service_principals[principal.id] = principal
    return made, principal


def secret(world: LocalAzure, holder: Application, display_name: str) -> Password:
    """A client secret, valid for a year."""
    now = world.clock.now()
    key_id = world.guid()
    made = Password(key_id, f"local~{uuid.UUID(world.guid()).hex}", display_name, now, now + _YEAR)
    holder.passwords[key_id] = made
    return made


def managed_identity(world: LocalAzure, name: str, resource_id: str, *, system_assigned: bool) -> ServicePrincipal:
    """The service principal of a managed identity."""
    return managed_identities.principal(world, name, resource_id, system_assigned=system_assigned)


def placed(world: LocalAzure, resource_id: str, location: str | None = None, tags: dict[str, str] | None = None) -> Resource:
    """The same as ``resource``; a user-assigned identity comes with its service principal, as in Azure."""
    made = resource(world, resource_id, location, tags)
    if made.type.casefold() == USER_ASSIGNED.casefold() and world.directory.user_assigned(made.id) is None:
        managed_identity(world, made.id.rsplit("/", 1)[-1], made.id, system_assigned=False)
    return made


def custom_role(world: LocalAzure, name: str, description: str, scope: str, data_actions: Iterable[str]) -> RoleDefinition:
    """A role for data of the tenant's own, which can be assigned at this scope and below."""
    now = world.clock.now()
    allowed = {"actions": [], "notActions": [], "dataActions": list(data_actions), "notDataActions": []}
    made = RoleDefinition(
        name=str(uuid.uuid5(uuid.UUID(world.subscription_id), name)),
        role_name=name,
        description=description,
        kind="CustomRole",
        permissions=[allowed],
        assignable_scopes=[scope],
        scope=scope,
        created=now,
        updated=now,
    )
    world.tree.role_definitions[made.name] = made
    return made


def management_group(world: LocalAzure, name: str, parent: str | None = None, subscriptions: Iterable[str] = ()) -> Resource:
    """A management group below ``parent`` (the tenant's root when it is missing) that takes these subscriptions in.

    Raises ``InputError`` when the name is taken, or the parent or a subscription is missing.
    """
    made = Resource(f"{_MANAGEMENT_GROUPS}{name}", "Microsoft.Management/managementGroups", "")
    held = [f"/subscriptions/{subscription}" for subscription in subscriptions]
    resources = world.tree.resources
    known = {*resources, f"{_MANAGEMENT_GROUPS}{world.tenant_id}".casefold(), f"/subscriptions/{world.subscription_id}"}
    if made.id.casefold() in known:
        raise InputError(f"there is a management group {name} already")
    above = [f"{_MANAGEMENT_GROUPS}{parent}"] if parent else []
    if missing := [item for item in (*above, *held) if item.casefold() not in known]:
        raise InputError(f"there is no {', '.join(missing)}")
    made.properties |= {"parent": parent} if parent else {}
    resources[made.id.casefold()] = made
    for item in held:
        subscription = resources.setdefault(item.casefold(), Resource(item, "Microsoft.Resources/subscriptions", ""))
        subscription.properties["managementGroup"] = name
    return made


def user(world: LocalAzure, name: str) -> User:
    """A person's account."""
    upn = f"{name.lower().replace(' ', '.')}@{world.tenant_name}"
    made = User(world.guid(), world.clock.now(), {"displayName": name, "userPrincipalName": upn, "accountEnabled": True})
    world.directory.users[made.id] = made
    return made


def group(world: LocalAzure, name: str, members: Iterable[str] = ()) -> Group:
    """A security group."""
    properties = {
        "displayName": name,
        "mailNickname": name,
        "securityEnabled": True,
        "mailEnabled": False,
        "groupTypes": [],
        "description": None,
    }
    made = Group(world.guid(), world.clock.now(), properties, list(members))
    world.directory.groups[made.id] = made
    return made


def check_app_roles(world: LocalAzure, values: Iterable[str]) -> None:
    """Raises ``InputError`` for an application permission that there is not."""
    known = {role["value"] for app_id in (world.directory.broker_app_id, GRAPH) for role in _app_roles(world, app_id)}
    if unknown := sorted(set(values) - known):
        raise InputError(f"no app role {', '.join(unknown)} of the broker's API or of Microsoft Graph")


def app_role(world: LocalAzure, holder: ServicePrincipal | User, value: str) -> None:
    """Gives an application permission by its name, of the broker's API or of Microsoft Graph; raises ``InputError``."""
    for app_id in (world.directory.broker_app_id, GRAPH):
        for role in _app_roles(world, app_id):
            if role["value"] == value:
                _grant(world, holder, app_id, role["id"], value)
                return
    raise InputError(f"no app role {value} of the broker's API or of Microsoft Graph")


def role_assignment(
    world: LocalAzure, principal_id: str, role: str, scope: str, condition: str | None = None
) -> RoleAssignment:
    """Assigns an Azure role by name or GUID, as if someone had long ago; raises ``InputError`` for an unknown role."""
    known = [*builtin_roles.BY_NAME.values(), *world.tree.role_definitions.values()]
    definition = next((found for found in known if role.lower() in (found.name.lower(), found.role_name.lower())), None)
    if definition is None:
        raise InputError(f"no role definition {role}")
    now = world.clock.now()
    definitions = f"/subscriptions/{world.subscription_id}/providers/Microsoft.Authorization/roleDefinitions"
    made = RoleAssignment(
        name=world.guid(),
        scope=scope,
        role_definition_id=f"{definitions}/{definition.name}",
        principal_id=principal_id,
        principal_type=_principal_type(world, principal_id),
        created=now,
        updated=now,
        created_by="",
        updated_by="",
        condition=condition,
        condition_version="2.0" if condition else None,
    )
    world.tree.role_assignments[made.name] = made
    return made


def identity(
    world: LocalAzure,
    name: str,
    kind: Literal["system_assigned", "user_assigned", "application", "user"],
    resource_id: str | None = None,
    location: str | None = None,
) -> Identity:
    """Someone whom tests can be; raises ``InputError`` when the name is taken or the resource id is not one."""
    if name in world.directory.identities:
        raise InputError(f"there is an identity {name} already")
    if kind == "user":
        made = Identity(name, kind, user(world, name).id, AZURE_CLI, None, header(world))
    elif kind == "application":
        principal = application(world, name)[1]
        made = Identity(name, kind, principal.id, principal.app_id, None, header(world))
    else:
        place = resource(world, resource_id or _default_resource(world, name, kind), location)
        principal = managed_identity(world, name, place.id, system_assigned=kind == "system_assigned")
        made = Identity(name, kind, principal.id, principal.app_id, place.id, header(world))
    world.directory.identities[name] = made
    return made


def change_identity(world: LocalAzure, identity: Identity, kind: Managed, resource_id: str | None = None) -> None:
    """Makes a managed identity one of the other kind, on another resource; its object and client id stay.

    Raises ``InputError`` when it is no managed identity, or the resource id is none that such an identity can have.
    """
    principal = holder(world, identity.object_id)
    if not isinstance(principal, ServicePrincipal) or principal.kind != "ManagedIdentity":
        raise InputError(f"{identity.name} is no managed identity")
    if kind == identity.kind and resource_id in (None, identity.resource_id):
        return
    place = resource_id or _default_resource(world, identity.name, kind)
    if (kind == "user_assigned") != (f"/{USER_ASSIGNED}/".casefold() in place.casefold()):
        raise InputError(f"a {kind} identity cannot be that of {place}")
    made, former = resource(world, place), world.tree.resources.get((principal.resource_id or "").casefold())
    if former is not None and former.principal_id == principal.id:
        former.principal_id = None
    principal.system_assigned, principal.resource_id = kind == "system_assigned", made.id
    managed_identities.show(world, made, principal)
    identity.kind, identity.resource_id = kind, made.id


def holder(world: LocalAzure, object_id: str) -> ServicePrincipal | User:
    """The account with this object id; raises ``InputError``."""
    found = world.directory.service_principals.get(object_id) or world.directory.users.get(object_id)
    if found is None or found.deleted is not None:
        raise InputError(f"no principal {object_id}")
    return found


def member(world: LocalAzure, object_id: str) -> str:
    """The id of an existing principal or group, which may be a member of a group; raises ``InputError``."""
    return object_id if object_id in world.directory.groups else holder(world, object_id).id


def _default_resource(world: LocalAzure, name: str, kind: str) -> str:
    types = {
        "system_assigned": "Microsoft.Compute/virtualMachines",
        "user_assigned": USER_ASSIGNED,
    }
    return f"{resource_group(world, 'app').id}/providers/{types[kind]}/{name}"


def _app_roles(world: LocalAzure, app_id: str) -> list[dict[str, Any]]:
    registered = world.directory.application_of(app_id)
    if registered is not None:
        return list(registered.properties.get("appRoles") or [])
    principal = world.directory.principal_of(app_id)
    return list(principal.properties.get("appRoles") or []) if principal and app_id in {a.app_id for a in ALL} else []


def _grant(world: LocalAzure, to: ServicePrincipal | User, app_id: str, role_id: str, value: str) -> None:
    api = world.directory.principal_of(app_id)
    if api is None:
        raise InputError(f"no service principal of {app_id}")
    to.app_roles.append(AppRoleAssignment(world.guid(), app_id, api.id, role_id, value, world.clock.now()))


def _principal_type(world: LocalAzure, principal_id: str) -> str:
    if principal_id in world.directory.groups:
        return "Group"
    return "User" if principal_id in world.directory.users else "ServicePrincipal"

"""Objects that tests put into the tenant through the control API."""

from __future__ import annotations

from typing import Literal, cast

from local.cloud.arm.inventory import role_assignment
from local.cloud.control import inputs, provision
from local.cloud.engine.errors import InputError
from local.cloud.engine.http import HttpRequest, Reply
from local.cloud.local_azure import LocalAzure
from local.cloud.tenant.directory import Identity
from local.cloud.tenant.resources import Lock

_LEVELS = ("CanNotDelete", "ReadOnly")


def add_management_group(world: LocalAzure, call: HttpRequest) -> Reply:
    """``POST /management-groups``: a management group that takes subscriptions in."""
    body = inputs.body_of(call, {"name"}, {"parent", "subscriptions"})
    name, parent = inputs.name(body, "name"), inputs.optional(body, "parent")
    made = provision.management_group(world, name, parent, inputs.texts(body, "subscriptions"))
    return Reply(201, {"id": made.id, "name": name, "parent": parent or world.tenant_id})


def add_app_roles(world: LocalAzure, call: HttpRequest) -> Reply:
    """``POST /app-roles``: further application permissions of an identity."""
    body = inputs.body_of(call, {"identity", "app_roles"}, set())
    identity, roles = known(world, inputs.text(body, "identity")), inputs.texts(body, "app_roles")
    provision.check_app_roles(world, roles)
    for role in roles:
        provision.app_role(world, provision.holder(world, identity.object_id), role)
    return Reply(201, {"identity": identity.name, "app_roles": roles})


def add_role_assignment(world: LocalAzure, call: HttpRequest) -> Reply:
    """``POST /role-assignments``: an Azure role, as if it had been assigned long ago."""
    body = inputs.body_of(call, {"role", "scope"}, {"identity", "principal_id", "condition"})
    if ("identity" in body) == ("principal_id" in body):
        raise InputError("either identity or principal_id must be given")
    principal = (
        known(world, inputs.text(body, "identity")).object_id if "identity" in body else inputs.text(body, "principal_id")
    )
    made = provision.role_assignment(
        world, principal, inputs.text(body, "role"), inputs.text(body, "scope"), inputs.optional(body, "condition")
    )
    return Reply(201, role_assignment(made))


def add_lock(world: LocalAzure, call: HttpRequest) -> Reply:
    """``POST /locks``: a management lock."""
    body = inputs.body_of(call, {"name", "scope", "level"}, set())
    name, scope = inputs.name(body, "name"), inputs.text(body, "scope").rstrip("/")
    level = cast("Literal['CanNotDelete', 'ReadOnly']", inputs.choice(body, "level", _LEVELS))
    lock_id = f"{scope}/providers/Microsoft.Authorization/locks/{name}"
    world.tree.locks[lock_id.casefold()] = Lock(name, scope, level)
    return Reply(201, {"id": lock_id, "level": level})


def add_group(world: LocalAzure, call: HttpRequest) -> Reply:
    """``POST /groups``: a security group with members."""
    body = inputs.body_of(call, {"name"}, {"members"})
    members = [_member(world, member) for member in inputs.texts(body, "members")]
    made = provision.group(world, inputs.text(body, "name"), members)
    return Reply(201, {"object_id": made.id, "name": body["name"], "members": made.members})


def add_secret(world: LocalAzure, call: HttpRequest) -> Reply:
    """``POST /secrets``: a client secret of an application."""
    body = inputs.body_of(call, {"identity"}, {"display_name"})
    identity = known(world, inputs.text(body, "identity"))
    application = world.directory.application_of(identity.client_id)
    if application is None:
        raise InputError(f"{identity.name} is not an application")
    made = provision.secret(world, application, inputs.optional(body, "display_name") or "control")
    return Reply(201, {"key_id": made.key_id, "secret": made.secret, "end": made.end})


def known(world: LocalAzure, name: str) -> Identity:
    """The identity with this name; raises ``InputError``."""
    if name not in world.directory.identities:
        raise InputError(f"no identity {name}")
    return world.directory.identities[name]


def _member(world: LocalAzure, text: str) -> str:
    """An object id, given as such or by an identity's name."""
    known = world.directory.identities.get(text)
    return known.object_id if known else provision.member(world, text)


def group_id(world: LocalAzure, text: str) -> str:
    """A group's object id, given as such or by its display name."""
    for group in world.directory.groups.values():
        if group.deleted is None and text in (group.id, group.properties.get("displayName")):
            return group.id
    raise InputError(f"no group {text}")

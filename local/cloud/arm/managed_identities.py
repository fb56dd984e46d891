"""Managed identities as they come with a resource: one of its own, or others' that are attached to it.

https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/overview; the field ``identity``:
https://learn.microsoft.com/azure/templates/microsoft.web/sites#managedserviceidentity
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.cloud.arm import errors
from local.cloud.rbac.scopes import Scope
from local.cloud.tenant.directory import Identity, ServicePrincipal

if TYPE_CHECKING:
    from local.cloud.arm.requests import ArmRequest
    from local.cloud.engine.http import Json
    from local.cloud.local_azure import LocalAzure
    from local.cloud.tenant.resources import Resource

USER_ASSIGNED = "Microsoft.ManagedIdentity/userAssignedIdentities"
_ASSIGN = f"{USER_ASSIGNED}/assign/action"
_TYPES = {
    "none": (False, False),
    "systemassigned": (True, False),
    "userassigned": (False, True),
    "systemassigned,userassigned": (True, True),
    "userassigned,systemassigned": (True, True),
}
"""Whether a type has an identity of its own, and whether others'."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the field ``identity`` of a body asks for."""

    own: bool
    attached: tuple[str, ...]
    """Ids of user-assigned identities."""


def principal(world: LocalAzure, name: str, resource_id: str, *, system_assigned: bool) -> ServicePrincipal:
    """Makes the service principal of a managed identity, whose resource tells of it if it is there."""
    made = ServicePrincipal(
        world.guid(),
        world.guid(),
        world.clock.now(),
        {"displayName": name, "accountEnabled": True},
        kind="ManagedIdentity",
        resource_id=resource_id,
        system_assigned=system_assigned,
    )
    world.directory.service_principals[made.id] = made
    place = world.tree.resources.get(resource_id.casefold())
    if place is not None:
        show(world, place, made)
    return made


def show(world: LocalAzure, place: Resource, made: ServicePrincipal) -> None:
    """Has the resource tell of its service principal: a user-assigned identity among its properties."""
    if made.system_assigned:
        place.principal_id = made.id
    else:
        place.properties |= {"tenantId": world.tenant_id, "principalId": made.id, "clientId": made.app_id}


def header(world: LocalAzure) -> str:
    """A fresh secret for the endpoint of an identity."""
    return uuid.UUID(world.guid()).hex.upper()


def wanted(request: ArmRequest, known: Resource | None) -> Wanted | None:
    """What the body asks for; ``None`` when it does not speak of it, and nothing changes. Raises Azure's errors."""
    given = request.json().get("identity")
    if given is None:
        return None
    kind = str(given.get("type", "")).replace(" ", "").lower() if isinstance(given, dict) else ""
    if kind not in _TYPES:
        raise _bad("the identity has no type that there is")
    own, others = _TYPES[kind]
    listed = given.get("userAssignedIdentities") or {}
    if not isinstance(listed, dict) or (listed and not others):
        raise _bad("the identity's type has no userAssignedIdentities")
    before = known.user_assigned if known is not None and request.call.method == "PATCH" else []
    attached = _merged(before, listed) if others else ()
    if others and not attached:
        raise _bad("the identity's type takes at least one of userAssignedIdentities")
    for each in attached:
        _check_attachable(request, each)
    return Wanted(own, attached)


def settle(world: LocalAzure, item: Resource, asked: Wanted) -> None:
    """Makes it so. A service principal that is made here reaches the replicas as every new one does."""
    item.user_assigned = list(asked.attached)
    there = _own(world, item)
    if asked.own and there is None:
        name = item.id.rsplit("/", 1)[-1]
        made = principal(world, name, item.id, system_assigned=True)
        world.consistency.wrote("principal", made.id)
        enlist(world, name, made)
    elif there is not None and not asked.own:
        there.deleted, item.principal_id = world.clock.now(), None


def enlist(world: LocalAzure, name: str, made: ServicePrincipal) -> None:
    """Lets the control API speak of it by this name, or by its object id where another that lives has the name."""
    identities = world.directory.identities
    taken = identities.get(name)
    holder = world.directory.service_principals.get(taken.object_id) if taken is not None else None
    is_free = taken is None or (holder is not None and holder.deleted is not None)
    chosen = name if is_free else made.id
    kind: Any = "system_assigned" if made.system_assigned else "user_assigned"
    identities[chosen] = Identity(chosen, kind, made.id, made.app_id, made.resource_id, header(world))


def rendered(world: LocalAzure, item: Resource) -> Json:
    """The field ``identity``; nothing for a resource that has none."""
    own = _own(world, item)
    attached = {each: _attached(world, each) for each in item.user_assigned}
    kinds = [name for name, there in (("SystemAssigned", own), ("UserAssigned", attached)) if there]
    if not kinds:
        return {}
    shown: Json = {"type": ", ".join(kinds)}
    if own is not None:
        shown |= {"principalId": own.id, "tenantId": world.tenant_id}
    if attached:
        shown["userAssignedIdentities"] = attached
    return {"identity": shown}


def _own(world: LocalAzure, item: Resource) -> ServicePrincipal | None:
    found = world.directory.service_principals.get(item.principal_id or "")
    return found if found is not None and found.deleted is None else None


def _attached(world: LocalAzure, identity: str) -> Json:
    found = world.directory.user_assigned(identity)
    return {} if found is None else {"principalId": found.id, "clientId": found.app_id}


def _merged(before: list[str], listed: Json) -> tuple[str, ...]:
    """Those of before that the body does not name, and those that it names; one with ``null`` goes."""
    named = {each.casefold() for each in listed}
    stay = (each for each in before if each.casefold() not in named)
    return (*stay, *(each for each, value in listed.items() if value is not None))


def _check_attachable(request: ArmRequest, identity: str) -> None:
    if request.world.directory.user_assigned(identity) is None:
        raise errors.refusal(
            400,
            "FailedIdentityOperation",
            f"Identity operation for resource '{request.call.path}' failed with error 'Failed to perform resource identity "
            f"operation. Status: 'BadRequest'. Response: 'Resource '{identity}' was not found.'.",
        )
    if not request.allows(_ASSIGN, Scope.of(identity)):
        raise errors.gateway_refusal(
            403,
            "LinkedAuthorizationFailed",
            f"The client '{request.caller.name}' with object id '{request.caller.object_id}' has permission to perform the "
            f"write on scope '{request.call.path}'; however, it does not have permission to perform action '{_ASSIGN}' on the "
            f"linked scope(s) '{identity}' or the linked scope(s) are invalid.",
        )


def _bad(what: str) -> Exception:
    return errors.refusal(400, "InvalidRequestContent", f"The request content was invalid: {what}.")

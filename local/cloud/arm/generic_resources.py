"""Resources of any type: made, changed and deleted as Azure Resource Manager itself sees them.

What a resource's provider would make of ``properties`` is not here: they are kept and shown as they were sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.cloud.arm import errors, locks, managed_identities
from local.cloud.arm.existence import require
from local.cloud.arm.managed_identities import USER_ASSIGNED
from local.cloud.arm.removal import remove_tree
from local.cloud.arm.requests import only
from local.cloud.arm.resource_bodies import location_of, rendered, same_region, tags_of
from local.cloud.engine.http import Reply
from local.cloud.rbac.scopes import Resourced, Scope
from local.cloud.tenant.resources import Resource

if TYPE_CHECKING:
    from local.cloud.arm.requests import ArmRequest
    from local.cloud.engine.http import Json

_FIELDS = ("id", "name", "type", "location", "tags", "properties", "identity", "kind", "sku")
_FURTHER = ("kind", "sku")
_NOT_WRITTEN = ("microsoft.authorization/", "microsoft.resources/", "microsoft.eventgrid/")
_NOT_WRITTEN_TYPES = ("microsoft.storage/storageaccounts", "microsoft.keyvault/vaults")
"""Other services here go by what these hold: the control API makes them."""
_SOFT_DELETED = "microsoft.keyvault/vaults"


def put(request: ArmRequest) -> Reply:
    """Creates (201) or replaces (200) a resource."""
    scope, resource = _named(request)
    request.require(f"{resource.type}/write", scope)
    _check_place(request, scope, resource)
    body = _body(request)
    known = request.world.tree.resources.get(scope.key)
    location = _location(request, scope, body, known)
    asked = managed_identities.wanted(request, known)
    item = known or Resource(scope.path, resource.type, location)
    item.tags, item.properties = tags_of(body), dict(body.get("properties") or {})
    item.further = _further(body)
    request.world.tree.resources[scope.key] = item
    _settle(request, item, asked)
    return Reply(200 if known else 201, rendered(request, item))


def patch(request: ArmRequest) -> Reply:
    """Changes what the body names."""
    scope, resource = _named(request)
    request.require(f"{resource.type}/write", scope)
    _check_place(request, scope, resource)
    known = request.world.tree.resources.get(scope.key)
    if known is None:
        raise errors.resource_not_found(f"{resource.type}/{resource.name}", scope.group)
    body = _body(request)
    asked = managed_identities.wanted(request, known)
    if body.get("tags") is not None:
        known.tags = tags_of(body)
    known.properties |= body.get("properties") or {}
    known.further |= _further(body)
    _settle(request, known, asked)
    return Reply(200, rendered(request, known))


def delete(request: ArmRequest) -> Reply:
    """200, with what is below it and its own identity; 204 when there is none."""
    scope, resource = _named(request)
    if resource.type.casefold() == _SOFT_DELETED:
        raise errors.not_implemented(f"DELETE of {resource.type}")
    request.require(f"{resource.type}/delete", scope)
    require(request.world, Scope.of(scope.path.partition("/providers/")[0]))
    if scope.key not in request.world.tree.resources:
        return Reply(204)
    locks.check_tree(request.world, scope)
    remove_tree(request.world, scope)
    return Reply(200)


def _named(request: ArmRequest) -> tuple[Scope, Resourced]:
    """The resource that the path names: not one that extends another."""
    scope = Scope.of(request.call.path)
    resource = scope.resource
    if resource is None or scope.group is None or scope.key.count("/providers/") > 1:
        raise errors.not_implemented(f"{request.call.method} {request.call.path}")
    return scope, resource


def _check_place(request: ArmRequest, scope: Scope, resource: Resourced) -> None:
    """Raises Azure's error when what holds the resource does not exist or is locked, and 501 for what is made elsewhere."""
    kind = resource.type.casefold()
    if kind.startswith(_NOT_WRITTEN) or kind in _NOT_WRITTEN_TYPES:
        raise errors.not_implemented(f"{request.call.method} of {resource.type}")
    require(request.world, Scope.of(scope.path.partition("/providers/")[0]))
    parent = scope.path.rsplit("/", 2)[0]
    if resource.nesting and Scope.of(parent).key not in request.world.tree.resources:
        raise errors.gateway_refusal(
            404,
            "ParentResourceNotFound",
            f"Failed to perform 'write' on resource(s) of type '{resource.type.partition('/')[2]}', because the parent "
            f"resource '{parent}' could not be found.",
        )
    locks.check(request.world, scope, "write", scope.path)


def _body(request: ArmRequest) -> Json:
    body = request.json()
    only(body, *_FIELDS)
    if not isinstance(body.get("properties", {}), dict | None):
        raise errors.refusal(400, "InvalidRequestContent", "The request content was invalid: the properties are no object.")
    return body


def _location(request: ArmRequest, scope: Scope, body: Json, known: Resource | None) -> str:
    """Of a nested resource that of its parent, unless it says another."""
    resource = scope.resource
    parent = request.world.tree.resources.get(Scope.of(scope.path.rsplit("/", 2)[0]).key)
    if resource is not None and resource.nesting and parent is not None and not body.get("location"):
        return known.location if known else parent.location
    location = location_of(body)
    if known is not None and not same_region(known.location, location):
        raise errors.refusal(
            409,
            "InvalidResourceLocation",
            f"The resource '{known.id.rsplit('/', 1)[-1]}' already exists in location '{known.location}' in resource group "
            f"'{scope.group}'. A resource with the same name cannot be created in location '{location}'. Please select a new "
            "resource name.",
        )
    return location


def _further(body: Json) -> Json:
    return {name: body[name] for name in _FURTHER if body.get(name) is not None}


def _settle(request: ArmRequest, item: Resource, asked: managed_identities.Wanted | None) -> None:
    """The resource's identities; a user-assigned one is an identity itself."""
    world = request.world
    if asked is not None:
        managed_identities.settle(world, item, asked)
    if item.type.casefold() != USER_ASSIGNED.casefold():
        return
    found = world.directory.user_assigned(item.id)
    if found is not None:
        managed_identities.show(world, item, found)
        return
    name = item.id.rsplit("/", 1)[-1]
    made = managed_identities.principal(world, name, item.id, system_assigned=False)
    world.consistency.wrote("principal", made.id)
    managed_identities.enlist(world, name, made)

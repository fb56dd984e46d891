"""App role assignments: permissions that service principals and users hold on applications."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.cloud.graph import access, bodies, errors, names, objects, queries, users
from local.cloud.graph.request import done, identifier
from local.cloud.graph.service_principals import addressed
from local.cloud.tenant.directory import AppRoleAssignment, ServicePrincipal, User

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from local.cloud.engine.http import Json, Reply
    from local.cloud.graph.request import GraphRequest

type Holder = ServicePrincipal | User

_SENT = ("principalId", "resourceId", "appRoleId")
"""What makes an assignment: https://learn.microsoft.com/graph/api/serviceprincipal-post-approleassignments."""


def held(request: GraphRequest) -> Reply:
    """``GET /servicePrincipals/{id}/appRoleAssignments``."""
    request.caller.require(access.READ_APPLICATIONS)
    return _held(request, addressed(request))


def held_by_user(request: GraphRequest) -> Reply:
    """``GET /users/{id}/appRoleAssignments``."""
    request.caller.require(access.READ_DIRECTORY)
    return _held(request, users.addressed(request))


def given(request: GraphRequest) -> Reply:
    """``GET /servicePrincipals/{id}/appRoleAssignedTo``: who holds permissions on this one."""
    request.caller.require(access.READ_APPLICATIONS)
    item = addressed(request)
    shown = [
        bodies.Held(principal, assignment)
        for principal in _holders(request)
        for assignment in principal.app_roles
        if assignment.resource_id == item.id
    ]
    return queries.many(request, bodies.APP_ROLE_ASSIGNMENT, shown, _fragment(item, "appRoleAssignedTo"))


def hold(request: GraphRequest) -> Reply:
    """``POST /servicePrincipals/{id}/appRoleAssignments``."""
    return _assign(request, "appRoleAssignments", "principalId", addressed)


def hold_as_user(request: GraphRequest) -> Reply:
    """``POST /users/{id}/appRoleAssignments``."""
    return _assign(request, "appRoleAssignments", "principalId", users.addressed)


def give(request: GraphRequest) -> Reply:
    """``POST /servicePrincipals/{id}/appRoleAssignedTo``."""
    return _assign(request, "appRoleAssignedTo", "resourceId", addressed)


def release(request: GraphRequest) -> Reply:
    """``DELETE /servicePrincipals/{id}/appRoleAssignments/{assignment}``."""
    request.caller.require_administration(access.ASSIGN_APP_ROLES)
    return _removed(request, [addressed(request)], None)


def release_from_user(request: GraphRequest) -> Reply:
    """``DELETE /users/{id}/appRoleAssignments/{assignment}``."""
    request.caller.require_administration(access.ASSIGN_APP_ROLES)
    return _removed(request, [users.addressed(request)], None)


def take(request: GraphRequest) -> Reply:
    """``DELETE /servicePrincipals/{id}/appRoleAssignedTo/{assignment}``."""
    request.caller.require_administration(access.ASSIGN_APP_ROLES)
    resource = addressed(request)
    return _removed(request, _holders(request), resource.id)


def _holders(request: GraphRequest) -> Iterable[Holder]:
    directory = request.directory
    return (
        *objects.living(request, ServicePrincipal, directory.service_principals),
        *objects.living(request, User, directory.users),
    )


def _held(request: GraphRequest, item: Holder) -> Reply:
    shown = [bodies.Held(item, assignment) for assignment in item.app_roles]
    return queries.many(request, bodies.APP_ROLE_ASSIGNMENT, shown, _fragment(item, "appRoleAssignments"))


def _fragment(item: Holder, relation: str) -> str:
    return f"{'users' if isinstance(item, User) else 'servicePrincipals'}('{item.id}')/{relation}"


def _assign(request: GraphRequest, relation: str, addressed_as: str, find: Callable[[GraphRequest], Holder]) -> Reply:
    request.caller.require_administration(access.ASSIGN_APP_ROLES)
    request.caller.require(access.READ_TO_ASSIGN_APP_ROLES)
    item = find(request)
    body = request.body()
    names.only("appRoleAssignment", _SENT, body)
    principal_id, resource_id, role_id = (identifier(body, name, "AppRoleAssignment") for name in _SENT)
    if {"principalId": principal_id, "resourceId": resource_id}[addressed_as] != item.id:
        raise errors.bad_request("Not a valid reference update")
    principal, resource = _holder(request, principal_id), _resource(request, resource_id)
    role = _role(request, principal, resource, role_id)
    assignment = _new(request, principal, resource, role)
    principal.app_roles.append(assignment)
    request.world.consistency.wrote("app_role", assignment.id)
    shown = bodies.app_role_assignment(request, bodies.Held(principal, assignment))
    location = f"appRoleAssignments/{assignment.id}"
    return request.entity(f"{_fragment(item, relation)}/$entity", shown, status=201, location=location)


def _new(request: GraphRequest, principal: Holder, resource: ServicePrincipal, role: Json) -> AppRoleAssignment:
    known = [(assignment.resource_id, assignment.app_role_id) for assignment in principal.app_roles]
    if (resource.id, role["id"]) in known:
        raise errors.invalid("Permission being assigned already exists on the object", "InvalidUpdate", "appRoleId")
    return AppRoleAssignment(
        id=request.world.guid(),
        resource_app_id=resource.app_id,
        resource_id=resource.id,
        app_role_id=role["id"],
        value=str(role.get("value") or ""),
        created=request.now,
    )


def _holder(request: GraphRequest, object_id: str) -> Holder:
    """Of a service principal that the replica has not seen yet, Graph says that the reference is not valid.

    https://github.com/microsoftgraph/msgraph-bicep-types/issues/193
    """
    if objects.find(request, object_id) is None and object_id in request.directory.service_principals:
        raise errors.bad_request("Not a valid reference update")
    item = objects.referenced(request, object_id)
    if not isinstance(item, ServicePrincipal | User):
        raise errors.not_implemented("app roles for groups")
    return item


def _resource(request: GraphRequest, object_id: str) -> ServicePrincipal:
    found = request.directory.service_principals.get(object_id)
    return objects.existing(request, found, object_id, ServicePrincipal)


def _role(request: GraphRequest, principal: Holder, resource: ServicePrincipal, role_id: str) -> Json:
    """The role that the resource declares for holders of this type."""
    kind = "User" if isinstance(principal, User) else "Application"
    for role in bodies.service_principal(request, resource)["appRoles"]:
        if role["id"].lower() == role_id and kind in role.get("allowedMemberTypes", ()):
            return {**role, "id": role_id}
    message = f"Permission being assigned was not found on application '{resource.app_id}'."
    raise errors.invalid(message, "InvalidUpdate", "appRoleId")


def _removed(request: GraphRequest, holders: Iterable[Holder], resource_id: str | None) -> Reply:
    wanted = request.param("assignment")
    for holder in holders:
        for assignment in holder.app_roles:
            if assignment.id == wanted and resource_id in (None, assignment.resource_id):
                holder.app_roles.remove(assignment)
                request.world.consistency.ended("app_role", assignment.id, shown=(holder.id, assignment))
                return done()
    raise errors.not_found(wanted)

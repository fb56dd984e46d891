"""``Microsoft.Authorization/roleDefinitions`` and ``permissions``: built-in and custom roles, and what the caller may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.cloud.arm import errors, locks
from local.cloud.arm.definition_bodies import parse, permissions, render
from local.cloud.arm.existence import require
from local.cloud.arm.filters import compile_filter, paged
from local.cloud.arm.requests import is_guid, query
from local.cloud.engine.http import Reply
from local.cloud.rbac import builtin_roles
from local.cloud.rbac.access import definition_of, effective, find_definition
from local.cloud.rbac.scopes import ROOT, Scope, lineage

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.cloud.arm.requests import ArmRequest
    from local.cloud.tenant.resources import RoleDefinition

_READ = "Microsoft.Authorization/roleDefinitions/read"
_WRITE = "Microsoft.Authorization/roleDefinitions/write"
_DELETE = "Microsoft.Authorization/roleDefinitions/delete"


def get(request: ArmRequest) -> Reply:
    """One role, by its GUID; 404 RoleDefinitionDoesNotExist."""
    _require_read(request)
    name = request.call.params["name"]
    definition = find_definition(request.world, name)
    if definition is None:
        raise errors.refusal(
            404, "RoleDefinitionDoesNotExist", f"The specified role definition with ID '{name}' does not exist."
        )
    return Reply(200, render(definition, request))


def listing(request: ArmRequest) -> Reply:
    """The roles that can be assigned at the scope; ``atScopeAndBelow()`` adds those of scopes in it."""
    _require_read(request)
    above = frozenset(lineage(request.world, request.scope))
    text = query(request.call, "$filter")
    narrows = compile_filter(
        text,
        {
            "atscope()": lambda _: lambda _item: True,
            "atscopeandbelow()": lambda _: lambda _item: True,
            "rolename": lambda name: lambda item: item.role_name.lower() == name.lower(),
            "type": lambda kind: lambda item: item.kind.lower() == kind.lower(),
        },
    )
    reaches = _below(request.scope) if "atscopeandbelow()" in text.lower() else _nowhere
    found = [
        item
        for item in (*request.world.tree.role_definitions.values(), *builtin_roles.ALL)
        if any(Scope.of(scope).key in above or reaches(scope) for scope in item.assignable_scopes)
        and (narrows is None or narrows(item))
    ]
    return paged(request, found, lambda item: render(item, request))


def put(request: ArmRequest) -> Reply:
    """Creates or updates a custom role: 201 either way, as recorded."""
    name = request.call.params["name"].lower()
    request.require(_WRITE, request.scope, request.call.path)
    require(request.world, request.scope)
    locks.check(request.world, request.scope, "write", request.call.path)
    if not is_guid(name):
        raise errors.refusal(400, "InvalidRoleDefinitionId", f"The role definition ID '{name}' is not valid.")
    definition = parse(request, name)
    _check_linked(request, definition)
    _check_unique(request, definition)
    known = request.world.tree.role_definitions.get(name)
    if known is not None:
        definition.created, definition.created_by = known.created, known.created_by
    request.world.tree.role_definitions[name] = definition
    return Reply(201, render(definition, request, fresh=True))


def delete(request: ArmRequest) -> Reply:
    """200 and the role; 204 when there is none (any more)."""
    name = request.call.params["name"].lower()
    request.require(_DELETE, request.scope, request.call.path)
    require(request.world, request.scope)
    locks.check(request.world, request.scope, "delete", request.call.path)
    if name in builtin_roles.BY_NAME:
        raise errors.refusal(400, "InvalidRoleDefinitionType", "A built-in role cannot be deleted.")
    definition = request.world.tree.role_definitions.get(name)
    if definition is None:
        return Reply(204)
    assignments = request.world.tree.role_assignments.values()
    if any(item.role_definition_id.lower().endswith(name) for item in assignments):
        raise errors.refusal(
            400,
            "RoleDefinitionHasAssignments",
            "There are existing role assignments referencing role (code: RoleDefinitionHasAssignments).",
        )
    del request.world.tree.role_definitions[name]
    return Reply(200, render(definition, request))


def permitted(request: ArmRequest) -> Reply:
    """What the caller may do at the scope: the permissions of each role that counts there."""
    request.require("Microsoft.Authorization/permissions/read", request.scope)
    require(request.world, request.scope)
    counting = effective(request.world, request.caller.object_id, request.scope)
    definitions = (definition_of(request.world, item) for item in counting)
    found = [entry for role in definitions if role is not None for entry in permissions(role, request.version)]
    return Reply(200, {"value": found})


def _require_read(request: ArmRequest) -> None:
    """The tenant's root shows its roles to everybody who has signed in."""
    if request.scope.path == ROOT:
        return
    request.require(_READ, request.scope, request.call.path)
    require(request.world, request.scope)


def _below(scope: Scope) -> Callable[[str], bool]:
    return lambda assignable: scope.contains(Scope.of(assignable))


def _nowhere(_assignable: str) -> bool:
    return False


def _check_linked(request: ArmRequest, definition: RoleDefinition) -> None:
    """Writing a role takes the permission at each scope that it may be assigned at."""
    for text in definition.assignable_scopes:
        if not request.allows(_WRITE, Scope.of(text)):
            caller = request.caller
            raise errors.gateway_refusal(
                403,
                "LinkedAuthorizationFailed",
                f"The client '{caller.name}' with object id '{caller.object_id}' has permission to perform action "
                f"'{_WRITE}' on scope '{request.call.path}'; however, it does not have permission to perform action "
                f"'{_WRITE}' on the linked scope(s) '{text}' or the linked scope(s) are invalid.",
            )
        require(request.world, Scope.of(text))


def _check_unique(request: ArmRequest, definition: RoleDefinition) -> None:
    if definition.name in builtin_roles.BY_NAME:
        raise errors.refusal(409, "RoleDefinitionExists", "A role definition with this ID already exists.")
    customs = request.world.tree.role_definitions
    named = (item for item in (*customs.values(), *builtin_roles.ALL) if item.name != definition.name)
    if any(item.role_name.lower() == definition.role_name.lower() for item in named):
        raise errors.refusal(
            409,
            "RoleDefinitionWithSameNameExists",
            "A custom role with the same name already exists in this directory. Use a different name",
        )
    if definition.name not in customs and len(customs) >= request.settings.custom_roles:
        raise errors.refusal(
            400,
            "RoleDefinitionLimitExceeded",
            "Role definition limit exceeded. No more role definitions can be created.",
        )

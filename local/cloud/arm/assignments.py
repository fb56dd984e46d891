"""``Microsoft.Authorization/roleAssignments``: create, read, list and delete."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.cloud.arm import errors, locks
from local.cloud.arm.assignment_bodies import Wanted, render, role_guid, wanted
from local.cloud.arm.existence import require
from local.cloud.arm.filters import compile_filter, paged
from local.cloud.arm.requests import is_guid, query
from local.cloud.engine.http import Reply
from local.cloud.rbac.access import find_definition, memberships
from local.cloud.rbac.condition_evaluation import Circumstances
from local.cloud.rbac.scopes import Scope, lineage
from local.cloud.tenant.resources import RoleAssignment

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.cloud.arm.requests import ArmRequest
    from local.cloud.local_azure import LocalAzure
    from local.cloud.rbac.condition_evaluation import Attributes

_READ = "Microsoft.Authorization/roleAssignments/read"
_WRITE = "Microsoft.Authorization/roleAssignments/write"
_DELETE = "Microsoft.Authorization/roleAssignments/delete"
_PREFIX = "microsoft.authorization/roleassignments:"


def put(request: ArmRequest) -> Reply:
    """Creates or updates an assignment: 201 either way, as recorded."""
    name, scope = _name(request), request.scope
    request.require_circumstances(_writing(request), scope, request.call.path)
    require(request.world, scope)
    locks.check(request.world, scope, "write", request.call.path)
    asked = wanted(request)
    _check_role(request, asked)
    principal_type = _checked_type(request.world, asked)
    known = request.world.tree.role_assignments.get(name)
    if known is None:
        _check_new(request, asked)
        return Reply(201, render(_create(request, name, asked, principal_type), request, scope, fresh=True))
    _check_same(known, scope, asked)
    return Reply(201, render(_update(request, known, asked), request, scope, fresh=True))


def get(request: ArmRequest) -> Reply:
    """One assignment; 404 RoleAssignmentNotFound when it is not at this very scope."""
    request.require(_READ, request.scope, request.call.path)
    require(request.world, request.scope)
    assignment = _found(request)
    if assignment is None:
        raise errors.refusal(
            404, "RoleAssignmentNotFound", f"The role assignment '{request.call.params['name']}' is not found."
        )
    return Reply(200, render(assignment, request, request.scope))


def delete(request: ArmRequest) -> Reply:
    """200 and the assignment; 204 when there is none (any more)."""
    scope, assignment = request.scope, _found(request)
    resource = _attributes(assignment) if assignment else {}
    request.require_circumstances(Circumstances(_DELETE, resource=resource), scope, request.call.path)
    require(request.world, scope)
    locks.check(request.world, scope, "delete", request.call.path)
    if assignment is None:
        return Reply(204)
    body = render(assignment, request, scope)
    del request.world.tree.role_assignments[assignment.name]
    request.world.consistency.ended("assignment", assignment.name, shown=assignment)
    return Reply(200, body)


def listing(request: ArmRequest) -> Reply:
    """The assignments at, above and below the scope; filters narrow that."""
    world, scope = request.world, request.scope
    request.require(_READ, scope)
    require(world, scope)
    above = frozenset(lineage(world, scope))
    narrows = compile_filter(
        query(request.call, "$filter"),
        {
            "atscope()": lambda _: lambda item: item.scope.casefold() in above,
            "principalid": lambda wanted_id: lambda item: item.principal_id.lower() == wanted_id.lower(),
            "assignedto()": lambda wanted_id: _assigned_to(world, wanted_id),
            "roledefinitionid": lambda role: lambda item: role_guid(item.role_definition_id) == role.lower()[-36:],
        },
    )
    found = [
        item
        for item in world.tree.role_assignments.values()
        if (item.scope.casefold() in above or scope.contains(Scope.of(item.scope))) and (narrows is None or narrows(item))
    ]
    return paged(request, found, lambda item: render(item, request, scope))


def _assigned_to(world: LocalAzure, principal_id: str) -> Callable[[RoleAssignment], bool]:
    holders = {principal_id.lower(), *memberships(world, principal_id)}
    return lambda item: item.principal_id.lower() in holders


def _name(request: ArmRequest) -> str:
    name = request.call.params["name"]
    if not is_guid(name):
        raise errors.refusal(
            400,
            "InvalidRoleAssignmentId",
            f"The role assignment ID '{name}' is not valid. The role assignment ID must be a GUID.",
        )
    return name.lower()


def _found(request: ArmRequest) -> RoleAssignment | None:
    assignment = request.world.tree.role_assignments.get(request.call.params["name"].lower())
    return assignment if assignment is not None and Scope.of(assignment.scope).key == request.scope.key else None


def _writing(request: ArmRequest) -> Circumstances:
    """What a condition on the caller's own role may look at; attributes that the body lacks are absent."""
    body = request.json().get("properties")
    properties = body if isinstance(body, dict) else {}
    principal_id = str(properties.get("principalId", "")).lower()
    sent = properties.get("principalType") or _type_of(request.world, principal_id)
    role = str(properties.get("roleDefinitionId", "")).rsplit("/", 1)[-1]
    asked = {"roledefinitionid": role, "principalid": principal_id, "principaltype": str(sent or "")}
    existing = _found(request)
    return Circumstances(
        _WRITE,
        request={_PREFIX + name: (value,) for name, value in asked.items() if value},
        resource=_attributes(existing) if existing else {},
    )


def _attributes(assignment: RoleAssignment) -> Attributes:
    return {
        _PREFIX + "roledefinitionid": (role_guid(assignment.role_definition_id),),
        _PREFIX + "principalid": (assignment.principal_id,),
        _PREFIX + "principaltype": (assignment.principal_type,),
    }


def _check_role(request: ArmRequest, asked: Wanted) -> None:
    """A custom role is known within its assignable scopes only."""
    definition = find_definition(request.world, asked.role)
    above = frozenset(lineage(request.world, request.scope))
    if definition is None or not any(Scope.of(scope).key in above for scope in definition.assignable_scopes):
        raise errors.refusal(
            404, "RoleDefinitionDoesNotExist", f"The specified role definition with ID '{asked.role}' does not exist."
        )


def _type_of(world: LocalAzure, principal_id: str) -> str | None:
    """The type of a living principal."""
    directory = world.directory
    kinds = {
        "ServicePrincipal": directory.service_principals.get(principal_id),
        "User": directory.users.get(principal_id),
        "Group": directory.groups.get(principal_id),
    }
    return next((name for name, found in kinds.items() if found is not None and found.deleted is None), None)


def _checked_type(world: LocalAzure, asked: Wanted) -> str:
    """The principal's type. One that ARM does not know (yet) is believed to be what the caller says, as in Azure."""
    found = _type_of(world, asked.principal_id)
    if found is None and asked.principal_id in world.directory.applications:
        raise errors.refusal(
            400,
            "UnsupportedPrincipalType",
            "Principals of type Application cannot validly be used in role assignments.",
        )
    if found is None or not world.consistency.sees("arm", "principal", asked.principal_id):
        if asked.principal_type is None:
            raise _principal_not_found(world, asked)
        return asked.principal_type
    if asked.principal_type not in {None, found}:
        # Azure's own spelling.
        raise errors.refusal(
            400,
            "UnmatchedPrincipalType",
            f"The PrincipalId '{asked.principal_id.replace('-', '')}' has type '{found}' , which is different from "
            f"specified PrinciaplType '{asked.principal_type}'.",
        )
    return found


def _principal_not_found(world: LocalAzure, asked: Wanted) -> Exception:
    return errors.refusal(
        400,
        "PrincipalNotFound",
        f"Principal {asked.principal_id.replace('-', '')} does not exist in the directory {world.tenant_id}. Check that "
        "you have the correct principal ID. If you are creating this principal and then immediately assigning a role, "
        "this error might be related to a replication delay. In this case, set the role assignment principalType "
        "property to a value, such as ServicePrincipal, User, or Group.  See https://aka.ms/docs-principaltype",
    )


def _check_same(known: RoleAssignment, scope: Scope, asked: Wanted) -> None:
    """An assignment's name is its own in the whole tenant: only condition and description may change."""
    same = (
        Scope.of(known.scope).key == scope.key
        and known.principal_id.lower() == asked.principal_id
        and role_guid(known.role_definition_id) == asked.role
    )
    if not same:
        raise errors.refusal(
            400,
            "RoleAssignmentUpdateNotPermitted",
            "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
        )


def _check_new(request: ArmRequest, asked: Wanted) -> None:
    assignments, scope = request.world.tree.role_assignments, request.scope
    for item in assignments.of(asked.principal_id):
        if Scope.of(item.scope).key == scope.key and role_guid(item.role_definition_id) == asked.role:
            raise errors.refusal(409, "RoleAssignmentExists", "The role assignment already exists.")
    if _used(request) >= _quota(request):
        raise errors.refusal(
            400,
            "RoleAssignmentLimitExceeded",
            "The role assignment limit is exceeded. No more role assignments can be created.",
        )


def _quota(request: ArmRequest) -> int:
    settings = request.settings
    return settings.assignments_per_subscription if request.scope.subscription else settings.assignments_per_management_group


def _used(request: ArmRequest) -> int:
    """A subscription's count includes its groups and resources; a management group counts alone."""
    assignments, scope = request.world.tree.role_assignments, request.scope
    if len(assignments) < _quota(request):
        return 0
    root = Scope.of(f"/subscriptions/{scope.subscription}") if scope.subscription else None
    return sum(
        1
        for item in assignments.values()
        if (root.contains(Scope.of(item.scope)) if root else Scope.of(item.scope).key == scope.key)
    )


def _create(request: ArmRequest, name: str, asked: Wanted, principal_type: str) -> RoleAssignment:
    now, caller = request.world.clock.now(), request.caller.object_id
    assignment = RoleAssignment(
        name=name,
        scope=request.scope.path,
        role_definition_id=f"/providers/Microsoft.Authorization/roleDefinitions/{asked.role}",
        principal_id=asked.principal_id,
        principal_type=principal_type,
        created=now,
        updated=now,
        created_by=caller,
        updated_by=caller,
        condition=asked.condition,
        condition_version=asked.condition_version,
        description=asked.description,
        delegated_managed_identity=asked.delegated_managed_identity,
    )
    request.world.tree.role_assignments[name] = assignment
    request.world.consistency.wrote("assignment", name)
    return assignment


def _update(request: ArmRequest, known: RoleAssignment, asked: Wanted) -> RoleAssignment:
    known.condition, known.condition_version = asked.condition, asked.condition_version
    known.description, known.delegated_managed_identity = asked.description, asked.delegated_managed_identity
    known.updated, known.updated_by = request.world.clock.now(), request.caller.object_id
    return known

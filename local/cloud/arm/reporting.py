"""What is told of an operation that changes a resource: by whom, by which right, with which outcome.

Which methods make events: https://learn.microsoft.com/azure/event-grid/event-schema-resource-groups
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal
from urllib.parse import urlencode

from local.cloud.engine.server import HOST
from local.cloud.rbac.access import definition_of, effective, grants
from local.cloud.rbac.scopes import Scope
from local.cloud.tenant.activity import Change, Requested

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from local.cloud.arm.requests import ArmRequest
    from local.cloud.engine.http import Reply
    from local.cloud.tenant.resources import RoleAssignment

_OPERATIONS: Mapping[str, Literal["Write", "Delete"]] = {"PUT": "Write", "PATCH": "Write", "DELETE": "Delete"}
"""Azure tells of POST as an action; the local cloud has no operation with that method yet."""
_GROUPS = "Microsoft.Resources/subscriptions/resourceGroups"
_CREATED, _NOTHING_DONE, _FAILED, _NOT_HERE = 201, 204, 400, 501


def inside(request: ArmRequest) -> Sequence[Scope]:
    """The resources of a group that this request is about to delete, nested ones first; none for any other request.

    Azure Resource Manager deletes each by itself:
    https://learn.microsoft.com/azure/azure-resource-manager/management/delete-resource-group
    """
    group = Scope.of(request.call.path)
    if request.call.method != "DELETE" or group.group is None or group.resource is not None:
        return ()
    held = (Scope.of(item.id) for item in request.world.tree.resources.values())
    found = [scope for scope in held if scope.resource is not None and group.contains(scope)]
    return sorted(found, key=lambda scope: scope.path.count("/"), reverse=True)


def report(request: ArmRequest, reply: Reply, correlation_id: str, within: Sequence[Scope]) -> None:
    """Tells of an operation that has had an effect, or that the resource's provider has refused; ``within`` went with it.

    Of a refusal by the gateway (no right, no such group, a lock), of a deletion that found nothing, and of what is done above
    subscriptions nothing is told.
    """
    scope = Scope.of(request.call.path)
    at_gateway = "x-ms-failure-cause" in reply.headers
    is_change = request.call.method in _OPERATIONS and scope.subscription is not None
    if not is_change or at_gateway or reply.status in (_NOTHING_DONE, _NOT_HERE):
        return
    succeeded = reply.status < _FAILED
    for each in (*within, scope) if succeeded else (scope,):
        request.world.activity.tell(_change(request, reply, correlation_id, each))


def _change(request: ArmRequest, reply: Reply, correlation_id: str, scope: Scope) -> Change:
    operation = _OPERATIONS[request.call.method]
    action = f"{scope.resource.type if scope.resource else _GROUPS}/{operation.lower()}"
    return Change(
        operation=operation,
        succeeded=reply.status < _FAILED,
        action=action,
        resource_id=scope.path,
        claims=request.world.tokens.signed(request.call.bearer or ""),
        evidence=_evidence(request, scope, action),
        requested=None if reply.status == _CREATED else _requested(request),
        correlation_id=correlation_id,
    )


def _requested(request: ArmRequest) -> Requested:
    call = request.call
    return Requested(
        method=call.method,
        url=f"{call.origin}{call.path}?{urlencode(call.query)}",
        client_request_id=call.headers.get("x-ms-client-request-id", ""),
        client_address=HOST,
    )


def _evidence(request: ArmRequest, scope: Scope, action: str) -> Mapping[str, str]:
    """What gave the right: looked for afterwards, so that whoever gives its own right away leaves none."""
    for assignment in effective(request.world, request.caller.object_id, scope):
        definition = definition_of(request.world, assignment)
        if definition is not None and grants(definition, action, data=False):
            return _told(assignment, definition.role_name)
    return {}


def _told(assignment: RoleAssignment, role: str) -> Mapping[str, str]:
    return {
        "role": role,
        "roleAssignmentScope": assignment.scope,
        "roleAssignmentId": assignment.name.replace("-", ""),
        "roleDefinitionId": assignment.role_definition_id.rsplit("/", 1)[-1].replace("-", ""),
        "principalId": assignment.principal_id.replace("-", ""),
        "principalType": assignment.principal_type,
    }

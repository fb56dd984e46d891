"""Role assignments as JSON: what a body may hold, and what each api-version answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.cloud.arm import errors
from local.cloud.arm.requests import instant, is_guid, only
from local.cloud.rbac.condition_syntax import ConditionSyntaxError, parse

if TYPE_CHECKING:
    from local.cloud.arm.requests import ArmRequest
    from local.cloud.engine.http import Json
    from local.cloud.rbac.scopes import Scope
    from local.cloud.tenant.resources import RoleAssignment

_TYPES = {name.lower(): name for name in ("User", "Group", "ServicePrincipal", "ForeignGroup", "Device")}
_WITH_PRINCIPAL_TYPE = "2018-01-01"
_PRINCIPAL_TYPE_HONOURED = "2018-09-01"
"""https://learn.microsoft.com/azure/role-based-access-control/troubleshooting: before, it is not looked at."""
_WITH_CONDITION = "2020-03-01"
_IDENTIFYING = ("id", "name", "type", "location")
"""Taken and not looked at, as recorded."""
_SETTABLE = (
    *("roleDefinitionId", "principalId", "principalType", "condition", "conditionVersion", "description"),
    "delegatedManagedIdentityResourceId",
)
_STATED = ("scope", "createdOn", "updatedOn", "createdBy", "updatedBy")
"""What a client may send back as it was read; it changes nothing."""
_ROLE_PATH = "/providers/microsoft.authorization/roledefinitions/"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The assignment that a PUT asks for. ``principal_type`` is ``None`` when Azure is to find it out."""

    role: str
    """The role definition's GUID."""
    principal_id: str
    principal_type: str | None
    condition: str | None
    condition_version: str | None
    description: str | None
    delegated_managed_identity: str | None


def wanted(request: ArmRequest) -> Wanted:
    """Parses the body of a PUT; raises Azure's 400 for what is wrong with it."""
    sent = request.json()
    body = sent.get("properties")
    if not isinstance(body, dict):
        raise errors.bad_format()
    only(sent, "properties", *_IDENTIFYING)
    only(body, *_SETTABLE, *_STATED)
    principal_id = body.get("principalId")
    if not is_guid(principal_id):
        raise _invalid_principal(principal_id)
    with_condition = request.version >= _WITH_CONDITION
    condition, version = _condition(body) if with_condition else (None, None)
    return Wanted(
        role=role_guid(body.get("roleDefinitionId")),
        principal_id=str(principal_id).lower(),
        principal_type=_principal_type(body) if request.version >= _PRINCIPAL_TYPE_HONOURED else None,
        condition=condition,
        condition_version=version,
        description=_text(body, "description") if with_condition else None,
        delegated_managed_identity=_text(body, "delegatedManagedIdentityResourceId") if with_condition else None,
    )


def _invalid_principal(principal_id: Any) -> Exception:
    return errors.refusal(
        400, "InvalidPrincipalId", f"The Principal ID '{principal_id}' is not valid. Principal ID must be a GUID."
    )


def role_guid(role_definition_id: object) -> str:
    """The GUID in a role definition's id; raises Azure's 400 when it is not one."""
    if not isinstance(role_definition_id, str) or _ROLE_PATH not in role_definition_id.lower():
        raise errors.bad_format()
    guid = role_definition_id.lower().rsplit(_ROLE_PATH, 1)[1]
    if not is_guid(guid):
        raise errors.refusal(400, "InvalidRoleDefinitionId", f"The role definition ID '{guid}' is not valid.")
    return guid


def _principal_type(body: Json) -> str | None:
    sent = body.get("principalType")
    if sent is None:
        return None
    if not isinstance(sent, str) or sent.lower() not in _TYPES:
        raise errors.bad_format()
    return _TYPES[sent.lower()]


def _condition(body: Json) -> tuple[str | None, str | None]:
    """Only version 2.0 of the language can be sent: https://github.com/MicrosoftDocs/azure-docs/issues/119449."""
    condition, version = _text(body, "condition"), _text(body, "conditionVersion")
    if not condition:
        return None, None
    try:
        parse(condition)
    except ConditionSyntaxError as fault:
        raise _invalid_condition() from fault
    if version != "2.0":
        raise _invalid_condition()
    return condition, version


def _invalid_condition() -> Exception:
    """The text is Azure's; the code is not published anywhere and is the local cloud's own."""
    return errors.refusal(400, "InvalidRoleAssignmentCondition", "The given role assignment condition is invalid.")


def _text(body: Json, name: str) -> str | None:
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise errors.bad_format()
    return value


def render(assignment: RoleAssignment, request: ArmRequest, scope: Scope, *, fresh: bool = False) -> Json:
    """The JSON of an assignment as seen from ``scope``. A PUT's answer (``fresh``) has no ``createdBy``."""
    version = request.version
    properties: Json = {
        "roleDefinitionId": f"{role_prefix(scope)}/providers/Microsoft.Authorization/roleDefinitions/"
        + assignment.role_definition_id.rsplit("/", 1)[-1],
        "principalId": assignment.principal_id,
        "principalType": assignment.principal_type,
        "scope": assignment.scope,
        "condition": assignment.condition,
        "conditionVersion": assignment.condition_version,
        "createdOn": instant(assignment.created),
        "updatedOn": instant(assignment.updated),
        "createdBy": None if fresh else assignment.created_by,
        "updatedBy": assignment.updated_by,
        "delegatedManagedIdentityResourceId": assignment.delegated_managed_identity,
        "description": assignment.description,
    }
    for name in _absent(version):
        del properties[name]
    return {
        "properties": properties,
        "id": assignment_id(assignment),
        "type": "Microsoft.Authorization/roleAssignments",
        "name": assignment.name,
    }


def _absent(version: str) -> tuple[str, ...]:
    younger: tuple[str, ...] = ()
    if version < _WITH_CONDITION:
        younger = ("condition", "conditionVersion", "delegatedManagedIdentityResourceId", "description")
    if version < _WITH_PRINCIPAL_TYPE:
        younger = (*younger, "principalType")
    return younger


def role_prefix(scope: Scope) -> str:
    """What stands before a role definition's id: the subscription, or nothing above subscriptions."""
    return f"/subscriptions/{scope.subscription}" if scope.subscription else ""


def assignment_id(assignment: RoleAssignment) -> str:
    """The assignment's full id."""
    prefix = "" if assignment.scope == "/" else assignment.scope
    return f"{prefix}/providers/Microsoft.Authorization/roleAssignments/{assignment.name}"

"""Role definitions as JSON: what a body may hold, and what each api-version answers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from local.cloud.arm import errors
from local.cloud.arm.assignment_bodies import role_prefix
from local.cloud.arm.requests import instant, only
from local.cloud.rbac.scopes import Scope
from local.cloud.tenant.resources import RoleDefinition

if TYPE_CHECKING:
    from local.cloud.arm.requests import ArmRequest
    from local.cloud.engine.http import Json

_WITH_DATA = "2018-01-01"
_FIELDS = ("actions", "notActions", "dataActions", "notDataActions")
_STATED = ("createdOn", "updatedOn", "createdBy", "updatedBy")
_ACTION = re.compile(r"^(\*|[\w.]+|\*/[\w.*/-]+|[\w.]+/[\w.*/-]*)$")
_SCOPE = re.compile(
    r"^/(subscriptions/[^/]+(/resourcegroups/[^/]+)?|providers/microsoft\.management/managementgroups/[^/]+)/?$",
    re.IGNORECASE,
)


def parse(request: ArmRequest, name: str) -> RoleDefinition:
    """The custom role that a PUT asks for; raises Azure's 400 for what is wrong with it."""
    sent = request.json()
    body = sent.get("properties")
    if not isinstance(body, dict):
        raise errors.bad_format()
    only(sent, "properties", "id", "name", "type")
    only(body, "roleName", "description", "type", "permissions", "assignableScopes", *_STATED)
    if str(body.get("type") or "CustomRole").lower() != "customrole":
        raise errors.refusal(400, "InvalidRoleDefinitionType", f"The role type '{body['type']}' is not valid.")
    if not body.get("roleName"):
        raise errors.refusal(400, "RoleDefinitionNameNullOrEmpty", "The role definition name cannot be null or empty.")
    now, caller = request.world.clock.now(), request.caller.object_id
    return RoleDefinition(
        name=name,
        role_name=str(body["roleName"]),
        description=body.get("description"),  # type: ignore[arg-type]  # Azure keeps an absent description as null
        kind="CustomRole",
        permissions=_permissions(body),
        assignable_scopes=_assignable(body),
        scope=request.scope.path,
        created=now,
        updated=now,
        created_by=caller,
        updated_by=caller,
    )


def _assignable(body: Json) -> list[str]:
    scopes = body.get("assignableScopes")
    if not isinstance(scopes, list) or not scopes:
        raise errors.refusal(400, "MissingAssignableScopes", "The role definition must have assignable scopes.")
    for index, scope in enumerate(scopes):
        if not isinstance(scope, str) or not _SCOPE.match(scope):
            raise errors.refusal(
                400,
                "LinkedInvalidPropertyId",
                f"Property id '{scope}' at path 'properties.assignableScopes[{index}]' is invalid. Expect fully "
                "qualified resource Id that start with '/subscriptions/{subscriptionId}' or "
                "'/providers/{resourceProviderNamespace}/'.",
            )
    return [Scope.of(scope).path for scope in scopes]


def _permissions(body: Json) -> list[Json]:
    entries = body.get("permissions") or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise errors.bad_format()
    for entry in entries:
        only(entry, *_FIELDS)
    return [{field: _actions(entry.get(field)) for field in _FIELDS} for entry in entries]


def _actions(value: Any) -> list[str]:
    actions = value or []
    if not isinstance(actions, list):
        raise errors.bad_format()
    for action in actions:
        if not isinstance(action, str) or not _ACTION.match(action):
            raise errors.refusal(
                400,
                "InvalidActionOrNotAction",
                f"'{action}' does not match any of the actions supported by the providers.",
            )
    return [str(action) for action in actions]


def render(definition: RoleDefinition, request: ArmRequest, *, fresh: bool = False) -> Json:
    """The JSON of a role as seen from the request's scope. A PUT's answer (``fresh``) has no ``createdBy``."""
    prefix = role_prefix(request.scope)
    return {
        "properties": {
            "roleName": definition.role_name,
            "type": definition.kind,
            "description": definition.description,
            "assignableScopes": definition.assignable_scopes,
            "permissions": permissions(definition, request.version),
            "createdOn": instant(definition.created),
            "updatedOn": instant(definition.updated),
            "createdBy": None if fresh else definition.created_by,
            "updatedBy": definition.updated_by,
        },
        "id": f"{prefix}/providers/Microsoft.Authorization/roleDefinitions/{definition.name}",
        "type": "Microsoft.Authorization/roleDefinitions",
        "name": definition.name,
    }


def permissions(definition: RoleDefinition, version: str) -> list[Json]:
    """The role's permissions as this api-version has them: the oldest know no data actions."""
    fields = _FIELDS if version >= _WITH_DATA else _FIELDS[:2]
    return [{field: entry.get(field, []) for field in fields} for entry in definition.permissions]

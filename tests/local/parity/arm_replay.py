"""Recorded exchanges with Azure Resource Manager, replayed: the state that one presupposes, the call, the differences."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from typing import Any

from local.cloud.control import provision
from local.cloud.engine.http import Reply
from local.cloud.rbac.builtin_roles import BY_NAME
from local.cloud.rbac.scopes import Scope
from local.cloud.tenant.directory import FederatedCredential, ServicePrincipal, User
from local.cloud.tenant.resources import RoleDefinition
from tests.local.arm.calls import OWNER, Azure
from tests.local.parity.records import Record, compare_shape

_KIND = re.compile(
    r"^(.*?)(?:/providers/Microsoft\.Authorization)?/(role\w+|permissions|federatedIdentityCredentials)(?:/[^/]+)?$",
    re.IGNORECASE,
)
_HEX = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
_CLIENT = re.compile(r"The client '([^']+)' with object id '([^']+)'")
_EQUAL_HEADERS = (
    "cache-control",
    "strict-transport-security",
    "x-content-type-options",
    "content-type",
    "x-ms-failure-cause",
)
_PRESENT_HEADERS = re.compile(
    r"^x-ms-(request-id|correlation-request-id|routing-request-id|ratelimit-remaining-\w+-(reads|writes|deletes))$"
)
_LEFT_BY_SCRUBBING = ("_truncated",)


def unwrapped(body: Any) -> Any:
    """A body as JSON, also when its recording holds the text of a Python bytes literal around it."""
    while isinstance(body, str):
        body = ast.literal_eval(body) if body.startswith(("b'", 'b"')) else json.loads(body)
        body = body.decode() if isinstance(body, bytes) else body
    return body


def differences(azure: Azure, record: Record) -> list[str]:
    """What differs between the recorded answer and ours, once the world has what the recording presupposes."""
    subscription = Scope.of(record.path).subscription
    if subscription:
        azure.world.subscription_id = subscription
    _furnish(azure, record)
    return _compare(record, _sent(azure, record))


def _sent(azure: Azure, record: Record) -> Reply:
    client = _CLIENT.search(json.dumps(record.response_body)) if record.status == 403 else None
    token = azure.token(client[2], upn=client[1]) if client else azure.token(azure.owner)
    headers = {**record.request_headers, "authorization": f"Bearer {token}"}
    return azure.send(record.method, record.path, unwrapped(record.request_body), headers, record.query)


def _furnish(azure: Azure, record: Record) -> None:
    azure.grant(azure.owner, OWNER, "/", name="the-owner-of-all")
    match = _KIND.match(record.path)
    assert match is not None
    scope, kind = Scope.of(match[1]), match[2].lower()
    if _code(record) not in {"ResourceNotFound", "ParentResourceNotFound"}:
        _make_scope(azure, scope)
    _make_group(azure, scope)
    _furnish_kind(azure, record, kind, scope)


def _furnish_kind(azure: Azure, record: Record, kind: str, scope: Scope) -> None:
    body = unwrapped(record.response_body)
    if kind == "roleassignments":
        _furnish_assignments(azure, record, scope, body)
    elif kind == "roledefinitions" and record.method != "PUT" and record.status == 200:
        for item in body.get("value", [body]):
            _make_definition(azure, item["name"], item["properties"])
    elif kind == "roledefinitions" and record.method == "PUT":
        for assignable in unwrapped(record.request_body)["properties"]["assignableScopes"]:
            azure.resource("/".join(assignable.split("/")[:3]), "Microsoft.Resources/subscriptions")
    elif kind == "federatedidentitycredentials" and _code(record) != "ParentResourceNotFound":
        _furnish_federated(azure, record, scope, body)
    elif kind == "permissions":
        azure.grant(azure.owner, OWNER, scope.path, name="a-second-role")


def _furnish_assignments(azure: Azure, record: Record, scope: Scope, body: Any) -> None:
    if record.method != "PUT":
        for item in body.get("value", [body]) if record.status == 200 else ():
            _make_assignment(azure, item["name"], item["properties"])
        return
    asked = unwrapped(record.request_body)["properties"]
    role = asked["roleDefinitionId"].rsplit("/", 1)[-1]
    _make_definition(azure, role, {})
    shown = body.get("properties", {}) if isinstance(body, Mapping) else {}
    if _code(record) not in {"PrincipalNotFound", "InvalidPrincipalId"}:
        _make_principal(azure, asked["principalId"], asked.get("principalType") or shown.get("principalType"))
    if _code(record) == "RoleAssignmentExists":
        azure.grant(asked["principalId"], role, scope.path, name="under-another-name")
    if _code(record) == "RoleAssignmentUpdateNotPermitted":
        azure.grant(asked["principalId"], role, "/", name=record.path.rsplit("/", 1)[-1])


def _furnish_federated(azure: Azure, record: Record, identity: Scope, body: Any) -> None:
    """The identity, and every credential that was there before the call."""
    holder = provision.managed_identity(azure.world, "the-identity", identity.path, system_assigned=False)
    if record.method == "DELETE" and record.status == 200:
        name = record.path.rsplit("/", 1)[-1]
        holder.federated[name] = FederatedCredential(name, name, "https://issuer.example", "before", ["api://before"])
    elif record.status == 200:
        for item in body.get("value", [body]):
            holder.federated[item["name"]] = FederatedCredential(item["name"], item["name"], **item["properties"])


def _make_scope(azure: Azure, scope: Scope) -> None:
    if scope.resource is not None:
        azure.resource("/".join(scope.path.split("/")[:9]), scope.resource.type)
    if scope.management_group is not None:
        azure.resource(scope.path, "Microsoft.Management/managementGroups")


def _make_group(azure: Azure, scope: Scope) -> None:
    if scope.group is not None:
        azure.resource("/".join(scope.path.split("/")[:5]), "Microsoft.Resources/resourceGroups")


def _make_principal(azure: Azure, object_id: str, kind: str | None) -> None:
    if kind == "User":
        azure.world.directory.users[object_id] = User(object_id, azure.clock.at, {})
    else:
        made = ServicePrincipal(object_id, f"app-of-{object_id}", azure.clock.at, {})
        azure.world.directory.service_principals[object_id] = made


def _make_definition(azure: Azure, name: str, shown: Mapping[str, Any]) -> None:
    if name in BY_NAME or name in azure.world.tree.role_definitions:
        return
    azure.world.tree.role_definitions[name] = RoleDefinition(
        name,
        shown.get("roleName", name),
        shown.get("description", ""),
        shown.get("type", "CustomRole"),
        shown.get("permissions", []),
        shown.get("assignableScopes", ["/"]),
        created_by=shown.get("createdBy"),
        updated_by=shown.get("updatedBy"),
    )


def _make_assignment(azure: Azure, name: str, shown: Mapping[str, Any]) -> None:
    if name in azure.world.tree.role_assignments:
        return
    role = shown["roleDefinitionId"].rsplit("/", 1)[-1]
    azure.grant(shown["principalId"], role, shown["scope"], shown.get("condition"), name)


def _code(record: Record) -> str:
    body = record.response_body
    return str(body.get("error", {}).get("code", "")) if isinstance(body, Mapping) else ""


def _compare(record: Record, reply: Reply) -> list[str]:
    if record.status != reply.status:
        return [f"status is {reply.status}, recorded as {record.status}: {reply.body}"]
    recorded = unwrapped(record.response_body)
    found = compare_shape(recorded, reply.body, ignore=_LEFT_BY_SCRUBBING)
    if (recorded is None) != (reply.body is None):
        found.append(f"body is {reply.body}, recorded as {recorded}")
    if _code(record):
        found += _compare_errors(recorded["error"], reply.body["error"])
    return found + _compare_headers(record.response_headers, reply.headers)


def _compare_errors(recorded: Mapping[str, str], ours: Mapping[str, str]) -> list[str]:
    """Codes are equal; so are texts but for identifiers, and what Azure has since added at their end."""
    found = [] if recorded["code"] == ours["code"] else [f"code is {ours['code']}, recorded as {recorded['code']}"]
    texts = [_HEX.sub("<id>", error["message"]) for error in (recorded, ours)]
    if not texts[1].startswith(texts[0]):
        found.append(f"message is {texts[1]!r}, recorded as {texts[0]!r}")
    return found


def _compare_headers(recorded: Mapping[str, str], ours: Mapping[str, str]) -> list[str]:
    found = [
        f"{name} is {ours.get(name)}, recorded as {recorded[name]}"
        for name in _EQUAL_HEADERS
        if name in recorded and recorded[name] != ours.get(name)
    ]
    missing = [name for name in recorded if _PRESENT_HEADERS.match(name) and name not in ours and "global" not in name]
    return [*found, *(f"{name} is missing" for name in missing)]

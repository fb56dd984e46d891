"""What a recorded exchange presupposes: the objects that it names or returns, put into a tenant before it is repeated."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import unquote

from local.cloud.tenant.directory import (
    Application,
    FederatedCredential,
    Group,
    Password,
    PermissionGrant,
    ServicePrincipal,
    User,
)
from tests.local.graph.calls import Tenant
from tests.local.parity.records import Record

GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LITERAL = re.compile(r"'([^']*)'")
_COMPUTED = {
    "@odata.context",
    "@odata.type",
    "_truncated",
    "alternativeNames",
    "appId",
    "createdDateTime",
    "deletedDateTime",
    "id",
    "keyCredentials",
    "passwordCredentials",
    "servicePrincipalType",
    "uniqueName",
}
_KINDS = {
    "applications": "application",
    "serviceprincipals": "servicePrincipal",
    "groups": "group",
    "users": "user",
    "me": "user",
}

SINCE = {
    "createdDateTime": "2020-08-12",
    "notes": "2020-08-12",
    "description": "2020-08-12",
    "appDescription": "2020-08-12",
    "signInAudience": "2022-05-07",
    "resourceSpecificApplicationPermissions": "2022-05-07",
    "verifiedPublisher": "2022-05-07",
    "certification": "2022-05-07",
    "disabledByMicrosoftStatus": "2022-05-07",
    "serviceManagementReference": "2022-05-07",
    "defaultRedirectUri": "2022-05-07",
    "requestSignatureVerification": "2023-02-14",
    "servicePrincipalLockConfiguration": "2023-02-14",
    "samlMetadataUrl": "2023-02-14",
    "redirectUriSettings": "2023-02-14",
    "serviceProvisioningErrors": "2023-08-23",
    "nativeAuthenticationApisEnabled": "2024-09-06",
    "uniqueName": "2024-09-06",
    "isManagementRestricted": "2024-10-11",
}
"""Properties that Graph began to return while the recordings were made, and the day that first shows each."""

type Json = dict[str, Any]
type Placed = Application | ServicePrincipal | Group | User


def instant(record: Record) -> float:
    """When the exchange was recorded, in POSIX seconds."""
    return parsedate_to_datetime(record.response_headers["date"]).timestamp()


def newer(record: Record) -> list[str]:
    """Properties that Graph began to return after this exchange, and marks of the recording itself."""
    day = f"{datetime.fromtimestamp(instant(record), UTC):%Y-%m-%d}"
    return ["_truncated", *(name for name, since in SINCE.items() if day < since)]


def segments(record: Record) -> list[str]:
    """The path below the version."""
    return unquote(record.path).strip("/").split("/")[1:]


def arrange(tenant: Tenant, record: Record) -> None:
    """Makes everything that the exchange needs to come out as it was recorded."""
    if record.status >= 400:
        return
    for item in _returned(record):
        place(tenant, item, _KINDS.get(segments(record)[0].lower(), "servicePrincipal"), record)
    key = _key(record)
    if key is not None:
        _subject(tenant, record, key)
    for act in (_reference, _password, _federated, _relations, _backing, _grants, _bin):
        act(tenant, record)


def place(tenant: Tenant, body: Json, kind: str, record: Record) -> Placed:
    """Puts an object as it was returned into the tenant."""
    kind = body.get("@odata.type", kind).removeprefix("#microsoft.graph.")
    properties = {name: value for name, value in body.items() if name not in _COMPUTED}
    return _MAKERS[kind](tenant, body, properties, instant(record) - 60)


def _application(tenant: Tenant, body: Json, properties: Json, at: float) -> Placed:
    made = Application(body["id"], body.get("appId") or tenant.world.guid(), at, properties)
    for sent in body.get("passwordCredentials", ()):
        made.passwords[sent["keyId"]] = Password(sent["keyId"], "abc", sent["displayName"], at, at + 1)
    tenant.world.directory.applications[made.id] = made
    return made


def _service_principal(tenant: Tenant, body: Json, properties: Json, at: float) -> Placed:
    made = ServicePrincipal(body["id"], body.get("appId") or tenant.world.guid(), at, properties)
    known = tenant.world.directory.principal_of(made.app_id)
    if known is not None:  # one of Microsoft's own
        del tenant.world.directory.service_principals[known.id]
    tenant.world.directory.service_principals[made.id] = made
    return made


def _group(tenant: Tenant, body: Json, properties: Json, at: float) -> Placed:
    made = Group(body["id"], at, properties)
    tenant.world.directory.groups[made.id] = made
    return made


def _user(tenant: Tenant, body: Json, properties: Json, at: float) -> Placed:
    made = User(body["id"], at, properties)
    tenant.world.directory.users[made.id] = made
    return made


_MAKERS: Mapping[str, Callable[[Tenant, Json, Json, float], Placed]] = {
    "application": _application,
    "servicePrincipal": _service_principal,
    "group": _group,
    "user": _user,
}


def _returned(record: Record) -> list[Json]:
    """The directory objects that the answer to a read holds. Names that were scrubbed become those that were asked for."""
    body = record.response_body
    reads = record.method == "GET" or record.url.endswith("getByIds")
    if not reads or not isinstance(body, dict):
        return []
    found = body["value"] if isinstance(body.get("value"), list) else [body]
    items = [dict(item) for item in found if isinstance(item, dict) and "displayName" in item]
    wanted = _LITERAL.findall(unquote(record.url).replace("users('", "users("))
    for item, name in zip(items, wanted, strict=False):
        if "userPrincipalName" in item and "@" in name:
            item["userPrincipalName"] = name
        if "userPrincipalName" in item and "startswith" in record.url:
            item["displayName"] = name
    return items


def _key(record: Record) -> str | None:
    """The id or name of what the path addresses."""
    parts = segments(record)
    if parts[0].lower() == "directory":
        return None
    if "('" in parts[0]:
        return parts[0].partition("('")[2].removesuffix("')")
    return parts[1] if len(parts) > 1 and parts[1] != "getByIds" else None


def _subject(tenant: Tenant, record: Record, key: str) -> None:
    """The object that the path addresses, unless the answer showed it already."""
    kind = _KINDS.get(segments(record)[0].partition("(")[0].lower(), "user")
    made = GUID.fullmatch(key)
    directory = tenant.world.directory
    stored = (directory.applications, directory.service_principals, directory.groups, directory.users)
    if made and any(key in objects for objects in stored):
        return
    users = directory.users.values()
    if not made and any(user.properties.get("userPrincipalName") == key for user in users):
        return
    shown = {"id": key if made else tenant.world.guid(), "displayName": "subject", "userPrincipalName": key}
    if not made and users:  # read by a name that was scrubbed in the answer
        next(iter(users)).properties["userPrincipalName"] = key
        return
    place(tenant, shown, kind, record)


def _reference(tenant: Tenant, record: Record) -> None:
    """``$ref``: what is added must exist, what is removed must be there."""
    parts = segments(record)
    if parts[-1] != "$ref":
        return
    body = record.request_body or {}
    other = parts[3] if record.method == "DELETE" else body["@odata.id"].rpartition("/")[2]
    place(tenant, {"id": other, "displayName": "other"}, "user", record)
    if record.method == "DELETE":
        _list_of(tenant, parts[1], parts[2]).append(other)


def _list_of(tenant: Tenant, object_id: str, relation: str) -> list[str]:
    directory = tenant.world.directory
    if relation == "members":
        return directory.groups[object_id].members
    stored = (directory.applications, directory.service_principals, directory.groups)
    holder: Any = next(objects[object_id] for objects in stored if object_id in objects)
    owners: list[str] = holder.owners
    return owners


def _password(tenant: Tenant, record: Record) -> None:
    parts = segments(record)
    if parts[-1] == "removePassword":
        directory = tenant.world.directory
        holder = directory.applications.get(parts[1]) or directory.service_principals[parts[1]]
        key_id = record.request_body["keyId"]
        holder.passwords[key_id] = Password(key_id, "abc", None, 0, instant(record) + 1)


def _federated(tenant: Tenant, record: Record) -> None:
    parts = segments(record)
    if "federatedIdentityCredentials" not in parts or record.method == "POST":
        return
    item = tenant.world.directory.applications[parts[1]]
    body = record.response_body or {}
    shown = body.get("value", [body] if "name" in body else [])
    named = {"id": parts[3], "name": "Testing", "issuer": "https://a", "subject": "b", "audiences": ["c"]} if parts[3:] else {}
    for credential in shown or ([named] if named else []):
        known = {name: credential.get(name) for name in ("id", "name", "issuer", "subject", "audiences", "description")}
        item.federated[credential["id"]] = FederatedCredential(**known)


def _relations(tenant: Tenant, record: Record) -> None:
    """Owners, members and memberships that the answer lists."""
    parts = segments(record)
    body = record.response_body if isinstance(record.response_body, dict) else {}
    values = body.get("value", [])
    if parts[-1] in {"owners", "members"}:
        _list_of(tenant, parts[1], parts[-1]).extend(item["id"] for item in values)
    if parts[-1] in {"getMemberGroups", "checkMemberGroups"}:
        for group_id in values:
            group = place(tenant, {"id": group_id, "displayName": "of"}, "group", record)
            member = next(iter(tenant.world.directory.users), None) or parts[1]
            _list_of(tenant, group.id, "members").append(member)


def _backing(tenant: Tenant, record: Record) -> None:
    """A new service principal's application, as its own name in the answer has it."""
    if record.method == "POST" and segments(record)[0].lower() == "serviceprincipals" and len(segments(record)) == 1:
        body = record.response_body
        shown = {"id": tenant.world.guid(), "appId": body["appId"], "displayName": body["displayName"]}
        place(tenant, shown, "application", record)


def _grants(tenant: Tenant, record: Record) -> None:
    """Delegated permission grants that are read or deleted, and what a new one names."""
    parts = segments(record)
    if parts[0].lower() != "oauth2permissiongrants":
        return
    if record.method == "POST":
        for name in ("clientId", "resourceId"):
            place(tenant, {"id": record.request_body[name], "displayName": "named"}, "servicePrincipal", record)
        return
    stored = tenant.world.directory.permission_grants
    for item in (record.response_body or {}).get("value", []):
        found = (item[name] for name in ("id", "clientId", "resourceId", "consentType", "principalId", "scope"))
        stored[item["id"]] = PermissionGrant(*found)
    for grant_id in parts[1:]:
        stored[grant_id] = PermissionGrant(grant_id, "client", "api", "AllPrincipals", None, "")


def _bin(tenant: Tenant, record: Record) -> None:
    parts = segments(record)
    if parts[:2] == ["directory", "deletedItems"]:
        place(tenant, {"id": parts[2], "displayName": "gone"}, "application", record).deleted = instant(record) - 1

"""What the directory holds, as the control API lists it: enough for a test to assert that nothing is left."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local.cloud.engine.http import Json
    from local.cloud.tenant.directory import Application, Directory, Group, Password, ServicePrincipal


def of(directory: Directory) -> Json:
    """All of it. Secrets are listed by id and end date, never by value."""
    objects: list[Application | ServicePrincipal | Group] = [
        *directory.applications.values(),
        *directory.service_principals.values(),
        *directory.groups.values(),
    ]
    return {
        "applications": [_application(found) for found in directory.applications.values() if found.deleted is None],
        "deleted_items": [_deleted(found) for found in objects if found.deleted is not None],
        "service_principals": [_principal(found) for found in directory.service_principals.values() if found.deleted is None],
        "secrets": list(_secrets(directory)),
        "federated_credentials": list(_federated(directory)),
        "groups": [_group(found) for found in directory.groups.values() if found.deleted is None],
    }


def _application(found: Application) -> Json:
    return {
        "object_id": found.id,
        "client_id": found.app_id,
        "display_name": found.properties.get("displayName"),
        "unique_name": found.unique_name,
        "owners": found.owners,
    }


def _principal(found: ServicePrincipal) -> Json:
    return {
        "object_id": found.id,
        "client_id": found.app_id,
        "display_name": found.properties.get("displayName"),
        "kind": found.kind,
        "resource_id": found.resource_id,
        "app_roles": [role.value for role in found.app_roles],
    }


def _group(found: Group) -> Json:
    return {"object_id": found.id, "display_name": found.properties.get("displayName"), "members": found.members}


def _deleted(found: Application | ServicePrincipal | Group) -> Json:
    return {
        "object_id": found.id,
        "type": {"Application": "application", "ServicePrincipal": "service_principal"}.get(type(found).__name__, "group"),
        "client_id": getattr(found, "app_id", None),
        "display_name": found.properties.get("displayName"),
        "unique_name": getattr(found, "unique_name", None),
        "deleted": instant(found.deleted or 0.0),
    }


def _secrets(directory: Directory) -> Iterator[Json]:
    """Of living applications and service principals."""
    for application in directory.applications.values():
        if application.deleted is None:
            yield from (_secret("application", application.id, found) for found in application.passwords.values())
    for principal in directory.service_principals.values():
        if principal.deleted is None:
            yield from (_secret("service_principal", principal.id, found) for found in principal.passwords.values())


def _secret(kind: str, holder: str, found: Password) -> Json:
    return {
        "key_id": found.key_id,
        "holder_type": kind,
        "holder_id": holder,
        "display_name": found.display_name,
        "end": instant(found.end),
    }


def _federated(directory: Directory) -> Iterator[Json]:
    holders: list[Application | ServicePrincipal] = [*directory.applications.values()]
    for holder in (*holders, *directory.service_principals.values()):
        for found in holder.federated.values() if holder.deleted is None else ():
            yield {
                "id": found.id,
                "holder_id": holder.id,
                "name": found.name,
                "issuer": found.issuer,
                "subject": found.subject,
                "audiences": found.audiences,
            }


def instant(seconds: float) -> str:
    """RFC 3339, in UTC."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat().replace("+00:00", "Z")

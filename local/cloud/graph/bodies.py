"""Directory objects as Graph shows them."""

from __future__ import annotations

import struct
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.cloud.graph import schema
from local.cloud.graph.instants import written
from local.cloud.graph.queries import ResourceType
from local.cloud.tenant import first_party
from local.cloud.tenant.directory import Application, Group, ServicePrincipal, User

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from local.cloud.engine.http import Json
    from local.cloud.graph.request import GraphRequest
    from local.cloud.tenant.directory import AppRoleAssignment, Certificate, FederatedCredential, Password


def _filled(defaults: Mapping[str, Any], properties: Mapping[str, Any]) -> Json:
    """Every property, as set or by default; a complex one is filled up property by property."""
    return {name: _completed(default, properties.get(name, default)) for name, default in defaults.items()}


def _completed(default: Any, value: Any) -> Any:
    if not isinstance(default, dict):
        return value
    given = value or {}
    return _filled(default, given) | {name: given[name] for name in given if name not in default}


def application(request: GraphRequest, item: Application) -> Json:
    """An application as a read returns it."""
    body = _filled(schema.APPLICATION, item.properties)
    body |= {
        "id": item.id,
        "appId": item.app_id,
        "createdDateTime": written(item.created, precise=False),
        "deletedDateTime": _deleted(request, item),
        "publisherDomain": request.world.tenant_name,
        "uniqueName": item.unique_name,
        "keyCredentials": certificates(request, item),
        "passwordCredentials": passwords(request, item),
    }
    body["web"]["redirectUriSettings"] = [{"uri": uri, "index": None} for uri in body["web"]["redirectUris"]]
    return body


def service_principal(request: GraphRequest, item: ServicePrincipal) -> Json:
    """A service principal as a read returns it: much of it is its application's."""
    app = None if item.kind == "ManagedIdentity" else request.directory.application_of(item.app_id)
    body = _filled(schema.SERVICE_PRINCIPAL, _inherited(request, app) | item.properties)
    names = body["servicePrincipalNames"]
    return body | {
        "id": item.id,
        "appId": item.app_id,
        "createdDateTime": None if _is_microsofts(item) else written(item.created, precise=False),
        "deletedDateTime": _deleted(request, item),
        "servicePrincipalType": item.kind,
        "alternativeNames": _alternative_names(item) or body["alternativeNames"],
        "servicePrincipalNames": names if item.app_id in names else [item.app_id, *names],
        "keyCredentials": certificates(request, item),
        "passwordCredentials": passwords(request, item),
    }


def _is_microsofts(item: ServicePrincipal) -> bool:
    """Whether every tenant has it: nobody has made those, and no time is told."""
    return item.properties.get("appOwnerOrganizationId") == first_party.OWNER_TENANT


def _inherited(request: GraphRequest, app: Application | None) -> Json:
    if app is None:
        return {}
    body = _filled(schema.APPLICATION, app.properties)
    return {
        "appDisplayName": body["displayName"],
        "appDescription": body["description"],
        "appOwnerOrganizationId": request.world.tenant_id,
        "appRoles": body["appRoles"],
        "displayName": body["displayName"],
        "homepage": body["web"]["homePageUrl"],
        "info": body["info"],
        "logoutUrl": body["web"]["logoutUrl"],
        "oauth2PermissionScopes": body["api"]["oauth2PermissionScopes"],
        "replyUrls": [uri for part in ("web", "spa", "publicClient") for uri in body[part]["redirectUris"]],
        "servicePrincipalNames": [*body["identifierUris"], app.app_id],
        "signInAudience": body["signInAudience"],
    }


def _deleted(request: GraphRequest, item: Application | ServicePrincipal | Group | User) -> str | None:
    """Whoever shows an object outside the recycle bin takes it for living."""
    in_bin = "/deleteditems/" in request.call.path.lower()
    return written(item.deleted, precise=False) if in_bin else None


def _alternative_names(item: ServicePrincipal) -> list[str]:
    """How the directory tells a managed identity's resource, and user- from system-assigned ones."""
    if item.resource_id is None:
        return []
    return [f"isExplicit={not item.system_assigned}", item.resource_id.replace("/resourceGroups/", "/resourcegroups/")]


def group(request: GraphRequest, item: Group) -> Json:
    """A group as a read returns it."""
    created = written(item.created, precise=False)
    return _filled(schema.GROUP, item.properties) | {
        "id": item.id,
        "createdDateTime": created,
        "deletedDateTime": _deleted(request, item),
        "renewedDateTime": created,
        "securityIdentifier": security_identifier(item.id),
    }


def security_identifier(object_id: str) -> str:
    """The SID that a group has from its object id: four little-endian words of the GUID."""
    return "S-1-12-1-" + "-".join(map(str, struct.unpack("<4I", uuid.UUID(object_id).bytes_le)))


def user(request: GraphRequest, item: User) -> Json:
    """A user with everything that can be selected."""
    return _filled(schema.USER, item.properties) | {
        "id": item.id,
        "createdDateTime": written(item.created, precise=False),
        "deletedDateTime": _deleted(request, item),
    }


def passwords(request: GraphRequest, holder: Application | ServicePrincipal) -> list[Json]:
    """Secrets as reads show them, newest first: never their text; as far as this replica knows."""
    sees = request.world.consistency.sees
    items = (*_gone(request, "secret", holder), *holder.passwords.values())
    hinted = isinstance(holder, Application)
    return [password(item, hinted=hinted) for item in reversed(items) if sees("graph", "secret", item.key_id)]


def _gone(request: GraphRequest, kind: str, holder: Application | ServicePrincipal) -> list[Any]:
    """What was removed from the holder so lately that a replica may still show it."""
    return [item for of, item in request.world.ghosts.of(kind) if of == holder.id]


def password(item: Password, *, hinted: bool, reveal: bool = False) -> Json:
    """A secret; its text is told once, when it is made. Of an application's the first letters are shown ever after."""
    return {
        "customKeyIdentifier": None,
        "displayName": item.display_name,
        "endDateTime": written(item.end),
        "hint": item.secret[:3] if hinted else None,
        "keyId": item.key_id,
        "secretText": item.secret if reveal else None,
        "startDateTime": written(item.start),
    }


def certificates(request: GraphRequest, holder: Application | ServicePrincipal) -> list[Json]:
    """Certificates as reads show them, without the key."""
    sees = request.world.consistency.sees
    items = (*_gone(request, "certificate", holder), *holder.certificates.values())
    return shown_certificates(item for item in items if sees("graph", "certificate", item.key_id))


def shown_certificates(items: Iterable[Certificate]) -> list[Json]:
    """Certificates, whether or not the answering replica has seen them."""
    return [_certificate(item) for item in items]


def _certificate(item: Certificate) -> Json:
    return {
        "customKeyIdentifier": item.thumbprint,
        "displayName": item.display_name,
        "endDateTime": written(item.end),
        "key": None,
        "keyId": item.key_id,
        "startDateTime": written(item.start),
        "type": "AsymmetricX509Cert",
        "usage": "Verify",
    }


def federated(request: GraphRequest, item: FederatedCredential) -> Json:
    """A federated identity credential."""
    return {name: getattr(item, name) for name in schema.FEDERATED}


@dataclass(frozen=True, slots=True)
class Held:
    """An application permission, and the service principal or user that holds it."""

    holder: ServicePrincipal | User
    role: AppRoleAssignment

    @property
    def id(self) -> str:
        """The assignment's own."""
        return self.role.id


def app_role_assignment(request: GraphRequest, held: Held) -> Json:
    """An application permission that a service principal or a user holds."""
    principal, item = held.holder, held.role
    resource = request.directory.service_principals.get(item.resource_id)
    return {
        "id": item.id,
        "deletedDateTime": None,
        "appRoleId": item.app_role_id,
        "createdDateTime": written(item.created),
        "principalDisplayName": typed(request, principal)["displayName"],
        "principalId": principal.id,
        "principalType": type(principal).__name__,
        "resourceDisplayName": service_principal(request, resource)["displayName"] if resource else None,
        "resourceId": item.resource_id,
    }


_QUICK = {"id": "id", "appId": "app_id", "uniqueName": "unique_name"}
_PLAIN = {"displayName", "identifierUris", "tags", "notes", "description", "signInAudience"}


def _quick_application(item: Application, path: str) -> Any:
    if path in _QUICK:
        return getattr(item, _QUICK[path])
    if path in _PLAIN:
        return item.properties.get(path, schema.APPLICATION[path])
    raise KeyError(path)


def _quick_principal(item: ServicePrincipal, path: str) -> Any:
    return {"id": item.id, "appId": item.app_id, "servicePrincipalType": item.kind}[path]


def _quick_group(item: Group, path: str) -> Any:
    return item.id if path == "id" else item.properties[path]


APPLICATION = ResourceType("application", "applications", application, schema.APPLICATION, quick=_quick_application)
SERVICE_PRINCIPAL = ResourceType(
    "servicePrincipal", "servicePrincipals", service_principal, schema.SERVICE_PRINCIPAL, quick=_quick_principal
)
GROUP = ResourceType("group", "groups", group, schema.GROUP, quick=_quick_group)
USER = ResourceType("user", "users", user, schema.USER, default=schema.USER_DEFAULT)
APP_ROLE_ASSIGNMENT = ResourceType("appRoleAssignment", "appRoleAssignments", app_role_assignment, schema.APP_ROLE_ASSIGNMENT)
FEDERATED = ResourceType("federatedIdentityCredential", "federatedIdentityCredentials", federated, schema.FEDERATED)


def typed(request: GraphRequest, item: Application | ServicePrincipal | Group | User) -> Json:
    """A directory object among others, with its ``@odata.type``."""
    match item:
        case Application():
            return APPLICATION.typed(request, item)
        case ServicePrincipal():
            return SERVICE_PRINCIPAL.typed(request, item)
        case Group():
            return GROUP.typed(request, item)
        case User():
            return USER.typed(request, item)

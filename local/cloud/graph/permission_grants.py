"""Delegated permission grants: what clients may do at an API in people's names.

Shapes as recorded; https://learn.microsoft.com/graph/api/resources/oauth2permissiongrant has the rules. Entra ID's endpoints
for people are not implemented, so no token carries what is granted here.
"""

from __future__ import annotations

import base64
import uuid
from typing import TYPE_CHECKING

from local.cloud.graph import access, errors, names, objects, queries
from local.cloud.graph.request import done, misfit, text
from local.cloud.tenant.directory import PermissionGrant, ServicePrincipal, User

if TYPE_CHECKING:
    from local.cloud.engine.http import Json, Reply
    from local.cloud.graph.request import GraphRequest

_RESOURCE = "OAuth2PermissionGrant"
_PROPERTIES = {"clientId", "consentType", "principalId", "resourceId", "scope"}
_TYPES = ("AllPrincipals", "Principal")
_SCOPE = 3850
"""Characters: https://learn.microsoft.com/graph/api/resources/oauth2permissiongrant."""


def _body(_request: GraphRequest, item: PermissionGrant) -> Json:
    return {
        "clientId": item.client_id,
        "consentType": item.consent_type,
        "id": item.id,
        "principalId": item.principal_id,
        "resourceId": item.resource_id,
        "scope": item.scope,
    }


KIND = queries.ResourceType("oAuth2PermissionGrant", "oauth2PermissionGrants", _body, dict.fromkeys((*_PROPERTIES, "id")))


def listed(request: GraphRequest) -> Reply:
    """``GET /oauth2PermissionGrants``."""
    request.caller.require(access.READ_GRANTS)
    return queries.many(request, KIND, tuple(request.directory.permission_grants.values()))


def read(request: GraphRequest) -> Reply:
    """``GET /oauth2PermissionGrants/{id}``."""
    request.caller.require(access.READ_GRANTS)
    return queries.one(request, KIND, _addressed(request))


def create(request: GraphRequest) -> Reply:
    """``POST /oauth2PermissionGrants``. There is one grant for each client, API and person."""
    request.caller.require_administration(access.CHANGE_GRANTS)
    body = request.body()
    names.only("oAuth2PermissionGrant", _PROPERTIES, body)
    client, resource = (_principal(request, text(body, name, _RESOURCE)) for name in ("clientId", "resourceId"))
    consent_type, person = _consent(request, body)
    grant_id = _id_of(client, resource, person)
    if grant_id in request.directory.permission_grants:
        raise errors.duplicate("Permission entry already exists.")
    made = PermissionGrant(grant_id, client, resource, consent_type, person, _scope(body))
    request.directory.permission_grants[grant_id] = made
    location = f"oauth2PermissionGrants/{grant_id}"
    return request.entity("oauth2PermissionGrants/$entity", _body(request, made), status=201, location=location)


def update(request: GraphRequest) -> Reply:
    """``PATCH /oauth2PermissionGrants/{id}``: the scope alone."""
    request.caller.require_administration(access.CHANGE_GRANTS)
    item, body = _addressed(request), request.body()
    names.only("oAuth2PermissionGrant", {"scope"}, body)
    item.scope = _scope(body)
    return done()


def delete(request: GraphRequest) -> Reply:
    """``DELETE /oauth2PermissionGrants/{id}``."""
    request.caller.require_administration(access.CHANGE_GRANTS)
    del request.directory.permission_grants[_addressed(request).id]
    return done()


def _addressed(request: GraphRequest) -> PermissionGrant:
    found = request.directory.permission_grants.get(request.param("grant"))
    if found is None:
        raise errors.not_found(request.param("grant"))
    return found


def _principal(request: GraphRequest, object_id: str) -> str:
    found = request.directory.service_principals.get(object_id.lower())
    return objects.existing(request, found, object_id, ServicePrincipal).id


def _consent(request: GraphRequest, body: Json) -> tuple[str, str | None]:
    """For whom: everybody, or the one user that is then named."""
    consent_type, person = text(body, "consentType", _RESOURCE), body.get("principalId")
    if consent_type not in _TYPES:
        raise misfit("consentType", _RESOURCE)
    if (person is not None) != (consent_type == "Principal"):
        raise misfit("principalId", _RESOURCE)
    if person is None:
        return consent_type, None
    found = request.directory.users.get(str(person).lower())
    return consent_type, objects.existing(request, found, str(person), User).id


def _scope(body: Json) -> str:
    scope = body.get("scope")
    if not isinstance(scope, str) or len(scope) > _SCOPE:
        raise misfit("scope", _RESOURCE)
    return scope


def _id_of(client: str, resource: str, person: str | None) -> str:
    """As recorded: the octets of the object ids, one after the other, in base64url."""
    octets = b"".join(uuid.UUID(each).bytes_le for each in (client, resource, person) if each)
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def forget(request: GraphRequest, gone: str) -> None:
    """Whatever names an object that is gone for good goes with it."""
    grants = request.directory.permission_grants
    for item in [found for found in grants.values() if gone in {found.client_id, found.resource_id, found.principal_id}]:
        del grants[item.id]

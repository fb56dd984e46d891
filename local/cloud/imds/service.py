"""Tokens for managed identities, over plain http as on Azure's machines.

Each identity is a machine of its own, at ``/identities/{name}``: ``/metadata/identity/oauth2/token`` below it is its
instance metadata service (set ``AZURE_POD_IDENTITY_AUTHORITY_HOST`` to the base), ``/msi/token`` its App Service endpoint
(``IDENTITY_ENDPOINT``, with ``IDENTITY_HEADER``). The same paths without the base stand for one machine that carries every
managed identity: there the header, or one of the selectors, says which.

Applications and people have such a base as well, which Azure does not give them: so that a test can be anybody through
``ManagedIdentityCredential``. Their tokens are their own kind's.

IMDS: https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token; App Service:
https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from local.cloud.engine.http import HttpRequest, Refusal, Reply, Route
from local.cloud.engine.service import REST, Endpoint
from local.cloud.entra import errors
from local.cloud.entra.claims import MANAGED_IDENTITY_LIFETIME
from local.cloud.entra.clients import find
from local.cloud.entra.identities import stated
from local.cloud.entra.resources import resolve
from local.cloud.local_azure import LocalAzure

if TYPE_CHECKING:
    from local.cloud.tenant.directory import Identity

_SELECTORS = {
    "client_id": "client_id",
    "clientid": "client_id",
    "object_id": "object_id",
    "principal_id": "object_id",
    "mi_res_id": "resource_id",
    "msi_res_id": "resource_id",
}
_APP_SERVICE_VERSION = "2019-08-01"
_ENDPOINT = Endpoint(paths=(REST,), tls=False)


def machine_token(world: LocalAzure, call: HttpRequest) -> Reply:
    """``GET [/identities/{name}]/metadata/identity/oauth2/token``."""
    if call.headers.get("metadata", "").lower() != "true":
        raise _invalid("Required metadata header not specified")
    for needed in ("api-version", "resource"):
        if not call.query.get(needed):
            raise _invalid(f"Required query variable '{needed}' is missing")
    identity = _selected(call, _machine(world, call))
    if identity is None:
        raise _invalid("Identity not found")
    token, start, end = _issue(world, call, identity)
    body = {
        "access_token": token,
        "client_id": identity.client_id,
        "expires_in": str(end - int(world.clock.now())),
        "expires_on": str(end),
        "ext_expires_in": str(MANAGED_IDENTITY_LIFETIME - 1),
        "not_before": str(start),
        "resource": call.query["resource"],
        "token_type": "Bearer",
    }
    return Reply(200, body, principal=identity.object_id, client_id=identity.client_id)


def app_service_token(world: LocalAzure, call: HttpRequest) -> Reply:
    """``GET [/identities/{name}]/msi/token``."""
    secret = call.headers.get("x-identity-header")
    carried = [found for found in _machine(world, call) if found.header == secret]
    if not carried:
        raise Refusal(_app_service_error(401, "The X-IDENTITY-HEADER header is missing or wrong."))
    if call.query.get("api-version") != _APP_SERVICE_VERSION:
        raise Refusal(_app_service_error(400, f"The api-version must be {_APP_SERVICE_VERSION}."))
    if not call.query.get("resource"):
        raise Refusal(_app_service_error(400, "The resource parameter is missing."))
    identity = _selected(call, carried)
    if identity is None:
        text = "No Managed Identity found for specified ClientId/ResourceId/PrincipalId."
        raise Refusal(_app_service_error(400, text))
    token, _, end = _app_service_issue(world, call, identity)
    body = {
        "access_token": token,
        "client_id": identity.client_id,
        "expires_on": str(end),
        "resource": call.query["resource"],
        "token_type": "Bearer",
    }
    return Reply(200, body, principal=identity.object_id, client_id=identity.client_id)


@dataclass(frozen=True, slots=True)
class ManagedIdentity:
    """``169.254.169.254`` and the App Service endpoint."""

    name: str = "imds"
    endpoint: Endpoint = _ENDPOINT
    routes: tuple[Route[LocalAzure], ...] = (
        Route("GET", "/metadata/identity/oauth2/token", machine_token),
        Route("GET", "/identities/{name}/metadata/identity/oauth2/token", machine_token),
        Route("GET", "/msi/token", app_service_token),
        Route("GET", "/identities/{name}/msi/token", app_service_token),
    )

    def error(self, status: int, code: str, message: str) -> Reply:
        """IMDS's shape."""
        return Reply(status, {"error": code, "error_description": message})

    def finish(self, world: LocalAzure, call: HttpRequest, reply: Reply) -> Reply:
        """Adds the server's name."""
        return replace(reply, headers={"server": "IMDS/150.870.65.1854", **reply.headers})


def _invalid(text: str) -> Refusal:
    return Refusal(Reply(400, {"error": "invalid_request", "error_description": text}))


def _app_service_error(status: int, text: str) -> Reply:
    return Reply(status, {"statusCode": status, "message": text, "correlationId": str(uuid.uuid4())})


def _machine(world: LocalAzure, call: HttpRequest) -> list[Identity]:
    """The identities that the machine called carries."""
    known, name = world.directory.identities.values(), call.params.get("name")
    if name is None:
        return [found for found in known if found.kind.endswith("_assigned")]
    return [found for found in known if found.name == name]


def _selected(call: HttpRequest, carried: list[Identity]) -> Identity | None:
    """The identity that the query names, or the only one; raises ``Refusal`` when several could be meant."""
    named = [(field, call.query[name].casefold()) for name, field in _SELECTORS.items() if call.query.get(name)]
    if named:
        fit = (found for found in carried if all((getattr(found, field) or "").casefold() == text for field, text in named))
        return next(fit, None)
    own = [found for found in carried if found.kind == "system_assigned"] or carried
    if len(own) > 1:
        raise _invalid(
            "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the "
            "token request"
        )
    return next(iter(own), None)


def _issue(world: LocalAzure, call: HttpRequest, identity: Identity) -> tuple[str, int, int]:
    """The identity's token with its first and last second; Entra ID's refusals come without their request ids."""
    try:
        if identity.kind != "user":
            find(world, call, identity.client_id)
        resource = resolve(world, call.query["resource"])
        if resource is None:
            raise errors.resource_not_found(world, call, call.query["resource"])
    except Refusal as refusal:
        body = {name: refusal.reply.body[name] for name in ("error", "error_description")}
        raise Refusal(Reply(400, body)) from refusal
    claims = stated(world, identity, resource)
    return world.tokens.issue(claims), claims["nbf"], claims["exp"]


def _app_service_issue(world: LocalAzure, call: HttpRequest, identity: Identity) -> tuple[str, int, int]:
    try:
        return _issue(world, call, identity)
    except Refusal as refusal:
        raise Refusal(_app_service_error(400, refusal.reply.body["error_description"])) from refusal

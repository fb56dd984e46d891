"""The token endpoints, version 1 and 2, for the client credentials grant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.cloud.engine.http import HttpRequest, Refusal, Reply
from local.cloud.entra import claims, errors
from local.cloud.entra.authentication import authenticate
from local.cloud.entra.resources import Resource, resolve
from local.cloud.tenant.first_party import TOKEN_EXCHANGE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.cloud.entra.authentication import SignIn
    from local.cloud.local_azure import LocalAzure
    from local.cloud.tenant.directory import ServicePrincipal

_ELSEWHERE = {
    "authorization_code",
    "password",
    "refresh_token",
    "device_code",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:jwt-bearer",
    "urn:ietf:params:oauth:grant-type:saml2-bearer",
}
"""Grants that Entra ID knows and the local cloud does not implement."""

_OPENID = {"openid", "profile", "offline_access"}
"""What MSAL for Go asks for beside the resource, whatever the grant; Entra ID takes them and they change nothing here."""

_ANY_TENANT = {"common", "organizations", "consumers"}


def version_1(world: LocalAzure, call: HttpRequest) -> Reply:
    """``POST /{tenant}/oauth2/token``: the resource is named as such, numbers in the answer are texts."""
    form = _form(world, call)
    client = authenticate(world, call, form)
    asked = form.get("resource")
    if not asked:
        raise errors.missing(world, call, "resource")
    resource = _resource(world, call, asked, client.principal)
    token, start, end = _issue(world, client, resource)
    lifetime = str(end - start - claims.EARLY - 1)
    body = {
        "token_type": "Bearer",
        "expires_in": lifetime,
        "ext_expires_in": lifetime,
        "expires_on": str(end),
        "not_before": str(start),
        "resource": asked,
        "access_token": token,
    }
    return _answer(body, client.principal)


def version_2(world: LocalAzure, call: HttpRequest) -> Reply:
    """``POST /{tenant}/oauth2/v2.0/token``: the resource is the scope without ``/.default``."""
    client, resource = admitted(world, call)
    token, start, end = _issue(world, client, resource)
    lifetime = end - start - claims.EARLY - 1
    body = {"token_type": "Bearer", "expires_in": lifetime, "ext_expires_in": lifetime, "access_token": token}
    return _answer(body, client.principal)


def admitted(world: LocalAzure, call: HttpRequest) -> tuple[SignIn, Resource]:
    """Who signs in by this request of version 2, and for what; raises ``Refusal``. No token is made."""
    form = _form(world, call)
    client = authenticate(world, call, form)
    scope = form.get("scope")
    if not scope:
        raise errors.missing(world, call, "scope")
    return client, _resource(world, call, _asked(world, call, scope), client.principal)


def check_tenant(world: LocalAzure, call: HttpRequest, error: str = "invalid_request") -> None:
    """Accepts the tenant by id or name, in any case; raises ``Refusal``."""
    if call.params["tenant"].lower() not in (world.tenant_id, world.tenant_name):
        raise errors.tenant_not_found(world, call, error)


def _form(world: LocalAzure, call: HttpRequest) -> Mapping[str, str]:
    if call.params["tenant"].lower() in _ANY_TENANT:
        raise errors.no_tenant(world, call)
    check_tenant(world, call)
    form = call.form()
    grant = form.get("grant_type")
    if not grant:
        raise errors.missing(world, call, "grant_type")
    if grant in _ELSEWHERE:
        raise Refusal(not_implemented(f"The grant type '{grant}'"))
    if grant != "client_credentials":
        raise errors.unsupported_grant(world, call, grant)
    return form


def not_implemented(what: str) -> Reply:
    """501, in OAuth's shape."""
    return Reply(501, {"error": "not_implemented", "error_description": f"{what} is not implemented by the local cloud."})


def _asked(world: LocalAzure, call: HttpRequest, scope: str) -> str:
    """The one resource that the scopes name, once OpenID's words are left out."""
    named = [word for word in scope.split() if word.lower() not in _OPENID]
    if len(named) != 1 or not named[0].endswith("/.default"):
        raise errors.bad_scope(world, call, scope)
    return named[0].removesuffix("/.default")


def _resource(world: LocalAzure, call: HttpRequest, asked: str, principal: ServicePrincipal) -> Resource:
    resource = resolve(world, asked)
    if resource is None:
        raise errors.resource_not_found(world, call, asked)
    held = any(role.resource_app_id == resource.app_id for role in claims.held(world, principal))
    if resource.principal.properties.get("appRoleAssignmentRequired") and not held:
        raise errors.role_required(world, call, principal.app_id, resource.app_id)
    return resource


def _issue(world: LocalAzure, client: SignIn, resource: Resource) -> tuple[str, int, int]:
    stated = claims.of_application(world, client.principal, resource, client.proof)
    if client.federated and resource.app_id == TOKEN_EXCHANGE:
        world.tokens.remember_federated(stated)
    return world.tokens.issue(stated), stated["nbf"], stated["exp"]


def _answer(body: Mapping[str, object], principal: ServicePrincipal) -> Reply:
    return Reply(200, body, principal=principal.id, client_id=principal.app_id)

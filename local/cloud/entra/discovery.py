"""What clients read before they ask for a token: OpenID configuration, signing keys, and the clouds' names.

Addresses inside the documents use the origin that the client called, so that it stays with the local cloud; issuers are
the real ones, because tokens carry them and clients compare.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from local.cloud.engine.http import HttpRequest, Reply
from local.cloud.engine.tokens import issuers_of
from local.cloud.entra import errors
from local.cloud.entra.token import check_tenant

if TYPE_CHECKING:
    from local.cloud.local_azure import LocalAzure

_CACHED = {"cache-control": "max-age=86400, private"}
_ANY_TENANT = {"common", "organizations"}
_CLAIMS = (
    *("sub", "iss", "cloud_instance_name", "cloud_instance_host_name", "cloud_graph_host_name", "msgraph_host", "aud"),
    *("exp", "iat", "auth_time", "acr", "nonce", "preferred_username", "name", "tid", "ver", "at_hash", "c_hash", "email"),
)

_CLOUDS: list[dict[str, Any]] = [
    {
        "preferred_network": "login.microsoftonline.com",
        "preferred_cache": "login.windows.net",
        "aliases": ["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"],
    },
    {
        "preferred_network": "login.partner.microsoftonline.cn",
        "preferred_cache": "login.partner.microsoftonline.cn",
        "aliases": ["login.partner.microsoftonline.cn", "login.chinacloudapi.cn"],
    },
    {
        "preferred_network": "login.microsoftonline.us",
        "preferred_cache": "login.microsoftonline.us",
        "aliases": ["login.microsoftonline.us", "login.usgovcloudapi.net"],
    },
]


def configuration_1(world: LocalAzure, call: HttpRequest) -> Reply:
    """``GET /{tenant}/.well-known/openid-configuration``."""
    _check(world, call)
    base = f"{call.origin}/{call.params['tenant']}"
    document = _configuration(f"{base}/oauth2", _issuers(world, call)[0], f"{call.origin}/common/discovery/keys")
    document["device_authorization_endpoint"] = f"{base}/oauth2/devicecode"
    document["userinfo_endpoint"] = f"{base}/openid/userinfo"
    document["microsoft_multi_refresh_token"] = True
    document["check_session_iframe"] = f"{base}/oauth2/checksession"
    return Reply(200, document, _CACHED)


def configuration_2(world: LocalAzure, call: HttpRequest) -> Reply:
    """``GET /{tenant}/v2.0/.well-known/openid-configuration``."""
    _check(world, call)
    base = f"{call.origin}/{call.params['tenant']}"
    document = _configuration(f"{base}/oauth2/v2.0", _issuers(world, call)[1], f"{base}/discovery/v2.0/keys")
    document["device_authorization_endpoint"] = f"{base}/oauth2/v2.0/devicecode"
    document["userinfo_endpoint"] = "https://graph.microsoft.com/oidc/userinfo"
    document["kerberos_endpoint"] = f"{base}/kerberos"
    document["request_uri_parameter_supported"] = False
    return Reply(200, document, _CACHED)


def keys(world: LocalAzure, call: HttpRequest) -> Reply:
    """``GET /{tenant}/discovery/keys`` and ``/discovery/v2.0/keys``: every published key; order means nothing."""
    _check(world, call)
    published = world.tokens.keys.jwks()
    if "/v2.0/" in call.path:
        published = [found | {"issuer": _issuers(world, call)[1]} for found in published]
    return Reply(200, {"keys": published}, _CACHED)


def instance(world: LocalAzure, call: HttpRequest) -> Reply:
    """``GET /common/discovery/instance``: where the configuration of an authorization endpoint is, and who is whose alias."""
    asked = urlsplit(call.query.get("authorization_endpoint", ""))
    tenant = asked.path.strip("/").split("/")[0]
    if not asked.netloc or not tenant:
        raise errors.missing(world, call, "authorization_endpoint")
    version = "/v2.0" if "/v2.0/" in asked.path else ""
    local = {
        "preferred_network": asked.netloc,
        "preferred_cache": asked.netloc,
        "aliases": [asked.netloc],
    }
    known = any(asked.netloc in cloud["aliases"] for cloud in _CLOUDS)
    body = {
        "tenant_discovery_endpoint": f"https://{asked.netloc}/{tenant}{version}/.well-known/openid-configuration",
        "api-version": call.query.get("api-version", "1.1"),
        "metadata": _CLOUDS if known else [local, *_CLOUDS],
    }
    return Reply(200, body, _CACHED)


def _issuers(world: LocalAzure, call: HttpRequest) -> tuple[str, str]:
    """Who signs, by version. Where no tenant is named, there is a place for it, to the letter."""
    named = call.params["tenant"].lower()
    return issuers_of("{tenantid}" if named in _ANY_TENANT else named if named in world.other_tenants else world.tenant_id)


def _check(world: LocalAzure, call: HttpRequest) -> None:
    if call.params["tenant"].lower() not in _ANY_TENANT | world.other_tenants:
        check_tenant(world, call, "invalid_tenant")


def _configuration(oauth: str, issuer: str, jwks: str) -> dict[str, Any]:
    return {
        "token_endpoint": f"{oauth}/token",
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": jwks,
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": issuer,
        "authorization_endpoint": f"{oauth}/authorize",
        "http_logout_supported": True,
        "frontchannel_logout_supported": True,
        "end_session_endpoint": f"{oauth}/logout",
        "claims_supported": list(_CLAIMS),
        "tenant_region_scope": "WW",
        "cloud_instance_name": "microsoftonline.com",
        "cloud_graph_host_name": "graph.windows.net",
        "msgraph_host": "graph.microsoft.com",
        "rbac_url": "https://pas.windows.net",
    }

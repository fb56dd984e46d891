"""Who is calling: the bearer token of a call, verified for a vault's own tenant.

The codes are those that users report, such as https://github.com/MicrosoftDocs/azure-docs/issues/75410 and
https://github.com/argoproj-labs/argocd-vault-plugin/issues/621.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jwt

from local.cloud.engine.tokens import TokenRefused, Tokens, issuers_of
from local.cloud.key_vault import errors
from local.cloud.tenant.first_party import KEY_VAULT, OWNER_TENANT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.cloud.engine.http import HttpRequest
    from local.cloud.local_azure import LocalAzure

AUDIENCE = "https://vault.azure.net"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom the token names."""

    object_id: str
    text: str
    """As refusals name it."""


def authenticate(world: LocalAzure, call: HttpRequest, tenant_id: str) -> Caller:
    """The caller, whom this tenant has to vouch for; raises Azure's 401, which names that tenant."""
    if call.bearer is None:
        raise errors.unauthorized(tenant_id, "AKV10000: Request is missing a Bearer or PoP token.")
    claims = _claims(world, call.bearer, tenant_id)
    audience, now = claims["aud"], world.clock.now()
    if audience not in (AUDIENCE, KEY_VAULT):
        text = f"AKV10022: Invalid audience. Expected {AUDIENCE} or {KEY_VAULT}, found: {audience}."
        raise errors.unauthorized(tenant_id, text)
    if not claims["nbf"] <= now < claims["exp"]:
        raise errors.unauthorized(tenant_id, "The token is expired or not valid yet.")
    object_id = str(claims.get("oid", claims.get("sub", "")))
    application = claims.get("appid", claims.get("azp", ""))
    return Caller(object_id, f"appid={application};oid={object_id};iss={claims['iss']}")


def _claims(world: LocalAzure, token: str, tenant_id: str) -> Mapping[str, Any]:
    """What a token of this tenant says. Every tenant here signs with the same keys."""
    tokens = world.tokens if tenant_id == world.tenant_id else Tokens(tenant_id, world.clock.now, world.tokens.keys)
    try:
        return tokens.signed(token)
    except TokenRefused as fault:
        issuer = _issuer(token)
        if issuer is None or issuer in issuers_of(tenant_id):
            raise errors.unauthorized(tenant_id, "The token's signature or form is invalid.") from fault
        expected = ", ".join(issuers_of(tenant)[0] for tenant in (tenant_id, OWNER_TENANT))
        text = f"AKV10032: Invalid issuer. Expected one of {expected}, found {issuer}."
        raise errors.unauthorized(tenant_id, text) from fault


def _issuer(token: str) -> str | None:
    """Who a token that counts for nothing says it is of."""
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError:
        return None
    return str(claims.get("iss"))

"""Who is calling: the bearer token of a call, verified for Key Vault.

The codes are those that users report, such as https://github.com/MicrosoftDocs/azure-docs/issues/75410 and
https://github.com/argoproj-labs/argocd-vault-plugin/issues/621.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from local.cloud.engine.tokens import TokenRefused
from local.cloud.key_vault import errors
from local.cloud.tenant.first_party import KEY_VAULT

if TYPE_CHECKING:
    from local.cloud.engine.http import HttpRequest
    from local.cloud.local_azure import LocalAzure

AUDIENCE = "https://vault.azure.net"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom the token names."""

    object_id: str
    text: str
    """As refusals name it."""


def authenticate(world: LocalAzure, call: HttpRequest) -> Caller:
    """The caller; raises Azure's 401."""
    if call.bearer is None:
        raise errors.unauthorized(world.tenant_id, "AKV10000: Request is missing a Bearer or PoP token.")
    try:
        claims = world.tokens.signed(call.bearer)
    except TokenRefused as fault:
        raise errors.unauthorized(world.tenant_id, "The token's signature or form is invalid.") from fault
    audience, now = claims["aud"], world.clock.now()
    if audience not in (AUDIENCE, KEY_VAULT):
        text = f"AKV10022: Invalid audience. Expected {AUDIENCE} or {KEY_VAULT}, found: {audience}."
        raise errors.unauthorized(world.tenant_id, text)
    if not claims["nbf"] <= now < claims["exp"]:
        raise errors.unauthorized(world.tenant_id, "The token is expired or not valid yet.")
    object_id = str(claims.get("oid", claims.get("sub", "")))
    application = claims.get("appid", claims.get("azp", ""))
    return Caller(object_id, f"appid={application};oid={object_id};iss={claims['iss']}")

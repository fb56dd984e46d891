"""Who is calling: the bearer token of a call, verified for blob storage.

Versions and challenges: https://learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from local.cloud.blob import errors
from local.cloud.engine.tokens import TokenRefused

if TYPE_CHECKING:
    from local.cloud.engine.http import HttpRequest, Refusal
    from local.cloud.local_azure import LocalAzure

AUDIENCE = "https://storage.azure.com"
_VERSION = re.compile(r"^\d{4}-\d{2}-\d{2}$")
_TOKENS_SINCE = "2017-11-09"
_CHALLENGES_SINCE = "2019-12-12"


def authenticate(world: LocalAzure, call: HttpRequest, account: str) -> str:
    """The caller's object id; raises Azure's refusal."""
    version = call.headers.get("x-ms-version", "")
    if version and not _VERSION.match(version):
        raise errors.invalid_header("x-ms-version", version)
    scheme = call.headers.get("authorization", "").partition(" ")[0].lower()
    if not scheme:
        raise _anonymous(world, version)
    if scheme in {"sharedkey", "sharedkeylite"}:
        raise errors.keys_forbidden()
    if scheme != "bearer":
        raise errors.bad_authorization()
    if version < _TOKENS_SINCE:
        raise errors.bearer_unsupported()
    return _caller(world, call, account)


def _anonymous(world: LocalAzure, version: str) -> Refusal:
    """Later versions tell the tenant."""
    if version < _CHALLENGES_SINCE:
        return errors.public_access_forbidden()
    return errors.challenged("NoAuthenticationInformation", _challenge(world))


def _caller(world: LocalAzure, call: HttpRequest, account: str) -> str:
    try:
        claims = world.tokens.signed(call.bearer or "")
    except TokenRefused as fault:
        raise _refused(world, "Signature validation failed. The token is not valid.") from fault
    if str(claims["aud"]).rstrip("/") not in {AUDIENCE, f"https://{account}.blob.core.windows.net"}:
        raise _refused(world, "Audience validation failed. Audience did not match.")
    now = world.clock.now()
    if now >= claims["exp"]:
        raise _refused(world, "Lifetime validation failed. The token is expired.")
    if now < claims["nbf"]:
        raise _refused(world, "Lifetime validation failed. The token is not yet valid.")
    return str(claims.get("oid", claims.get("sub", "")))


def _refused(world: LocalAzure, detail: str) -> Refusal:
    return errors.challenged("InvalidAuthenticationInfo", _challenge(world), detail)


def _challenge(world: LocalAzure) -> str:
    """Azure's own names, which Azure's clients compare with what they know."""
    authority = f"https://login.microsoftonline.com/{world.tenant_id}/oauth2/authorize"
    return f"Bearer authorization_uri={authority} resource_id={AUDIENCE}"

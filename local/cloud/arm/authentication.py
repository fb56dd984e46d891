"""Who is calling: the bearer token of a call, verified for Azure Resource Manager."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from local.cloud.arm import errors
from local.cloud.arm.metadata import authority_of
from local.cloud.arm.requests import Caller
from local.cloud.engine.tokens import TokenRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.cloud.arm.settings import Settings
    from local.cloud.engine.http import HttpRequest, Refusal
    from local.cloud.local_azure import LocalAzure

AUDIENCES = (
    "https://management.core.windows.net/",
    "https://management.core.windows.net",
    "https://management.azure.com/",
    "https://management.azure.com",
)


def authenticate(world: LocalAzure, call: HttpRequest, settings: Settings) -> Caller:
    """The caller; raises Azure's 401, with the challenge that tells clients the tenant."""
    if "authorization" not in call.headers:
        raise _refused(
            world,
            call,
            settings,
            ("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing."),
            "The authentication failed because of missing 'Authorization' header.",
        )
    token = call.bearer
    try:
        claims = world.tokens.signed(token or "")
    except TokenRefused as fault:
        text = "The access token is invalid."
        raise _refused(world, call, settings, ("InvalidAuthenticationToken", text), text) from fault
    _check_lifetime(world, call, settings, claims)
    _check_audience(world, call, settings, claims)
    return Caller.of(claims)


def _check_lifetime(world: LocalAzure, call: HttpRequest, settings: Settings, claims: Mapping[str, Any]) -> None:
    now = world.clock.now()
    if now >= claims["exp"]:
        text = f"The access token expiry UTC time '{_spoken(claims['exp'])}' is earlier than current UTC time '{_spoken(now)}'."
        raise _refused(world, call, settings, ("ExpiredAuthenticationToken", text), "The access token has expired.")
    if now < claims["nbf"]:
        text = "The access token is not valid yet."
        raise _refused(world, call, settings, ("InvalidAuthenticationToken", text), text)


def _check_audience(world: LocalAzure, call: HttpRequest, settings: Settings, claims: Mapping[str, Any]) -> None:
    audience = str(claims["aud"])
    if audience in AUDIENCES or audience.rstrip("/") == call.origin.rstrip("/"):
        return
    allowed = ",".join(f"'{name}'" for name in AUDIENCES)
    text = (
        f"The access token has been obtained for wrong audience or resource '{audience}'. It should exactly match with "
        f"one of the allowed audiences {allowed}."
    )
    raise _refused(world, call, settings, ("InvalidAuthenticationTokenAudience", text), "The audience is wrong.")


def _refused(world: LocalAzure, call: HttpRequest, settings: Settings, text: tuple[str, str], challenge: str) -> Refusal:
    code, message = text
    authority = authority_of(call, settings)
    header = f'Bearer authorization_uri="{authority}/{world.tenant_id}", error="invalid_token", '
    return errors.gateway_refusal(401, code, message, {"www-authenticate": f'{header}error_description="{challenge}"'})


def _spoken(seconds: float) -> str:
    """As Azure writes it there: ``8/21/2018 3:22:00 PM``."""
    at = datetime.fromtimestamp(seconds, UTC)
    return f"{at.month}/{at.day}/{at.year} {at.hour % 12 or 12}:{at:%M:%S %p}"

"""Client assertions: a token that proves who the client is, signed by its certificate or by an issuer that it trusts."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import re
from typing import TYPE_CHECKING, Any

import jwt
from cryptography import x509

from local.cloud.engine.tokens import TokenRefused
from local.cloud.entra.errors import refuse
from local.cloud.entra.state import TrustedIssuers
from local.cloud.tenant.first_party import TOKEN_EXCHANGE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jwt.types import Options

    from local.cloud.engine.http import HttpRequest, Refusal
    from local.cloud.entra.clients import Client
    from local.cloud.local_azure import LocalAzure
    from local.cloud.tenant.directory import Certificate, FederatedCredential

KIND = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_FEDERATION = "https://learn.microsoft.com/entra/workload-id/workload-identity-federation"
_SKEW = 300
_UNCHECKED: Options = {"verify_signature": False}
_SIGNATURE_ALONE: Options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}


_ENTRA = re.compile(r"https://(login\.microsoftonline\.com|sts\.windows\.net)/([0-9a-f-]{36})(/v2\.0|/)")


def check(world: LocalAzure, call: HttpRequest, client: Client, assertion: str) -> bool:
    """Accepts the assertion, and says whether by federation; or raises the ``Refusal`` that says what is wrong with it."""
    header, claims = _parts(world, call, assertion)
    if claims.get("iss") == client.app_id:
        _by_certificate(world, call, client, assertion, header, claims)
        return False
    _by_federation(world, call, client, assertion, claims)
    return True


def _parts(world: LocalAzure, call: HttpRequest, assertion: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    try:
        return jwt.get_unverified_header(assertion), jwt.decode(assertion, options=_UNCHECKED)
    except jwt.PyJWTError as fault:
        raise refuse(world, call, 400, "invalid_request", 50027, "JWT token is invalid or malformed.") from fault


def _by_certificate(
    world: LocalAzure, call: HttpRequest, client: Client, assertion: str, header: Mapping[str, Any], claims: Mapping[str, Any]
) -> None:
    certificate = _named(world, client, header)
    if certificate is None:
        raise _bad_signature(world, call, client, header, "The key was not found.")
    if not certificate.start <= world.clock.now() < certificate.end:
        raise _bad_signature(world, call, client, header, "The key used is expired.")
    key = x509.load_der_x509_certificate(certificate.der).public_key()
    try:
        jwt.decode(assertion, key, algorithms=["RS256", "PS256"], options=_SIGNATURE_ALONE)  # type: ignore[arg-type] # a certificate's key may be of any kind; PyJWT refuses those that are not RSA
    except (jwt.PyJWTError, TypeError) as fault:
        reason = "The key was found, but use of the key to verify the signature failed."
        raise _bad_signature(world, call, client, header, reason) from fault
    # The client signs by the machine's clock, which ours may have been moved away from.
    _in_time(world, call, claims, world.clock.source())
    _for_us(world, call, claims)


def _named(world: LocalAzure, client: Client, header: Mapping[str, Any]) -> Certificate | None:
    known = (found for found in client.certificates() if world.consistency.sees("entra", "certificate", found.key_id))
    sha1, sha256 = _hexadecimal(header.get("x5t")), _hexadecimal(header.get("x5t#S256"))
    for certificate in known:
        if sha1 == certificate.thumbprint or sha256 == hashlib.sha256(certificate.der).hexdigest().upper():
            return certificate
    return None


def _hexadecimal(encoded: Any) -> str | None:
    if not isinstance(encoded, str) or not encoded.isascii():
        return None
    try:
        return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).hex().upper()
    except ValueError:
        return None


def _bad_signature(world: LocalAzure, call: HttpRequest, client: Client, header: Mapping[str, Any], reason: str) -> Refusal:
    thumbprint = _hexadecimal(header.get("x5t") or header.get("x5t#S256")) or ""
    text = (
        f"Client assertion contains an invalid signature. [Reason - {reason}, Thumbprint of key used by client: "
        f"'{thumbprint}', Please visit the Azure Portal, Graph Explorer or directly use MS Graph to see configured keys "
        f"for app Id '{client.app_id}'.]"
    )
    return refuse(world, call, 401, "invalid_client", 700027, text)


def _in_time(world: LocalAzure, call: HttpRequest, claims: Mapping[str, Any], now: float) -> None:
    start, end = claims.get("nbf", 0), claims.get("exp")
    if isinstance(end, int | float) and isinstance(start, int | float) and start - _SKEW <= now < end + _SKEW:
        return
    text = (
        f"Client assertion is not within its valid time range. Current time: {_instant(now)}, assertion valid from "
        f"{_instant(start)}, expiry time of assertion {_instant(end)}."
    )
    raise refuse(world, call, 401, "invalid_client", 700024, text)


def _instant(seconds: Any) -> str:
    known = isinstance(seconds, int | float)
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%dT%H:%M:%S.%fZ}" if known else "unknown"


def _for_us(world: LocalAzure, call: HttpRequest, claims: Mapping[str, Any]) -> None:
    """A certificate's assertion is for the token endpoint, at the origin that was called or Azure's own, or the issuer."""
    tenant = call.params["tenant"]
    origins = (call.origin, "https://login.microsoftonline.com", "https://login.windows.net", "https://sts.windows.net")
    paths = (f"/{tenant}/oauth2/v2.0/token", f"/{tenant}/oauth2/token", f"/{tenant}/v2.0", f"/{tenant}/", f"/{tenant}")
    if claims.get("aud") not in {origin + path for origin in origins for path in paths}:
        text = "Client assertion audience claim does not match Realm issuer. Review the documentation at "
        text += "https://learn.microsoft.com/entra/identity-platform/certificate-credentials."
        raise refuse(world, call, 401, "invalid_client", 700023, text)


def _by_federation(world: LocalAzure, call: HttpRequest, client: Client, assertion: str, claims: Mapping[str, Any]) -> None:
    _match(world, call, client, claims)
    _of_our_tenant(world, call, str(claims["iss"]))
    if claims["iss"] == world.tokens.issuers[1]:
        _own(world, call, assertion, claims)
        _in_time(world, call, claims, world.clock.now())
    else:
        _foreign(world, call, assertion, claims)
        _in_time(world, call, claims, world.clock.source())


def _match(world: LocalAzure, call: HttpRequest, client: Client, claims: Mapping[str, Any]) -> None:
    """The credential whose issuer, audience and subject are the assertion's: compared exactly, case and all.

    A replica knows nothing of a credential that it has not seen: with the first one of an application it answers 70021, and
    with a further one the code that says what differs from those that it knows.
    """
    trusted = client.federated()
    left = [found for found in trusted if world.consistency.sees("entra", "federated", found.id)]
    if trusted and not left:
        text = f"No matching federated identity record found for presented assertion. {_presented(claims)}"
        raise refuse(world, call, 400, "invalid_request", 70021, text)
    left = _narrow(world, call, left, claims, "issuer", 700211)
    left = _narrow(world, call, left, claims, "audience", 700212)
    if not any(found.subject == claims.get("sub") for found in left):
        folded = str(claims.get("sub")).lower()
        # https://learn.microsoft.com/entra/identity-platform/reference-breaking-changes (case-sensitive matching)
        code = 7002138 if any(found.subject.lower() == folded for found in left) else 700213
        raise _unmatched(world, call, "subject", claims.get("sub"), code)


def _narrow(
    world: LocalAzure,
    call: HttpRequest,
    trusted: list[FederatedCredential],
    claims: Mapping[str, Any],
    what: str,
    code: int,
) -> list[FederatedCredential]:
    fits = _issuer_fits if what == "issuer" else _audience_fits
    left = [found for found in trusted if fits(found, claims)]
    if not left:
        raise _unmatched(world, call, what, claims.get("iss" if what == "issuer" else "aud"), code)
    return left


def _unmatched(world: LocalAzure, call: HttpRequest, what: str, value: Any, code: int) -> Refusal:
    text = (
        f"No matching federated identity record found for presented assertion {what} '{value}'. Check your federated "
        f"identity credential Subject, Audience and Issuer against the presented assertion. {_FEDERATION}"
    )
    return refuse(world, call, 401, "invalid_client", code, text)


def _presented(claims: Mapping[str, Any]) -> str:
    return (
        f"Assertion Issuer: '{claims.get('iss')}'. Assertion Subject: '{claims.get('sub')}'. Assertion Audience: "
        f"'{claims.get('aud')}'. {_FEDERATION}"
    )


def _issuer_fits(credential: FederatedCredential, claims: Mapping[str, Any]) -> bool:
    return credential.issuer == claims.get("iss")


def _audience_fits(credential: FederatedCredential, claims: Mapping[str, Any]) -> bool:
    presented = claims.get("aud")
    # Entra ID's own tokens for the exchange name its client id instead of the URI that credentials are written with.
    named = "api://AzureADTokenExchange" if presented == TOKEN_EXCHANGE else presented
    wanted = named if isinstance(named, list) else [named]
    return any(audience in credential.audiences for audience in wanted)


def _of_our_tenant(world: LocalAzure, call: HttpRequest, issuer: str) -> None:
    """Refuses another tenant's identities, once a credential has matched.

    Code, text and order: https://learn.microsoft.com/answers/questions/2139753.
    """
    entra = _ENTRA.fullmatch(issuer)
    if entra is not None and entra[2] != world.tenant_id:
        text = (
            f"Entra ID tokens issued by issuer '{issuer}' may not be used for federated identity credential flows for "
            "applications or managed identities registered in this tenant."
        )
        raise refuse(world, call, 401, "invalid_client", 700236, text)


def _own(world: LocalAzure, call: HttpRequest, assertion: str, claims: Mapping[str, Any]) -> None:
    """An assertion that this tenant issued: only what a user-assigned managed identity got on its own counts."""
    try:
        world.tokens.signed(assertion)
    except TokenRefused as fault:
        raise _unverified(world, call) from fault
    if world.tokens.federated(claims):
        # The code is reported by users; the text is ours.
        text = "Tokens that were issued in exchange for an assertion may not be used as Federated Identity Credentials."
        raise refuse(world, call, 401, "invalid_client", 700231, text)
    principal = world.directory.service_principals.get(str(claims.get("sub")))
    if principal is None or principal.kind != "ManagedIdentity" or principal.system_assigned:
        text = "Only MSI tokens may be used as Federated Identity Credentials for AAD issuer."
        raise refuse(world, call, 401, "invalid_client", 700226, text)


def _foreign(world: LocalAzure, call: HttpRequest, assertion: str, claims: Mapping[str, Any]) -> None:
    published = world.of(TrustedIssuers).keys.get(str(claims["iss"]))
    if published is None:
        text = f"Request to External OIDC endpoint failed: the keys of '{claims['iss']}' cannot be read."
        raise refuse(world, call, 400, "invalid_request", 50166, text)
    kid = jwt.get_unverified_header(assertion).get("kid")
    try:
        key = next(jwt.PyJWK(found) for found in published if found.get("kid") == kid)
        jwt.decode(assertion, key, algorithms=["RS256"], options=_SIGNATURE_ALONE)
    except (StopIteration, jwt.PyJWTError) as fault:
        raise _unverified(world, call) from fault


def _unverified(world: LocalAzure, call: HttpRequest) -> Refusal:
    text = "Unable to verify token signature. The signing key identifier does not match any valid registered keys."
    return refuse(world, call, 401, "invalid_client", 5000811, text)

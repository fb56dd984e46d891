"""Verifies Entra ID access tokens: turns the text that a caller has sent into a ``Caller``.

Claims and their meaning: https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference. Until the signature
has been checked, the names of variables say ``unverified``.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import NoReturn

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.types import Options

from shared.cloud.entra import unverified_token
from shared.cloud.entra.keys import KeyPolicy, TenantKeys, Unknown
from shared.cloud.entra.unverified_token import Claims, UnreadableToken
from shared.core.access.claims import caller_of, text_claim
from shared.core.caller import Caller
from shared.core.errors import Unauthenticated
from shared.core.names import ObjectId, Unparsable
from shared.core.ports.system import Clock
from shared.core.secret import Secret

_ALGORITHM = "RS256"
_TYPES = {"jwt", "at+jwt", "application/at+jwt"}
"""The types of bearer tokens, in any case (RFC 7519, 5.1; RFC 9068, 2.1). A proof-of-possession token has another ``typ``."""
_LONGEST_KID = 256
"""Entra ID's have 27 to 43 characters."""
_LEEWAY = 60.0
"""Seconds by which Entra's clock and this one may differ."""
_MALFORMED = "The access token is malformed."
_NOT_SIGNED = "The access token is not signed by a key of its issuer."
_NO_ISSUER = "The access token's issuer is not trusted by this broker."
_NO_AUDIENCE = "The access token is for another audience than this broker."
_EXPIRED = "The access token has expired."
_TOO_EARLY = "The access token is not valid yet."
_NO_LIFETIME = "The access token's lifetime is missing or malformed."
_BOUND = "The access token is bound to a key; this broker takes bearer tokens alone."

_SIGNATURE_ONLY: Options = {
    "verify_signature": True,
    "enforce_minimum_key_length": True,
    # The claims are checked below: by the broker's clock, and without taking a text for a number.
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


class EntraVerifier:
    """Satisfies ``Verifier``.

    ``authority`` is Entra ID's address, such as ``https://login.microsoftonline.com``. ``tenants`` are the tenants whose tokens
    are accepted, the broker's own first. ``audiences`` are the values that ``aud`` may have: the broker's client id
    (version 2) and its identifier URI (version 1).
    """

    def __init__(
        self,
        *,
        authority: str,
        tenants: Sequence[ObjectId],
        audiences: Collection[str],
        client: httpx.AsyncClient,
        clock: Clock,
        policy: KeyPolicy | None = None,
    ) -> None:
        origin = authority.rstrip("/")
        self._keys = {each: TenantKeys(origin, each, client, clock, policy or KeyPolicy()) for each in tenants}
        self._home = tenants[0]
        self._audiences = frozenset(audiences)
        self._clock = clock

    async def verify(self, token: str) -> Caller:
        """Returns the caller. Raises ``Unauthenticated`` if the token is not good, ``Upstream`` if the keys cannot be read."""
        unverified = _read_unverified(token)
        kid = _kid_of_unverified(unverified.header)
        tenant = self._tenant(unverified.claims)
        issuer = text_claim(unverified.claims, "iss") or ""
        _check_signature(token, await self._key(tenant, issuer, kid))
        claims = unverified.claims
        self._check_audience(claims)
        _check_lifetime(claims, self._clock.now().timestamp())
        _check_unbound(claims)
        return caller_of(claims, tenant, home=self._home, fingerprint=Secret(token).fingerprint())

    def _tenant(self, unverified: Claims) -> ObjectId:
        try:
            tenant = ObjectId.parse(text_claim(unverified, "tid") or "")
        except Unparsable:
            _refuse(_NO_ISSUER)
        return tenant if tenant in self._keys else _refuse(_NO_ISSUER)

    async def _key(self, tenant: ObjectId, issuer: str, kid: str) -> RSAPublicKey:
        try:
            return await self._keys[tenant].find(issuer, kid)
        except Unknown as unknown:
            raise Unauthenticated(_NO_ISSUER if unknown.what == "issuer" else _NOT_SIGNED) from unknown

    def _check_audience(self, claims: Claims) -> None:
        if text_claim(claims, "aud") not in self._audiences:
            _refuse(_NO_AUDIENCE)


def _read_unverified(token: str) -> unverified_token.UnverifiedToken:
    try:
        return unverified_token.read(token)
    except UnreadableToken as wrong:
        raise Unauthenticated(_MALFORMED) from wrong


def _kid_of_unverified(header: Claims) -> str:
    """Returns the id of the key that the header names. Raises ``Unauthenticated`` if the header cannot be good."""
    kid = text_claim(header, "kid")
    if header.get("alg") != _ALGORITHM or not kid or len(kid) > _LONGEST_KID:
        _refuse(_NOT_SIGNED)
    if "typ" in header and (text_claim(header, "typ") or "").lower() not in _TYPES:
        _refuse(_MALFORMED)
    return kid


def _check_signature(token: str, key: RSAPublicKey) -> None:
    try:
        jwt.decode(token, key, algorithms=[_ALGORITHM], options=_SIGNATURE_ONLY)
    except jwt.PyJWTError as wrong:
        raise Unauthenticated(_NOT_SIGNED) from wrong


def _check_unbound(claims: Claims) -> None:
    """By RFC 7800, a caller with a ``cnf`` in its token has to prove that it holds a key. The broker cannot ask for that."""
    if "cnf" in claims:
        _refuse(_BOUND)


def _check_lifetime(claims: Claims, now: float) -> None:
    end = _instant(claims, "exp")
    if end is None:
        _refuse(_NO_LIFETIME)
    if now >= end + _LEEWAY:
        _refuse(_EXPIRED)
    start = _instant(claims, "nbf")
    if start is not None and now < start - _LEEWAY:
        _refuse(_TOO_EARLY)


def _instant(claims: Claims, name: str) -> float | None:
    """Returns POSIX seconds, perhaps with a fraction, or ``None`` if the claim is absent. Refuses anything else."""
    if name not in claims:
        return None
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        _refuse(_NO_LIFETIME)
    try:
        instant = float(value)
    except OverflowError:
        _refuse(_NO_LIFETIME)
    return instant if math.isfinite(instant) else _refuse(_NO_LIFETIME)


def _refuse(why: str) -> NoReturn:
    raise Unauthenticated(why)

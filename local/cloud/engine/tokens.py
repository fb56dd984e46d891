"""Signing of access tokens, and the check that every other service makes of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import jwt

from local.cloud.engine.keys import KeyRing, SigningKey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_REMEMBERED = 20_000


class TokenRefused(Exception):
    """A bearer token that is missing, malformed, expired, not ours or for another audience. The text says which."""


def issuers_of(tenant_id: str) -> tuple[str, str]:
    """The ``iss`` of version 1 and version 2 tokens of a tenant."""
    return f"https://sts.windows.net/{tenant_id}/", f"https://login.microsoftonline.com/{tenant_id}/v2.0"


@dataclass(slots=True)
class Tokens:
    """Issues and verifies RS256 access tokens of one tenant."""

    tenant_id: str
    now: Callable[[], float]
    keys: KeyRing = field(default_factory=KeyRing)
    _verified: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Tokens whose signature has been checked: a client sends the same one many times."""

    _federated: set[str] = field(default_factory=set)
    """Ids (``uti``) of tokens for the exchange that were themselves got by federation."""

    @property
    def issuers(self) -> tuple[str, str]:
        """The ``iss`` of version 1 and version 2 tokens of this tenant."""
        return issuers_of(self.tenant_id)

    def issue(self, claims: Mapping[str, Any], key: SigningKey | None = None) -> str:
        """A token with these claims, signed by this key (the current one by default).

        Version 1 tokens name the key by ``x5t`` and ``kid``, version 2 tokens by ``kid`` alone.
        """
        signing = key or self.keys.signing()
        named = {"x5t": signing.kid, "kid": signing.kid} if claims.get("ver") == "1.0" else {"kid": signing.kid}
        return jwt.encode(dict(claims), signing.private, algorithm="RS256", headers=named)

    def verify(self, token: str | None, audiences: tuple[str, ...]) -> Mapping[str, Any]:
        """The claims of a token of ours for one of these audiences; raises ``TokenRefused``.

        A trailing ``/`` of the audience does not matter, as at Azure's own services.
        """
        if token is None:
            raise TokenRefused("the bearer token is missing")
        claims = self.signed(token)
        now = self.now()
        if not claims["nbf"] <= now < claims["exp"]:
            raise TokenRefused("the token is expired or not valid yet")
        if str(claims["aud"]).rstrip("/") not in {audience.rstrip("/") for audience in audiences}:
            raise TokenRefused(f"the token is for another audience: {claims['aud']}")
        return claims

    def signed(self, token: str) -> Mapping[str, Any]:
        """The claims of a token that a published key of this tenant signed, expired or not; raises ``TokenRefused``."""
        known = self._verified.get(token)
        if known is not None:
            return known
        claims = self._decoded(token)
        if len(self._verified) >= _REMEMBERED:
            self._verified.clear()
        self._verified[token] = claims
        return claims

    def remember_federated(self, claims: Mapping[str, Any]) -> None:
        """Notes that a token with these claims was got by federation, which its claims do not tell."""
        self._federated.add(str(claims["uti"]))

    def federated(self, claims: Mapping[str, Any]) -> bool:
        """Whether the token with these claims was got by federation."""
        return claims.get("uti") in self._federated

    def rotate(self) -> str:
        """Rolls the signing keys over; tokens of a withdrawn key are refused from now on. Returns the new key's id."""
        self._verified.clear()
        return self.keys.rotate().kid

    def reset(self) -> None:
        """Publishes the first keys again."""
        self._federated.clear()
        self._verified.clear()
        self.keys = KeyRing()

    def _decoded(self, token: str) -> Mapping[str, Any]:
        try:
            key = self.keys.find(jwt.get_unverified_header(token).get("kid", ""))
            if key is None:
                raise TokenRefused("the token is signed by an unknown key")
            claims: Mapping[str, Any] = jwt.decode(
                token,
                key.private.public_key(),
                algorithms=["RS256"],
                # Lifetime and audience are the callers' affair: they go by the local cloud's own clock.
                options={
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                    "verify_aud": False,
                    "require": ["exp", "nbf", "aud", "iss"],
                },
                issuer=self.issuers,
            )
        except jwt.PyJWTError as fault:
            raise TokenRefused(f"the token is malformed or its signature is wrong: {fault}") from fault
        return claims

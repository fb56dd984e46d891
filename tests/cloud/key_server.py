"""Entra ID as a verifier of tokens sees it: two issuers, their keys, and outages on demand."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

AUTHORITY = "https://login.example"
TENANT = "11111111-1111-1111-1111-111111111111"
OTHER_TENANT = "22222222-2222-2222-2222-222222222222"
CLIENT = "33333333-3333-3333-3333-333333333333"
CALLER = "44444444-4444-4444-4444-444444444444"
AUDIENCE = "55555555-5555-5555-5555-555555555555"
AUDIENCE_URI = f"api://{AUDIENCE}"
NOW = 1_772_442_000
"""The fake clock's start, in POSIX seconds."""


@cache
def private_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """A key by name, made once."""
    assert name
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def jwk(name: str, **changes: Any) -> dict[str, Any]:
    """The key as it is published."""
    numbers = RSAAlgorithm.to_jwk(private_key(name).public_key(), as_dict=True)
    return {"kty": "RSA", "use": "sig", "kid": name, "n": numbers["n"], "e": numbers["e"], **changes}


def issuer(version: int, tenant: str = TENANT) -> str:
    """Of version 1 or 2."""
    return f"https://sts.windows.net/{tenant}/" if version == 1 else f"{AUTHORITY}/{tenant}/v2.0"


@dataclass
class KeyServer:
    """``first`` and ``second`` are what it publishes for tokens of version 1 and 2."""

    first: list[dict[str, Any]] = field(default_factory=lambda: [jwk("one"), jwk("two")])
    second: list[dict[str, Any]] = field(default_factory=lambda: [jwk("one", issuer=issuer(2)), jwk("two", issuer=issuer(2))])
    down: bool = False
    broken: int | None = None
    """A status to answer everything with."""
    metadata: dict[str, Any] = field(default_factory=dict)
    """What to change in the metadata."""
    asked: list[str] = field(default_factory=list)

    @property
    def readings(self) -> int:
        """How often the keys of version 2 have been read."""
        return sum(path.endswith("/discovery/v2.0/keys") for path in self.asked)

    def publish(self, *keys: dict[str, Any]) -> None:
        """Publishes these for both versions."""
        self.first = self.second = list(keys)

    def client(self) -> httpx.AsyncClient:
        """A client that reaches nothing else."""
        return httpx.AsyncClient(transport=httpx.MockTransport(self._answer))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        if self.down:
            raise httpx.ConnectTimeout("no route", request=request)
        if self.broken is not None:
            return httpx.Response(self.broken, text="<html>")
        found = self._documents(request.url.path)
        return httpx.Response(404) if found is None else httpx.Response(200, json=found)

    def _documents(self, path: str) -> dict[str, Any] | None:
        tenant = path.split("/")[1]
        if path == "/common/discovery/keys":
            return {"keys": self.first}
        if path == f"/{tenant}/discovery/v2.0/keys":
            return {"keys": self.second}
        if path == f"/{tenant}/.well-known/openid-configuration":
            return {"issuer": issuer(1, tenant), "jwks_uri": f"{AUTHORITY}/common/discovery/keys", **self.metadata}
        if path == f"/{tenant}/v2.0/.well-known/openid-configuration":
            return {"issuer": issuer(2, tenant), "jwks_uri": f"{AUTHORITY}/{tenant}/discovery/v2.0/keys", **self.metadata}
        return None


def claims(**changes: Any) -> dict[str, Any]:
    """Those of a good app-only token of version 2; ``None`` removes one."""
    usual = {
        "aud": AUDIENCE,
        "iss": issuer(2),
        "iat": NOW - 300,
        "nbf": NOW - 300,
        "exp": NOW + 3600,
        "azp": CLIENT,
        "azpacr": "1",
        "oid": CALLER,
        "sub": CALLER,
        "tid": TENANT,
        "ver": "2.0",
    }
    return {name: value for name, value in (usual | changes).items() if value is not None}


def token(key: str = "two", header: dict[str, Any] | None = None, **changes: Any) -> str:
    """A token with these claims, signed by this key with RS256."""
    return jwt.encode(claims(**changes), private_key(key), "RS256", headers={"kid": key, **(header or {})})


def raw_token(header: Any, payload: Any, signature: bytes = b"") -> str:
    """Three parts as given, encoded; ``header`` and ``payload`` may be bytes."""
    parts = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in (header, payload)]
    return ".".join(urlsafe_b64encode(each).rstrip(b"=").decode() for each in (*parts, signature))


def signed_payload(payload: bytes) -> str:
    """A token whose payload is exactly these octets, well signed."""
    signed = raw_token({"alg": "RS256", "typ": "JWT", "kid": "two"}, payload).rpartition(".")[0]
    signature = RSAAlgorithm(RSAAlgorithm.SHA256).sign(signed.encode(), private_key("two"))
    return f"{signed}.{urlsafe_b64encode(signature).rstrip(b'=').decode()}"

"""Tokens that nobody should accept: for tests of those who must refuse them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from jwt.algorithms import RSAAlgorithm

from local.cloud.engine import keys

if TYPE_CHECKING:
    from local.cloud.engine.tokens import Tokens

type Signer = Literal["current", "unpublished", "none"]

_DIGESTS = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
_RSA = {"RS256": RSAAlgorithm.SHA256, "RS384": RSAAlgorithm.SHA384, "RS512": RSAAlgorithm.SHA512}


def forge(tokens: Tokens, claims: Mapping[str, Any], header: Mapping[str, Any], signer: Signer = "current") -> str:
    """A token with exactly these claims.

    ``header`` replaces fields of the usual one (``None`` removes). ``alg`` decides the signature: ``HS*`` takes the public
    key's PEM as its secret, as a verifier that lets the token choose would; anything but ``RS*`` and ``HS*`` has none.
    """
    key = keys.key(keys.UNPUBLISHED) if signer == "unpublished" else tokens.keys.signing()
    usual = {"typ": "JWT", "alg": "none" if signer == "none" else "RS256", "x5t": key.kid, "kid": key.kid}
    merged = {name: value for name, value in {**usual, **header}.items() if value is not None}
    signed = f"{_part(merged)}.{_part(claims)}"
    return f"{signed}.{_encoded(_signature(signed.encode(), str(merged.get('alg')), key, signer))}"


def _signature(signed: bytes, algorithm: str, key: keys.SigningKey, signer: Signer) -> bytes:
    if signer == "none":
        return b""
    if algorithm in _DIGESTS:
        return hmac.new(key.public_pem, signed, _DIGESTS[algorithm]).digest()
    return RSAAlgorithm(_RSA[algorithm]).sign(signed, key.private) if algorithm in _RSA else b""


def _part(value: Mapping[str, Any]) -> str:
    return _encoded(json.dumps(dict(value), separators=(",", ":")).encode())


def _encoded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()

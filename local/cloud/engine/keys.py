"""A tenant's signing keys: several published at once, one in use, and one that is never published."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from local.cloud.engine.certificates import self_signed

if TYPE_CHECKING:
    from cryptography import x509

UNPUBLISHED = -1
"""The index of the key that signs tokens which nobody should accept."""


@dataclass(frozen=True)
class SigningKey:
    """An RSA-2048 key with the self-signed certificate that names it."""

    kid: str
    """Base64url SHA-1 of the certificate, as Entra ID's key ids are: it is also the token's ``x5t``."""
    private: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @property
    def public_pem(self) -> bytes:
        """The public key in PEM, as a verifier that confuses algorithms would use it."""
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @cached_property
    def jwk(self) -> dict[str, Any]:
        """The key as the tenant's key document lists it, but for its issuer."""
        numbers = RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        der = self.certificate.public_bytes(serialization.Encoding.DER)
        return {
            "kty": "RSA",
            "use": "sig",
            "kid": self.kid,
            "x5t": self.kid,
            "n": numbers["n"],
            "e": numbers["e"],
            "x5c": [base64.b64encode(der).decode()],
        }


@cache
def key(index: int) -> SigningKey:
    """The process's ``index``-th key. Generating one takes some 50 ms, so every tenant of a process shares them."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    certificate = self_signed("accounts.accesscontrol.windows.net", private)
    der = certificate.public_bytes(serialization.Encoding.DER)
    # SHA-1 because it names the key, as x5t does (RFC 7515, 4.1.7); nothing rests on its strength.
    thumbprint = hashlib.sha1(der, usedforsecurity=False).digest()
    return SigningKey(base64.urlsafe_b64encode(thumbprint).rstrip(b"=").decode(), private, certificate)


@dataclass(slots=True)
class KeyRing:
    """Which keys are published, and which of them signs."""

    published: list[int] = field(default_factory=lambda: [0, 1, 2])
    current: int = 1

    def rotate(self) -> SigningKey:
        """Publishes a new key, withdraws the oldest, and signs with what was the newest: as Entra ID rolls over."""
        self.current = self.published[-1]
        self.published = [*self.published[1:], self.published[-1] + 1]
        return self.signing()

    def signing(self) -> SigningKey:
        """The key that signs now."""
        return key(self.current)

    def find(self, kid: str) -> SigningKey | None:
        """The published key with this id."""
        return next((key(index) for index in self.published if key(index).kid == kid), None)

    def jwks(self) -> list[dict[str, Any]]:
        """Every published key."""
        return [key(index).jwk for index in self.published]

"""Certificates as callers make them: each with a key pair of its own, signed by itself."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

FIRST, LAST = datetime(2026, 1, 1, tzinfo=UTC), datetime(2056, 1, 1, tzinfo=UTC)
_NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a caller's")])


@cache
def key_pair(bits: int = 2048) -> rsa.RSAPrivateKey:
    """An RSA key pair, always the same of one length: to make one takes a while."""
    return rsa.generate_private_key(65537, bits)


def certificate(
    key: Any = None, *, first: datetime = FIRST, last: datetime = LAST, digest: Any = hashes.SHA256, public: Any = None
) -> str:
    """A certificate in PEM. ``digest`` is ``None`` for a key that has one of its own; ``public``: of another key."""
    signing = key or key_pair()
    builder = x509.CertificateBuilder(_NAME, _NAME, public or signing.public_key(), 1, first, last)
    signed = builder.sign(signing, digest() if digest else None)
    return signed.public_bytes(serialization.Encoding.PEM).decode()


@cache
def plain() -> str:
    """A good one."""
    return certificate()


@cache
def of_an_elliptic_curve() -> str:
    """One that Entra ID does not take."""
    return certificate(ec.generate_private_key(ec.SECP256R1()))


@cache
def of_edwards_curve() -> str:
    """Another one."""
    return certificate(ed25519.Ed25519PrivateKey.generate(), digest=None)


def private_key(key: rsa.RSAPrivateKey) -> str:
    """What must not be sent."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()

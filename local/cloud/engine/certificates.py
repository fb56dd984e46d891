"""Certificates: the local authority that TLS clients trust, and self-signed ones that name signing keys."""

from __future__ import annotations

import datetime as dt
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric import rsa

LOOPBACK = ("127.0.0.1", "localhost")


@dataclass(frozen=True, slots=True)
class Trust:
    """What a TLS server needs, and the file that its clients trust."""

    bundle: Path
    context: ssl.SSLContext


def trust(folder: Path, names: Iterable[str] = ()) -> Trust:
    """The authority kept in ``folder`` (made there when absent), and a fresh server certificate from it for these names."""
    folder.mkdir(parents=True, exist_ok=True)
    authority = _authority(folder / "ca.pem", folder / "ca.key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*LOOPBACK, *names).configure_cert(context)
    return Trust(folder / "ca.pem", context)


def self_signed(name: str, private: rsa.RSAPrivateKey) -> x509.Certificate:
    """A certificate for this key, valid for five years, that vouches for itself."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    # A fixed start, so that the certificate does not depend on when the process began.
    start = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=5 * 365))
        .sign(private, hashes.SHA256())
    )


def _authority(certificate: Path, private: Path) -> trustme.CA:
    if certificate.exists() and private.exists():
        return trustme.CA.from_pem(certificate.read_bytes(), private.read_bytes())
    authority = trustme.CA(organization_name="Leasehold local cloud")
    private.touch(mode=0o600)
    authority.private_key_pem.write_to_path(private)
    authority.cert_pem.write_to_path(certificate)
    return authority

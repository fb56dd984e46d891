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


FOR_PSS_ALONE = """\
-----BEGIN CERTIFICATE-----
MIIDdTCCAiigAwIBAgIULRHJ6OQhjI7pGtpwVOczQUs64fowQgYJKoZIhvcNAQEK
MDWgDzANBglghkgBZQMEAgEFAKEcMBoGCSqGSIb3DQEBCDANBglghkgBZQMEAgEF
AKIEAgIA3jAVMRMwEQYDVQQDDAphIGNhbGxlcidzMCAXDTI2MTEzMDAzMTkxNloY
DzIwNTYxMTIyMDMxOTE2WjAVMRMwEQYDVQQDDAphIGNhbGxlcidzMIIBIDALBgkq
hkiG9w0BAQoDggEPADCCAQoCggEBAL0euOMdZBNzts1G4Ck9AdO6UIc7Wi8R2RE4
eNwOEvNUkfpT2qAUD8Qni4MkV8qAYcDgfbnY1aEnC+LwD5z4YQ8/TG4lWKcE5XD9
NcXrGGJbM19yFzVEX4tfvm9IhoxrosvQQoZkIuDWS7dRykXHSgC3OA7GOjLJgH6W
exm9h0qWVS1updH5oUQobWlbdfdgenVxdo5yIeT2b9qvA4f3h1FR1zTbMvtkLNyC
evWK/L8h9CLkqi4FUUBjlpeYQDQAolyaDpFxOeyxacOsmov0Db/lYlU5yyjXGPJP
G8ywcr2CyS+LaSf50PSLvG9gDHc9vB0QNFHrAwW88ORuyp2liDECAwEAAaNTMFEw
HQYDVR0OBBYEFFVRsI3cbMBy8iugO2WPO0C6iecvMB8GA1UdIwQYMBaAFFVRsI3c
bMBy8iugO2WPO0C6iecvMA8GA1UdEwEB/wQFMAMBAf8wQgYJKoZIhvcNAQEKMDWg
DzANBglghkgBZQMEAgEFAKEcMBoGCSqGSIb3DQEBCDANBglghkgBZQMEAgEFAKIE
AgIA3gOCAQEAMHvZ4soo2YA7OzZOuCyOPY6xr77IrUzNB802kGk46GpYZxAKDaqn
b5iQiHXLb5DAhOeixtce7gzxk2JEMz0q0FakLTMkPtSYu3jpw903VqK8zj6OoYO4
VknlcfeERiRCRgOxxy0mjG60BgpqV2ceeNkuuGQUXszone3HgiW77RVHZKZ4IIrv
ktlbW/Tme8mLGRyVKSCoVv1wEDzaqlIxOXyrpCWvqLDM5Wcatp4c8kXrkVBZA6GX
lhTrDm2bnks7WBviKYGVHkzUP+f9SDZnIf5LLZkehckJYJI6Rwe2a3S7zYu9w2T/
XgtwRqhWGc/jjR+7OSl7IZ773E5N0COgQw==
-----END CERTIFICATE-----
"""
"""One whose key says that it signs with RSASSA-PSS alone (RFC 8017, A.2.3): `openssl req -x509 -newkey rsa-pss`."""

"""A certificate: for a program without a managed identity, in a tenant that forbids secrets. The private key stays here.

Role: ``samples/roles/reader-certificate.json``. Key and certificate are made on the spot, and thrown away with the lease.
"""

from __future__ import annotations

import datetime as dt

from azure.identity import CertificateCredential
from broker import ARM, Broker, read, signed_in
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

RETRY_ON = ("AADSTS700016", "AADSTS700027")
"""What Entra ID answers where it does not know the application, or its certificate, yet."""
LASTS = dt.timedelta(hours=2)
"""At least the longest life of the lease, which is an hour (``max_ttl``), and forty minutes."""


def self_signed() -> tuple[bytes, str, str]:
    """A private key with its certificate; the certificate alone; its thumbprint."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "leased")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + LASTS)
    signed = builder.sign(key, hashes.SHA256())
    certificate = signed.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private + certificate, certificate.decode(), signed.fingerprint(hashes.SHA256()).hex()


def main() -> None:
    """Reads a resource group and gives the lease back."""
    both, certificate, thumbprint = self_signed()
    ask = {"reason": "sample", "certificate": certificate}
    with Broker().leased("reader-certificate", ask, key=f"with-certificate-{thumbprint}") as (lease, made):

        def make() -> CertificateCredential:
            return CertificateCredential(made["tenant_id"], made["client_id"], certificate_data=both)

        with signed_in(make, RETRY_ON) as credential:
            print(read(lease["scopes"][0], credential.get_token(f"{ARM}/.default").token))


if __name__ == "__main__":
    main()

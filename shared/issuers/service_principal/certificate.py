"""Certificates: the caller makes a key pair, and the lease's application is registered with the public half.

No certificate authority is needed: Entra ID looks at the key alone.
https://learn.microsoft.com/entra/identity-platform/certificate-credentials
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.core import ownership
from shared.core.directory import NewKey
from shared.core.errors import Fault, Malformed
from shared.core.names import ObjectId
from shared.core.role import role_changed
from shared.core.secret import Secret
from shared.issuers.service_principal.choice import CredentialChoice
from shared.issuers.service_principal.credential_kind import NotHeld
from shared.issuers.service_principal.held import Held
from shared.issuers.service_principal.means import Means, common_fields
from shared.kinds.kind import Asking, Minted, Order, refuse_fields

if TYPE_CHECKING:
    from cryptography import x509

    from shared.issuers.service_principal.target import ServicePrincipalFootprint, ServicePrincipalTarget

LONGEST_PEM = 16 * 1024
LEAST_BITS, MOST_BITS = 2048, 4096
EXPONENT = 65537
SKEW = timedelta(minutes=5)
"""How much later than now a certificate may begin: clocks differ."""
SLACK = timedelta(minutes=10)
"""How much longer than its lease a certificate must last: what minting takes."""
_WEAK = ("md5", "sha1")
_FIELD = "certificate"
_BEGIN, _END = "-----BEGIN ", "-----END CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class Certificate:
    """What is read of an ask. ``thumbprint`` is SHA-256 in hexadecimal. It ends at ``end``, in UTC."""

    der: bytes
    thumbprint: str
    end: datetime


@dataclass(frozen=True, slots=True)
class CertificateCredential:
    """Satisfies ``Credential``. Assertions that the certificate's key has signed sign in as ``client_id``.

    ``x5t``: what their header names the certificate by: its SHA-256, in base64url.
    """

    type: str
    tenant_id: ObjectId
    client_id: ObjectId
    key_id: ObjectId
    thumbprint: str
    object_id: ObjectId | None
    subscription_id: ObjectId | None = None
    ends_at: None = None

    def fields(self) -> Mapping[str, str | Secret | None]:
        """Returns the subscription only if there is one."""
        from base64 import urlsafe_b64encode  # noqa: PLC0415 - few leases have a certificate

        return {
            **common_fields("certificate", self),
            "key_id": self.key_id,
            "thumbprint": self.thumbprint,
            "x5t": urlsafe_b64encode(bytes.fromhex(self.thumbprint)).decode().rstrip("="),
        }


class CertificateOfCallers(NotHeld):
    """Satisfies ``CredentialKind``."""

    unseen: tuple[str, ...] = ("certificate",)

    def asked(self, target: ServicePrincipalTarget, asking: Asking) -> Certificate:  # noqa: ARG002 - the protocol's
        """Raises ``Malformed`` (``certificate_invalid``) if the certificate is not good for as long as the lease."""
        refuse_fields(asking.fields, but=_FIELD)
        if _FIELD not in asking.fields:
            raise Malformed(Fault(_FIELD, "is required: in PEM, without the private key"))
        return read_certificate(asking.fields[_FIELD], asking.now, asking.until)

    def asked_again(self, choice: CredentialChoice, held: Held, fields: Mapping[str, Any]) -> Certificate | None:  # noqa: ARG002 - the protocol's
        """Returns the certificate of the ask, for an application that is not made yet. It was judged when it came.

        ``None`` if the fields have none: then the application has it.
        """
        refuse_fields(fields, but=_FIELD)
        if held.key_id is None:
            raise role_changed()
        return _certificate_of(_parsed(fields[_FIELD])) if _FIELD in fields else None

    def held(self, means: Means, order: Order) -> Held:  # noqa: ARG002 - the protocol's
        """Names the certificate."""
        return Held("certificate", key_id=ownership.key_id(order.lease_id), thumbprint=_certificate(order).thumbprint)

    def key(self, order: Order) -> NewKey:
        """Returns the certificate, to end a little after the lease: not when the certificate itself does."""
        asked = _certificate(order)
        end = min(asked.end, order.last_end or order.credential_end)
        return NewKey(ownership.key_id(order.lease_id), order.lease_id, asked.der, end)

    def can_be_added(self, footprint: ServicePrincipalFootprint) -> bool:
        """Returns whether there is an application: it has the certificate from the beginning."""
        return footprint.application_id is not None and footprint.app_id is not None

    async def add(
        self,
        means: Means,
        order: Order,
        footprint: ServicePrincipalFootprint,
        note: Callable[[ObjectId], None],  # noqa: ARG002 - the protocol's
    ) -> Minted:
        """Makes no call."""
        held = footprint.held
        if held.key_id is None:
            raise TypeError("a footprint with a certificate names its key")
        credential = CertificateCredential(**means.common(footprint), key_id=held.key_id, thumbprint=held.thumbprint)
        return Minted(credential, unchanged=order.rotating)


def read_certificate(value: Any, now: datetime, until: datetime) -> Certificate:
    """Reads a certificate in PEM that is good from ``now`` until ten minutes after ``until``.

    Raises ``Malformed`` (``certificate_invalid``), which says why, and never what was sent.
    """
    found = _parsed(value)
    if why := _why_not(found, now, until):
        raise _invalid(why)
    return _certificate_of(found)


def _certificate_of(found: x509.Certificate) -> Certificate:
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415 - see ``_parsed``

    der = found.public_bytes(serialization.Encoding.DER)
    return Certificate(der, found.fingerprint(hashes.SHA256()).hex(), found.not_valid_after_utc)


def _parsed(value: Any) -> x509.Certificate:
    if not isinstance(value, str) or not value.isascii() or len(value) > LONGEST_PEM:
        raise _invalid(f"expected a text in PEM of at most {LONGEST_PEM // 1024} KiB")
    if "PRIVATE KEY" in value:
        raise _invalid("has a private key in it: throw that key away, make another pair, and send the certificate alone")
    if value.count(_BEGIN) != 1 or value.count(_END) != 1:
        raise _invalid("expected exactly one block, -----BEGIN CERTIFICATE-----")
    from cryptography import x509  # noqa: PLC0415 - few issues need it, and it takes a while
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415

    try:
        return x509.load_pem_x509_certificate(value.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise _invalid("is no X.509 certificate in PEM") from None


def _why_not(found: x509.Certificate, now: datetime, until: datetime) -> str:
    """Returns why the certificate is of no use. Empty if it is of use."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - see ``_parsed``
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415
    from cryptography.x509.oid import PublicKeyAlgorithmOID  # noqa: PLC0415

    try:
        key, digest = found.public_key(), found.signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm):
        return "its key or its signature is of an unknown kind"
    if not isinstance(key, RSAPublicKey):
        return "its key is not RSA: Entra ID takes no other"
    if found.public_key_algorithm_oid == PublicKeyAlgorithmOID.RSASSA_PSS:
        return "its key is for RSASSA-PSS alone; make a plain RSA key"
    needed = until + SLACK
    refusals = {
        f"its key has {key.key_size} bits; expected {LEAST_BITS} to {MOST_BITS}": not LEAST_BITS <= key.key_size <= MOST_BITS,
        f"its key has another exponent than {EXPONENT}": key.public_numbers().e != EXPONENT,
        "is signed with MD5, SHA-1 or no digest at all; sign it with SHA-256": digest is None or digest.name in _WEAK,
        f"is not valid before {_text(found.not_valid_before_utc)}": found.not_valid_before_utc > now + SKEW,
        f"ends too early: the lease may last until {_text(until)}; make it last until {_text(needed)}": (
            found.not_valid_after_utc < needed
        ),
    }
    return next((why for why, holds in refusals.items() if holds), "")


def _text(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _invalid(why: str) -> Malformed:
    return Malformed(Fault(_FIELD, why), code="certificate_invalid")


def _certificate(order: Order) -> Certificate:
    if not isinstance(order.asked, Certificate):
        raise TypeError("an ask for a certificate brings one")
    return order.asked

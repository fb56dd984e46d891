"""Certificates that clients put on applications: Graph's ``keyCredentials``, replaced as a whole."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from local.cloud.graph import errors, instants
from local.cloud.graph.request import misfit
from local.cloud.tenant.directory import Certificate

if TYPE_CHECKING:
    from local.cloud.engine.http import Json
    from local.cloud.graph.request import GraphRequest
    from local.cloud.tenant.directory import Application, ServicePrincipal


def replace(request: GraphRequest, holder: Application | ServicePrincipal, sent: object) -> None:
    """Puts these certificates in the place of the holder's; one sent without its key must be there already.

    ``None``, for a request that does not speak of certificates, leaves them alone.
    """
    if sent is None:
        return
    if not isinstance(sent, list):
        raise errors.invalid("Invalid value specified for property 'keyCredentials'.", "InvalidValue", "keyCredentials")
    stored = [_kept(holder, item) or _new(request, item) for item in sent]
    if len({item.key_id for item in stored}) < len(stored):
        raise errors.invalid("The key identifier is already in use.", "DuplicateKeyId", "keyId")
    request.limits.check_credentials(len(stored) + len(holder.passwords))
    fresh = [item.key_id for item in stored if item.key_id not in holder.certificates]
    former, holder.certificates = holder.certificates, {item.key_id: item for item in stored}
    for key_id in former.keys() - holder.certificates.keys():
        request.world.consistency.ended("certificate", key_id, shown=(holder.id, former[key_id]))
    for key_id in fresh:
        request.world.consistency.wrote("certificate", key_id)


def _kept(holder: Application | ServicePrincipal, sent: Json) -> Certificate | None:
    known = holder.certificates.get(str(sent.get("keyId", "")).lower())
    return known if not sent.get("key") else None


def _new(request: GraphRequest, sent: Json) -> Certificate:
    _check_use(sent)
    parsed, der = _parsed(sent.get("key"))
    first, last = parsed.not_valid_before_utc.timestamp(), parsed.not_valid_after_utc.timestamp()
    start = _instant(sent, "startDateTime", first)
    end = _instant(sent, "endDateTime", last)
    if not start < end <= last:
        raise errors.invalid("Key credential end date is invalid.", "InvalidKeyEndDate", "EndDate")
    request.limits.check_new_certificate(request.world, end - start)
    return Certificate(
        key_id=str(sent.get("keyId") or request.world.guid()).lower(),
        # SHA-1 is what x5t names: https://www.rfc-editor.org/rfc/rfc7515#section-4.1.7
        thumbprint=parsed.fingerprint(hashes.SHA1()).hex().upper(),  # noqa: S303 - an identifier, not a protection
        der=der,
        display_name=sent.get("displayName") or _subject(parsed),
        start=start,
        end=end,
    )


def _check_use(sent: Json) -> None:
    """A certificate that verifies. Azure knows further types and a use, for signing what a client is sent."""
    for name, taken, others in _USES:
        if sent.get(name) in others:
            raise errors.not_implemented(f"keyCredentials of {name} {sent[name]}")
        if sent.get(name, taken) != taken:
            raise misfit(name, "KeyCredential")


_USES = (("type", "AsymmetricX509Cert", ("X509CertAndPassword", "Symmetric")), ("usage", "Verify", ("Sign",)))
"""https://learn.microsoft.com/graph/api/resources/keycredential."""


def _instant(sent: Json, name: str, default: float) -> float:
    value = sent.get(name)
    return default if value is None else instants.read(value, name, "KeyCredential")


def _parsed(key: object) -> tuple[x509.Certificate, bytes]:
    """A certificate in base64, plain or URL-safe, as DER or (as azure-cli sends it) PEM's inside."""
    try:
        der = base64.b64decode(str(key).translate(str.maketrans("-_", "+/")), validate=True)
        return x509.load_der_x509_certificate(der), der
    except (binascii.Error, ValueError):
        raise errors.invalid("Key value is invalid certificate", "KeyCredentialsInvalidValue", "Key") from None


def _subject(certificate: x509.Certificate) -> str:
    """The subject as the directory writes it: ``O=Internet Widgits Pty Ltd, S=Some-State, C=AU``."""
    names = {x509.NameOID.STATE_OR_PROVINCE_NAME: "S"}
    parts = [part.rfc4514_string(names) for part in reversed(certificate.subject.rdns)]
    return ", ".join(parts)

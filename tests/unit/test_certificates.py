"""Which certificates of callers are taken: Entra ID must take them for as long as the lease may last."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from shared.core.errors import Malformed
from shared.issuers.service_principal.certificate import read_certificate
from tests.support import certificates
from tests.support.certificates import certificate, key_pair, plain

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
UNTIL = NOW + timedelta(hours=4)
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)


def why(value: Any) -> str:
    """What is wrong with it."""
    with pytest.raises(Malformed) as caught:
        read_certificate(value, NOW, UNTIL)
    assert "certificate_invalid" == caught.value.stable_code
    (fault,) = caught.value.faults
    assert "certificate" == fault.path
    return fault.message


def test_a_plain_certificate_is_taken() -> None:
    """With what names it."""
    found = read_certificate(plain(), NOW, UNTIL)
    parsed = x509.load_pem_x509_certificate(plain().encode())
    assert parsed.public_bytes(serialization.Encoding.DER) == found.der
    assert hashlib.sha256(found.der).hexdigest() == found.thumbprint
    assert certificates.LAST == found.end


@pytest.mark.parametrize("value", [None, 7, {}, "", "x" * (16 * 1024 + 1), plain() + "é"])
def test_what_is_no_text_in_pem_is_refused(value: object) -> None:
    """Or too long to be one certificate."""
    assert why(value).startswith("expected")


@pytest.mark.parametrize(
    "value",
    [
        plain() + plain(),
        plain().replace("CERTIFICATE", "PUBLIC KEY"),
        plain().replace("-----END CERTIFICATE-----", ""),
        "no block at all",
    ],
)
def test_there_is_one_block(value: str) -> None:
    """A chain is of no use: nobody looks at who has signed."""
    assert "exactly one" in why(value)


@pytest.mark.parametrize(
    "value",
    [
        "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        plain().replace("M", "N", 1) if "\nN" not in plain() else plain()[:200] + "\n-----END CERTIFICATE-----\n",
    ],
)
def test_a_block_of_something_else_is_refused(value: str) -> None:
    """Whatever the library says of it."""
    assert "is no X.509 certificate in PEM" == why(value)


def test_a_private_key_is_refused_and_never_repeated() -> None:
    """It has been sent, so it is not private any more."""
    secret = certificates.private_key(key_pair())
    for value in (secret + plain(), plain() + secret, secret):
        message = why(value)
        assert "throw that key away" in message
        assert secret.splitlines()[1] not in message


@pytest.mark.parametrize("make", [certificates.of_an_elliptic_curve, certificates.of_edwards_curve])
def test_other_keys_than_rsa_are_refused(make: Callable[[], str]) -> None:
    """Entra ID takes no other."""
    assert "not RSA" in why(make())


@pytest.mark.parametrize(("bits", "good"), [(1024, False), (2047, False), (2048, True), (4096, True), (4104, False)])
def test_a_key_is_neither_weak_nor_costly(bits: int, *, good: bool) -> None:
    """2048 to 4096 bits."""
    modulus = (1 << (bits - 1)) + 1
    value = certificate(public=rsa.RSAPublicNumbers(65537, modulus).public_key())
    if good:
        assert read_certificate(value, NOW, UNTIL).der
    else:
        assert f"{bits} bits" in why(value)


def test_a_key_with_another_exponent_is_refused() -> None:
    """Three is one that old tools took."""
    public = rsa.RSAPublicNumbers(3, key_pair().public_key().public_numbers().n).public_key()
    assert "exponent" in why(certificate(public=public))


@pytest.mark.parametrize("digest", ["sha1", "md5"])
def test_a_weak_signature_is_refused(digest: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library signs none: so one that is well signed says that it is not."""
    weak = {"sha1": hashes.SHA1, "md5": hashes.MD5}[digest]()

    class Weak:
        def __init__(self, found: x509.Certificate) -> None:
            self._found = found
            self.signature_hash_algorithm = weak

        def __getattr__(self, name: str) -> Any:
            return getattr(self._found, name)

    real = x509.load_pem_x509_certificate
    monkeypatch.setattr(x509, "load_pem_x509_certificate", lambda text: Weak(real(text)))
    assert "SHA-256" in why(plain())


@pytest.mark.parametrize(
    ("first", "good"), [(NOW, True), (NOW + 5 * MINUTE, True), (NOW + 5 * MINUTE + SECOND, False), (UNTIL, False)]
)
def test_it_has_begun(first: datetime, *, good: bool) -> None:
    """But for what clocks may differ."""
    value = certificate(first=first)
    if good:
        assert read_certificate(value, NOW, UNTIL).der
    else:
        assert "is not valid before" in why(value)


@pytest.mark.parametrize(
    ("last", "good"), [(UNTIL + 10 * MINUTE, True), (UNTIL + 10 * MINUTE - SECOND, False), (UNTIL, False), (NOW, False)]
)
def test_it_lasts_for_all_of_the_lease(last: datetime, *, good: bool) -> None:
    """Renewals included, and ten minutes more. The message says what would do."""
    value = certificate(last=last)
    if good:
        assert last == read_certificate(value, NOW, UNTIL).end
    else:
        assert "2026-03-02T13:10:00Z" in why(value)


def test_a_key_for_pss_alone_is_refused() -> None:
    """Nobody knows that Entra ID takes it. A plain RSA key may sign with PSS."""
    assert "RSASSA-PSS" in why(certificates.FOR_PSS_ALONE)

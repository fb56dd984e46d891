"""Signatures that are refused before anything is looked at. What they open is tried in ``tests/local/sdk``."""

from __future__ import annotations

import pytest

from tests.local.blob.calls import VERSION, Storage, code, document

GOOD = {
    "sv": "2023-11-03",
    "sr": "c",
    "se": "2099-01-01T00:00:00Z",
    "sp": "r",
    "sig": "AAAA",
    "skoid": "o",
    "sktid": "t",
    "skt": "2020-01-01T00:00:00Z",
    "ske": "2099-01-01T00:00:00Z",
    "sks": "b",
    "skv": VERSION,
}


def test_a_signature_that_nobody_has_made_does_not_match(storage: Storage) -> None:
    """Whatever octets it has."""
    for forged in ("AAAA", "not base64", "é"):
        reply = storage.send("GET", "/reports/index", {}, GOOD | {"sig": forged})
        assert (403, "AuthenticationFailed") == (reply.status, code(reply))
        assert "Signature did not match." == document(reply).findtext("AuthenticationErrorDetail")


@pytest.mark.parametrize("missing", ["sv", "sr", "se", "sp", "skoid", "sktid", "skt", "ske", "sks", "skv"])
def test_a_signature_says_all_that_it_is_for(storage: Storage, missing: str) -> None:
    """One that is made with an account's key lacks the key's fields: such keys do not work here."""
    reply = storage.send("GET", "/reports/index", {}, {name: value for name, value in GOOD.items() if name != missing})
    assert (403, "AuthenticationFailed") == (reply.status, code(reply))


@pytest.mark.parametrize("more", [{"sv": "2019-12-12"}, {"sr": "d"}, {"saoid": "x"}, {"sduoid": "x"}, {"si": "policy"}])
def test_what_is_not_read_here_is_not_taken(storage: Storage, more: dict[str, str]) -> None:
    """It would say less, or more, than was meant."""
    assert 501 == storage.send("GET", "/reports/index", {}, GOOD | more).status


def test_a_token_beside_a_signature_counts_alone(storage: Storage) -> None:
    """The signature's fields are then of no use."""
    headers = {"authorization": f"Bearer {storage.token(storage.holder())}", "x-ms-version": VERSION}
    assert 501 == storage.send("GET", "/reports/index", headers, GOOD).status


def test_a_signature_for_https_is_not_sent_in_the_clear(storage: Storage) -> None:
    """Whoever listens would have it."""
    reply = storage.send("GET", "/reports/index", {}, GOOD | {"spr": "https"}, origin="http://one.blob.core.windows.net")
    assert (403, "AuthorizationProtocolMismatch") == (reply.status, code(reply))


@pytest.mark.parametrize(
    "body", ["", "<KeyInfo/>", "<KeyInfo><Start>x</Start><Expiry>y</Expiry></KeyInfo>", "<Expiry>2000-01-01T00:00:00Z</Expiry>"]
)
def test_a_key_has_two_instants(storage: Storage, body: str) -> None:
    """In the future, and a week at most."""
    query = {"restype": "service", "comp": "userdelegationkey"}
    reply = storage.call("POST", "/", storage.holder(), query, body=body.encode())
    assert (400, "InvalidXmlNodeValue") == (reply.status, code(reply))

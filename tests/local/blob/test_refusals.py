"""Who is not let in, and what Azure answers them."""

from __future__ import annotations

import pytest

from tests.local.arm.calls import AUDIENCE as ARM
from tests.local.arm.calls import TENANT
from tests.local.blob.calls import AUDIENCE, VERSION, Storage, code, document

CHALLENGE = (
    f"Bearer authorization_uri=https://login.microsoftonline.com/{TENANT}/oauth2/authorize "
    "resource_id=https://storage.azure.com"
)
UNAUTHENTICATED = (
    "Server failed to authenticate the request. Please refer to the information in the www-authenticate header.\nRequestId:"
)


def test_without_a_token_the_challenge_names_the_tenant(storage: Storage) -> None:
    """A client learns from it where to ask for one."""
    reply = storage.send("GET", "/raw/one", {"x-ms-version": VERSION})

    assert (401, "NoAuthenticationInformation", CHALLENGE) == (reply.status, code(reply), reply.headers["www-authenticate"])
    assert str(document(reply).findtext("Message")).startswith(UNAUTHENTICATED)
    assert "x-ms-version" not in reply.headers


@pytest.mark.parametrize(
    ("audience", "claims", "detail"),
    [
        (ARM, {}, "Audience validation failed. Audience did not match."),
        (AUDIENCE, {"exp": 1}, "Lifetime validation failed. The token is expired."),
        (AUDIENCE, {"nbf": 9_999_999_999}, "Lifetime validation failed. The token is not yet valid."),
        (AUDIENCE, {"iss": "https://sts.windows.net/else/"}, "Signature validation failed. The token is not valid."),
    ],
)
def test_a_token_that_does_not_fit_is_refused(storage: Storage, audience: str, claims: dict[str, object], detail: str) -> None:
    """The detail says why, and the challenge comes again."""
    token = storage.token(storage.holder(), audience, **claims)
    reply = storage.send("GET", "/raw/one", {"authorization": f"Bearer {token}", "x-ms-version": VERSION})

    assert (401, "InvalidAuthenticationInfo", CHALLENGE) == (reply.status, code(reply), reply.headers["www-authenticate"])
    assert detail == document(reply).findtext("AuthenticationErrorDetail")


@pytest.mark.parametrize("audience", [AUDIENCE, AUDIENCE + "/", "https://one.blob.core.windows.net"])
def test_a_token_is_for_storage_or_for_the_account(storage: Storage, audience: str) -> None:
    """Azure takes both."""
    headers = {"authorization": f"Bearer {storage.token(storage.holder(), audience)}", "x-ms-version": VERSION}

    assert 200 == storage.send("GET", "/raw/one", headers).status


@pytest.mark.parametrize("version", ["", "2017-07-29"])
def test_a_token_needs_a_version_that_knows_tokens(storage: Storage, version: str) -> None:
    """Without one the call is of the oldest version; this answer has no ``x-ms-error-code``."""
    headers = {"authorization": f"Bearer {storage.token(storage.holder())}", "x-ms-version": version}
    reply = storage.send("GET", "/raw/one", {name: value for name, value in headers.items() if value})

    expected = "Authentication scheme Bearer is not supported in this version."
    assert (403, expected) == (reply.status, document(reply).findtext("AuthenticationErrorDetail"))
    assert ("AuthenticationFailed", False) == (document(reply).findtext("Code"), "x-ms-error-code" in reply.headers)


@pytest.mark.parametrize(
    ("headers", "status", "expected"),
    [
        ({}, 409, "PublicAccessNotPermitted"),
        ({"authorization": "SharedKey one:c2lnbmF0dXJl"}, 403, "KeyBasedAuthenticationNotPermitted"),
        ({"authorization": "Basic b25lOnR3bw=="}, 400, "InvalidAuthenticationInfo"),
        ({"x-ms-version": "latest"}, 400, "InvalidHeaderValue"),
    ],
)
def test_other_ways_in_are_closed(storage: Storage, headers: dict[str, str], status: int, expected: str) -> None:
    """Keys and public access are switched off, as good practice has it."""
    reply = storage.send("GET", "/raw/one", headers)

    assert (status, expected) == (reply.status, code(reply))


def test_an_account_that_is_not_there_is_not_found(storage: Storage) -> None:
    """In Azure its name would not even resolve."""
    host = {"host": "none.blob.core.windows.net", "x-ms-version": VERSION}
    reply = storage.send("GET", "/raw/one", {**host, "authorization": f"Bearer {storage.token(storage.holder())}"})

    assert (404, "ResourceNotFound") == (reply.status, code(reply))

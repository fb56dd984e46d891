from __future__ import annotations

import logging
from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from json import dumps
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from azure.core.credentials import AccessToken

from shared.cloud.entra.lease_sign_in import AssertionSignIn
from shared.cloud.entra.sign_in import TokenEndpoint
from shared.core.errors import (
    LeaseholdError,
    Misconfigured,
    NotReplicated,
    Refused,
    Throttled,
    Unavailable,
    Unreachable,
)
from shared.core.names import ObjectId
from shared.core.readiness.errors import NeverReady
from tests.cloud.scripted import Bearer, Scripted
from tests.fakes.clock import FakeClock

TENANT = ObjectId("bbbbbbbb-0000-4000-8000-000000000001")
CLIENT = ObjectId("bbbbbbbb-0000-4000-8000-000000000002")
BROKER = ObjectId("bbbbbbbb-0000-4000-8000-000000000003")
ARM = "https://management.example/.default"


def token(**claims: Any) -> str:
    """A token that nobody has signed."""
    parts = (dumps(each).encode() for each in ({"alg": "none"}, claims))
    return ".".join([*(urlsafe_b64encode(each).rstrip(b"=").decode() for each in parts), ""])


class Identity(Bearer):
    """The broker's managed identity: each assertion is another one."""

    def __init__(self, **claims: Any) -> None:
        super().__init__()
        self.claims = {"sub": BROKER} | claims
        self.failing: list[LeaseholdError] = []
        """What the next calls raise."""

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """See the base class."""
        await super().get_token(*scopes, **options)
        if self.failing:
            raise self.failing.pop(0)
        return AccessToken(token(**self.claims, jti=len(self.scopes)), 4_000_000_000)


@pytest.fixture
def entra() -> Scripted:
    """Entra ID's token endpoint."""
    return Scripted()


@pytest.fixture
def identity() -> Identity:
    """The broker's."""
    return Identity()


@pytest.fixture
def signing_in(entra: Scripted, identity: Identity, clock: FakeClock) -> AssertionSignIn:
    """What is tested."""
    endpoint = TokenEndpoint(entra.client(), "https://login.example", TENANT)
    return AssertionSignIn(endpoint, identity, clock, "api://AzureADTokenExchange", "https://graph.example/.default")


def yes(text: str = "opaque", **more: Any) -> httpx.Response:
    """A token."""
    return httpx.Response(200, json={"token_type": "Bearer", "access_token": text, **more})


def no(code: int, status: int = 400) -> httpx.Response:
    """A refusal with an AADSTS code."""
    return httpx.Response(status, json={"error": "x", "error_description": f"AADSTS{code}: no", "error_codes": [code]})


def within(seconds: float, clock: FakeClock) -> float:
    """A deadline."""
    return clock.monotonic() + seconds


async def test_the_subject_is_that_of_the_assertion(signing_in: AssertionSignIn, identity: Identity) -> None:
    """Which is for the exchange."""
    assert BROKER == await signing_in.subject()
    assert [("api://AzureADTokenExchange/.default",)] == identity.scopes


@pytest.mark.parametrize("subject", [None, 7, "not-a-guid", ""])
async def test_an_assertion_of_nobody_is_a_mistake_of_the_deployment(
    signing_in: AssertionSignIn, identity: Identity, subject: object
) -> None:
    """No application is told to trust it."""
    identity.claims["sub"] = subject
    with pytest.raises(Misconfigured):
        await signing_in.subject()


async def test_presents_the_assertion_as_the_application(
    signing_in: AssertionSignIn, entra: Scripted, identity: Identity, clock: FakeClock
) -> None:
    """Client credentials, at the tenant's own endpoint, on a connection of its own."""
    entra.will(yes())
    found = await signing_in.token(CLIENT, ARM, deadline=within(60, clock))
    assert "opaque" == found.token.reveal()
    (call,) = entra.calls
    assert f"POST /{TENANT}/oauth2/v2.0/token" == entra.lines[0]
    assert "close" == call.headers["connection"]
    expected = {
        "grant_type": ["client_credentials"],
        "client_id": [CLIENT],
        "client_assertion_type": ["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"],
        "client_assertion": [token(**identity.claims, jti=1)],
        "scope": [ARM],
    }
    assert expected == parse_qs(call.content.decode())


async def test_a_token_lasts_until_it_says_itself(signing_in: AssertionSignIn, entra: Scripted, clock: FakeClock) -> None:
    """And not for as long as the answer says."""
    end = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
    entra.will(yes(token(exp=int(end.timestamp())), expires_in=86400))
    assert end == (await signing_in.token(CLIENT, ARM, deadline=within(60, clock))).end


@pytest.mark.parametrize("text", ["opaque", token(), token(exp="never"), token(exp=1e300), token(exp=None)])
async def test_a_token_that_only_its_resource_reads_lasts_as_long_as_the_answer_says(
    signing_in: AssertionSignIn, entra: Scripted, clock: FakeClock, text: str
) -> None:
    """From now on."""
    entra.will(yes(text, expires_in=3599))
    found = await signing_in.token(CLIENT, ARM, deadline=within(60, clock))
    assert clock.now() + timedelta(seconds=3599) == found.end


async def test_a_refusal_that_may_pass_is_waited_for(
    signing_in: AssertionSignIn, entra: Scripted, identity: Identity, clock: FakeClock
) -> None:
    """Each try two seconds after the last, with an assertion that is good at that time."""
    began = clock.monotonic()
    entra.will(no(70021), no(700016, 401), httpx.Response(500), httpx.ReadTimeout("late"), yes())
    await signing_in.token(CLIENT, ARM, deadline=within(60, clock))
    assert [8.0, 5] == [clock.monotonic() - began, len(identity.scopes)]


async def test_waits_as_long_as_it_is_told_to(signing_in: AssertionSignIn, entra: Scripted, clock: FakeClock) -> None:
    """``Retry-After`` is obeyed."""
    began = clock.monotonic()
    entra.will(httpx.Response(429, headers={"retry-after": "20"}), yes())
    await signing_in.token(CLIENT, ARM, deadline=within(60, clock))
    assert 20.0 == clock.monotonic() - began


async def test_a_definite_no_is_told_at_once(signing_in: AssertionSignIn, entra: Scripted, clock: FakeClock) -> None:
    """With Entra's own number."""
    entra.will(no(700236, 401))
    with pytest.raises(Refused) as caught:
        await signing_in.token(CLIENT, ARM, deadline=within(60, clock))
    assert "azure_refused: AADSTS700236" == caught.value.brief()


@pytest.mark.parametrize(
    ("step", "error"),
    [
        (lambda: no(70021), NotReplicated),
        (lambda: httpx.Response(400, text="<html>"), NotReplicated),
        (lambda: httpx.Response(429), Throttled),
        (lambda: httpx.Response(503, headers={"retry-after": "1"}), Throttled),
        (lambda: httpx.Response(500), Unavailable),
        (lambda: httpx.Response(200, text="<html>a proxy's page"), Unavailable),
        (lambda: httpx.ConnectError("no route"), Unreachable),
    ],
)
async def test_at_the_deadline_tells_what_the_last_try_came_to(
    signing_in: AssertionSignIn,
    entra: Scripted,
    clock: FakeClock,
    step: Callable[[], httpx.Response],
    error: type[LeaseholdError],
) -> None:
    """No try begins later."""
    entra.will(no(70021), *(step() for _ in range(4)))
    with pytest.raises(error) as caught:
        await signing_in.token(CLIENT, ARM, deadline=within(5, clock))
    assert error is type(caught.value)
    assert 3 == len(entra.calls)


@pytest.mark.parametrize(
    ("failure", "waits"), [(Throttled(retry_after=1.0), 4.0), (Unavailable(), 4.0), (Misconfigured("no identity"), 0.0)]
)
async def test_an_assertion_that_cannot_be_had(
    signing_in: AssertionSignIn, entra: Scripted, identity: Identity, clock: FakeClock, failure: LeaseholdError, waits: float
) -> None:
    """It is waited for, unless there is no identity."""
    identity.failure, began = failure, clock.monotonic()
    with pytest.raises(type(failure)):
        await signing_in.token(CLIENT, ARM, deadline=within(5, clock))
    assert waits == clock.monotonic() - began
    if isinstance(failure, Misconfigured):
        with pytest.raises(Misconfigured):
            await signing_in.signs_in(CLIENT, deadline=within(5, clock))
    else:
        assert not await signing_in.signs_in(CLIENT, deadline=within(5, clock))
    assert [] == entra.calls


async def test_proves_by_two_whole_rounds_of_ten(
    signing_in: AssertionSignIn, entra: Scripted, identity: Identity, clock: FakeClock
) -> None:
    """As a secret is proven; a refusal begins them anew."""
    began = clock.monotonic()
    entra.will(yes(), no(70021), *(yes() for _ in range(20)))
    assert await signing_in.signs_in(CLIENT, deadline=within(60, clock))
    assert [4.0, 22] == [clock.monotonic() - began, len(identity.scopes)]
    assert ["https://graph.example/.default"] == parse_qs(entra.calls[0].content.decode())["scope"]


@pytest.mark.parametrize("code", [700222, 700226, 700229, 700231, 700236, 7002138, 7000112])
async def test_a_definite_no_ends_the_proof(
    signing_in: AssertionSignIn, entra: Scripted, clock: FakeClock, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    """And is logged."""
    entra.will(no(code, 401))
    with caplog.at_level(logging.WARNING), pytest.raises(NeverReady) as caught:
        await signing_in.signs_in(CLIENT, deadline=within(60, clock))
    assert f"AADSTS{code}" == caught.value.azure_code
    assert str(code) in caplog.text


async def test_a_pause_in_the_identity_breaks_no_round(
    signing_in: AssertionSignIn, entra: Scripted, identity: Identity, clock: FakeClock
) -> None:
    """It is no answer of Entra's token endpoint."""
    began = clock.monotonic()
    identity.failing = [Throttled(retry_after=3.0), Unavailable()]
    entra.will(*(yes() for _ in range(20)))
    assert await signing_in.signs_in(CLIENT, deadline=within(60, clock))
    assert 7.0 == clock.monotonic() - began


async def test_neither_assertion_nor_token_reaches_the_log(
    signing_in: AssertionSignIn, entra: Scripted, identity: Identity, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """At any level, nor a text of what is returned."""
    entra.will(no(70021), httpx.ReadTimeout("late"), yes("t0ken"))
    with caplog.at_level(logging.DEBUG):
        found = await signing_in.token(CLIENT, ARM, deadline=within(60, clock))
    assert "t0ken" not in caplog.text + repr(found)
    assert token(**identity.claims, jti=1) not in caplog.text

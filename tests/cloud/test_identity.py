from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Self

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ServiceRequestError, ServiceResponseError
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.identity import CredentialUnavailableError

from shared.cloud.connections import azure_transport
from shared.cloud.entra.identity import HeldTokens, broker_credential, token_failure
from shared.core.errors import LeaseholdError, Misconfigured, Throttled, Unavailable, Unreachable
from tests.fakes.clock import FakeClock
from tests.local.conftest import Cloud

SCOPE = "https://graph.example/.default"
HOUR = 3600.0
CLIENT = "99999999-9999-9999-9999-999999999999"


class Issuing:
    """A credential whose tokens are numbered and last an hour."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.asked: list[tuple[tuple[str, ...], dict[str, Any]]] = []
        self.failure: Exception | None = None
        self.closed = False

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """The next token, or the failure that was planned."""
        self.asked.append((scopes, options))
        number = len(self.asked)
        await asyncio.sleep(0)
        if self.failure:
            raise self.failure
        return AccessToken(f"token {number}", int(self.clock.now().timestamp() + HOUR))

    async def close(self) -> None:
        """Notes it."""
        self.closed = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


@pytest.fixture
def issuing(clock: FakeClock) -> Issuing:
    """Where tokens come from."""
    return Issuing(clock)


@pytest.fixture
def held(issuing: Issuing, clock: FakeClock) -> HeldTokens:
    """What is tested."""
    return HeldTokens(issuing, clock)


async def settle() -> None:
    """Lets everybody run as far as they get."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_that_the_identity_is_accepted_again_is_told_once(issuing: Issuing, clock: FakeClock) -> None:
    """When a service takes a token after it has refused a fresh one; not when it takes the first, or one that replaces it."""
    result: list[int] = []
    held = HeldTokens(issuing, clock, lambda: result.append(1))
    await held.get_token(SCOPE)
    held.was_taken("token 1", SCOPE)
    assert "token 2" == await held.replace("token 1", SCOPE)
    held.was_taken("token 2", SCOPE)
    assert "token 3" == await held.replace("token 2", SCOPE)
    assert await held.replace("token 3", SCOPE) is None
    held.was_taken("another's", SCOPE)
    assert ([], {SCOPE}) == (result, set(held.refused))
    held.was_taken("token 3", SCOPE)
    held.was_taken("token 3", SCOPE)
    assert ([1], {}) == (result, held.refused)


async def test_a_hundred_first_callers_cost_one_request(held: HeldTokens, issuing: Issuing) -> None:
    """A cold worker under load."""
    tokens = await asyncio.gather(*(held.get_token(SCOPE) for _ in range(100)))
    assert {"token 1"} == {each.token for each in tokens}
    assert 1 == len(issuing.asked)


async def test_each_scope_has_a_token_of_its_own(held: HeldTokens, issuing: Issuing) -> None:
    """Graph's is no good at Resource Manager."""
    one, other = await held.get_token(SCOPE), await held.get_token("https://management.example/.default")
    assert one.token != other.token
    assert 2 == len(issuing.asked)


async def test_a_token_half_way_through_its_life_is_renewed_behind_the_callers_back(
    held: HeldTokens, issuing: Issuing, clock: FakeClock
) -> None:
    """The caller does not wait for the new one, nor is it asked for any sooner."""
    await held.get_token(SCOPE)
    for age in ((HOUR - 300) / 2 - 1, 1):
        assert 1 == len(issuing.asked)
        clock.jump(age)
        assert "token 1" == (await held.get_token(SCOPE)).token
        await settle()
    assert "token 2" == (await held.get_token(SCOPE)).token
    assert 2 == len(issuing.asked)


async def test_a_token_goes_on_working_while_it_cannot_be_renewed(held: HeldTokens, issuing: Issuing, clock: FakeClock) -> None:
    """And the endpoint is asked again only after half a minute."""
    await held.get_token(SCOPE)
    issuing.failure = ServiceRequestError("no route")
    clock.jump(HOUR / 2)
    for _ in range(20):
        assert "token 1" == (await held.get_token(SCOPE)).token
        await settle()
    assert 2 == len(issuing.asked)
    clock.jump(30)
    await held.get_token(SCOPE)
    await settle()
    assert 3 == len(issuing.asked)


async def test_a_token_about_to_expire_is_not_handed_out(held: HeldTokens, clock: FakeClock) -> None:
    """Five minutes before its end, and no sooner, the callers wait for another."""
    await held.get_token(SCOPE)
    clock.jump(HOUR - 301)
    assert "token 1" == (await held.get_token(SCOPE)).token
    clock.jump(1)
    assert "token 2" == (await held.get_token(SCOPE)).token


async def test_a_challenge_asks_for_a_fresh_token(held: HeldTokens, issuing: Issuing) -> None:
    """Its claims are passed on, and what is held is left alone."""
    await held.get_token(SCOPE)
    assert "token 2" == (await held.get_token(SCOPE, claims="{}", enable_cae=True)).token
    assert {"claims": "{}", "tenant_id": None} == issuing.asked[1][1]


async def test_a_failure_is_not_kept(held: HeldTokens, issuing: Issuing) -> None:
    """The next caller has another try."""
    issuing.failure = ServiceRequestError("no route")
    with pytest.raises(Unreachable):
        await held.get_token(SCOPE)
    issuing.failure = None
    assert "token 2" == (await held.get_token(SCOPE)).token


async def test_closing_closes_the_credential(held: HeldTokens, issuing: Issuing) -> None:
    """Also at the end of a context."""
    async with held as entered:
        assert held is entered
    assert issuing.closed


class Answer:
    """As much of an answer of the managed identity endpoint as an error holds."""

    def __init__(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.status_code = status
        self.reason = "reason"
        self.headers = headers or {}
        self.content_type = "application/json"

    def text(self, encoding: str | None = None) -> str:  # noqa: ARG002 - the shape of azure-core's own
        """The body."""
        return "{}"


def answered(status: int, kind: Callable[..., HttpResponseError] = HttpResponseError) -> HttpResponseError:
    """An error with an answer behind it."""
    return kind(message="no", response=Answer(status, {"retry-after": "9"}))


def unavailable_because_of(cause: BaseException | None) -> CredentialUnavailableError:
    """As azure-identity wraps what went wrong at the endpoint."""
    wrapped = CredentialUnavailableError(message="no identity")
    wrapped.__cause__ = cause
    return wrapped


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ServiceRequestError("no route"), Unreachable),
        (ServiceResponseError("silence"), Unreachable),
        (unavailable_because_of(ServiceRequestError("no route")), Unreachable),
        (unavailable_because_of(ServiceResponseError("silence")), Unreachable),
        (unavailable_because_of(answered(400)), Misconfigured),
        (unavailable_because_of(None), Misconfigured),
        (answered(400, ClientAuthenticationError), Misconfigured),
        (answered(403, ClientAuthenticationError), Misconfigured),
        (answered(404), Unavailable),
        (answered(410), Unavailable),
        (answered(429), Throttled),
        (answered(500, ClientAuthenticationError), Unavailable),
        (answered(503), Unavailable),
    ],
)
def test_each_failure_has_a_meaning(error: HttpResponseError, expected: type[LeaseholdError]) -> None:
    """Silence is unreachable, a busy endpoint is unavailable, an identity that is not there is the operator's to mend."""
    assert expected is type(token_failure(error))


def test_throttling_says_how_long() -> None:
    """From the endpoint's own header."""
    failure = token_failure(answered(429))
    assert isinstance(failure, Throttled)
    assert 9.0 == failure.retry_after


class Unanswering(AsyncHttpTransport[Any, Any]):
    """Connections to an endpoint that never answers."""

    def __init__(self) -> None:
        self.asked = 0

    async def send(self, *_: Any, **__: Any) -> Any:
        """Fails."""
        self.asked += 1
        raise ServiceRequestError("no route")

    async def sleep(self, duration: float) -> None:
        """At once."""

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def __aexit__(self, *_: object) -> None:
        """Nothing to close."""


def be(monkeypatch: pytest.MonkeyPatch, identity: dict[str, Any]) -> None:
    """Has the process run as that managed identity."""
    monkeypatch.setenv("IDENTITY_ENDPOINT", identity["identity_endpoint"])
    monkeypatch.setenv("IDENTITY_HEADER", identity["identity_header"])


async def test_the_managed_identity_gets_a_token(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, clock: FakeClock) -> None:
    """By its client id, from the App Service endpoint; many callers, one request."""
    identity = cloud.identity("leasehold")
    be(monkeypatch, identity)
    cloud.control("DELETE", "calls")
    transport = azure_transport()
    credential = broker_credential(identity["client_id"], transport=transport, clock=clock)
    tokens = await asyncio.gather(*(credential.get_token("https://graph.microsoft.com/.default") for _ in range(100)))
    await transport.close()
    assert 1 == len({each.token for each in tokens})
    assert 1 == len(cloud.control("GET", "calls"))


async def test_a_token_that_was_replaced_already_is_answered_with_the_one_held(held: HeldTokens, issuing: Issuing) -> None:
    """Whoever else was refused with the former one has asked."""
    await held.get_token(SCOPE)
    assert "token 1" == await held.replace("token 0", SCOPE)
    assert 1 == len(issuing.asked)


async def test_an_identity_that_is_not_assigned_is_the_operators_to_mend(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, clock: FakeClock
) -> None:
    """The client id in the settings is another's."""
    be(monkeypatch, cloud.identity("leasehold"))
    transport = azure_transport()
    credential = broker_credential(CLIENT, transport=transport, clock=clock)
    with pytest.raises(Misconfigured):
        await credential.get_token("https://graph.microsoft.com/.default")
    await transport.close()


async def test_the_endpoint_on_the_machine_is_asked_three_times(monkeypatch: pytest.MonkeyPatch, clock: FakeClock) -> None:
    """It is allowed a hiccup; the rest of the patience is the broker's own."""
    be(monkeypatch, {"identity_endpoint": "http://127.0.0.1:9/msi/token", "identity_header": "header"})
    endpoint = Unanswering()
    with pytest.raises(Unreachable):
        await broker_credential(CLIENT, transport=endpoint, clock=clock).get_token(SCOPE)
    assert 3 == endpoint.asked

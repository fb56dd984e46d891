"""A token that Azure no longer takes: dropped, asked for once anew, the call repeated once; at every service alike."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

import httpx
import pytest
from azure.core.exceptions import ServiceRequestError
from azure.core.pipeline.transport import AsyncHttpResponse, AsyncHttpTransport
from azure.core.rest import HttpRequest

from shared.cloud.arm.authorization import Arm
from shared.cloud.entra.identity import HeldTokens
from shared.cloud.graph.calls import GraphCalls
from shared.cloud.graph.directory import Graph
from shared.cloud.limits import RateLimiters
from shared.cloud.repeating import Repeating, Told
from shared.cloud.storage import queues, tables
from shared.cloud.storage.table_operations import create
from shared.cloud.upstream import Refusal
from shared.core.errors import IdentityRefused, Unreachable
from shared.core.message import Batch
from shared.core.names import LeaseId, ObjectId, Scope
from shared.resilience.priority import in_background
from tests.cloud.test_identity import HOUR, Issuing
from tests.fakes.clock import FakeClock, FixedIds

SCOPE = "https://graph.example/.default"
APPLICATION = ObjectId("bbbbbbbb-0000-4000-8000-000000000001")


class Answer(AsyncHttpResponse):
    """An answer of a service, as Azure's clients want it."""

    def __init__(self, request: Any, status: int, content: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(request, None)
        self.status_code, self.reason, self.content = status, "because", content
        media = "application/xml" if content.startswith(b"<") else "application/json"
        self.headers = {"content-type": media, **(headers or {})}
        self.content_type = self.headers["content-type"]

    def body(self) -> bytes:
        """All of it."""
        return self.content

    async def load_body(self) -> None:
        """It is there."""


@dataclass
class Service(AsyncHttpTransport[Any, Any]):
    """A service that takes the tokens that it knows, and answers these with ``success``."""

    good: set[str]
    success: tuple[int, bytes]
    seen: list[str] = field(default_factory=list)

    async def send(self, request: Any, **_: Any) -> Any:
        """One answer."""
        token = request.headers["Authorization"].removeprefix("Bearer ")
        self.seen.append(token)
        await asyncio.sleep(0)
        if token in self.good:
            return Answer(request, *self.success, {"ETag": "v"})
        body = b'{"error": {"code": "InvalidAuthenticationToken", "message": "no"}}'
        challenge = "Bearer authorization_uri=https://login.example/t/oauth2/authorize resource_id=https://storage.azure.com"
        return Answer(request, 401, body, {"www-authenticate": challenge, "x-ms-error-code": "InvalidAuthenticationInfo"})

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def sleep(self, duration: float) -> None:
        """At once."""

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def answer(self, request: httpx.Request) -> httpx.Response:
        """The same for httpx, as Graph answers; a batch item by item."""
        token = request.headers["authorization"].removeprefix("Bearer ")
        self.seen.append(token)
        status = self.success[0] if token in self.good else 401
        if not request.url.path.endswith("/$batch"):
            return httpx.Response(status, json={"error": {"code": "InvalidAuthenticationToken"}} if status == 401 else {})
        count = request.content.count(b'"DELETE"')
        listed = [{"id": str(number), "status": status, "body": {"error": {"code": "x"}}} for number in range(count)]
        return httpx.Response(200, json={"responses": listed})


type ServiceCall = Callable[[HeldTokens, Service], Awaitable[object]]


async def _graph(held: HeldTokens, service: Service) -> None:
    async with httpx.AsyncClient(transport=httpx.MockTransport(service.answer)) as client:
        calls = GraphCalls("https://graph.example", held, client, FixedIds(), RateLimiters(FakeClock()))
        await Graph(calls).delete_application(APPLICATION)


async def _batch(held: HeldTokens, service: Service) -> None:
    async with httpx.AsyncClient(transport=httpx.MockTransport(service.answer)) as client:
        graph = Graph(GraphCalls("https://graph.example", held, client, FixedIds(), RateLimiters(FakeClock())))
        with in_background():
            done = await asyncio.gather(*(graph.delete_application(APPLICATION) for _ in range(3)), return_exceptions=True)
    for each in done:
        if isinstance(each, BaseException):
            raise each


async def _arm(held: HeldTokens, service: Service) -> None:
    arm = Arm("https://arm.example", held, service, RateLimiters(FakeClock()))
    await arm.definitions_named("Reader", Scope.parse("/subscriptions/11111111-1111-4111-8111-111111111111"))


async def _table(held: HeldTokens, service: Service) -> None:
    client = tables.connect(endpoint="https://account.table.example", credential=held, transport=service)
    await tables.Table(client, "leases").read("a", "b")


async def _table_write(held: HeldTokens, service: Service) -> None:
    client = tables.connect(endpoint="https://account.table.example", credential=held, transport=service)
    await tables.Table(client, "leases").write([create({"PartitionKey": "a", "RowKey": "b"})])


async def _queue(held: HeldTokens, service: Service) -> None:
    client = queues.connect(endpoint="https://account.queue.example", credential=held, transport=service)
    await queues.StorageRevocations(client).send(Batch("b", (LeaseId.parse("web.01kjwr4b80zzzzzzzzzzzzzzzz"),)))


_THEN = "Mon, 02 Mar 2026 09:00:00 GMT"
MESSAGE = f"""<QueueMessagesList><QueueMessage><MessageId>m</MessageId><InsertionTime>{_THEN}</InsertionTime>
<ExpirationTime>{_THEN}</ExpirationTime><PopReceipt>p</PopReceipt><TimeNextVisible>{_THEN}</TimeNextVisible>
</QueueMessage></QueueMessagesList>""".encode()
SERVICES: dict[str, tuple[ServiceCall, tuple[int, bytes]]] = {
    "graph": (_graph, (204, b"")),
    "items of a batch": (_batch, (204, b"")),
    "resource manager": (_arm, (200, b'{"value": []}')),
    "tables, reading": (_table, (200, b'{"PartitionKey": "a", "RowKey": "b"}')),
    "tables, writing": (_table_write, (204, b"")),
    "queues": (_queue, (201, MESSAGE)),
}
EACH = pytest.mark.parametrize(("call", "success"), SERVICES.values(), ids=SERVICES)


@pytest.fixture
def issuing(clock: FakeClock) -> Issuing:
    """Where tokens come from."""
    return Issuing(clock)


@pytest.fixture
def held(issuing: Issuing, clock: FakeClock) -> HeldTokens:
    """The broker's own."""
    return HeldTokens(issuing, clock)


@EACH
async def test_a_withdrawn_token_costs_one_repeat(held: HeldTokens, call: ServiceCall, success: tuple[int, bytes]) -> None:
    """Not the half of its life, in which nothing would work; and what comes after goes with the new one at once."""
    service = Service({"token 1"}, success)
    await call(held, service)
    service.good = {"token 2"}
    service.seen.clear()
    await call(held, service)
    await call(held, service)
    assert service.seen == ["token 1", "token 2", "token 2"]
    assert held.refused == {}


@EACH
async def test_an_identity_that_is_refused_is_told_so(held: HeldTokens, call: ServiceCall, success: tuple[int, bytes]) -> None:
    """After one repeat, and noted for the status until a token is taken."""
    service = Service(set(), success)
    with pytest.raises(IdentityRefused) as result:
        await call(held, service)
    assert result.value.status == 401
    assert service.seen == ["token 1", "token 2"]
    assert list(held.refused.values()) == [datetime(2026, 3, 2, 9, tzinfo=UTC)]


@EACH
async def test_azure_is_not_asked_for_ever_more_tokens(
    held: HeldTokens, issuing: Issuing, clock: FakeClock, call: ServiceCall, success: tuple[int, bytes]
) -> None:
    """Once in half a minute, as long as what it gives is refused; then things go on by themselves."""
    service = Service(set(), success)
    for _ in range(5):
        with pytest.raises(IdentityRefused):
            await call(held, service)
    assert len(issuing.asked) == 2
    clock.jump(30)
    service.good = {"token 3"}
    await call(held, service)
    assert held.refused == {}
    assert len(issuing.asked) == 3


async def test_a_session_of_azures_client_keeps_no_former_token(held: HeldTokens) -> None:
    """The SDK has a token in memory of its own, and would send it with every call."""
    service = Service({"token 1"}, (200, b'{"PartitionKey": "a", "RowKey": "b"}'))
    table = tables.Table(tables.connect(endpoint="https://a.table.example", credential=held, transport=service), "t")
    await table.read("a", "b")
    for number in (2, 3):
        service.good = {f"token {number}"}
        await table.read("a", "b")
        await table.read("a", "b")
    assert service.seen == [f"token {number}" for number in (1, 1, 2, 2, 2, 3, 3)]


async def test_twenty_calls_that_meet_a_withdrawn_token_ask_once(held: HeldTokens, issuing: Issuing) -> None:
    """Each of them is repeated."""
    service = Service({"token 1"}, (200, b'{"PartitionKey": "a", "RowKey": "b"}'))
    client = tables.connect(endpoint="https://a.table.example", credential=held, transport=service)
    await tables.Table(client, "t").read("a", "b")
    service.good = {"token 2"}
    await asyncio.gather(*(tables.Table(client, "t").read("a", "b") for _ in range(20)))
    assert len(issuing.asked) == 2
    assert sorted(service.seen[1:]) == ["token 1"] * 20 + ["token 2"] * 20


async def test_a_token_can_be_withdrawn_twice_in_a_row(held: HeldTokens) -> None:
    """When the one that replaced it had been taken meanwhile."""
    for number in range(1, 4):
        token = (await held.get_token(SCOPE)).token
        assert token == f"token {number}"
        held.was_taken(token, SCOPE)
        assert await held.replace(token, SCOPE) == f"token {number + 1}"


async def test_a_late_success_with_a_former_token_says_nothing_of_the_one_held(held: HeldTokens, issuing: Issuing) -> None:
    """Azure would be asked for ever more tokens, as long as such answers come in."""
    await held.get_token(SCOPE)
    await held.replace("token 1", SCOPE)
    held.was_taken("token 1", SCOPE)
    assert await held.replace("token 2", SCOPE) is None
    assert len(issuing.asked) == 2
    assert set(held.refused) == {SCOPE}


async def test_another_token_is_asked_for_past_every_cache(held: HeldTokens, issuing: Issuing) -> None:
    """azure-identity looks into its own, unless claims are wanted."""
    await held.get_token(SCOPE)
    await held.replace("token 1", SCOPE)
    assert [options for _, options in issuing.asked] == [{}, {"claims": "{}"}]


async def test_a_renewal_under_way_does_not_bring_a_withdrawn_token_back(issuing: Issuing, clock: FakeClock) -> None:
    """It began before the token was refused, and ends with the same."""
    same = Keeping(issuing)
    held = HeldTokens(same, clock)
    await held.get_token(SCOPE)
    clock.jump(HOUR / 2)
    await held.get_token(SCOPE)
    await asyncio.sleep(0)
    assert await held.replace("token 1", SCOPE) == "token 2"


async def test_an_endpoint_that_knows_no_other_token_is_no_help(clock: FakeClock) -> None:
    """The identity is refused then, without a second try."""

    class Stubborn(Issuing):
        async def get_token(self, *scopes: str, **options: Any) -> Any:
            return (await super().get_token(*scopes, **options))._replace(token="token 1")

    held = HeldTokens(Stubborn(clock), clock)
    service = Service(set(), (204, b""))
    with pytest.raises(IdentityRefused):
        await _graph(held, service)
    assert service.seen == ["token 1"]
    assert set(held.refused) == {SCOPE}


async def test_a_token_that_cannot_be_had_is_told_as_such(held: HeldTokens, issuing: Issuing) -> None:
    """The endpoint on the machine is silent: that is another failure."""
    await held.get_token(SCOPE)
    issuing.failure = ServiceRequestError("no route")
    with pytest.raises(Unreachable):
        await _graph(held, Service(set(), (204, b"")))


class Keeping(Issuing):
    """Gives the same token again, unless claims are wanted: as azure-identity does from its cache."""

    def __init__(self, other: Issuing) -> None:
        super().__init__(other.clock)
        self.kept: Any = None

    async def get_token(self, *scopes: str, **options: Any) -> Any:
        """The one that is kept, or the next."""
        await asyncio.sleep(0)
        if self.kept is None or options.get("claims"):
            self.kept = await super().get_token(*scopes, **options)
        return self.kept


@dataclass
class Noting(AsyncHttpTransport[Any, Any]):
    """Notes what is done with it."""

    seen: list[object] = field(default_factory=list)

    async def send(self, request: Any, **options: Any) -> Any:
        """As if answered."""
        self.seen.append((request.headers, options))
        return Answer(request, 200)

    async def open(self) -> None:
        """Noted."""
        self.seen.append("open")

    async def close(self) -> None:
        """Noted."""
        self.seen.append("close")

    async def sleep(self, duration: float) -> None:
        """Noted."""
        self.seen.append(duration)

    async def __aenter__(self) -> Self:
        self.seen.append("enter")
        return self

    async def __aexit__(self, *_: object) -> None:
        self.seen.append("leave")


async def test_a_transport_is_entered_as_itself_and_does_all_else_with_the_other(held: HeldTokens) -> None:
    """As Azure's own clients do with the one that they are given."""
    other = Noting()
    transport = Repeating(held, SCOPE).over(other)
    async with transport as entered:
        assert transport is entered
    await transport.open()
    await transport.sleep(0.25)
    await transport.close()
    assert ["enter", "leave", "open", 0.25, "close"] == other.seen


@pytest.mark.parametrize("headers", [{}, {"Authorization": "SharedKey a:b"}])
async def test_what_signs_in_without_a_token_is_sent_as_it_is(
    held: HeldTokens, issuing: Issuing, headers: dict[str, str]
) -> None:
    """No token is asked for it."""
    other = Noting()
    await Repeating(held, SCOPE).over(other).send(HttpRequest("GET", "https://a.example", headers=headers), read_timeout=7)
    assert [(headers, {"read_timeout": 7})] == other.seen
    assert [] == issuing.asked


@pytest.mark.parametrize(
    ("status", "taken"), [(200, True), (403, True), (404, True), (499, True), (429, False), (500, False), (503, False)]
)
async def test_who_is_busy_or_in_trouble_has_not_taken_the_token(held: HeldTokens, status: int, *, taken: bool) -> None:
    """The identity counts as refused until a service has looked at it."""
    repeating = Repeating(held, SCOPE)
    service = Service(set(), (204, b""))
    with pytest.raises(IdentityRefused):
        await _graph(held, service)
    token = (await held.get_token(SCOPE)).token
    assert held.refused
    assert not await repeating.is_to_be_repeated(Told(Refusal(status), token))
    assert taken == (not held.refused)
    assert not await repeating.is_to_be_repeated(Told(Refusal(200), token, proves=False))
    assert taken == (not held.refused)


class AcceptingOthers(Service):
    """Refuses these calls, and has accepted another call with each of their tokens: so there would be a third token."""

    def __init__(self, held: HeldTokens, scope: str) -> None:
        super().__init__(set(), (204, b""))
        self._held, self._scope = held, scope

    async def send(self, request: Any, **options: Any) -> Any:
        """As ``Service``."""
        self._held.was_taken(request.headers["Authorization"].removeprefix("Bearer "), self._scope)
        return await super().send(request, **options)

    def answer(self, request: httpx.Request) -> httpx.Response:
        """As ``Service``."""
        self._held.was_taken(request.headers["authorization"].removeprefix("Bearer "), self._scope)
        return super().answer(request)


@pytest.mark.parametrize(("call", "scope"), [(_graph, SCOPE), (_arm, "https://arm.example/.default")])
async def test_a_call_that_was_refused_twice_is_not_made_a_third_time(held: HeldTokens, call: ServiceCall, scope: str) -> None:
    """Though somebody else's call has been taken meanwhile, so that there would be a third token."""
    service = AcceptingOthers(held, scope)
    with pytest.raises(IdentityRefused):
        await call(held, service)
    assert ["token 1", "token 2"] == service.seen

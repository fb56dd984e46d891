"""Looking whether a fresh credential works where its role says, with scripted answers."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from shared.cloud.access_probe import AccessProbe
from shared.cloud.entra.lease_sign_in import AssertionSignIn
from shared.cloud.entra.sign_in import TokenEndpoint
from shared.cloud.limits import ARM_READS, RateLimiters
from shared.core.definition import Permission
from shared.core.names import ObjectId, Scope
from shared.core.readiness.errors import NeverReady
from shared.core.readiness.observability import Look, PermissionsLook, ProbeLook
from shared.core.secret import Secret
from tests.cloud.test_lease_sign_in import Identity
from tests.fakes.clock import FakeClock
from tests.fakes.world import guid

TENANT, CLIENT, SECRET = guid(1), ObjectId(guid(2)), Secret("s3cret~text")
ARM = "https://management.azure.com"
SCOPE = Scope.parse(f"/subscriptions/{guid(3)}/resourceGroups/rg")
READER, WRITER = Permission(("*/read",)), Permission(("*/write",), data_actions=("x/read",))
PERMISSIONS = PermissionsLook(SCOPE, frozenset({READER.digest}))
BLOB = ProbeLook("https://acct.blob.core.windows.net/c?restype=container&comp=list", "https://storage.azure.com")
VAULT = ProbeLook("https://vault1.vault.azure.net/secrets?maxresults=1", "https://vault.azure.net", (200, 204))
GROUPS = ProbeLook("https://management.azure.com/subscriptions/x/resourcegroups?api-version=1", "https://management.azure.com")
TABLE = ProbeLook("https://acct.table.core.windows.net/Tables", "https://storage.azure.com")


@dataclass
class Cloud:
    """Entra ID, which gives a new token at each sign-in, and whatever else, which answers as told, and then with yes."""

    answers: list[httpx.Response | Exception] = field(default_factory=list)
    sign_ins: list[httpx.Request] = field(default_factory=list)
    reads: list[httpx.Request] = field(default_factory=list)
    refusals: list[int] = field(default_factory=list)
    """Codes of the sign-ins to come."""
    yes: httpx.Response = field(default_factory=lambda: shown(READER))

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """As the network would."""
        if request.url.host == "login.example":
            self.sign_ins.append(request)
            if self.refusals:
                return httpx.Response(400, json={"error_codes": [self.refusals.pop(0)]})
            return httpx.Response(200, json={"access_token": f"t0ken-{len(self.sign_ins)}"})
        self.reads.append(request)
        answer = self.answers.pop(0) if self.answers else self.yes
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, content=answer.content, headers=answer.headers)


def shown(*entries: Permission, following: str | None = None) -> httpx.Response:
    """The list of permissions."""
    value = [
        {"actions": [*it.actions], "notActions": [*it.not_actions], "dataActions": [*it.data_actions], "notDataActions": []}
        for it in entries
    ]
    return httpx.Response(200, json={"value": value} | ({"nextLink": following} if following else {}))


def refused(status: int, code: str, inner: str = "", **headers: str) -> httpx.Response:
    """An error of Resource Manager's or of Key Vault's."""
    error: dict[str, Any] = {"code": code} | ({"innererror": {"code": inner}} if inner else {})
    return httpx.Response(status, json={"error": error}, headers=headers)


def of_storage(status: int, code: str) -> httpx.Response:
    """An error of Azure Storage's: XML, and the code in a header."""
    return httpx.Response(status, content=f"<Error><Code>{code}</Code></Error>".encode(), headers={"x-ms-error-code": code})


@pytest.fixture
def cloud() -> Cloud:
    """Says yes to everything."""
    return Cloud()


@pytest.fixture
def probe(cloud: Cloud, clock: FakeClock) -> AccessProbe:
    """What is tested."""
    client = httpx.AsyncClient(transport=httpx.MockTransport(cloud))
    entra = TokenEndpoint(client, "https://login.example", TENANT)
    own = AssertionSignIn(entra, Identity(), clock, "api://AzureADTokenExchange", f"{ARM}/.default")
    return AccessProbe(client, own, clock, RateLimiters(clock), ARM)


async def sees(probe: AccessProbe, look: Look, seconds: float = 60, **more: Any) -> bool:
    """Before so many seconds have passed."""
    return await probe.sees(CLIENT, SECRET, look, deadline=probe.clock.monotonic() + seconds, **more)


async def test_two_rounds_of_ten_reads_each_with_a_fresh_token(probe: AccessProbe, cloud: Cloud, clock: FakeClock) -> None:
    """Azure keeps what it has answered to an old one."""
    began = clock.monotonic()
    assert await sees(probe, PERMISSIONS)
    assert [20, 2.0] == [len(cloud.reads), clock.monotonic() - began]
    assert [f"Bearer t0ken-{number}" for number in range(1, 21)] == [each.headers["authorization"] for each in cloud.reads]
    assert {"close"} == {each.headers["connection"] for each in (*cloud.reads, *cloud.sign_ins)}


async def test_asks_resource_manager_what_the_principal_may_do(probe: AccessProbe, cloud: Cloud) -> None:
    """At the scope, with a token for Resource Manager."""
    look = replace(PERMISSIONS, scope=Scope.parse(f"/subscriptions/{guid(3)}/resourceGroups/gr\u00fcn"))
    assert await sees(probe, look)
    expected = f"{ARM}/subscriptions/{guid(3)}/resourceGroups/gr%C3%BCn/providers/Microsoft.Authorization/permissions"
    assert {f"{expected}?api-version=2022-04-01"} == {str(each.url) for each in cloud.reads}
    form = parse_qs(cloud.sign_ins[0].content.decode())
    assert ([f"{ARM}/.default"], ["s3cret~text"]) == (form["scope"], form["client_secret"])


@pytest.mark.parametrize(
    ("look", "version"), [(BLOB, "2023-11-03"), (VAULT, None), (GROUPS, None)], ids=lambda it: getattr(it, "name", it)
)
async def test_a_probe_is_read_where_it_is(probe: AccessProbe, cloud: Cloud, look: ProbeLook, version: str | None) -> None:
    """With a token for its own service. Azure Storage takes tokens with a version only."""
    assert await sees(probe, look)
    (call, *_) = cloud.reads
    assert ("GET", look.url, version) == (call.method, str(call.url), call.headers.get("x-ms-version"))
    assert [f"{look.resource}/.default"] == parse_qs(cloud.sign_ins[0].content.decode())["scope"]


async def test_a_probe_of_a_table_asks_for_json(probe: AccessProbe, cloud: Cloud) -> None:
    """Asked for anything, tables answer 415 ``AtomFormatNotSupported``, whoever asks."""
    assert await sees(probe, TABLE)
    assert {"application/json"} == {each.headers["Accept"] for each in cloud.reads}


@pytest.mark.parametrize(
    ("look", "answer"),
    [
        (PERMISSIONS, refused(403, "AuthorizationFailed")),
        (PERMISSIONS, shown(WRITER)),
        (PERMISSIONS, shown()),
        (PERMISSIONS, refused(404, "SubscriptionNotFound")),
        (PERMISSIONS, httpx.Response(401)),
        (BLOB, of_storage(403, "AuthorizationPermissionMismatch")),
        (BLOB, httpx.Response(302, headers={"location": "https://evil.example/"})),
        (VAULT, refused(403, "Forbidden", "ForbiddenByRbac")),
    ],
)
async def test_a_no_begins_the_first_round_again(
    probe: AccessProbe, cloud: Cloud, clock: FakeClock, look: Look, answer: httpx.Response
) -> None:
    """After two seconds; and nothing is read anywhere else."""
    began = clock.monotonic()
    cloud.answers += [*[cloud.yes] * 3, answer, answer]
    assert await sees(probe, look)
    assert [25, 6.0] == [len(cloud.reads), clock.monotonic() - began]
    assert 1 == len({each.url.host for each in cloud.reads})


@pytest.mark.parametrize(
    ("look", "answer", "code"),
    [
        (PERMISSIONS, refused(404, "ResourceGroupNotFound"), "ResourceGroupNotFound"),
        (PERMISSIONS, refused(404, "ResourceNotFound"), "ResourceNotFound"),
        (GROUPS, refused(404, "ResourceGroupNotFound"), "ResourceGroupNotFound"),
        (BLOB, of_storage(404, "ContainerNotFound"), "ContainerNotFound"),
        (BLOB, of_storage(403, "AuthorizationFailure"), "AuthorizationFailure"),
        (VAULT, refused(403, "Forbidden", "ForbiddenByFirewall"), "ForbiddenByFirewall"),
        (VAULT, refused(404, "SecretNotFound"), "SecretNotFound"),
    ],
)
async def test_what_stays_is_told_at_once(
    probe: AccessProbe, cloud: Cloud, caplog: pytest.LogCaptureFixture, look: Look, answer: httpx.Response, code: str
) -> None:
    """With the service's own code, which goes to the log and the audit trail."""
    cloud.answers += [answer]
    with caplog.at_level(logging.WARNING), pytest.raises(NeverReady) as raised:
        await sees(probe, look)
    assert 1 == len(cloud.reads)
    assert code == raised.value.azure_code
    assert code in raised.value.audit_reason
    assert look.name in caplog.text


@pytest.mark.parametrize("look", [PERMISSIONS, BLOB], ids=lambda it: it.name)
@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(429),
        httpx.Response(500),
        httpx.Response(503, text="<html>"),
        httpx.ReadTimeout("late"),
        httpx.ConnectError("no route"),
    ],
)
async def test_trouble_is_no_verdict(probe: AccessProbe, cloud: Cloud, look: Look, answer: httpx.Response | Exception) -> None:
    """That read is made again: a round is ended by a no alone."""
    cloud.answers += [*[cloud.yes] * 9, answer]
    assert await sees(probe, look)
    assert 21 == len(cloud.reads)


@pytest.mark.parametrize("body", ["<html>a proxy's page", "[]", "null"])
async def test_a_page_in_resource_managers_place_says_nothing(probe: AccessProbe, cloud: Cloud, body: str) -> None:
    """Neither yes nor no."""
    cloud.answers += [httpx.Response(200, text=body)]
    assert await sees(probe, PERMISSIONS)
    assert 21 == len(cloud.reads)


@pytest.mark.parametrize("value", [None, "x", ["x"], [{"actions": "*/read"}], [{"actions": [1]}]])
async def test_an_entry_in_another_shape_is_none(probe: AccessProbe, cloud: Cloud, value: Any) -> None:
    """It shows nothing."""
    cloud.answers += [httpx.Response(200, json={"value": value})]
    assert await sees(probe, PERMISSIONS)
    assert 21 == len(cloud.reads)


async def test_waits_as_long_as_it_is_told_to(probe: AccessProbe, cloud: Cloud, clock: FakeClock) -> None:
    """``Retry-After`` is obeyed, and not if it is later than the deadline."""
    began = clock.monotonic()
    cloud.answers += [refused(429, "TooManyRequests", **{"retry-after": "20"})]
    assert await sees(probe, PERMISSIONS)
    assert 22.0 == clock.monotonic() - began
    cloud.answers += [refused(429, "TooManyRequests", **{"retry-after": "20"})]
    assert not await sees(probe, PERMISSIONS, seconds=10)


async def test_gives_up_in_time(probe: AccessProbe, cloud: Cloud, clock: FakeClock) -> None:
    """No read begins after the deadline."""
    began, cloud.yes = clock.monotonic(), refused(403, "AuthorizationFailed")
    assert not await sees(probe, PERMISSIONS, seconds=10)
    assert [8.0, 5] == [clock.monotonic() - began, len(cloud.reads)]


async def test_further_pages_are_resource_managers_own(probe: AccessProbe, cloud: Cloud) -> None:
    """The token goes nowhere else. A page that shows all is the last one."""
    following = f"{ARM}/following?page=2"
    cloud.answers += [shown(WRITER, following=following), shown(READER, following=following)]
    assert await sees(probe, PERMISSIONS)
    assert [following, 21] == [str(cloud.reads[1].url), len(cloud.reads)]
    cloud.reads.clear()
    cloud.answers += [shown(WRITER, following="https://management.azure.com.evil.example/2")]
    assert await sees(probe, PERMISSIONS)
    assert {"management.azure.com"} == {each.url.host for each in cloud.reads}


async def test_a_list_without_end_is_not_followed_for_ever(probe: AccessProbe, cloud: Cloud) -> None:
    """Ten pages are more than any list has."""
    cloud.yes = shown(WRITER, following=f"{ARM}/again")
    assert not await sees(probe, PERMISSIONS, seconds=1)
    assert 10 == len(cloud.reads)


async def test_no_token_goes_to_a_host_that_the_settings_do_not_name(probe: AccessProbe, cloud: Cloud) -> None:
    """They may be others than when the role was written."""
    elsewhere = replace(BLOB, url="https://acct.blob.core.usgovcloudapi.net/c")
    with pytest.raises(NeverReady) as raised:
        await sees(probe, elsewhere)
    assert ([], [], "host_not_allowed") == (cloud.reads, cloud.sign_ins, raised.value.azure_code)


async def test_a_sign_in_may_be_refused_after_it_was_accepted(probe: AccessProbe, cloud: Cloud) -> None:
    """By another replica. That is a no, and a code that stays ends it."""
    cloud.refusals += [700016]
    assert await sees(probe, PERMISSIONS)
    assert [21, 20] == [len(cloud.sign_ins), len(cloud.reads)]
    cloud.refusals += [7000112]
    with pytest.raises(NeverReady):
        await sees(probe, PERMISSIONS)


async def test_while_nobody_can_sign_in_no_read_is_taken_from_others(probe: AccessProbe, cloud: Cloud) -> None:
    """A look goes on beside the sign-ins. It asks Resource Manager's budget for a read only once it has a token."""
    await probe.limiters.of_arm("GET", SCOPE).acquire(int(ARM_READS.size))
    cloud.refusals += [7000215]
    assert not await sees(probe, PERMISSIONS, seconds=0.01)
    assert (1, []) == (len(cloud.sign_ins), cloud.reads)


async def test_an_application_that_is_gone_after_ten_minutes_is_gone(
    probe: AccessProbe, cloud: Cloud, clock: FakeClock
) -> None:
    """As at a sign-in."""
    cloud.refusals += [700016]
    with pytest.raises(NeverReady):
        await sees(probe, PERMISSIONS, since=clock.now() - timedelta(minutes=11))


@pytest.mark.parametrize(("look", "host"), [(BLOB, "acct.blob.core.windows.net"), (GROUPS, "management.azure.com")])
async def test_a_gateway_stands_for_the_hosts_of_data(probe: AccessProbe, cloud: Cloud, look: ProbeLook, host: str) -> None:
    """Under their own names: in ``Host`` and in TLS."""
    local = replace(probe, gateway="https://127.0.0.1:8443")
    assert await sees(local, look)
    (call, *_) = cloud.reads
    assert f"https://127.0.0.1:8443{look.url.removeprefix(f'https://{host}')}" == str(call.url)
    assert (host, host) == (call.headers["host"], call.extensions["sni_hostname"])
    cloud.reads.clear()
    assert await sees(local, PERMISSIONS)
    assert {"management.azure.com"} == {each.url.host for each in cloud.reads}


async def test_a_body_of_any_size_is_not_read(probe: AccessProbe, cloud: Cloud) -> None:
    """A probe may name a blob. Its status is enough."""
    parts = 0

    async def endless() -> Any:
        nonlocal parts
        while True:
            parts += 1
            yield b"x" * 65536

    class Endless(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.host == "login.example":
                return cloud(request)
            return httpx.Response(403 if parts == 0 else 200, content=endless())

    client = httpx.AsyncClient(transport=Endless())
    own = replace(probe.own, entra=replace(probe.own.entra, client=client))
    reading = replace(probe, client=client, own=own)
    assert await sees(reading, BLOB)
    # Of the refusal, at most a MiB was read in search of a code.
    assert 17 == parts


async def test_what_callers_wait_for_goes_first(probe: AccessProbe, cloud: Cloud, clock: FakeClock) -> None:
    """In the budget of reads from Resource Manager. Storage has none."""
    limiter = probe.limiters.of_arm("GET", SCOPE)
    await limiter.acquire(int(ARM_READS.size))
    assert not await sees(probe, PERMISSIONS, seconds=0.5)
    assert [] == cloud.reads
    assert await sees(probe, BLOB)
    looking = asyncio.ensure_future(sees(probe, PERMISSIONS))
    await asyncio.sleep(0)
    began = clock.monotonic()
    await limiter.acquire()
    assert clock.monotonic() - began < 1
    assert await looking


async def test_neither_secret_nor_token_reaches_the_log(
    probe: AccessProbe, cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    """At any level."""
    cloud.answers += [of_storage(403, "AuthorizationPermissionMismatch"), httpx.ReadTimeout("late")]
    with caplog.at_level(logging.DEBUG):
        assert await sees(probe, BLOB)
    assert "s3cret" not in caplog.text
    assert "t0ken" not in caplog.text

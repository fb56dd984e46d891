"""User delegation keys: what is sent to Azure Storage, and what each answer means."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from shared.cloud.delegation_keys import StorageDelegationKeys
from shared.cloud.entra.lease_sign_in import AssertionSignIn
from shared.cloud.entra.sign_in import TokenEndpoint
from shared.core.errors import Absent, NotReplicated, Refused, Throttled, Unavailable, Unreachable, Upstream
from shared.core.readiness.probes import DataHosts
from shared.kinds.delegation import DelegationKey
from tests.cloud.test_access_probe import CLIENT, TENANT, Cloud, of_storage
from tests.cloud.test_lease_sign_in import Identity
from tests.fakes.clock import FakeClock

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
END = START + timedelta(days=7)
VALUE = "a2V5IG9mIG5vYm9keSthbmQvb3I="
ANSWER = (
    '\ufeff<?xml version="1.0" encoding="utf-8"?><UserDelegationKey><SignedOid>11111111-2222-3333-4444-555555555555</SignedOid>'
    "<SignedTid>66666666-7777-8888-9999-000000000000</SignedTid><SignedStart>2026-03-02T09:00:00Z</SignedStart>"
    "<SignedExpiry>2026-03-09T09:00:00Z</SignedExpiry><SignedService>b</SignedService><SignedVersion>2023-11-03</SignedVersion>"
    f"<Value>{VALUE}</Value></UserDelegationKey>"
)
NOT_YET = of_storage(403, "AuthorizationPermissionMismatch")


@pytest.fixture
def cloud() -> Cloud:
    """Entra ID, which gives a new token at each sign-in; and storage, which answers as told, and then with a key."""
    return Cloud(yes=httpx.Response(200, content=ANSWER.encode()))


def keys_of(cloud: Cloud, clock: FakeClock, **more: Any) -> StorageDelegationKeys:
    """What is tested."""
    client = httpx.AsyncClient(transport=httpx.MockTransport(cloud))
    entra = TokenEndpoint(client, "https://login.example", TENANT)
    own = AssertionSignIn(entra, Identity(), clock, "api://AzureADTokenExchange", "https://graph.example/.default")
    return StorageDelegationKeys(client, own, clock, **more)


@pytest.fixture
def keys(cloud: Cloud, clock: FakeClock) -> StorageDelegationKeys:
    """At the public cloud's hosts."""
    return keys_of(cloud, clock)


async def asked(keys: StorageDelegationKeys, seconds: float = 60) -> DelegationKey:
    """A key of the account ``Acme``."""
    return await keys.key(CLIENT, "Acme", START, END, deadline=keys.clock.monotonic() + seconds)


async def test_asks_the_account_as_the_application(keys: StorageDelegationKeys, cloud: Cloud) -> None:
    """With a token for storage, for just that time, on a connection of its own."""
    await asked(keys)
    (sign_in,), (call,) = cloud.sign_ins, cloud.reads
    assert f"client_id={CLIENT}" in sign_in.content.decode()
    assert "scope=https%3A%2F%2Fstorage.azure.com%2F.default" in sign_in.content.decode()
    url = "https://acme.blob.core.windows.net/?restype=service&comp=userdelegationkey"
    assert ("POST", url) == (call.method, str(call.url))
    expected = {"authorization": "Bearer t0ken-1", "x-ms-version": "2023-11-03", "connection": "close"}
    assert expected == {name: call.headers[name] for name in expected}
    body = "<KeyInfo><Start>2026-03-02T09:00:00Z</Start><Expiry>2026-03-09T09:00:00Z</Expiry></KeyInfo>"
    assert body == call.content.decode()


async def test_returns_the_key_to_the_letter(keys: StorageDelegationKeys) -> None:
    """What is signed with it repeats its words. The key itself is not shown."""
    found = await asked(keys)
    assert ("2026-03-02T09:00:00Z", "2026-03-09T09:00:00Z", END) == (found.start, found.expiry, found.end)
    ids = ("11111111-2222-3333-4444-555555555555", "66666666-7777-8888-9999-000000000000")
    assert (*ids, "b", "2023-11-03") == (found.object_id, found.tenant_id, found.service, found.version)
    assert (VALUE, "***") == (found.value.reveal(), str(found.value))


async def test_asks_again_until_storage_knows_the_assignment(
    keys: StorageDelegationKeys, cloud: Cloud, clock: FakeClock
) -> None:
    """Each time with a fresh token: storage keeps what it has answered to an old one."""
    began = clock.monotonic()
    cloud.answers += [NOT_YET, httpx.ReadError("away"), of_storage(500, "InternalError"), of_storage(503, "ServerBusy")]
    await asked(keys)
    assert [f"Bearer t0ken-{number}" for number in range(1, 6)] == [each.headers["authorization"] for each in cloud.reads]
    assert 4.0 <= clock.monotonic() - began


async def test_waits_as_long_as_storage_asks(keys: StorageDelegationKeys, cloud: Cloud, clock: FakeClock) -> None:
    """And does not begin what would come too late."""
    cloud.answers.append(httpx.Response(503, headers={"retry-after": "20"}))
    began = clock.monotonic()
    await asked(keys)
    assert 20.0 <= clock.monotonic() - began
    cloud.answers.append(httpx.Response(429, headers={"retry-after": "90"}))
    with pytest.raises(Throttled) as caught:
        await asked(keys)
    assert 90.0 == caught.value.retry_after


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (NOT_YET, NotReplicated),
        (of_storage(403, "AuthenticationFailed"), NotReplicated),
        (of_storage(500, "InternalError"), Unavailable),
        (httpx.ConnectError("no such host"), Unreachable),
        (httpx.Response(200, content=b"<html>a proxy</html>"), Unavailable),
        (httpx.Response(200, content=ANSWER.replace("2026-03-09T09:00:00Z", "soon").encode()), Unavailable),
        (httpx.Response(200, content=ANSWER.replace(f"<Value>{VALUE}</Value>", "").encode()), Unavailable),
    ],
)
async def test_what_may_pass_is_told_when_the_time_is_over(
    keys: StorageDelegationKeys, cloud: Cloud, answer: httpx.Response | Exception, error: type[Upstream]
) -> None:
    """As what the last answer came to."""
    cloud.answers += [answer] * 99
    with pytest.raises(error):
        await asked(keys, seconds=10)
    assert len(cloud.reads) > 1


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (403, "AuthorizationFailure", Refused),
        (404, "ResourceNotFound", Absent),
        (400, "InvalidXmlNodeValue", Refused),
        (401, "InvalidAuthenticationInfo", Refused),
        (409, "PublicAccessNotPermitted", Refused),
    ],
)
async def test_what_stays_is_told_at_once(
    keys: StorageDelegationKeys, cloud: Cloud, status: int, code: str, error: type[Refused]
) -> None:
    """With the code of storage's own: a firewall lets nobody in, however long one waits."""
    cloud.answers.append(of_storage(status, code))
    with pytest.raises(Refused) as caught:
        await asked(keys)
    assert (error, status, code, 1) == (type(caught.value), caught.value.status, caught.value.azure_code, len(cloud.reads))


async def test_without_a_sign_in_nothing_is_asked(keys: StorageDelegationKeys, cloud: Cloud) -> None:
    """The application is disabled."""
    cloud.refusals.append(7000112)
    with pytest.raises(Refused):
        await asked(keys)
    assert [] == cloud.reads


async def test_goes_to_the_clouds_own_host(cloud: Cloud, clock: FakeClock) -> None:
    """Of another cloud; or on this machine to the one port that stands for all of them, under the same name."""
    china = keys_of(cloud, clock, hosts=DataHosts(storage_suffix="core.chinacloudapi.cn"))
    await asked(china)
    assert "https://acme.blob.core.chinacloudapi.cn" == china.address("acme") == f"https://{cloud.reads[-1].url.host}"
    await asked(keys_of(cloud, clock, gateway="https://127.0.0.1:8443"))
    call = cloud.reads[-1]
    name = "acme.blob.core.windows.net"
    assert ("127.0.0.1", 8443, name) == (call.url.host, call.url.port, call.headers["host"])
    assert name == call.extensions["sni_hostname"]


async def test_neither_token_nor_key_is_logged(
    keys: StorageDelegationKeys, cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    """At any level."""
    caplog.set_level(logging.DEBUG)
    cloud.answers.append(NOT_YET)
    await asked(keys)
    assert not [line for line in caplog.messages if "t0ken" in line or VALUE in line]

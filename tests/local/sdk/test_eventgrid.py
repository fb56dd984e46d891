"""azure-eventgrid, unmodified, publishes to a topic under Azure's own name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.core.messaging import CloudEvent
from azure.eventgrid import EventGridEvent
from azure.eventgrid.aio import EventGridPublisherClient
from azure.identity.aio import ClientSecretCredential

from tests.local.conftest import Cloud
from tests.local.sdk.tunnel import tunnel

EVENT = CloudEvent(source="/leasehold/local", type="leasehold.lease.ended", data={"lease": "a"}, subject="roles/a")


@pytest.fixture
async def named(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cloud]:
    """What a line in the hosts file makes of a machine.

    aiohttp reads which authorities it trusts when it is imported: here that was before there was this one.
    """
    with tunnel(int(cloud.endpoints["all_tls"].rpartition(":")[2])) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        yield cloud


def _topic(cloud: Cloud, name: str = "shop", **options: Any) -> str:
    """Makes a topic to which ``maker``, an application, may publish; its endpoint."""
    topic = cloud.control("POST", "topics", {"name": name, "kind": "custom", **options})
    cloud.control("POST", "role-assignments", {"identity": "maker", "role": "EventGrid Data Sender", "scope": topic["id"]})
    return str(topic["endpoint"])


@pytest.fixture
async def credential(named: Cloud) -> AsyncIterator[ClientSecretCredential]:
    """That of ``maker``."""
    named.control("POST", "identities", {"name": "maker", "kind": "application"})
    made = named.control("POST", "secrets", {"identity": "maker"})
    tenant, client = named.document["tenant_id"], named.identity("maker")["client_id"]
    async with ClientSecretCredential(tenant, client, made["secret"], connection_verify=named.ca_bundle) as opened:
        yield opened


async def _send(cloud: Cloud, endpoint: str, credential: ClientSecretCredential, events: Any) -> None:
    async with EventGridPublisherClient(endpoint, credential, retry_total=0, connection_verify=cloud.ca_bundle) as client:
        await client.send(events)


async def test_publishes_cloud_events(named: Cloud, credential: ClientSecretCredential) -> None:
    """One, and several."""
    endpoint = _topic(named)
    await _send(named, endpoint, credential, EVENT)
    await _send(named, endpoint, credential, [EVENT, EVENT])
    found = [each["event"] for each in named.control("GET", "topics/shop/events")]
    assert [(EVENT.id, EVENT.type, {"lease": "a"}, "roles/a")] * 3 == [
        (each["id"], each["type"], each["data"], each["subject"]) for each in found
    ]


async def test_publishes_events_of_event_grids_own_schema(named: Cloud, credential: ClientSecretCredential) -> None:
    """To a topic that takes them."""
    endpoint = _topic(named, schema="EventGridSchema")
    await _send(named, endpoint, credential, EventGridEvent("apples", "shop.sold", {"kilos": 2}, "1.0"))
    ((event,),) = ([each["event"] for each in named.control("GET", "topics/shop/events")],)
    assert ("apples", "shop.sold", {"kilos": 2}, "1.0") == tuple(
        event[name] for name in ("subject", "eventType", "data", "dataVersion")
    )


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")  # the client sends all of it at once
async def test_raises_what_the_topic_answers(named: Cloud, credential: ClientSecretCredential) -> None:
    """By status and code."""
    endpoint = _topic(named)
    closed = named.control("POST", "topics", {"name": "closed", "kind": "custom"})["endpoint"]
    with pytest.raises(ClientAuthenticationError, match="does not have permission to send data"):
        await _send(named, closed, credential, EVENT)
    with pytest.raises(ResourceNotFoundError):
        await _send(named, endpoint.replace("shop", "none"), credential, EVENT)
    with pytest.raises(HttpResponseError) as refused:
        await _send(named, endpoint, credential, EventGridEvent("apples", "shop.sold", {"kilos": 2}, "1.0"))
    large = CloudEvent(source="/", type="t", data="x" * 1024 * 1024)
    with pytest.raises(HttpResponseError) as too_large:
        await _send(named, endpoint, credential, large)
    assert [(400, "BadRequest"), (413, "RequestEntityTooLarge")] == [
        (each.value.status_code, each.value.error.code if each.value.error else None) for each in (refused, too_large)
    ]

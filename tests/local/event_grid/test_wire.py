"""Event Grid over the wire: its port, its names, a queue in Azurite, a webhook at loopback, and what a reset ends."""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest
from azure.storage.queue import QueueClient

from local.cloud.local_cloud import LocalCloud, running
from tests.local.conftest import Cloud
from tests.local.event_grid.calls import BATCH, CLOUD, DOMAIN

ARM = "https://management.azure.com"
WITHIN = 20.0


@pytest.fixture(scope="module")
def _running() -> Iterator[LocalCloud]:
    with running() as cloud:
        yield cloud


@pytest.fixture
def stack(_running: LocalCloud, storage_connection: str) -> Iterator[Cloud]:
    """A local cloud with a storage account."""
    _running.world.storage = storage_connection
    bundle = str(_running.ca_bundle)
    with httpx.Client(verify=ssl.create_default_context(cafile=bundle), trust_env=False) as http:
        found = Cloud(_running.control_url, bundle, http)
        found.control("POST", "reset")
        found.control("DELETE", "calls")
        found.control("DELETE", "faults")
        yield found


@pytest.fixture
def queue(storage_connection: str) -> Iterator[QueueClient]:
    """The queue ``events``."""
    with QueueClient.from_connection_string(storage_connection, "events") as client:
        client.create_queue()
        yield client


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A webhook that consents."""
    with Hook() as server:
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        yield server
        server.shutdown()
        serving.join()


class Hook(HTTPServer):
    """A webhook, with what it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[str | None] = []
        self.sent: list[Any] = []
        self.tokens: list[str] = []

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_address[1]}/hook"


class _Handler(BaseHTTPRequestHandler):
    server: Hook

    def do_OPTIONS(self) -> None:
        """Consents."""
        self.server.asked.append(self.headers.get("WebHook-Request-Origin"))
        self.send_response(200)
        self.send_header("WebHook-Allowed-Origin", "eventgrid.azure.net")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        """Takes events."""
        self.server.tokens.append(self.headers.get("Authorization", ""))
        self.server.sent.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the server's word
        """Says nothing."""


def _until[T](look: Callable[[], T]) -> T:
    """What this gives once it gives something."""
    end = time.monotonic() + WITHIN
    while not (found := look()):
        assert time.monotonic() < end
        time.sleep(0.01)
    return found


def _message(queue: QueueClient) -> Any:
    (message,) = _until(lambda: list(queue.receive_messages(max_messages=10)))
    return json.loads(base64.b64decode(message.content))


def _publish(stack: Cloud, *events: dict[str, Any]) -> httpx.Response:
    """Under the topic's own name, at the port that has them all."""
    host = f"shop.{DOMAIN}"
    headers = {
        "host": host,
        "authorization": f"Bearer {stack.token('admin', 'https://eventgrid.azure.net')}",
        "content-type": BATCH,
    }
    request = stack.http.build_request(
        "POST", f"{stack.endpoints['all_tls']}/api/events?api-version=2018-01-01", headers=headers, json=list(events)
    )
    request.extensions["sni_hostname"] = host
    return stack.http.send(request)


@pytest.fixture
def shop(stack: Cloud) -> Cloud:
    """The topic ``shop``, to which ``admin`` may publish."""
    topic = stack.control("POST", "topics", {"name": "shop", "kind": "custom"})
    stack.control("POST", "role-assignments", {"identity": "admin", "role": "EventGrid Data Sender", "scope": topic["id"]})
    return stack


def test_a_change_in_azure_arrives_in_the_queue(stack: Cloud, queue: QueueClient) -> None:
    """Written at Azure Resource Manager, told by a system topic, in base64."""
    scope = f"/subscriptions/{stack.document['subscription_id']}/resourceGroups/app"
    stack.control("POST", "role-assignments", {"identity": "admin", "role": "Contributor", "scope": scope})
    stack.control("POST", "topics", {"name": "audit", "kind": "system", "source": scope})
    asked = {"name": "sub", "topic": "audit", "schema": "EventGridSchema", "destination": {"queue": "events"}}
    stack.control("POST", "subscriptions", asked)
    site = f"{scope}/providers/Microsoft.Web/sites/web"
    body = {"location": "westeurope", "identity": {"type": "SystemAssigned"}}
    headers = {"authorization": f"Bearer {stack.token('admin', ARM)}"}
    made = stack.http.put(f"{stack.endpoints['arm']}{site}?api-version=2022-03-01", json=body, headers=headers)
    event = _message(queue)
    assert (201, "Microsoft.Resources.ResourceWriteSuccess", site, scope) == (
        made.status_code,
        event["eventType"],
        event["subject"],
        event["topic"],
    )
    assert made.json()["identity"]["principalId"] == stack.identity("web")["object_id"]


def test_what_is_published_arrives_in_the_queue(shop: Cloud, queue: QueueClient) -> None:
    """The ledger tells the name that was called."""
    asked = {"name": "sub", "topic": "shop", "schema": "CloudEventSchemaV1_0", "destination": {"queue": "events"}}
    shop.control("POST", "subscriptions", asked)
    assert 200 == _publish(shop, CLOUD).status_code
    assert "1" == _message(queue)["id"]
    calls = [call for call in shop.control("GET", "calls") if call["service"] == "event_grid"]
    assert [(f"shop.{DOMAIN}", "/api/events", 200, shop.identity("admin")["object_id"])] == [
        (call["host"], call["path"], call["status"], call["principal"]) for call in calls
    ]


def test_a_queue_that_is_not_there_gets_it_when_it_is(shop: Cloud, storage_connection: str) -> None:
    """404 is tried again after five minutes of the local cloud's clock."""
    asked = {"name": "sub", "topic": "shop", "schema": "CloudEventSchemaV1_0", "destination": {"queue": "later"}}
    shop.control("POST", "subscriptions", asked)
    _publish(shop, CLOUD)

    def outcome() -> Any:
        return shop.control("GET", "topics/shop/events")[0]["deliveries"][0]["outcome"]

    assert "NotFound" == _until(outcome)
    with QueueClient.from_connection_string(storage_connection, "later") as later:
        later.create_queue()
        shop.control("POST", "clock", {"advance_seconds": 301})
        assert "1" == _message(later)["id"]


def test_a_webhook_is_asked_and_then_called(shop: Cloud, hook: Hook) -> None:
    """With a token for the broker, if the subscription names it."""
    destination = {"webhook": hook.url, "audience": shop.document["audience"]}
    asked = {"name": "sub", "topic": "shop", "schema": "CloudEventSchemaV1_0", "destination": destination}
    assert "Creating" == shop.control("POST", "subscriptions", asked)["state"]
    _until(lambda: shop.control("GET", "subscriptions/sub")["state"] == "Succeeded")
    _publish(shop, CLOUD, {**CLOUD, "id": "2"})
    _until(lambda: shop.control("GET", "subscriptions/sub")["delivered"] == 2)
    assert (["eventgrid.azure.net"], ["1", "2"]) == (hook.asked, [each["id"] for each in hook.sent])
    assert all(token.startswith("Bearer ey") for token in hook.tokens)


def test_a_webhook_that_is_not_there_has_not_consented(shop: Cloud, hook: Hook) -> None:
    """The connection is refused."""
    hook.server_close()
    asked = {"name": "sub", "topic": "shop", "schema": "CloudEventSchemaV1_0", "destination": {"webhook": hook.url}}
    shop.control("POST", "subscriptions", asked)
    assert _until(lambda: shop.control("GET", "subscriptions/sub")["state"] == "Failed")


@pytest.mark.parametrize(
    ("effect", "status"), [({"status": 429, "code": "TooManyRequests", "retry_after": 3}, 429), ({"status": 503}, 503)]
)
def test_publishing_meets_faults(shop: Cloud, effect: dict[str, Any], status: int) -> None:
    """In Event Grid's shape, before anything is taken."""
    shop.control("PUT", "faults", [{"service": "event_grid", "effect": effect}])
    refused, taken = _publish(shop, CLOUD), _publish(shop, CLOUD)
    assert (status, {"code", "message", "details"}, 200) == (
        refused.status_code,
        refused.json()["error"].keys(),
        taken.status_code,
    )
    assert effect.get("retry_after") == (int(refused.headers["retry-after"]) if "retry-after" in refused.headers else None)
    assert 1 == len(shop.control("GET", "topics/shop/events"))


def test_an_answer_may_get_lost(shop: Cloud) -> None:
    """The events are taken."""
    shop.control("PUT", "faults", [{"service": "event_grid", "effect": "drop_after_effect"}])
    with pytest.raises(httpx.RemoteProtocolError):
        _publish(shop, CLOUD)
    assert 1 == len(shop.control("GET", "topics/shop/events"))


def test_a_reset_ends_everything(shop: Cloud, queue: QueueClient, storage_connection: str) -> None:
    """What is on its way as well; the next topic of that name is another, and is served."""
    asked = {"name": "sub", "topic": "shop", "schema": "CloudEventSchemaV1_0", "destination": {"queue": "none"}}
    shop.control("POST", "subscriptions", asked)
    _publish(shop, CLOUD)
    _until(lambda: shop.control("GET", "topics/shop/events")[0]["deliveries"][0]["attempts"])
    shop.control("POST", "reset")
    state = shop.control("GET", "state")
    left = [each["name"] for each in state["event_topics"]]
    assert (["leasehold"], [], 404) == (left, state["event_subscriptions"], _publish(shop, CLOUD).status_code)
    topic = shop.control("POST", "topics", {"name": "shop", "kind": "custom"})
    shop.control("POST", "role-assignments", {"identity": "admin", "role": "EventGrid Data Sender", "scope": topic["id"]})
    shop.control("POST", "subscriptions", {**asked, "destination": {"queue": "events"}})
    with QueueClient.from_connection_string(storage_connection, "none") as former:
        former.create_queue()
        shop.control("POST", "clock", {"advance_seconds": 301})
        for number in range(10):
            _publish(shop, {**CLOUD, "id": str(number)})
        _until(lambda: shop.control("GET", "subscriptions/sub")["delivered"] == 10)
        assert (10, []) == (len(queue.peek_messages(max_messages=32)), former.peek_messages())


def test_the_document_tells_of_the_storage_account(stack: Cloud, storage_connection: str) -> None:
    """Without its key."""
    storage = stack.document["storage"]
    assert {"queue", "table", "account"} == storage.keys()
    assert all(part in storage_connection for part in storage.values())


def test_bad_input_is_answered_in_a_sentence(stack: Cloud) -> None:
    """Like everywhere at the control API."""
    reply = stack.http.post(f"{stack.control_url}/topics", json={"name": "shop", "kind": "other"})
    assert (400, {"error": "kind must be one of custom, system"}) == (reply.status_code, reply.json())

"""``$batch`` in the local Microsoft Graph."""

from __future__ import annotations

from typing import Any

import pytest

from tests.local.graph.calls import ABSENT, Client, Tenant, error

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def tenant() -> Tenant:
    """A fresh tenant."""
    return Tenant()


@pytest.fixture
def client(tenant: Tenant) -> Client:
    """An application that may manage what it owns."""
    return tenant.client("Application.ReadWrite.OwnedBy")


def _get(number: str, url: str = "/applications", **more: Any) -> dict[str, Any]:
    return {"id": number, "method": "GET", "url": url, **more}


def _statuses(client: Client, *requests: dict[str, Any]) -> dict[str, int]:
    reply = client.post("/$batch", {"requests": list(requests)})
    assert 200 == reply.status
    return {item["id"]: item["status"] for item in reply.body["responses"]}


def test_every_request_is_answered_for_itself(tenant: Tenant, client: Client) -> None:
    """With the caller's permissions, in the order of the batch."""
    other = tenant.application().id
    create = {"id": "new", "method": "POST", "url": "/applications", "headers": JSON, "body": {"displayName": "one"}}
    delete = {"id": "other", "method": "DELETE", "url": f"applications/{other}"}
    assert {"new": 201, "other": 403, "gone": 404} == _statuses(client, create, delete, _get("gone", f"/applications/{ABSENT}"))


def test_reply_carries_its_body_and_headers(client: Client) -> None:
    """As a reply of its own would."""
    (item,) = client.post("/$batch", {"requests": [_get("1", "/applications?$filter=appId eq 'x'")]}).body["responses"]
    assert ([], "2") == (item["body"]["value"], item["headers"]["x-ms-resource-unit"])


def test_twenty_requests_are_the_most(client: Client) -> None:
    """The 21st spoils the batch."""
    requests = [_get(str(number)) for number in range(21)]
    assert 20 == len(_statuses(client, *requests[:20]))
    assert (400, "BadRequest") == error(client.post("/$batch", {"requests": requests}))


@pytest.mark.parametrize(
    "requests",
    [
        [_get("a"), _get("A")],
        [_get("")],
        [{"id": "1", "method": "FETCH", "url": "/applications"}],
        [{"id": "1", "method": "POST", "url": "/applications", "body": {}}],
        ["one"],
        None,
    ],
)
def test_malformed_batch_is_refused_as_a_whole(client: Client, requests: Any) -> None:
    """Ids are unique without case, and a body has a type."""
    assert (400, "BadRequest") == error(client.post("/$batch", {"requests": requests}))


def test_failure_stops_what_depends_on_it(client: Client) -> None:
    """424 along the chain; what stands beside it goes on."""
    requests = (
        _get("1", f"/applications/{ABSENT}"),
        _get("2", dependsOn=["1"]),
        _get("3", dependsOn=["2"]),
        _get("4"),
        _get("5", dependsOn=["4"]),
    )
    assert {"1": 404, "2": 424, "3": 424, "4": 200, "5": 200} == _statuses(client, *requests)


def test_faults_strike_single_requests(tenant: Tenant, client: Client) -> None:
    """Each request of a batch meets the faults that it would meet alone."""
    effect = {"status": 429, "code": "TooManyRequests", "retry_after": 7}
    tenant.world.faults.replace([{"service": "graph", "path": "/applications$", "times": 1, "effect": effect}])
    first, second = client.post("/$batch", {"requests": [_get("1"), _get("2")]}).body["responses"]
    assert (429, "7", 200) == (first["status"], first["headers"]["Retry-After"], second["status"])


def test_lost_answer_has_had_its_effect(tenant: Tenant, client: Client) -> None:
    """504 within the batch, and the application is there."""
    tenant.world.faults.replace([{"method": "POST", "path": "/applications$", "effect": "drop_after_effect"}])
    create = {"id": "1", "method": "POST", "url": "/applications", "headers": JSON, "body": {"displayName": "one"}}
    assert {"1": 504} == _statuses(client, create)
    assert 1 == len(client.get("/applications?$filter=displayName eq 'one'").body["value"])


def test_ledger_has_every_request(tenant: Tenant, client: Client) -> None:
    """By its own route."""
    _statuses(client, _get("1"), _get("2", f"/applications/{ABSENT}"))
    assert [("/v1.0/applications", 200), ("/v1.0/applications/{id}", 404)] == [
        (entry.template, entry.status) for entry in tenant.world.ledger
    ]


def test_stranger_is_refused_as_a_whole(tenant: Tenant) -> None:
    """401 for the batch itself."""
    reply = Client(tenant.world, tenant.graph, None, "").post("/$batch", {"requests": []})
    assert (401, "InvalidAuthenticationToken") == error(reply)

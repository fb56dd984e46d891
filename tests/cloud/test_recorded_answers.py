"""Recorded answers of Azure's own, read by the adapters."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from types import SimpleNamespace

import httpx
import pytest
from azure.core.exceptions import HttpResponseError

from shared.cloud.arm.authorization import _failure
from shared.cloud.graph.calls import GraphCalls
from shared.cloud.graph.directory import Graph
from shared.cloud.limits import RateLimiters
from shared.core.directory import NewApplication
from shared.core.errors import Absent, AlreadyExists, NotReplicated, Refused, Upstream
from shared.core.names import ObjectId
from tests.cloud.scripted import Bearer, Scripted
from tests.fakes.clock import FakeClock, FixedIds
from tests.local.parity.records import Record, load

ANY = ObjectId("eeeeeeee-0000-4000-8000-000000000001")
NEW = NewApplication("name", "name", "AzureADMyOrg", (), "")


def graph_answering(record: Record) -> Graph:
    """Graph, with nothing to say but this."""
    service = Scripted().will(httpx.Response(record.status, headers=relevant(record), json=record.response_body))
    return Graph(GraphCalls("https://graph.microsoft.com", Bearer(), service.client(), FixedIds(), RateLimiters(FakeClock())))


def relevant(record: Record) -> dict[str, str]:
    """Its headers, but for those that describe octets which are not here."""
    octets = {"content-length", "content-encoding", "transfer-encoding"}
    return {name: value for name, value in record.response_headers.items() if name.lower() not in octets}


def recorded(topic: str, method: str, ending: str, status: int) -> list[Record]:
    """Exchanges of one kind; at least one, else the test would prove nothing."""
    found = [each for each in load(topic) if (each.method, each.status) == (method, status) and each.path.endswith(ending)]
    assert found
    return found


async def test_reads_new_applications() -> None:
    """Both their ids."""
    for record in recorded("graph_applications", "POST", "/applications", 201):
        ids = await graph_answering(record).upsert_application(NEW)
        assert (record.response_body["id"], record.response_body["appId"]) == (ids.object_id, ids.app_id)


async def test_reads_new_service_principals() -> None:
    """Their object ids."""
    for record in recorded("graph_service_principals", "POST", "/servicePrincipals", 201):
        assert record.response_body["id"] == await graph_answering(record).create_principal(ANY)


async def test_reads_new_secrets() -> None:
    """Key id and text."""
    for record in recorded("graph_passwords", "POST", "/addPassword", 200):
        secret = await graph_answering(record).add_secret(ANY, "name", datetime(2026, 3, 2, tzinfo=UTC))
        assert (record.response_body["keyId"], record.response_body["secretText"]) == (
            secret.key_id,
            secret.secret.reveal(),
        )


@pytest.mark.parametrize(
    ("topic", "look"),
    [
        ("graph_applications", lambda graph: graph.find_application("name")),
        ("graph_service_principals", lambda graph: graph.find_principal(ANY)),
    ],
)
async def test_reads_that_something_does_not_exist(topic: str, look: Callable[[Graph], Awaitable[object]]) -> None:
    """As Graph says it."""
    for record in recorded(topic, "GET", "", 404):
        with pytest.raises(Absent) as absent:
            await look(graph_answering(record))
        assert "Request_ResourceNotFound" == absent.value.azure_code


MEANT: dict[str, type[Upstream]] = {
    "PrincipalNotFound": NotReplicated,
    "RoleAssignmentExists": AlreadyExists,
    "ResourceNotFound": Absent,
    "RoleAssignmentNotFound": Absent,
    "InvalidPrincipalId": Refused,
    "AuthorizationFailed": Refused,
}


def test_reads_every_refusal_of_resource_manager() -> None:
    """Each code has the meaning that the issuers rely on."""
    refusals = [each for each in load("arm_role_assignments") if each.status >= 400]
    result = {each.response_body["error"]["code"]: type(_failure(sdk_error(each))) for each in refusals}
    assert {code: kind for code, kind in MEANT.items() if code in result} == {
        code: kind for code, kind in result.items() if code in MEANT
    }
    assert {"PrincipalNotFound", "RoleAssignmentExists", "AuthorizationFailed"} <= result.keys()


def sdk_error(record: Record) -> HttpResponseError:
    """What Azure's SDK raises for this answer."""
    text = httpx.Response(record.status, json=record.response_body).text
    answer = SimpleNamespace(
        status_code=record.status, reason="", headers=record.response_headers, content_type="", text=lambda _=None: text
    )
    return HttpResponseError(response=answer)

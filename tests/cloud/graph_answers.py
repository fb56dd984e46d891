"""Graph over a scripted service, the ids that its tests use, and its ordinary answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx

from shared.cloud.graph.calls import GraphCalls
from shared.cloud.graph.directory import Graph
from shared.cloud.limits import RateLimiters
from shared.core.directory import ApplicationIds, NewApplication
from shared.core.names import ObjectId
from tests.cloud.scripted import Bearer, Scripted
from tests.fakes.clock import FakeClock, FixedIds

APPLICATION = ObjectId("aaaaaaaa-0000-4000-8000-000000000001")
CLIENT = ObjectId("aaaaaaaa-0000-4000-8000-000000000002")
PRINCIPAL = ObjectId("aaaaaaaa-0000-4000-8000-000000000003")
GROUP = ObjectId("aaaaaaaa-0000-4000-8000-000000000004")
KEY = ObjectId("aaaaaaaa-0000-4000-8000-000000000005")
IDS = ApplicationIds(APPLICATION, CLIENT)
NAME = "leasehold-reader.01jnaaaaaaaaaaaaaaaaaaaaaa"
NEW = NewApplication(NAME, NAME, "AzureADMyOrg", ("leasehold", "team:web"), "made for a test")
END = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
ENDPOINT = "https://graph.example"


def graph_at(endpoint: str, service: Scripted, bearer: Bearer) -> Graph:
    """Graph of another cloud."""
    return Graph(GraphCalls(endpoint, bearer, service.client(), FixedIds(), RateLimiters(FakeClock())))


def made(**fields: Any) -> httpx.Response:
    """A creation's answer."""
    return httpx.Response(201, json=fields)


def found(**fields: Any) -> httpx.Response:
    """A reading's answer."""
    return httpx.Response(200, json=fields)


def done() -> httpx.Response:
    """An answer without a body."""
    return httpx.Response(204)

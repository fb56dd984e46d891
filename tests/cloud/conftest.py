"""The local cloud, and the product's adapters pointed at it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from shared.cloud.entra.verifier import EntraVerifier
from shared.cloud.graph.directory import Graph
from tests.cloud.adapters import Adapters, connected
from tests.cloud.graph_answers import ENDPOINT, graph_at
from tests.cloud.key_server import KeyServer
from tests.cloud.scripted import Bearer, Scripted
from tests.cloud.verifying import verifier_of
from tests.fakes.clock import FakeClock
from tests.local.conftest import Cloud, _running, cloud, groups

__all__ = ["_running", "cloud", "groups"]


@pytest.fixture
async def adapters(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Adapters]:
    """As the broker's managed identity."""
    identity = cloud.identity("leasehold")
    monkeypatch.setenv("IDENTITY_ENDPOINT", identity["identity_endpoint"])
    monkeypatch.setenv("IDENTITY_HEADER", identity["identity_header"])
    async with connected(cloud) as opened:
        yield opened


@pytest.fixture
def clock() -> FakeClock:
    """Time."""
    return FakeClock()


@pytest.fixture
def server() -> KeyServer:
    """Entra ID, as a verifier sees it."""
    return KeyServer()


@pytest.fixture
def verifier(server: KeyServer, clock: FakeClock) -> EntraVerifier:
    """A verifier over it."""
    return verifier_of(server, clock)


@pytest.fixture
def service() -> Scripted:
    """A service that answers as told."""
    return Scripted()


@pytest.fixture
def bearer() -> Bearer:
    """The broker's identity."""
    return Bearer()


@pytest.fixture
def graph(service: Scripted, bearer: Bearer) -> Graph:
    """Graph over the service."""
    return graph_at(ENDPOINT, service, bearer)

"""The product's adapters, pointed at a running local cloud as its broker's own identity."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import httpx
from azure.core.pipeline.transport import AioHttpTransport

from shared.cloud.arm.authorization import Arm
from shared.cloud.entra.identity import broker_credential
from shared.cloud.entra.lease_sign_in import AssertionSignIn
from shared.cloud.entra.probe import TokenProbe
from shared.cloud.entra.sign_in import TokenEndpoint
from shared.cloud.entra.verifier import EntraVerifier
from shared.cloud.graph.app_roles import AppRolesInGraph
from shared.cloud.graph.calls import GraphCalls
from shared.cloud.graph.directory import Graph
from shared.cloud.limits import RateLimiters
from shared.cloud.system import SystemClock, SystemIds
from shared.core.names import ObjectId, Scope
from shared.core.ports.system import Clock
from shared.kinds.sign_in import TokenExchange
from shared.resilience.outages import Outages
from tests.fakes.clock import FakeClock
from tests.local.conftest import Cloud


@dataclass(frozen=True)
class Adapters:
    """Everything that talks to Azure, over real connections."""

    cloud: Cloud
    graph: Graph
    app_roles: AppRolesInGraph
    arm: Arm
    verifier: EntraVerifier
    probe: TokenProbe
    lease_sign_in: AssertionSignIn
    exchange: TokenExchange
    scope: Scope
    """A resource group."""
    outages: Outages
    """What the adapters know."""

    def fail(self, service: str, status: int, code: str, retry_after: int | None = None) -> None:
        """The service's next call fails so."""
        effect = {"status": status, "code": code, "retry_after": retry_after}
        self.trouble(service, {name: value for name, value in effect.items() if value is not None})

    def trouble(self, service: str, effect: object, times: int = 1) -> None:
        """The same with any effect that the local cloud knows, for so many calls."""
        self.cloud.control("POST", "faults", [{"service": service, "times": times, "effect": effect}])

    def calls(self, service: str) -> list[str]:
        """Method and status of what the service has received since set-up."""
        calls = self.cloud.control("GET", "calls")
        listed = calls["calls"] if isinstance(calls, dict) else calls
        return [f"{call['method']} {call['status']}" for call in listed if call["service"] == service]


@asynccontextmanager
async def connected(cloud: Cloud, *, read_seconds: float = 30.0) -> AsyncIterator[Adapters]:
    """Opens every connection, and closes it. The environment must name the broker's managed identity endpoint."""
    document, context = cloud.document, ssl.create_default_context(cafile=cloud.ca_bundle)
    ends, clock = document["endpoints"], SystemClock()
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context), auto_decompress=False)
    transport = AioHttpTransport(session=session, session_owner=False, connection_timeout=5, read_timeout=read_seconds)
    async with session, httpx.AsyncClient(verify=context, timeout=read_seconds) as client:
        credential = broker_credential(document["identities"]["leasehold"]["client_id"], transport=transport, clock=clock)
        tenant, limiters = ObjectId(document["tenant_id"]), RateLimiters(clock)
        entra = TokenEndpoint(client, ends["entra"], tenant)
        exchange = TokenExchange(f"https://login.microsoftonline.com/{tenant}/v2.0", "api://AzureADTokenExchange")
        graph_calls = GraphCalls(ends["graph"], credential, client, SystemIds(), limiters)
        yield Adapters(
            cloud,
            Graph(graph_calls),
            AppRolesInGraph(graph_calls),
            Arm(ends["arm"], credential, transport, limiters),
            verifier_of(document, client, clock),
            # In virtual time: the pauses between attempts are not what is looked at here.
            TokenProbe(client, FakeClock(), ends["entra"], tenant, f"{ends['arm']}/.default"),
            AssertionSignIn(entra, credential, FakeClock(), exchange.audience, f"{ends['arm']}/.default"),
            exchange,
            Scope.parse(f"/subscriptions/{document['subscription_id']}/resourceGroups/app"),
            limiters.outages,
        )
    await _goodbyes()


async def _goodbyes() -> None:
    """Until every connection is gone: TLS ends with a farewell, for which aiohttp does not wait."""
    watched = asyncio.get_running_loop()._selector.get_map()  # type: ignore[attr-defined] # nothing public tells
    async with asyncio.timeout(5):
        while len(watched) > 1:  # noqa: ASYNC110 - there is no event; the one left is the loop's own wake-up call
            await asyncio.sleep(0)


def verifier_of(document: dict[str, object], client: httpx.AsyncClient, clock: Clock) -> EntraVerifier:
    """Verifies tokens for the local cloud's broker."""
    ends = document["endpoints"]
    assert isinstance(ends, dict)
    tenant, audience = ObjectId(str(document["tenant_id"])), str(document["audience"])
    audiences = {audience, audience.removeprefix("api://")}
    return EntraVerifier(authority=ends["entra"], tenants=[tenant], audiences=audiences, client=client, clock=clock)

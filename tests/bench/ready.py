"""Ready: how often a secret that was proven is refused after all, how long the proof takes, and what its connections cost.

The waits and refusals are counted in virtual time against the local Entra ID in this process, under profile ``typical``: 0.12 s
a sign-in, no other speed-up. The connections are real ones, to a local Azure in a process of its own.
"""

from __future__ import annotations

import resource
import ssl
import time
from dataclasses import dataclass

import httpx

from local.cloud.control import first_party, provision
from local.cloud.engine.dispatch import handle
from local.cloud.engine.http import HttpRequest
from local.cloud.entra.service import Entra
from local.cloud.local_azure import LocalAzure, new_world
from local.cloud.tenant.directory import Application, Password
from local.stack import Stack
from shared.cloud.entra.probe import TokenProbe
from shared.core.names import ObjectId
from shared.core.secret import Secret
from tests.bench import ready_access
from tests.bench.bench_stack import Scale
from tests.bench.figures import Figure, Target, percentile
from tests.fakes.clock import FakeClock

TITLE = "Ready: two rounds of ten sign-ins (profile typical)"
_SIGN_IN = 0.12
"""Seconds: the profile's median latency of Entra ID."""
_SEED = 5
_MINT = 180.0
_AFTERWARDS = 30
"""Sign-ins with what was said to be ready, a second apart."""
_CONNECTIONS = 45
"""Sign-ins of one proof in the median."""
_ORIGIN = "https://login.microsoftonline.com"


async def measure(scale: Scale) -> list[Figure]:
    """One lease after the other, each with a fresh application, principal and secret."""
    clock, world = FakeClock(), new_world()
    world.clock.source = clock.monotonic
    first_party.settle(world)
    world.consistency.configure("typical", seed=_SEED)
    proofs = [await _proven(world, clock) for _ in range(scale.issues)]
    ready = [proof for proof in proofs if proof.ready]
    waits, tries = [proof.seconds for proof in ready], [float(proof.tries) for proof in ready]
    wrong = sum(proof.refused > 0 for proof in ready)
    return [
        Figure("leases proven", len(ready), "leases"),
        Figure("leases not proven in time", len(proofs) - len(ready), "leases"),
        Figure(f"said to be ready, refused within {_AFTERWARDS} sign-ins", 100 * wrong / len(ready), "%", Target("<=", 0.5)),
        Figure("time to proof, p50", percentile(waits, 0.5), "s"),
        Figure("time to proof, p95", percentile(waits, 0.95), "s"),
        Figure("sign-ins of one proof, p50", percentile(tries, 0.5), "calls"),
        Figure("sign-ins of one proof, p95", percentile(tries, 0.95), "calls"),
        *await ready_access.measure(scale.issues),
        *await _connections(),
    ]


@dataclass(frozen=True, slots=True)
class Proof:
    """What came of one probing, and how many of the sign-ins after it were refused."""

    ready: bool
    seconds: float
    tries: int
    refused: int


async def _proven(world: LocalAzure, clock: FakeClock) -> Proof:
    application, secret = _fresh(world)
    entra = _Entra(world, clock)
    async with httpx.AsyncClient(transport=httpx.MockTransport(entra)) as client:
        probe = TokenProbe(client, clock, _ORIGIN, ObjectId(world.tenant_id), "https://graph.microsoft.com/.default")
        began = clock.monotonic()
        asked = (ObjectId(application.app_id), Secret(secret.secret))
        ready = await probe.signs_in(*asked, deadline=began + _MINT)
        seconds, tries, refused = clock.monotonic() - began, entra.calls, 0
        for _ in range(_AFTERWARDS):
            clock.jump(1.0)
            form = {"grant_type": "client_credentials", "client_id": asked[0], "client_secret": asked[1].reveal()}
            answer = await client.post(
                f"{_ORIGIN}/{world.tenant_id}/oauth2/v2.0/token", data=form | {"scope": "https://graph.microsoft.com/.default"}
            )
            refused += not answer.is_success
    return Proof(ready, seconds, tries, refused)


def _fresh(world: LocalAzure) -> tuple[Application, Password]:
    """What a mint has just made."""
    application, principal = provision.application(world, "lease")
    secret = provision.secret(world, application, "lease")
    for fact in (("application", application.id), ("principal", principal.id), ("secret", secret.key_id)):
        world.consistency.wrote(*fact)
    return application, secret


class _Entra:
    """The token endpoint, each call of which takes virtual time."""

    def __init__(self, world: LocalAzure, clock: FakeClock) -> None:
        self._world, self._clock, self._service = world, clock, Entra()
        self.calls = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.calls += 1
        self._clock.jump(_SIGN_IN)
        headers = {name.lower(): value for name, value in request.headers.items()}
        call = HttpRequest("POST", request.url.path, {}, headers, request.content, _ORIGIN)
        reply = handle(self._world, self._service, call)[1]
        return httpx.Response(reply.status, content=reply.render(), headers=dict(reply.headers))


async def _connections() -> list[Figure]:
    """Real sign-ins, each on a connection of its own, by a client like the worker's; they are refused, which costs as much."""
    async with Stack(hosts_wanted=0) as stack:
        described = stack.described
        url = f"{described['endpoints']['entra']}/{described['tenant_id']}/oauth2/v2.0/token"
        form = {
            "grant_type": "client_credentials",
            "client_id": described["tenant_id"],
            "client_secret": "x",
            "scope": "x/.default",
        }
        # Like the worker's (`shared.cloud.connections`), but for where it finds the authority.
        trusted = ssl.create_default_context(cafile=described["ca_bundle"])
        async with httpx.AsyncClient(verify=trusted, limits=httpx.Limits(max_keepalive_connections=0)) as client:
            await client.post(url, data=form, headers={"Connection": "close"})
            memory, spent, began = _resident(), time.process_time(), time.perf_counter()
            for _ in range(_CONNECTIONS):
                await client.post(url, data=form, headers={"Connection": "close"})
            cpu, taken = time.process_time() - spent, time.perf_counter() - began
    return [
        Figure(f"{_CONNECTIONS} new connections: CPU", 1000 * cpu, "ms"),
        Figure(f"{_CONNECTIONS} new connections: time", 1000 * taken, "ms"),
        Figure(f"{_CONNECTIONS} new connections: memory at most", (_resident() - memory) / 1024, "MB"),
    ]


def _resident() -> int:
    """KB at most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

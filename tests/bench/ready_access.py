"""Ready: how long ``ready: access`` takes, how many reads that are, and how often a replica refuses what was said to be ready.

In virtual time against the local Azure in this process, under profile ``typical``: 0.12 s a call, no other speed-up. The judge
of the local Azure knows what every replica would answer.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import httpx

from local.cloud.arm.service import Arm
from local.cloud.blob.service import Blobs
from local.cloud.control import first_party, provision
from local.cloud.control.judge import judge
from local.cloud.engine.dispatch import handle
from local.cloud.engine.http import HttpRequest
from local.cloud.entra.service import Entra
from local.cloud.local_azure import LocalAzure, new_world
from local.cloud.rbac.builtin_roles import BY_NAME
from shared.cloud.access_probe import AccessProbe
from shared.cloud.entra.lease_sign_in import AssertionSignIn
from shared.cloud.entra.probe import TokenProbe
from shared.cloud.entra.sign_in import TokenEndpoint
from shared.cloud.limits import RateLimiters
from shared.core.azure_role import AzureRole
from shared.core.definition import Definition, Permission
from shared.core.names import ObjectId, Scope
from shared.core.readiness.observability import looks_of
from shared.core.readiness.probes import DataHosts
from shared.core.secret import Secret
from shared.issuers.service_principal.schema import ServicePrincipalTarget
from shared.kinds.proof import Proof, prove_secret
from tests.bench.figures import Figure, Target, percentile
from tests.cloud.scripted import Bearer
from tests.fakes.clock import FakeClock

_CALL = 0.12
"""Seconds: the profile's median latency."""
_SEED = 5
_MINT = 180.0
_FIELDS = ("actions", "notActions", "dataActions", "notDataActions")
ENTRA, ARM = "https://login.microsoftonline.com", "https://management.azure.com"


async def measure(issues: int) -> list[Figure]:
    """One lease after the other, each with a fresh application, principal, secret and assignment."""
    return [
        *_figures("access in Resource Manager", [each async for each in _proofs(issues, "Reader", data=False)], 0.5),
        *_figures("access to blobs", [each async for each in _proofs(issues, "Storage Blob Data Reader", data=True)], 1.5),
    ]


@dataclass(frozen=True, slots=True)
class _Proved:
    """What came of one. ``accepted``: by every replica, at that instant."""

    proof: Proof
    seconds: float
    reads: int
    accepted: bool


def _figures(what: str, found: list[_Proved], most_wrong: float) -> list[Figure]:
    ready = [each for each in found if each.proof.works]
    waits, reads = [each.seconds for each in ready], [float(each.reads) for each in ready]
    wrong = sum(not each.accepted for each in ready)
    return [
        Figure(f"{what}: not proven in time", len(found) - len(ready), "leases"),
        Figure(f"{what}: said to be ready, refused by a replica", 100 * wrong / len(ready), "%", Target("<=", most_wrong)),
        Figure(f"{what}: time to proof, p50", percentile(waits, 0.5), "s"),
        Figure(f"{what}: time to proof, p95", percentile(waits, 0.95), "s"),
        Figure(f"{what}: reads of one proof, p50", percentile(reads, 0.5), "calls"),
        Figure(f"{what}: reads of one proof, p95", percentile(reads, 0.95), "calls"),
    ]


async def _proofs(issues: int, role: str, *, data: bool) -> Any:
    clock, world = FakeClock(), new_world()
    world.clock.source = clock.monotonic
    first_party.settle(world)
    world.consistency.configure("typical", seed=_SEED)
    group = provision.resource_group(world, "app").id
    account = f"{group}/providers/Microsoft.Storage/storageAccounts/lake"
    provision.resource(world, account)
    for _ in range(issues):
        yield await _prove(world, clock, role, Scope(account if data else group))


async def _prove(world: LocalAzure, clock: FakeClock, role: str, scope: Scope) -> _Proved:
    application, principal = provision.application(world, "lease")
    secret = provision.secret(world, application, "lease")
    assignment = provision.role_assignment(world, principal.id, role, scope)
    facts = (("application", application.id), ("principal", principal.id), ("secret", secret.key_id))
    for fact in (*facts, ("assignment", assignment.name)):
        world.consistency.wrote(*fact)
    azure = _Azure(world, clock)
    async with httpx.AsyncClient(transport=httpx.MockTransport(azure)) as client:
        tenant, began = ObjectId(world.tenant_id), clock.monotonic()
        entra = TokenEndpoint(client, ENTRA, tenant)
        own = AssertionSignIn(entra, Bearer(), clock, "api://AzureADTokenExchange", f"{ARM}/.default")
        proof = await prove_secret(
            TokenProbe(client, clock, ENTRA, tenant, "https://graph.microsoft.com/.default"),
            ObjectId(application.app_id),
            Secret(secret.secret),
            deadline=began + _MINT,
            access=AccessProbe(client, own, clock, RateLimiters(clock), ARM),
            looks=looks_of(ServicePrincipalTarget((_assigned(world, role, scope),)), DataHosts()),
        )
    asked = {"client_id": application.app_id, "client_secret": secret.secret, "arm_scope": scope}
    call = HttpRequest("POST", "/_control/judge", body=json.dumps(asked).encode())
    verdicts: Any = judge(world, call, ENTRA).body
    return _Proved(proof, clock.monotonic() - began, azure.reads, bool(verdicts["accepted"]))


def _assigned(world: LocalAzure, role: str, scope: Scope) -> AzureRole:
    """As the broker stores it."""
    known = BY_NAME.values()
    found = next(each for each in known if each.role_name == role)
    entries = tuple(Permission(*(tuple(entry[name]) for name in _FIELDS)) for entry in found.permissions)
    return AzureRole(scope, role, powers=Definition(f"{world.subscription_id}/{found.name}", role, entries).powers)


class _Azure:
    """Entra ID, Resource Manager and blob storage, each call of which takes virtual time."""

    def __init__(self, world: LocalAzure, clock: FakeClock) -> None:
        self._world, self._clock = world, clock
        self._services: dict[str, Any] = {"login.microsoftonline.com": Entra(), "management.azure.com": Arm()}
        self._blobs = Blobs()
        self.reads = 0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)
        self.reads += request.method == "GET"
        self._clock.jump(_CALL)
        service = self._services.get(request.url.host, self._blobs)
        headers = {name.lower(): value for name, value in request.headers.items()}
        origin = f"https://{request.url.host}"
        query = dict(request.url.params.items())
        call = HttpRequest(request.method, request.url.path, query, headers, request.content, origin)
        reply = handle(self._world, service, call)[1]
        return httpx.Response(reply.status, content=reply.render(), headers=dict(reply.headers))

"""Where a soak happens: two function hosts on one store, a timer that sweeps, and an Azure that replicates late."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from local.stack import Stack
from local.visitor import Broker, Visitor
from tests.soak.seen import Seen
from tests.support.certificates import plain
from tests.support.every_kind import ARM, WORKLOAD

SPEED = 20
"""By which every delay of Azure's is divided, so that minutes become seconds."""
HOLD, SETTLE = 3, 9
"""Seconds. ``SETTLE`` is the default divided by ``SPEED``; a hold has to outlast a busy machine, not Azure."""
EVERY_FEW_SECONDS = "*/5 * * * * *"
PRINCIPALS, SECRETS, FLUSHED = "principals", "secrets", "flushed"
"""Roles: of service principals, of secrets on one application, and one that an operator revokes as a whole."""
POOLED, TOKENS, WORKLOADS, CERTIFIED, GRANTS = "pooled", "tokens", "workloads", "certified", "grants"
"""Roles: with a pool of secrets, of tokens, of workloads' own tokens, and of certificates; and one that gives roles alone."""
ASKS: Mapping[str, Mapping[str, Any]] = {
    WORKLOADS: {"federated_identity": WORKLOAD.document()},
    CERTIFIED: {"certificate": plain()},
}
"""What an ask says of the credential, by role."""
_HOLDER = "vm-web"
_CALL_TIMEOUT = 60.0
"""Seconds for which a client waits: less than the platform does, more than an undo within a request may take."""


@dataclass(slots=True)
class Plan:
    """How long, and with how much chance."""

    seconds: float = 600.0
    seed: int = 1
    kill_every: float = 20.0
    clients: int = 8
    ttl: int = 60
    """Of every lease, in seconds: those that nobody gives back expire within the soak."""


@dataclass(slots=True)
class SoakStack:
    """A started stack, and everybody's memory of it."""

    stack: Stack
    visitor: Visitor
    plan: Plan
    seen: Seen = field(default_factory=Seen)
    chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.plan.seed)

    async def broker(self, identity: str = _HOLDER) -> Broker:
        """One of the hosts, with a fresh token."""
        wanted = {"identity": identity, "resource": self.stack.described["audience"]}
        token = (await self.visitor.control("POST", "token", wanted))["access_token"]
        return Broker(self.visitor, self.chance.choice(self.stack.hosts).url, token)

    async def call(
        self, verb: str, broker: Broker, method: str, path: str, body: Any = None, key: str = "", prefer: str = ""
    ) -> Any:
        """The answer's JSON if it is a success, else ``None``; noted under that verb either way."""
        began = time.perf_counter()
        headers = {"authorization": f"Bearer {broker.token}"} | ({"idempotency-key": key} if key else {})
        headers |= {"prefer": prefer} if prefer else {}
        url = f"{broker.url}/api/v1/{path}"
        try:
            reply = await self.visitor.http.request(method, url, json=body, headers=headers, timeout=_CALL_TIMEOUT)
        except httpx.HTTPError:
            self.seen.unanswered(verb)
            return None
        document = _document(reply)
        self.seen.answered(verb, reply.status_code, document, 1000 * (time.perf_counter() - began))
        return document if reply.is_success else None

    async def signs_in(self, credential: dict[str, Any]) -> bool:
        """Whether Entra gives a token for the credential; an answer that is neither yes nor no counts as yes."""
        ends = self.stack.described["endpoints"]
        form = {
            "grant_type": "client_credentials",
            "client_id": credential["client_id"],
            "client_secret": credential["client_secret"],
            "scope": f"{ends['arm']}/.default",
        }
        url = f"{ends['entra']}/{credential['tenant_id']}/oauth2/v2.0/token"
        try:
            reply = await self.visitor.http.post(url, data=form)
        except httpx.HTTPError:
            return True
        return reply.status_code not in {400, 401}

    async def objects(self) -> dict[str, set[str]]:
        """Everything in the cloud that a lease could have made, by kind; a name for each."""
        state = await self.visitor.control("GET", "state")
        assignments = {f"{each['scope']} {each['name']}" for each in state["role_assignments"]}
        members = {f"{each['object_id']} {member}" for each in state["groups"] for member in each["members"]}
        kinds = ("applications", "service_principals", "deleted_items")
        found = {kind: {f"{each['object_id']} {each['display_name']}" for each in state[kind]} for kind in kinds}
        secrets = {f"{each['key_id']} {each['display_name']}" for each in state["secrets"]}
        return found | {"role_assignments": assignments, "memberships": members, "secrets": secrets}


def _document(reply: httpx.Response) -> Any:
    try:
        return reply.json()
    except ValueError:
        return None


@asynccontextmanager
async def opened(plan: Plan) -> AsyncIterator[SoakStack]:
    """The stack with its roles; everything is replicated at once until ``trouble`` begins."""
    settings = {
        "LEASEHOLD_HOLD_SECONDS": str(HOLD),
        "LEASEHOLD_SETTLE_SECONDS": str(SETTLE),
        "LEASEHOLD_ISSUES_PER_MINUTE": "0",
        "LEASEHOLD_COLLECT_SECONDS": "60",
    }
    each = EVERY_FEW_SECONDS
    async with (
        Stack(hosts_wanted=2, settings=settings, sweep_schedule=each, fill_schedule=each, groups=True) as stack,
        stack.visitor() as visitor,
    ):
        soak_stack = SoakStack(stack, visitor, plan)
        await configure(soak_stack)
        yield soak_stack


async def configure(soak_stack: SoakStack, *, pools: bool = True) -> None:
    """Writes the roles. Without ``pools``, what stands in them ends."""
    described, state = soak_stack.stack.described, await soak_stack.visitor.control("GET", "state")
    admin = await soak_stack.broker("admin")
    app = f"/subscriptions/{described['subscription_id']}/resourceGroups/app"
    legacy = next(each["object_id"] for each in state["applications"] if each["display_name"] == "legacy")
    readers = next(each["object_id"] for each in state["groups"] if each["display_name"] == "readers")
    bounds = {"bound_service_principal_ids": [described["identities"][_HOLDER]["object_id"]]}
    common = bounds | {"ttl": soak_stack.plan.ttl, "max_ttl": 5 * soak_stack.plan.ttl}
    own = common | {"type": "service_principal", "ready": "none", "azure_roles": [{"role_name": "Reader", "scope": app}]}
    await admin.must("PUT", f"roles/{PRINCIPALS}", own | {"azure_groups": [{"object_id": readers}], "ready": "token"})
    await admin.must("PUT", f"roles/{FLUSHED}", own)
    await admin.must(
        "PUT", f"roles/{SECRETS}", common | {"type": "application_secret", "ready": "none", "application_object_id": legacy}
    )
    pool = {"size": 2 if pools else 0}
    pooled = own | {"ready": "token", "pool": pool}
    await admin.must("PUT", f"roles/{POOLED}", pooled)
    await admin.must("PUT", f"roles/{TOKENS}", pooled | {"credential": "token", "token_scopes": [ARM]})
    trusted = {"credential": "federated", "federated_identities": [WORKLOAD.document()]}
    await admin.must("PUT", f"roles/{WORKLOADS}", pooled | trusted | {"pool": pool | {"assigned": False}})
    await admin.must("PUT", f"roles/{CERTIFIED}", pooled | {"credential": "certificate"})
    grants = common | {"type": "role_grant", "azure_roles": own["azure_roles"], "on_existing": "ignore"}
    await admin.must("PUT", f"roles/{GRANTS}", grants)

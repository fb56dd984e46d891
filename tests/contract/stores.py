"""The stores under contract, in memory and on Azure Table storage, and samples of what they keep."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any

import pytest
from azure.core.exceptions import ServiceRequestError, ServiceResponseError

from shared.cloud.azure_connections import InTime
from shared.cloud.storage.access_table import TableAccess, TableAuthRoles, TablePolicies
from shared.cloud.storage.audit_table import TableAudit, TableRunHistory
from shared.cloud.storage.event_rule_table import TableEventRules
from shared.cloud.storage.generation_table import TableGenerations
from shared.cloud.storage.lease_table import TableLeases
from shared.cloud.storage.role_table import TableRoles
from shared.cloud.storage.secret_name_table import TableSecretNames
from shared.cloud.storage.table_rest import Tables
from shared.core.footprint import Assignment
from shared.core.lease import Holder, Lease, State
from shared.core.names import LeaseId, ObjectId, RoleName
from shared.core.ports.access import AccessStore, AuthRoles, Policies
from shared.core.ports.audit import Audit
from shared.core.ports.documents import EventRules, Generations, Roles
from shared.core.ports.leases import Leases
from shared.core.ports.run_history import RunHistory
from shared.core.ports.secret_names import SecretNames
from shared.issuers.service_principal.schema import ServicePrincipalFootprint
from tests.fakes.access import MemoryAccess
from tests.fakes.calls import Calls
from tests.fakes.clock import START, FakeClock, FixedIds
from tests.fakes.generations import MemoryGenerations
from tests.fakes.leases import MemoryLeases
from tests.fakes.memory import memory_event_rules
from tests.fakes.secret_names import MemorySecretNames
from tests.fakes.stores import MemoryAudit, MemoryRoles, MemoryRunHistory
from tests.fakes.world import ALICE, GROUPS, SCOPES, TENANT, WEB, guid
from tests.support.kinds import SCHEMAS


@dataclass(frozen=True, slots=True)
class Stores:
    """One implementation of each port, and the wire to them where there is one."""

    leases: Leases
    roles: Roles
    audit: Audit
    run_history: RunHistory
    generations: Generations
    auth_roles: AuthRoles
    policies: Policies
    event_rules: EventRules
    access: AccessStore
    secret_names: SecretNames
    line: LossyLine | None = None


class LossyLine(InTime):
    """The wire below the SDK's retries: loses the answer to the next write when told to."""

    losing = False
    loss: Exception = ServiceResponseError("the connection broke")
    before: Callable[[], Awaitable[object]] | None = None
    """What somebody else does before the next write arrives."""
    meanwhile: Callable[[], Awaitable[object]] | None = None
    """What somebody else does when the answer is lost."""

    async def send(self, request: Any, **options: Any) -> Any:
        """Sends it, and may raise all the same."""
        if request.method != "GET" and (before := self.before) is not None:
            self.before = None
            await before()
        answer = await super().send(request, **options)
        if self.losing and request.method != "GET":
            self.losing = False
            if (meanwhile := self.meanwhile) is not None:
                await meanwhile()
            raise self.loss
        return answer


LOSSES = pytest.mark.parametrize(
    "loss", [ServiceResponseError("the connection broke"), ServiceRequestError("it was dead")], ids=["silence", "sent twice"]
)
"""How the answer to a write that has taken effect may get lost: the second is taken for one that never arrived."""


def in_memory() -> Stores:
    """The fakes."""
    calls = Calls(FakeClock())
    access = MemoryAccess(calls)
    stores = (MemoryLeases(calls), MemoryRoles(calls), MemoryAudit(calls), MemoryRunHistory(calls))
    documents = access.auth_roles, access.policies, memory_event_rules(calls)
    return Stores(*stores, MemoryGenerations(calls), *documents, access, MemorySecretNames(calls))


@asynccontextmanager
async def on_tables(connection: str) -> AsyncIterator[Stores]:
    """The product's, on the storage of that connection string."""
    line, ids = LossyLine(), FixedIds()
    options: dict[str, Any] = {"transport": line, "retry_backoff_factor": 0.01}
    async with Tables.from_connection_string(connection, **options) as service:
        stores = (
            TableLeases(service, ids, SCHEMAS),
            TableRoles(service, ids, SCHEMAS),
            TableAudit(service, ids),
            TableRunHistory(service),
        )
        documents = TableAuthRoles(service, ids), TablePolicies(service, ids), TableEventRules(service, ids)
        yield Stores(*stores, TableGenerations(service), *documents, TableAccess(service), TableSecretNames(service), line)


def lease(number: int = 1, role: RoleName = WEB, holder: ObjectId = ALICE.object_id, *, due: float = 20.0) -> Lease:
    """A planned lease, due in so many seconds."""
    return Lease(
        id=LeaseId.of(role, f"{number:026d}"),
        type="service_principal",
        state=State.PLANNED,
        holder=Holder(holder, TENANT, name="it's \u00e9"),
        issued_at=START,
        expires_at=START + timedelta(seconds=900),
        max_expires_at=START + timedelta(hours=4),
        ttl=900,
        renewable=True,
        metadata={"run": "7", "who": "O'Brien"},
        parts=(ServicePrincipalFootprint("u", (Assignment(SCOPES[0], "n"),), GROUPS[:1], purge=False, app_id=guid(7)),),
        planned_at=START,
        due_at=START + timedelta(seconds=due),
        made_by=START + timedelta(seconds=210),
        max_ttl=14400,
        reason="because",
        target_digest="f" * 64,
    )


def neighbours(count: int, shard: str = "07") -> list[Lease]:
    """So many leases of one role in one partition."""
    return list(islice((each for each in map(lease, range(10_000)) if each.id.shard == shard), count))

"""Finding leases by scope: what a question reads beside 10,000 leases of one role over 1,000 storage accounts."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from local.storage.storage import Azurite
from shared.cloud.storage.lease_table import TableLeases
from shared.cloud.storage.scope_rows import by_scope, scope_rows
from shared.cloud.storage.tables import Table, connect
from shared.cloud.system import SystemIds
from shared.core.footprint import Assignment
from shared.core.lease import Holder, Lease, State
from shared.core.names import LeaseId, ObjectId, RoleName, Scope
from shared.core.ports.leases import LeaseQuery
from shared.core.reach import Reach
from shared.issuers.service_principal.schema import ServicePrincipalFootprint
from tests.bench.bench_stack import Scale
from tests.bench.crowd import put_there
from tests.bench.figures import Figure, Target
from tests.bench.outgoing import Outgoing, watched
from tests.support.kinds import SCHEMAS

TITLE = "Leases of one role over 1,000 storage accounts, found by scope (storage alone)"
_ROLE = RoleName("scoped")
_SUBSCRIPTION = "/subscriptions/00000000-0000-0000-0000-0000000000aa"
_HERE = ObjectId("00000000-0000-0000-0000-0000000000bb")
_ACCOUNTS = 1000
_ROUNDS = 5
_ADDED = 2000


async def measure(scale: Scale) -> list[Figure]:
    """With ten accounts a resource group, and with all of them in one."""
    found = [Figure("leases", scale.scoped, "leases")]
    for groups in (_ACCOUNTS // 10, 1):
        async with Azurite() as storage, connect(storage.connection_string) as service:
            leases = TableLeases(service, SystemIds(), SCHEMAS)
            await leases.open(_lease(0, groups))
            await put_there(Table(service, "leases"), [_lease(number, groups) for number in range(1, scale.scoped)])
            with watched() as seen:
                seen.counts_rows = True
                found += [each async for each in _questions(leases, groups, seen)]
    return [*found, *_added()]


async def _questions(leases: TableLeases, groups: int, seen: Outgoing) -> AsyncIterator[Figure]:
    account = Scope(_account(7, groups))
    group = Scope(account.partition("/providers/")[0])
    where = f"{_ACCOUNTS // groups} accounts a group"

    async def revocation() -> int:
        return len([each async for each in leases.granted(Reach(account, above=True))])

    questions: dict[str, Callable[[], Awaitable[int]]] = {
        "within an account": lambda: _listed(leases, Reach(account)),
        "reaching an account": lambda: _listed(leases, Reach(account, above=True)),
        "within its group, a part of 100": lambda: _listed(leases, Reach(group)),
        "within the subscription, a part of 100": lambda: _listed(leases, Reach(Scope(_SUBSCRIPTION))),
        "a revocation finds what reaches an account": revocation,
    }
    for name, ask in questions.items():
        count, taken = 0, list[float]()
        for _ in range(_ROUNDS):
            seen.forget()
            began = time.process_time()
            count = await ask()
            taken.append(1000 * (time.process_time() - began))
        yield Figure(f"{where}: {name}: leases", count, "leases")
        yield Figure(f"{where}: {name}: requests", len(seen.intervals), "requests")
        yield Figure(f"{where}: {name}: rows read", seen.rows, "rows")
        yield Figure(f"{where}: {name}: CPU, least", min(taken), "ms")


async def _listed(leases: TableLeases, reach: Reach) -> int:
    return len((await leases.list(LeaseQuery(reach=reach, live=True))).items)


def _added() -> Iterator[Figure]:
    """What the rows of scopes add to the CPU time of one write, beside their sending."""
    lease = _lease(1, 100)
    began = time.process_time()
    for _ in range(_ADDED):
        scope_rows(lease, by_scope(SCHEMAS, lease))
    yield Figure("making the rows of one lease: CPU", 1000 * (time.process_time() - began) / _ADDED, "ms", Target("<=", 0.2))


def _account(number: int, groups: int) -> str:
    account = number % _ACCOUNTS
    group = f"{_SUBSCRIPTION}/resourceGroups/group{account % groups}"
    return f"{group}/providers/Microsoft.Storage/storageAccounts/account{account:04d}"


def _lease(number: int, groups: int) -> Lease:
    now = datetime.now(UTC) + timedelta(milliseconds=number)
    lease_id = LeaseId.of(_ROLE, SystemIds().ulid(now))
    assignment = Assignment(Scope(_account(number, groups)), _HERE)
    footprint = ServicePrincipalFootprint(f"leasehold-{lease_id}", (assignment,), (), True, _HERE, _HERE, _HERE)
    later = now + timedelta(hours=1)
    lease = Lease(
        id=lease_id,
        type="service_principal",
        state=State.ACTIVE,
        holder=Holder(_HERE, _HERE, _HERE),
        issued_at=now,
        expires_at=later,
        max_expires_at=later,
        ttl=3600,
        renewable=True,
        parts=(footprint,),
        planned_at=now,
        due_at=later,
        made_by=now,
        max_ttl=3600,
    )
    return replace(lease, handed_out=True)

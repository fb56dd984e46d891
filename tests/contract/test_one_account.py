"""Every store in one storage account, as a deployment has them: what shares a table keeps out of each other's way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from azure.data.tables.aio import TableServiceClient

from shared.cloud.storage.access_table import TableAuthRoles, TablePolicies
from shared.cloud.storage.application_lock_table import TableApplicationLocks
from shared.cloud.storage.audit_table import TableAudit, TableRunHistory
from shared.cloud.storage.caller_table import TableCallerRecords
from shared.cloud.storage.generation_table import TableGenerations
from shared.cloud.storage.lease_table import TableLeases
from shared.cloud.storage.leased_table import TableLeasedPrincipals
from shared.cloud.storage.queued_marker_table import TableQueuedMarkers
from shared.cloud.storage.role_table import TableRoles
from shared.cloud.storage.tables import connect
from shared.core.application_lock import LockRecord
from shared.core.ask_window import AskType, AskWindow
from shared.core.audit import AuditEvent, Outcome
from shared.core.idempotency_key import IdempotencyKey
from shared.core.lease import Cause, Lease, State
from shared.core.message import Batch
from shared.core.names import LeaseId, RoleName
from shared.core.ports.audit import AuditQuery
from shared.core.ports.callers import CallerAdmissions, CallerKey
from shared.core.ports.documents import ABSENT, ANY
from shared.core.ports.run_history import Count
from tests.contract.stores import lease
from tests.contract.test_document_stores import auth_role, policy
from tests.fakes.clock import START, FakeClock, FixedIds
from tests.fakes.world import EXISTING, TENANT, role
from tests.support.kinds import SCHEMAS

SAME = RoleName.parse(EXISTING)
"""A role may be called like an application's id, a message's, or a word of the broker's own."""
_WORDS = ("sweep", "reconcile", "count", "role", "application", "generation", "admission", "waiting", "access", "version")
NAMES = (SAME, *map(RoleName, _WORDS), *map(RoleName, ("policy", "auth-role")))
LATER = START + timedelta(hours=1)
CALLER = CallerKey(TENANT, EXISTING)
WAITING = LeaseId.of(SAME, "0" * 26)


@dataclass(frozen=True, slots=True)
class Account:
    """All that a broker keeps."""

    roles: TableRoles
    generations: TableGenerations
    locks: TableApplicationLocks
    queued_markers: TableQueuedMarkers
    run_history: TableRunHistory
    audit: TableAudit
    leases: TableLeases
    leased: TableLeasedPrincipals
    auth_roles: TableAuthRoles
    policies: TablePolicies
    callers: TableCallerRecords

    async def shown(self) -> dict[str, object]:
        """What each of them would say to whoever asks, by its name."""
        asked = {
            "roles": self.roles.list(),
            "admissions": asyncio.gather(*(self.roles.admissions(name) for name in NAMES)),
            "generations": self.generations.all(),
            "locks": self.locks.get(EXISTING),
            "queued_markers": self.queued_markers.waiting(START),
            "run_history": asyncio.gather(
                self.run_history.last_sweep(), self.run_history.last_reconciliation(), self.run_history.last_count()
            ),
            "audit": self.audit.read(AuditQuery(START, LATER)),
            "leases": self._leases(),
            "leased": self.leased.find({EXISTING}),
            "auth_roles": self.auth_roles.list(),
            "policies": self.policies.list(),
            "windows": self.callers.window(CALLER),
            "admissions of callers": self.callers.admissions(CALLER),
        }
        return dict(zip(asked, await asyncio.gather(*asked.values()), strict=True))

    async def _leases(self) -> object:
        return (
            [each async for each in self.leases.due(LATER)],
            [each async for each in self.leases.footprints()],
            await self.leases.find_key(EXISTING),
        )


type Action = tuple[str, Callable[[], Awaitable[object]]]
"""The store that is written to, and how."""


def made(account: Account, opened: Lease, key: IdempotencyKey) -> list[Action]:
    """Each store writes, under the same names."""
    lock = LockRecord(EXISTING, "me", START, "")
    event = AuditEvent(START, "issue", Outcome.DONE, EXISTING, role=SAME, lease=opened.id)
    return [
        ("roles", lambda: asyncio.gather(*(account.roles.put(role(name=name), expected=ABSENT) for name in NAMES))),
        ("auth_roles", lambda: asyncio.gather(*(account.auth_roles.put(auth_role(name), expected=ABSENT) for name in NAMES))),
        ("policies", lambda: asyncio.gather(*(account.policies.put(policy(name), expected=ABSENT) for name in NAMES))),
        ("admissions", lambda: asyncio.gather(*(_admit(account, name) for name in NAMES))),
        ("generations", lambda: asyncio.gather(*(account.generations.advance(name) for name in NAMES))),
        ("locks", lambda: account.locks.take(lock, former=None)),
        ("queued_markers", lambda: account.queued_markers.note(Batch(EXISTING, (WAITING,)), LATER)),
        ("run_history", lambda: account.run_history.swept(START, {"ended": 1})),
        ("run_history", lambda: account.run_history.reconciled(START, {"removed": 2})),
        ("run_history", lambda: account.run_history.counted(Count(START, {(SAME, State.ACTIVE): 3}))),
        ("audit", lambda: account.audit.record(event)),
        ("leases", lambda: account.leases.open(opened, key)),
        ("leased", lambda: account.leased.note({EXISTING}, opened.id)),
        ("windows", lambda: account.callers.note(CALLER, AskWindow({(AskType.ISSUE, "x"): START}))),
        ("admissions of callers", lambda: account.callers.admit(CALLER, CallerAdmissions(frozenset({WAITING})))),
    ]


def unmade(account: Account, opened: Lease) -> list[Action]:
    """Each store that forgets does so."""
    return [
        ("generations", lambda: _finish(account)),
        ("locks", lambda: _release(account)),
        ("queued_markers", lambda: account.queued_markers.forget(EXISTING)),
        ("roles", lambda: asyncio.gather(*(account.roles.delete(name, expected=ANY) for name in NAMES))),
        ("auth_roles", lambda: asyncio.gather(*(account.auth_roles.delete(name, expected=ANY) for name in NAMES))),
        ("policies", lambda: asyncio.gather(*(account.policies.delete(name, expected=ANY) for name in NAMES))),
        ("leased", lambda: account.leased.forget({EXISTING})),
        ("leases", lambda: _end(account, opened.id)),
        ("leases", lambda: _forget(account, opened.id)),
    ]


async def _admit(account: Account, name: RoleName) -> None:
    await account.roles.admit(name, frozenset({WAITING}), former=await account.roles.admissions(name))


async def _finish(account: Account) -> None:
    await account.generations.finish(await account.generations.get(SAME))


async def _release(account: Account) -> None:
    lock = await account.locks.get(EXISTING)
    assert lock is not None
    await account.locks.release(lock)


async def _end(account: Account, lease_id: LeaseId) -> None:
    stored = await account.leases.get(lease_id)
    assert stored is not None
    await account.leases.swap(stored.ending(Cause.FAILED, START, START).ended(START, timedelta(days=1)), former=stored)


async def _forget(account: Account, lease_id: LeaseId) -> None:
    stored = await account.leases.get(lease_id)
    assert stored is not None
    await account.leases.remove(stored)


def opening() -> tuple[Lease, IdempotencyKey]:
    """A lease of that role under a key of that digest, in one partition with what else is called so."""
    key = IdempotencyKey(EXISTING, "body", WAITING, LATER)
    numbers = (lease(number, SAME, EXISTING) for number in range(1, 1000))
    opened = next(each for each in numbers if each.id.shard == key.shard)
    return replace(opened, key_digest=key.digest), replace(key, lease_id=opened.id)


def of(service: TableServiceClient) -> Account:
    """All stores of one storage account."""
    ids = FixedIds()
    return Account(
        TableRoles(service, ids, SCHEMAS),
        TableGenerations(service),
        TableApplicationLocks(service, ids),
        TableQueuedMarkers(service),
        TableRunHistory(service),
        TableAudit(service, ids),
        TableLeases(service, ids, SCHEMAS),
        TableLeasedPrincipals(service),
        TableAuthRoles(service, ids),
        TablePolicies(service, ids),
        TableCallerRecords(service, FakeClock()),
    )


async def test_rows_lie_where_another_version_of_the_broker_looks_for_them(storage_connection: str) -> None:
    """Tables, partitions, and the words that keys begin with: a deployment finds what the former one has left, and back."""
    async with connect(storage_connection) as service:
        account = of(service)
        opened, key = opening()
        for _, action in made(account, opened, key):
            await action()
        stored = await account.leases.get(opened.id)
        assert stored is not None
        await account.leases.swap(stored.ending(Cause.FAILED, START, START).stuck_at_once(START, "e", 0.5), former=stored)
        rows = dict[str, list[tuple[str, str]]]()
        async for table in service.list_tables():
            held = service.get_table_client(table.name).list_entities(select=["PartitionKey", "RowKey"])
            rows[table.name] = [(row["PartitionKey"], row["RowKey"]) async for row in held]
    partitions = {partition for partition, _ in rows["roles"]}
    caller = f"caller_{CALLER.tenant_id}_{CALLER.object_id}"
    assert {"access", "admission", "application", "generation", "journal", "role", "waiting", caller} == partitions
    assert {"admissions", "asks"} == {row for partition, row in rows["roles"] if partition == caller}
    of_access = {f"{kind}_{name}" for kind in ("auth-role", "policy") for name in NAMES}
    assert {*of_access, "version"} == {row for partition, row in rows["roles"] if partition == "access"}
    assert {"sweep", "reconcile", "count"} == {row for partition, row in rows["roles"] if partition == "journal"}
    assert {f"{START:%Y%m%d}"} == {partition for partition, _ in rows["audit"]}
    kinds = {(partition if partition.isalpha() else "shard", row.partition("_")[0]) for partition, row in rows["leases"]}
    of_leases = {"all", "due", "holder", "in", "key", "lease", "minted", "role"}
    assert {("aligned", "leases"), ("aligned", "scopes"), ("stuck", "stuck"), *(("shard", each) for each in of_leases)} == kinds
    assert {"audit", "leases", "roles"} == rows.keys()


async def test_stores_that_share_a_table_do_not_meet(storage_connection: str) -> None:
    """Under one name each keeps its own: whatever one of them writes or forgets, no other shows anything else than before."""
    async with connect(storage_connection) as service:
        account = of(service)
        opened, key = opening()
        before = empty = await account.shown()
        for store, action in (*made(account, opened, key), *unmade(account, opened)):
            await action()
            after = await account.shown()
            assert {store} == {name for name in after if after[name] != before[name]}
            before = after
        # What nobody ever forgets is there still.
        stays = {"admissions", "admissions of callers", "windows", "generations", "run_history", "audit"}
        assert stays == {name for name in empty if empty[name] != before[name]}

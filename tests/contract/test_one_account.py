"""Every store in one storage account, as a deployment has them: what shares a table keeps out of each other's way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from azure.data.tables.aio import TableServiceClient

from shared.cloud.audit_table import TableAudit, TableJournal
from shared.cloud.generation_table import TableGenerations
from shared.cloud.lease_table import TableLeases
from shared.cloud.leased_table import TableLeasedPrincipals
from shared.cloud.role_table import TableRoles
from shared.cloud.tables import connect
from shared.cloud.ticket_table import TableTickets
from shared.cloud.turn_table import TableTurns
from shared.core.audit import AuditEvent, Outcome
from shared.core.batch import Batch
from shared.core.issue_key import IssueKey
from shared.core.lease import Cause, Lease, State
from shared.core.names import LeaseId, RoleName
from shared.core.ports import AuditQuery, Count
from shared.core.turn import Turn
from tests.contract.stores import lease
from tests.fakes.clock import START, FixedIds
from tests.fakes.world import EXISTING, role

SAME = RoleName.parse(EXISTING)
"""A role may be called like an application's id, a message's, or a word of the broker's own."""
NAMES = (SAME, *map(RoleName, ("sweep", "reconcile", "count", "role", "application", "generation", "admission", "waiting")))
LATER = START + timedelta(hours=1)
WAITING = LeaseId.of(SAME, "0" * 26)


@dataclass(frozen=True, slots=True)
class Account:
    """All that a broker keeps."""

    roles: TableRoles
    generations: TableGenerations
    turns: TableTurns
    tickets: TableTickets
    journal: TableJournal
    audit: TableAudit
    leases: TableLeases
    leased: TableLeasedPrincipals

    async def shown(self) -> dict[str, object]:
        """What each of them would say to whoever asks, by its name."""
        asked = {
            "roles": self.roles.list(),
            "admissions": asyncio.gather(*(self.roles.admissions(name) for name in NAMES)),
            "generations": self.generations.all(),
            "turns": self.turns.get(EXISTING),
            "tickets": self.tickets.waiting(START),
            "journal": asyncio.gather(self.journal.last_sweep(), self.journal.last_reconciliation(), self.journal.last_count()),
            "audit": self.audit.read(AuditQuery(START, LATER)),
            "leases": self._leases(),
            "leased": self.leased.find({EXISTING}),
        }
        return dict(zip(asked, await asyncio.gather(*asked.values()), strict=True))

    async def _leases(self) -> object:
        return (
            [each async for each in self.leases.due(LATER)],
            [each async for each in self.leases.footprints()],
            await self.leases.find_key(EXISTING),
        )


type Deed = tuple[str, Callable[[], Awaitable[object]]]
"""The store that is written to, and how."""


def made(account: Account, opened: Lease, key: IssueKey) -> list[Deed]:
    """Each store writes, under the same names."""
    turn = Turn(EXISTING, "me", START, "")
    event = AuditEvent(START, "issue", Outcome.DONE, EXISTING, role=SAME, lease=opened.id)
    return [
        ("roles", lambda: asyncio.gather(*(account.roles.put(role(name=name), expected="") for name in NAMES))),
        ("admissions", lambda: asyncio.gather(*(_admit(account, name) for name in NAMES))),
        ("generations", lambda: asyncio.gather(*(account.generations.advance(name) for name in NAMES))),
        ("turns", lambda: account.turns.take(turn, former=None)),
        ("tickets", lambda: account.tickets.note(Batch(EXISTING, (WAITING,)), LATER)),
        ("journal", lambda: account.journal.swept(START, {"ended": 1})),
        ("journal", lambda: account.journal.reconciled(START, {"removed": 2})),
        ("journal", lambda: account.journal.counted(Count(START, {(SAME, State.ACTIVE): 3}))),
        ("audit", lambda: account.audit.record(event)),
        ("leases", lambda: account.leases.open(opened, key)),
        ("leased", lambda: account.leased.note({EXISTING}, opened.id)),
    ]


def unmade(account: Account, opened: Lease) -> list[Deed]:
    """Each store that forgets does so."""
    return [
        ("generations", lambda: _finish(account)),
        ("turns", lambda: _give_back(account)),
        ("tickets", lambda: account.tickets.forget(EXISTING)),
        ("roles", lambda: asyncio.gather(*(account.roles.delete(name, expected=None) for name in NAMES))),
        ("leased", lambda: account.leased.forget({EXISTING})),
        ("leases", lambda: _end(account, opened.id)),
        ("leases", lambda: _forget(account, opened.id)),
    ]


async def _admit(account: Account, name: RoleName) -> None:
    await account.roles.admit(name, frozenset({WAITING}), former=await account.roles.admissions(name))


async def _finish(account: Account) -> None:
    await account.generations.finish(await account.generations.get(SAME))


async def _give_back(account: Account) -> None:
    turn = await account.turns.get(EXISTING)
    assert turn is not None
    await account.turns.give_back(turn)


async def _end(account: Account, lease_id: LeaseId) -> None:
    stored = await account.leases.get(lease_id)
    assert stored is not None
    await account.leases.swap(stored.ending(Cause.FAILED, START, START).ended(START, timedelta(days=1)), former=stored)


async def _forget(account: Account, lease_id: LeaseId) -> None:
    stored = await account.leases.get(lease_id)
    assert stored is not None
    await account.leases.remove(stored)


def opening() -> tuple[Lease, IssueKey]:
    """A lease of that role under a key of that digest, in one partition with what else is called so."""
    key = IssueKey(EXISTING, "body", WAITING, LATER)
    numbers = (lease(number, SAME, EXISTING) for number in range(1, 1000))
    opened = next(each for each in numbers if each.id.shard == key.shard)
    return replace(opened, key=key.digest), replace(key, lease_id=opened.id)


def of(service: TableServiceClient) -> Account:
    """All stores of one storage account."""
    ids = FixedIds()
    return Account(
        TableRoles(service, ids),
        TableGenerations(service),
        TableTurns(service, ids),
        TableTickets(service),
        TableJournal(service),
        TableAudit(service, ids),
        TableLeases(service, ids),
        TableLeasedPrincipals(service),
    )


async def test_rows_lie_where_another_version_of_the_broker_looks_for_them(storage_connection: str) -> None:
    """Tables, partitions, and the words that keys begin with: a deployment finds what the former one has left, and back."""
    async with connect(storage_connection) as service:
        account = of(service)
        opened, key = opening()
        for _, deed in made(account, opened, key):
            await deed()
        stored = await account.leases.get(opened.id)
        assert stored is not None
        await account.leases.swap(stored.ending(Cause.FAILED, START, START).given_up(START, "e", 0.5), former=stored)
        rows = dict[str, list[tuple[str, str]]]()
        async for table in service.list_tables():
            kept = service.get_table_client(table.name).list_entities(select=["PartitionKey", "RowKey"])
            rows[table.name] = [(row["PartitionKey"], row["RowKey"]) async for row in kept]
    partitions = {partition for partition, _ in rows["roles"]}
    assert {"admission", "application", "generation", "journal", "role", "waiting"} == partitions
    assert {"sweep", "reconcile", "count"} == {row for partition, row in rows["roles"] if partition == "journal"}
    assert {f"{START:%Y%m%d}"} == {partition for partition, _ in rows["audit"]}
    kinds = {(partition if partition.isalpha() else "shard", row.partition("_")[0]) for partition, row in rows["leases"]}
    of_leases = {"all", "due", "holder", "key", "lease", "minted", "role"}
    assert {("aligned", "leases"), ("stuck", "stuck"), *(("shard", each) for each in of_leases)} == kinds
    assert {"audit", "leases", "roles"} == rows.keys()


async def test_stores_that_share_a_table_do_not_meet(storage_connection: str) -> None:
    """Under one name each keeps its own: whatever one of them writes or forgets, no other shows anything else than before."""
    async with connect(storage_connection) as service:
        account = of(service)
        opened, key = opening()
        before = empty = await account.shown()
        for store, deed in (*made(account, opened, key), *unmade(account, opened)):
            await deed()
            after = await account.shown()
            assert {store} == {name for name in after if after[name] != before[name]}
            before = after
        # What nobody ever forgets is there still.
        assert {"admissions", "generations", "journal", "audit"} == {name for name in empty if empty[name] != before[name]}

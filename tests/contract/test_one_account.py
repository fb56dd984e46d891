"""Every store in one storage account, as a deployment has them: what shares a table keeps out of each other's way."""

from __future__ import annotations

from datetime import timedelta

from azure.data.tables.aio import TableServiceClient

from shared.cloud.audit_table import TableJournal
from shared.cloud.lease_table import TableLeases
from shared.cloud.role_table import TableRoles
from shared.cloud.ticket_table import TableTickets
from shared.cloud.turn_table import TableTurns
from shared.core.batch import Batch
from shared.core.names import LeaseId, RoleName
from shared.core.ports import LeaseQuery
from shared.core.turn import Turn
from tests.contract.stores import lease
from tests.fakes.clock import START, FixedIds
from tests.fakes.world import EXISTING, role

SAME = RoleName.parse(EXISTING)
"""A role may be called like an application's id, a message's, or a word of the broker's own."""
NAMES = (SAME, RoleName("sweep"), RoleName("reconcile"), RoleName("role"), RoleName("application"))


async def test_stores_that_share_a_table_do_not_meet(storage_connection: str) -> None:
    """Under one name each keeps its own: none lists, replaces or removes another's."""
    ids = FixedIds()
    async with TableServiceClient.from_connection_string(storage_connection) as service:
        roles, turns, tickets = TableRoles(service, ids), TableTurns(service, ids), TableTickets(service)
        journal, leases = TableJournal(service), TableLeases(service, ids)
        for name in NAMES:
            await roles.put(role(name=name), expected="")
            await roles.admit(name, frozenset(), former=await roles.admissions(name))
        turn = await turns.take(Turn(EXISTING, "me", START, ""), former=None)
        await tickets.note(Batch(EXISTING, (LeaseId.of(SAME, "0" * 26),)), START + timedelta(hours=1))
        await journal.swept(START, {"ended": 1})
        await journal.reconciled(START, {"removed": 2})
        opened = await leases.open(lease(1, SAME))
        assert set(NAMES) == {found.name for found in await roles.list()}
        assert turn == await turns.get(EXISTING)
        assert {LeaseId.of(SAME, "0" * 26)} == await tickets.waiting(START)
        assert [opened.id] == [found.id for found in (await leases.list(LeaseQuery())).items]
        await turns.give_back(turn)
        await tickets.forget(EXISTING)
        assert set(NAMES) == {found.name for found in await roles.list()}
        for name in NAMES:
            assert await roles.delete(name, expected=None)
        swept, reconciled = await journal.last_sweep(), await journal.last_reconciliation()
        assert ({"ended": 1}, {"removed": 2}) == (swept and dict(swept[1]), reconciled and dict(reconciled[1]))
        assert (None, ()) == (await turns.get(EXISTING), await roles.list())

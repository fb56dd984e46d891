"""Connections that storage has closed while they were kept: Azure's clients send no POST again, so the broker does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from azure.core.exceptions import ServiceRequestError, ServiceRequestTimeoutError
from azure.data.tables.aio import TableServiceClient

from shared.cloud.azure_connections import InTime
from shared.cloud.storage.access_table import TableAccess, TablePolicies
from shared.cloud.storage.application_lock_table import TableApplicationLocks
from shared.cloud.storage.audit_table import TableAudit
from shared.cloud.storage.generation_table import TableGenerations
from shared.cloud.storage.lease_table import TableLeases
from shared.cloud.storage.role_table import TableRoles
from shared.cloud.storage.table_rest import Tables
from shared.core.application_lock import LockRecord
from shared.core.audit import AuditEvent, Outcome
from shared.core.errors import Uncertain, Unreachable
from shared.core.names import RoleName
from shared.core.ports.documents import ANY
from tests.contract.stores import lease
from tests.contract.test_document_stores import policy
from tests.fakes.clock import START, FixedIds
from tests.fakes.world import EXISTING, WEB, role
from tests.support.kinds import SCHEMAS


class DeadLine(InTime):
    """The wire below the SDK's retries: so many of the next writes find their connection dead."""

    dead = 0
    error: type[ServiceRequestError] = ServiceRequestError

    async def send(self, request: Any, **options: Any) -> Any:
        """Sends it, unless the connection is dead."""
        if self.dead and request.method != "GET":
            self.dead -= 1
            raise self.error("Server disconnected")
        return await super().send(request, **options)


async def opened(connection: str, dead: int, error: type[ServiceRequestError] = ServiceRequestError) -> bool:
    """Whether a lease is stored over such a wire."""
    line = DeadLine()
    async with Tables.from_connection_string(connection, transport=line) as service:
        store = TableLeases(service, FixedIds(), SCHEMAS)
        line.dead, line.error = dead, error
        made = await store.open(lease())
        return made == await store.get(made.id)


@pytest.mark.parametrize("dead", [1, 2])
async def test_a_write_that_met_a_dead_connection_is_sent_again(storage_connection: str, dead: int) -> None:
    """It never arrived; and one that did arrive is recognised by its write id."""
    assert await opened(storage_connection, dead)


FORMER = role(name=RoleName("former"))
WRITES: dict[str, Callable[[TableServiceClient], Awaitable[object]]] = {
    "a lease": lambda it: TableLeases(it, FixedIds(), SCHEMAS).open(lease()),
    "a role": lambda it: TableRoles(it, FixedIds(), SCHEMAS).put(role(), expected=ANY),
    "a role's deletion": lambda it: TableRoles(it, FixedIds(), SCHEMAS).delete(FORMER.name, expected=ANY),
    "a policy": lambda it: TablePolicies(it, FixedIds()).put(policy("web"), expected=ANY),
    "the version of all policies": lambda it: TableAccess(it).touch(),
    "a generation": lambda it: TableGenerations(it).advance(WEB),
    "a turn": lambda it: TableApplicationLocks(it, FixedIds()).take(LockRecord(EXISTING, "me", START), former=None),
    "an event": lambda it: TableAudit(it, FixedIds()).record(AuditEvent(START, "sweep", Outcome.DONE, "r")),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
async def test_a_write_that_storage_never_takes_is_uncertain(
    storage_connection: str, write: Callable[[TableServiceClient], Awaitable[object]]
) -> None:
    """After a few tries; that it can be read, and nothing is found there, does not make it a success."""
    line = DeadLine()
    async with Tables.from_connection_string(storage_connection, transport=line) as service:
        await TableRoles(service, FixedIds(), SCHEMAS).put(FORMER, expected=ANY)
        line.dead = 99
        with pytest.raises(Uncertain):
            await write(service)


async def test_a_storage_that_takes_no_connection_is_unreachable(storage_connection: str) -> None:
    """After three tries."""
    with pytest.raises(Unreachable):
        await opened(storage_connection, 3)


async def test_a_connection_that_takes_too_long_is_not_tried_again(storage_connection: str) -> None:
    """The time is the caller's."""
    with pytest.raises(Unreachable):
        await opened(storage_connection, 1, ServiceRequestTimeoutError)

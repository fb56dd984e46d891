"""The broker of today on a store that commit 983a077 has filled, over the Azure that it left.

``written_by_983a077`` holds that store, row for row, as that commit's own verbs wrote it to an emulator, and the Azure of the
fakes beside it. The files never change: a later version of the broker meets such rows after an upgrade. ``about.json`` says
when they were taken, which lease is which, and the documents that the roles were written with.

``reader_of_983a077.json`` says what that commit must find in a row to read it: a deployment may go back.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from azure.data.tables.aio import TableServiceClient

from shared.broker.outside import Outside
from shared.cloud.audit_table import TableAudit, TableJournal
from shared.cloud.lease_table import TableLeases
from shared.cloud.role_table import TableRoles
from shared.cloud.system import SystemIds
from shared.cloud.tables import connect
from shared.cloud.ticket_table import TableTickets
from shared.cloud.turn_table import TableTurns
from shared.core import mark
from shared.core.directory import NewApplication
from shared.core.footprint import Assignment
from shared.core.lease import Lease
from shared.core.names import LeaseId, ObjectId, Scope
from shared.issuers.turns import TakingTurns
from tests.fakes.clock import START, FakeClock
from tests.fakes.cloud_state import Application, CloudState, Granted, Principal, StoredSecret
from tests.fakes.world import SCOPES, World, world

FOLDER = Path(__file__).parent / "written_by_983a077"
ABOUT: dict[str, Any] = json.loads((FOLDER / "about.json").read_text(encoding="utf-8"))
LEASES = {what: LeaseId(lease_id) for what, lease_id in ABOUT["leases"].items()}
DOCUMENTS: dict[str, dict[str, Any]] = ABOUT["documents"]
TABLES = ("audit", "leases", "roles")
_SCALE = 20.0


class RunningClock(FakeClock):
    """Begins when the store was taken, and runs by itself, twenty times as fast: what it is used with waits for real calls."""

    def __init__(self) -> None:
        super().__init__()
        self._began = time.monotonic()
        self._ahead = (datetime.fromisoformat(ABOUT["taken_at"]) - START).total_seconds()

    def truth(self) -> datetime:
        """See the base class."""
        return START + timedelta(milliseconds=int(self._passed() * 1000))

    def monotonic(self) -> float:
        """See the base class."""
        return 1000.0 + self._passed()

    def jump(self, seconds: float) -> None:
        """See the base class."""
        self._ahead += seconds

    async def sleep(self, seconds: float) -> None:
        """See the base class."""
        await asyncio.sleep(seconds / _SCALE)

    def _passed(self) -> float:
        return self._ahead + (time.monotonic() - self._began) * _SCALE


@dataclass(slots=True)
class Scene:
    """Today's broker, the tables below it, and the fakes' Azure."""

    service: TableServiceClient
    outside: Outside
    world: World

    async def lease(self, what: str) -> Lease:
        """The lease as it stands. Fails when it is gone."""
        found = await self.outside.leases.get(LEASES[what])
        assert found is not None
        return found

    async def rows(self, table: str) -> list[dict[str, Any]]:
        """Every row, as it lies in storage."""
        return [dict(row) async for row in self.service.get_table_client(table).list_entities()]

    def jump(self, seconds: float) -> None:
        """Time passes."""
        self.outside.clock.jump(seconds)  # type: ignore[attr-defined]  # a RunningClock


@asynccontextmanager
async def on_the_store(connection: str) -> AsyncIterator[Scene]:
    """Fills an empty account."""
    async with connect(connection) as service:
        for table in TABLES:
            client = await service.create_table(table)
            await asyncio.gather(*(client.create_entity(row) for row in _read(table)))
        made = world()
        made.clock = made.calls.clock = made.cloud.clock = clock = RunningClock()
        _furnish(made.cloud)
        ids = SystemIds()
        turns = TakingTurns(TableTurns(service, ids), clock, ids)
        patience = replace(made.issuers.principals.patience, clock=clock, ids=ids)
        issuers = replace(
            made.issuers,
            principals=replace(made.issuers.principals, patience=patience),
            secrets=replace(made.issuers.secrets, patience=patience, turns=turns),
        )
        yield Scene(
            service,
            replace(
                made.outside,
                clock=clock,
                ids=ids,
                leases=TableLeases(service, ids),
                roles=TableRoles(service, ids),
                audit=TableAudit(service, ids),
                journal=TableJournal(service),
                tickets=TableTickets(service),
                issuers=issuers,
            ),
            made,
        )


def _read(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def _furnish(cloud: CloudState) -> None:
    """What stood in Azure when the store was taken: its leases' objects, and a lock."""
    left = _read("azure")
    cloud.locked_scopes.add(SCOPES[7])
    for each in left["applications"]:
        object_id, app_id, name = ObjectId(each["object_id"]), ObjectId(each["app_id"]), each["unique_name"]
        if object_id not in cloud.applications:
            wanted = NewApplication(name, name, "AzureADMyOrg", (mark.TAG,), "")
            cloud.applications[object_id] = Application(object_id, app_id, name, wanted)
        for secret in each["secrets"]:
            kept = StoredSecret(secret["display_name"], datetime.fromisoformat(secret["end"]), secret["text"])
            cloud.applications[object_id].secrets[ObjectId(secret["key_id"])] = kept
    for each in left["principals"]:
        object_id = ObjectId(each["object_id"])
        cloud.principals[object_id] = Principal(object_id, ObjectId(each["app_id"]), each["unique_name"])
    for each in left["members"]:
        cloud.groups[ObjectId(each["group"])] = {ObjectId(principal) for principal in each["principals"]}
    for each in left["assignments"]:
        granted = Granted(each["definition_id"], ObjectId(each["principal"]), each["condition"], each["description"])
        cloud.assignments[Assignment(Scope(each["scope"]), each["name"])] = granted
    _made_now(cloud)


def _made_now(cloud: CloudState) -> None:
    secrets = [key_id for application in cloud.applications.values() for key_id in application.secrets]
    for key in (*cloud.applications, *cloud.principals, *cloud.assignments, *secrets):
        cloud._made(key)

"""The broker of today on a store that another version has filled, over the Azure that it left.

A folder ``written_by_...`` holds such a store, row for row, as that version's own verbs wrote it to an emulator, and the Azure
of the fakes beside it. The files never change: a later version of the broker meets such rows after an upgrade. ``about.json``
says when they were taken, which lease is which, and the documents that the roles were written with. ``fill.py`` writes them.

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

from shared.broker.ports import Ports
from shared.cloud.storage.access_table import TableAccess, TableAuthRoles, TablePolicies
from shared.cloud.storage.application_lock_table import TableApplicationLocks
from shared.cloud.storage.audit_table import TableAudit, TableRunHistory
from shared.cloud.storage.caller_table import TableCallerRecords
from shared.cloud.storage.event_count_table import TableEventCounts
from shared.cloud.storage.event_rule_table import TableEventRules
from shared.cloud.storage.generation_table import TableGenerations
from shared.cloud.storage.holder_resource_table import TableHolderResources
from shared.cloud.storage.lease_table import TableLeases
from shared.cloud.storage.leased_table import TableLeasedPrincipals
from shared.cloud.storage.outbox_table import TableOutbox
from shared.cloud.storage.pool_table import TablePools
from shared.cloud.storage.queued_marker_table import TableQueuedMarkers
from shared.cloud.storage.role_table import TableRoles
from shared.cloud.storage.rule_lease_table import TableRuleLeases
from shared.cloud.storage.secret_name_table import TableSecretNames
from shared.cloud.storage.tables import connect
from shared.cloud.system import SystemIds
from shared.core import ownership
from shared.core.directory import NewApplication, NewTrust
from shared.core.footprint import Assignment
from shared.core.lease import Lease
from shared.core.names import LeaseId, ObjectId, Scope
from shared.issuers.application_secret.lock import ApplicationLock
from tests.fakes.clock import START, FakeClock
from tests.fakes.cloud_state import Application, CloudState, Granted, Principal, StoredSecret
from tests.fakes.world import SCOPES, World, world
from tests.support.kinds import SCHEMAS

HERE = Path(__file__).parent
TABLES = ("audit", "leases", "roles", "pool")
"""A store from before there were pools has no file of the last."""
_SCALE = 20.0


@dataclass(frozen=True, slots=True)
class KeptStore:
    """The files that one version has written."""

    folder: Path

    def read(self, name: str) -> Any:
        """What ``name.json`` says."""
        path = self.folder / f"{name}.json"
        return [] if name == "pool" and not path.exists() else json.loads(path.read_text(encoding="utf-8"))

    @property
    def taken_at(self) -> datetime:
        """When the store was as the files say."""
        return datetime.fromisoformat(self.read("about")["taken_at"])

    @property
    def leases(self) -> dict[str, LeaseId]:
        """The leases, by what they stand for."""
        return {what: LeaseId(lease_id) for what, lease_id in self.read("about")["leases"].items()}

    @property
    def documents(self) -> dict[str, dict[str, Any]]:
        """What the roles were written with."""
        found: dict[str, dict[str, Any]] = self.read("about")["documents"]
        return found

    @property
    def keys(self) -> dict[str, tuple[str, str]]:
        """The role and the key under which some of the leases can be asked for again."""
        found: dict[str, tuple[str, str]] = self.read("about")["keys"]
        return found

    @property
    def messages(self) -> list[str]:
        """What waited in the queue, where that was kept."""
        return self.read("queue") if (self.folder / "queue.json").exists() else []


FIRST = KeptStore(HERE / "written_by_983a077")
FOLDER, LEASES, DOCUMENTS = FIRST.folder, FIRST.leases, FIRST.documents
STORES = {folder.name.removeprefix("written_by_"): KeptStore(folder) for folder in sorted(HERE.glob("written_by_*"))}
"""All of them, by the versions that wrote them."""


class RunningClock(FakeClock):
    """Begins at an instant, and runs by itself, twenty times as fast: what it is used with waits for real calls."""

    def __init__(self, instant: datetime = START) -> None:
        super().__init__()
        self._began = time.monotonic()
        self._ahead = (instant - START).total_seconds()

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
    ports: Ports
    world: World
    kept: KeptStore

    async def lease(self, what: str) -> Lease:
        """The lease as it stands. Fails when it is gone."""
        found = await self.ports.leases.get(self.kept.leases[what])
        assert found is not None
        return found

    async def rows(self, table: str) -> list[dict[str, Any]]:
        """Every row, as it lies in storage."""
        return [dict(row) async for row in self.service.get_table_client(table).list_entities()]

    def jump(self, seconds: float) -> None:
        """Time passes."""
        self.world.clock.jump(seconds)


@asynccontextmanager
async def on_the_store(connection: str, stored: KeptStore = FIRST) -> AsyncIterator[Scene]:
    """Fills an empty account."""
    async with connect(connection) as service:
        for table in TABLES:
            client = await service.create_table(table)
            await asyncio.gather(*(client.create_entity(row) for row in stored.read(table)))
        made = world_over(service, RunningClock(stored.taken_at))
        _furnish(made.cloud, stored.read("azure"))
        yield Scene(service, made.ports, made, stored)


def world_over(service: TableServiceClient, clock: FakeClock) -> World:
    """A world whose broker keeps everything but its queue in these tables."""
    made = world()
    made.clock = made.calls.clock = made.cloud.clock = clock
    ids = SystemIds()
    locks = ApplicationLock(TableApplicationLocks(service, ids), clock, ids)
    retry = replace(made.issuers.principals.retry, clock=clock, ids=ids)
    made.issuers = replace(
        made.issuers,
        principals=replace(made.issuers.principals, retry=retry),
        secrets=replace(made.issuers.secrets, retry=retry, locks=locks),
    )
    made.ports = replace(
        made.ports,
        clock=clock,
        ids=ids,
        leases=TableLeases(service, ids, SCHEMAS),
        outbox=TableOutbox(service),
        roles=TableRoles(service, ids, SCHEMAS),
        auth_roles=TableAuthRoles(service, ids),
        policies=TablePolicies(service, ids),
        event_rules=TableEventRules(service, ids),
        event_counts=TableEventCounts(service),
        rule_leases=TableRuleLeases(service),
        holder_resources=TableHolderResources(service),
        access=TableAccess(service),
        audit=TableAudit(service, ids),
        run_history=TableRunHistory(service),
        queued_markers=TableQueuedMarkers(service),
        pools=TablePools(service),
        generations=TableGenerations(service),
        secret_names=TableSecretNames(service),
        leased=TableLeasedPrincipals(service),
        caller_records=TableCallerRecords(service, clock),
        kinds=made.ports.kinds,
    )
    return made


def _furnish(cloud: CloudState, left: Any) -> None:
    """What stood in Azure when the store was taken: its leases' objects, and a lock."""
    cloud.locked_scopes.add(SCOPES[7])
    for each in left["applications"]:
        object_id, app_id, name = ObjectId(each["object_id"]), ObjectId(each["app_id"]), each["unique_name"]
        if object_id not in cloud.applications:
            wanted = NewApplication(name, name, "AzureADMyOrg", (ownership.TAG,), "")
            cloud.applications[object_id] = Application(object_id, app_id, name, wanted)
        for secret in each["secrets"]:
            stored = StoredSecret(secret["display_name"], datetime.fromisoformat(secret["end"]), secret["text"])
            cloud.applications[object_id].secrets[ObjectId(secret["key_id"])] = stored
        # Versions before credentials without secrets have left none.
        for trust in each.get("trusted", ()):
            made = NewTrust(trust["name"], trust["issuer"], trust["subject"], trust["audience"])
            cloud.applications[object_id].trusted[made.name] = (ObjectId(trust["id"]), made)
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
        cloud.made(key)

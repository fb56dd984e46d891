"""What nobody has foreseen comes out of an adapter as it is: it is not told as Azure's failure, nor as an absence."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.data.tables.aio import TableServiceClient

from shared.cloud.arm.authorization import Arm
from shared.cloud.entra.identity import HeldTokens
from shared.cloud.entra.keys import TenantKeys
from shared.cloud.entra.probe import TokenProbe
from shared.cloud.graph.calls import GraphCalls
from shared.cloud.graph.directory import Graph
from shared.cloud.inventory import AzureLists
from shared.cloud.limits import RateLimiters
from shared.cloud.storage import queues
from shared.cloud.storage.access_table import TableAccess, TableAuthRoles, TablePolicies
from shared.cloud.storage.application_lock_table import TableApplicationLocks
from shared.cloud.storage.audit_table import TableAudit, TableRunHistory
from shared.cloud.storage.caller_table import TableCallerRecords
from shared.cloud.storage.generation_table import TableGenerations
from shared.cloud.storage.lease_table import TableLeases
from shared.cloud.storage.leased_table import TableLeasedPrincipals
from shared.cloud.storage.queued_marker_table import TableQueuedMarkers
from shared.cloud.storage.role_table import TableRoles
from shared.cloud.storage.table_rest import Tables
from shared.core.access.auth_role import AuthRole
from shared.core.access.bounds import Bounds
from shared.core.application_lock import LockRecord
from shared.core.ask_window import AskWindow
from shared.core.audit import AuditEvent, Outcome
from shared.core.directory import NewApplication
from shared.core.footprint import Assignment
from shared.core.message import Batch
from shared.core.ports.audit import AuditQuery
from shared.core.ports.callers import CallerAdmissions, CallerKey
from shared.core.ports.documents import ANY, Admissions
from shared.core.ports.leases import LeaseQuery
from shared.core.secret import Secret
from shared.resilience.retry import Retry
from tests.cloud.graph_answers import ENDPOINT, GROUP, PRINCIPAL
from tests.cloud.scripted import Bearer
from tests.contract.stores import lease
from tests.fakes.clock import START, FakeClock, FixedIds
from tests.fakes.world import DEFINITION, SCOPES, WEB, guid, role
from tests.support.kinds import SCHEMAS

KEY = "a2V5a2V5a2V5"
STORAGE = f"DefaultEndpointsProtocol=http;AccountName=a;AccountKey={KEY};TableEndpoint=http://x/a;QueueEndpoint=http://y/a"


class UnforeseenError(Exception):
    """A bug: nothing in the broker knows it."""


class Broken(AsyncHttpTransport[Any, Any]):
    """A transport with a bug in it."""

    async def send(self, request: Any, **_: Any) -> Any:
        """Never gets through."""
        raise UnforeseenError(str(request.url))

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def __aexit__(self, *_: object) -> None:
        """Nothing to close."""


def _broken(request: httpx.Request) -> httpx.Response:
    raise UnforeseenError(str(request.url))


@pytest.fixture
def calls(bearer: Bearer, clock: FakeClock) -> GraphCalls:
    """Graph's wire."""
    client = httpx.AsyncClient(transport=httpx.MockTransport(_broken))
    return GraphCalls(ENDPOINT, bearer, client, FixedIds(), RateLimiters(clock))


@pytest.fixture
def arm(bearer: Bearer, clock: FakeClock) -> Arm:
    """Resource Manager."""
    return Arm("https://arm.example", bearer, Broken(), RateLimiters(clock))


NEW = NewApplication("u", "u", "AzureADMyOrg", (), "")
GRAPH: dict[str, Callable[[Graph], Awaitable[object]]] = {
    "upsert_application": lambda graph: graph.upsert_application(NEW),
    "create_principal": lambda graph: graph.create_principal(PRINCIPAL),
    "add_secret": lambda graph: graph.add_secret(PRINCIPAL, "s", START),
    "add_member": lambda graph: graph.add_member(GROUP, PRINCIPAL),
    "find_application": lambda graph: graph.find_application("u"),
    "find_principal": lambda graph: graph.find_principal(PRINCIPAL),
    "remove_member": lambda graph: graph.remove_member(GROUP, PRINCIPAL),
    "delete_principal": lambda graph: graph.delete_principal(PRINCIPAL),
    "delete_application": lambda graph: graph.delete_application(PRINCIPAL),
    "purge": lambda graph: graph.purge(PRINCIPAL),
    "read_group": lambda graph: graph.read_group(GROUP),
    "credentials_of": lambda graph: graph.credentials_of(PRINCIPAL),
    "secrets_named": lambda graph: graph.secrets_named(PRINCIPAL, "s"),
    "remove_secret": lambda graph: graph.remove_secret(PRINCIPAL, PRINCIPAL),
    "read_application": lambda graph: graph.read_application(PRINCIPAL),
    "is_owner": lambda graph: graph.is_owner(PRINCIPAL, PRINCIPAL),
    "is_denied": lambda graph: graph.is_denied(PRINCIPAL, PRINCIPAL),
}


@pytest.mark.parametrize("call", GRAPH.values(), ids=GRAPH)
async def test_a_bug_in_a_call_of_graph_comes_out(calls: GraphCalls, call: Callable[[Graph], Awaitable[object]]) -> None:
    """Of every call."""
    with pytest.raises(UnforeseenError):
        await call(Graph(calls))


ARM: dict[str, Callable[[Arm], Awaitable[object]]] = {
    "assign": lambda arm: arm.assign(Assignment(SCOPES[0], "n"), DEFINITION, PRINCIPAL, None),
    "unassign": lambda arm: arm.unassign(Assignment(SCOPES[0], "n")),
    "assigned_to": lambda arm: arm.assigned_to(PRINCIPAL, SCOPES[0]),
    "assigned_at": lambda arm: arm.assigned_at(SCOPES[0]),
    "definitions_named": lambda arm: arm.definitions_named("Reader", SCOPES[0]),
    "definition_names_at": lambda arm: arm.definition_names_at(SCOPES[0]),
    "definition": lambda arm: arm.definition(DEFINITION),
    "permissions_at": lambda arm: arm.permissions_at(SCOPES[0]),
    "descendants": lambda arm: arm.descendants(SCOPES[0]),
}


@pytest.mark.parametrize("call", ARM.values(), ids=ARM)
async def test_a_bug_in_a_call_of_resource_manager_comes_out(arm: Arm, call: Callable[[Arm], Awaitable[object]]) -> None:
    """Of every call."""
    with pytest.raises(UnforeseenError):
        await call(arm)


async def _all(items: AsyncIterator[object]) -> list[object]:
    return [each async for each in items]


CENSUS: dict[str, Callable[[AzureLists], Awaitable[object]]] = {
    "identity": lambda inventory: inventory.identity(),
    "owned": lambda inventory: _all(inventory.owned()),
    "recycled": lambda inventory: _all(inventory.recycled()),
    "secrets_on": lambda inventory: inventory.secrets_on(PRINCIPAL),
    "assignments_at": lambda inventory: inventory.assignments_at(SCOPES[0]),
    "definition": lambda inventory: inventory.definition(DEFINITION),
    "groups_of": lambda inventory: inventory.groups_of(PRINCIPAL, (GROUP,)),
    "stands": lambda inventory: inventory.stands(PRINCIPAL, PRINCIPAL),
}


@pytest.mark.parametrize("call", CENSUS.values(), ids=CENSUS)
async def test_a_bug_amid_a_census_comes_out(
    calls: GraphCalls, arm: Arm, clock: FakeClock, call: Callable[[AzureLists], Awaitable[object]]
) -> None:
    """Nothing is taken to be absent."""
    with pytest.raises(UnforeseenError):
        await call(AzureLists(calls, arm, guid(1), Retry(clock, FixedIds())))


async def test_a_bug_amid_a_sign_in_comes_out(clock: FakeClock) -> None:
    """Entra has said neither yes nor no, nor is it silent."""
    client = httpx.AsyncClient(transport=httpx.MockTransport(_broken))
    probe = TokenProbe(client, clock, "https://sign.in", guid(1), "scope")
    with pytest.raises(UnforeseenError):
        await probe.signs_in(guid(2), Secret("s"), deadline=clock.monotonic() + 60)


async def test_a_bug_amid_a_reading_of_keys_comes_out(clock: FakeClock) -> None:
    """The keys are not there to be had, and Entra is not to blame."""
    client = httpx.AsyncClient(transport=httpx.MockTransport(_broken))
    with pytest.raises(UnforeseenError):
        await TenantKeys("https://sign.in", guid(1), client, clock).find("issuer", "kid")


async def test_a_bug_amid_the_broker_s_own_sign_in_comes_out(clock: FakeClock) -> None:
    """It is not the operator's to mend."""

    class Credential(Bearer):
        async def get_token(self, *_: str, **__: Any) -> Any:
            raise UnforeseenError

    with pytest.raises(UnforeseenError):
        await HeldTokens(Credential(), clock).get_token("scope")


AUTH_ROLE = AuthRole("web", Bounds(app_roles=frozenset({"Reports"})))
ROLE, LEASE, TURN = role(), replace(lease(), version='W/"1"'), LockRecord(guid(1), "holder", START, 'W/"1"')
CALLER = CallerKey(guid(1), guid(2))
type Service = TableServiceClient
TABLES: dict[str, Callable[[Service], Awaitable[object]]] = {
    "leases.open": lambda it: TableLeases(it, FixedIds(), SCHEMAS).open(LEASE),
    "leases.swap": lambda it: TableLeases(it, FixedIds(), SCHEMAS).swap(LEASE, former=LEASE),
    "leases.get": lambda it: TableLeases(it, FixedIds(), SCHEMAS).get(LEASE.id),
    "leases.remove": lambda it: TableLeases(it, FixedIds(), SCHEMAS).remove(LEASE),
    "leases.due": lambda it: _all(TableLeases(it, FixedIds(), SCHEMAS).due(START)),
    "leases.list": lambda it: TableLeases(it, FixedIds(), SCHEMAS).list(LeaseQuery()),
    "leases.footprints": lambda it: _all(TableLeases(it, FixedIds(), SCHEMAS).footprints()),
    "roles.get": lambda it: TableRoles(it, FixedIds(), SCHEMAS).get(WEB),
    "roles.list": lambda it: TableRoles(it, FixedIds(), SCHEMAS).list(),
    "roles.page": lambda it: TableRoles(it, FixedIds(), SCHEMAS).page(1),
    "auth_roles.put": lambda it: TableAuthRoles(it, FixedIds()).put(AUTH_ROLE, expected=ANY),
    "policies.delete": lambda it: TablePolicies(it, FixedIds()).delete("web", expected=ANY),
    "access.version": lambda it: TableAccess(it).version(),
    "access.load": lambda it: TableAccess(it).load(),
    "access.touch": lambda it: TableAccess(it).touch(),
    "roles.put": lambda it: TableRoles(it, FixedIds(), SCHEMAS).put(ROLE, expected=ANY),
    "roles.delete": lambda it: TableRoles(it, FixedIds(), SCHEMAS).delete(WEB, expected=ANY),
    "roles.admissions": lambda it: TableRoles(it, FixedIds(), SCHEMAS).admissions(WEB),
    "roles.admit": lambda it: TableRoles(it, FixedIds(), SCHEMAS).admit(WEB, frozenset(), former=Admissions()),
    "audit.record": lambda it: TableAudit(it, FixedIds()).record(AuditEvent(START, "sweep", Outcome.DONE, "r")),
    "audit.read": lambda it: TableAudit(it, FixedIds(), clock=FakeClock()).read(AuditQuery(START, START + timedelta(hours=1))),
    "run_history.swept": lambda it: TableRunHistory(it).swept(START, {}),
    "run_history.last_sweep": lambda it: TableRunHistory(it).last_sweep(),
    "run_history.reachable": lambda it: TableRunHistory(it).reachable(),
    "run_history.noted": lambda it: TableRunHistory(it).noted(),
    "leases.stuck": lambda it: TableLeases(it, FixedIds(), SCHEMAS).stuck(1),
    "leases.align": lambda it: TableLeases(it, FixedIds(), SCHEMAS).align(1),
    "generations.get": lambda it: TableGenerations(it).get(WEB),
    "generations.advance": lambda it: TableGenerations(it).advance(WEB),
    "queued_markers.note": lambda it: TableQueuedMarkers(it).note(Batch(guid(1), (LEASE.id,)), START),
    "queued_markers.waiting": lambda it: TableQueuedMarkers(it).waiting(START),
    "queued_markers.forget": lambda it: TableQueuedMarkers(it).forget("b"),
    "locks.take": lambda it: TableApplicationLocks(it, FixedIds()).take(TURN, former=None),
    "locks.get": lambda it: TableApplicationLocks(it, FixedIds()).get(guid(1)),
    "locks.release": lambda it: TableApplicationLocks(it, FixedIds()).release(TURN),
    "callers.window": lambda it: TableCallerRecords(it, FakeClock()).window(CALLER),
    "callers.note": lambda it: TableCallerRecords(it, FakeClock()).note(CALLER, AskWindow()),
    "callers.admissions": lambda it: TableCallerRecords(it, FakeClock()).admissions(CALLER),
    "callers.admit": lambda it: TableCallerRecords(it, FakeClock()).admit(CALLER, CallerAdmissions()),
    "leases.held_by": lambda it: TableLeases(it, FixedIds(), SCHEMAS).held_by(guid(1), guid(2)),
    "leased.note": lambda it: TableLeasedPrincipals(it).note([guid(1)], LEASE.id),
    "leased.find": lambda it: TableLeasedPrincipals(it).find([guid(1)]),
    "leased.forget": lambda it: TableLeasedPrincipals(it).forget([guid(1)]),
}


@pytest.mark.parametrize("client", [Tables, TableServiceClient])
@pytest.mark.parametrize("call", TABLES.values(), ids=TABLES)
async def test_a_bug_in_a_call_of_table_storage_comes_out(
    call: Callable[[Service], Awaitable[object]], client: type[Service]
) -> None:
    """Of every store, past the client library's layers and through them."""
    async with client.from_connection_string(STORAGE, transport=Broken()) as service:
        with pytest.raises(UnforeseenError):
            await call(service)


async def test_a_bug_in_a_call_of_queue_storage_comes_out() -> None:
    """As it is."""
    client = queues.connect(STORAGE, transport=Broken(), retry_total=0)
    with pytest.raises(UnforeseenError):
        await queues.StorageRevocations(client).send(Batch(guid(1), (LEASE.id,)))

"""Leases found by what they were granted: at or below a scope, or also above it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from azure.data.tables.aio import TableClient, TableServiceClient

from shared.cloud.storage.lease_reader import read_granted
from shared.cloud.storage.lease_rows import lease_key
from shared.cloud.storage.lease_table import TableLeases
from shared.cloud.storage.scope_rows import MOST
from shared.cloud.storage.tables import connect
from shared.core.caller import CallerType
from shared.core.footprint import Assignment
from shared.core.lease import Cause, Lease, State
from shared.core.names import LeaseId, ObjectId, RoleName, Scope
from shared.core.ports.leases import GrantedLease, LeaseQuery, Leases
from shared.core.reach import Reach
from shared.issuers.role_grant.footprint import Grant, RoleGrantFootprint
from shared.issuers.service_principal.schema import ServicePrincipalFootprint
from tests.contract.stores import Stores, lease
from tests.contract.test_listing import OTHER, end, opened_at
from tests.contract.wires import OverAWire, keys
from tests.fakes.clock import START, FixedIds
from tests.fakes.world import ALICE, BOB, DEFINITION, GROUPS, OTHER_TENANT, SUBSCRIPTION, TENANT, WEB, guid
from tests.support.kinds import SCHEMAS

SUB = f"/subscriptions/{SUBSCRIPTION}"
ELSEWHERE = f"/subscriptions/{guid(0x999)}"
APP = f"{SUB}/resourceGroups/app"
ACCOUNT = f"{APP}/providers/Microsoft.Storage/storageAccounts/x"
CONTAINER = f"{ACCOUNT}/blobServices/default/containers/c"
DEPLOYED = f"{SUB}/providers/Microsoft.Resources/deployments/d"
GROUP = "/providers/Microsoft.Management/managementGroups/all"
GRANTED = {
    "subscription": (SUB,),
    "group": (APP,),
    "another group": (f"{SUB}/resourceGroups/app-2",),
    "account": (ACCOUNT,),
    "another account": (f"{ACCOUNT}2",),
    "container": (CONTAINER,),
    "deployment": (DEPLOYED,),
    "elsewhere": (f"{ELSEWHERE}/resourceGroups/app",),
    "management group": (GROUP,),
    "another management group": (f"{GROUP}-2",),
    "two": (f"{SUB}/resourceGroups/app-2", CONTAINER.upper()),
    "nothing": (),
}
"""By their names, the scopes of leases."""
_ALL = {"management group", "another management group"}
_IN_ACCOUNT = {"account", "container", "two"}
_IN_APP = {"group", *_IN_ACCOUNT, "another account"}
_IN_SUB = {"subscription", *_IN_APP, "another group", "deployment"}
CASES: list[tuple[str, set[str], set[str]]] = [
    (SUB, _IN_SUB, _ALL),
    (APP, _IN_APP, {"subscription", *_ALL}),
    (f"{APP}/", _IN_APP, {"subscription", *_ALL}),
    (APP.upper(), _IN_APP, {"subscription", *_ALL}),
    (f"{APP}-2", {"another group", "two"}, {"subscription", *_ALL}),
    (f"{APP}-3", set(), {"subscription", *_ALL}),
    (ACCOUNT, _IN_ACCOUNT, {"group", "subscription", *_ALL}),
    (ACCOUNT.lower(), _IN_ACCOUNT, {"group", "subscription", *_ALL}),
    (f"{ACCOUNT}2", {"another account"}, {"group", "subscription", *_ALL}),
    (CONTAINER, {"container", "two"}, {"account", "group", "subscription", *_ALL}),
    (f"{CONTAINER}c", set(), {"account", "group", "subscription", *_ALL}),
    (DEPLOYED, {"deployment"}, {"subscription", *_ALL}),
    (ELSEWHERE, {"elsewhere"}, _ALL),
    (GROUP, {"management group"}, _ALL),
    (GROUP.upper(), {"management group"}, _ALL),
    (f"{GROUP}-3", set(), _ALL),
]
"""A scope, what was granted at or below it, and what else reaches it."""


def granting(minute: int, *scopes: str, role: RoleName = WEB, holder: ObjectId = ALICE.object_id) -> Lease:
    """A lease that was granted something there."""
    assignments = tuple(Assignment(Scope.parse(each), guid(number)) for number, each in enumerate(scopes))
    footprint = ServicePrincipalFootprint("u", assignments, GROUPS[:1])
    return replace(opened_at(minute, role, holder), parts=(footprint,))


async def everything(leases: Leases) -> dict[str, LeaseId]:
    """A lease of each."""
    return {name: (await leases.open(granting(minute, *scopes))).id for minute, (name, scopes) in enumerate(GRANTED.items())}


async def listed(leases: Leases, reach: Reach, **more: Any) -> list[LeaseId]:
    """All pages."""
    query, found = LeaseQuery(reach=reach, live=True, **more), list[LeaseId]()
    for _ in range(50):
        page = await leases.list(query)
        assert len(page.items) <= query.limit
        found += [each.id for each in page.items]
        if page.cursor is None:
            return found
        query = replace(query, cursor=LeaseId(page.cursor))
    raise AssertionError(found)


async def granted(leases: Leases, reach: Reach) -> list[LeaseId]:
    """What a revocation finds, each once."""
    return sorted([each.id async for each in leases.granted(reach)])


def newest(ids: Sequence[LeaseId]) -> list[LeaseId]:
    """In the order of a list."""
    return sorted(ids, key=lambda each: each.age)


async def test_each_question_is_answered_exactly(stores: Stores) -> None:
    """Whatever the names have in common, and however the scope is written."""
    made = await everything(stores.leases)
    for text, below, above in CASES:
        scope = Scope.parse(text)
        for reach, names in ((Reach(scope), below), (Reach(scope, above=True), below | above)):
            expected = [made[name] for name in names]
            assert newest(expected) == await listed(stores.leases, reach, limit=4), (reach, names)
            assert newest(expected) == await listed(stores.leases, reach), (reach, names)
            assert sorted(expected) == await granted(stores.leases, reach), (reach, names)


async def test_pages_are_in_the_order_in_which_the_leases_were_opened(stores: Stores) -> None:
    """While some end and others are opened."""
    made = [await stores.leases.open(granting(minute, ACCOUNT if minute % 2 else SUB)) for minute in range(30)]
    query, seen = LeaseQuery(reach=Reach(Scope.parse(ACCOUNT), above=True), live=True, limit=4), list[LeaseId]()
    for number in range(20):
        page = await stores.leases.list(query)
        seen += [each.id for each in page.items]
        if page.cursor is None:
            break
        await stores.leases.open(granting(100 + number, ACCOUNT))
        if number == 1:
            await end(stores.leases, made[3])
        query = replace(query, cursor=LeaseId(page.cursor))
    assert [each.id for each in reversed(made) if each.id != made[3].id] == seen


async def test_role_holder_tenant_and_state_narrow_it(stores: Stores) -> None:
    """As they narrow every list."""
    leases, reach = stores.leases, Reach(Scope.parse(APP))
    own, others, role = [
        await leases.open(granting(minute, ACCOUNT, role=role, holder=holder))
        for minute, (role, holder) in enumerate([(WEB, ALICE.object_id), (WEB, BOB.object_id), (OTHER, ALICE.object_id)])
    ]
    namesake = granting(9, ACCOUNT)
    namesake = await leases.open(replace(namesake, holder=replace(namesake.known_holder, tenant_id=OTHER_TENANT)))
    active = await leases.swap(own.activated(START, ready=True), former=own)
    assert [role.id] == await listed(leases, reach, role=OTHER)
    assert [namesake.id, role.id, own.id] == await listed(leases, reach, holder=ALICE.object_id)
    assert [role.id, own.id] == await listed(leases, reach, holder=ALICE.object_id, tenant=TENANT)
    assert [others.id] == await listed(leases, reach, holder=BOB.object_id, role=WEB)
    assert [active.id] == await listed(leases, reach, state=State.ACTIVE)
    assert [active.id] == await listed(leases, reach, standing=True)
    (page,) = (await leases.list(LeaseQuery(reach=reach, state=State.ACTIVE))).items
    assert (State.ACTIVE, active.expires_at) == (page.state, page.expires_at)


async def test_what_has_ended_is_not_found(stores: Stores) -> None:
    """Nor what is forgotten, whatever is asked."""
    reach = Reach(Scope.parse(APP), above=True)
    ended = await end(stores.leases, await stores.leases.open(granting(1, ACCOUNT, SUB, GROUP)))
    gone = await stores.leases.open(granting(2, ACCOUNT))
    await stores.leases.remove(gone)
    for _ in range(2):
        assert [] == await granted(stores.leases, reach)
        assert () == (await stores.leases.list(LeaseQuery(reach=reach))).items
        await stores.leases.remove(ended)


async def test_a_lease_of_a_pool_is_told_as_held_by_nobody_until_it_is_claimed(stores: Stores) -> None:
    """It is found where it was granted all the while."""
    leases, reach = stores.leases, Reach(Scope.parse(ACCOUNT))
    opened = await leases.open(granting(1, ACCOUNT))
    pooled = await leases.swap(opened.pooled(START, START, ready=False), former=opened)
    assert [GrantedLease(pooled.id, is_held=False)] == [each async for each in leases.granted(reach)]
    assert ([], [pooled.id]) == (
        await listed(leases, reach),
        [each.id for each in (await leases.list(LeaseQuery(reach=reach))).items],
    )
    claim = FixedIds().ulid(START + timedelta(minutes=50))
    until = START + timedelta(seconds=20)
    bob = replace(opened.known_holder, object_id=BOB.object_id)
    claimed = pooled.claimed(claim, replace(opened, holder=bob, generation=3, due_at=until, made_by=until))
    await leases.swap(claimed, former=pooled)
    assert [GrantedLease(pooled.id, is_held=True)] == [each async for each in leases.granted(reach)]
    assert [pooled.id] == await listed(leases, reach, holder=BOB.object_id)
    assert [] == await listed(leases, reach, holder=ALICE.object_id)


@pytest.mark.parametrize("where", ["groups", "subscriptions"])
async def test_a_lease_with_scopes_everywhere_is_found_in_each(stores: Stores, where: str) -> None:
    """At the most assignments that a role may have, of which each needs two rows."""
    places = [f"/subscriptions/{guid(0x1000 + number)}" for number in range(32)]
    scopes = [f"{each}/resourceGroups/{'g' * 90}" for each in places] if where == "groups" else places
    made = await stores.leases.open(granting(1, *scopes))
    ending = await stores.leases.swap(made.activated(START, ready=True), former=made)
    for each in (scopes[0], scopes[31], places[7]):
        assert [made.id] == await listed(stores.leases, Reach(Scope.parse(each)))
        assert [made.id] == await granted(
            stores.leases, Reach(Scope.parse(f"{each}/providers/a/b/c"), above=True)
        ) or each in places
    assert [] == await listed(stores.leases, Reach(Scope.parse(f"{scopes[0]}x" if where == "groups" else SUB), above=False))
    await end(stores.leases, ending)
    assert [] == await listed(stores.leases, Reach(Scope.parse(scopes[0])))


# Of Table Storage alone: the rows themselves.


@pytest.fixture
async def service(storage_connection: str) -> AsyncIterator[TableServiceClient]:
    """Storage of which nobody has noted that each lease has its rows of scopes."""
    async with connect(storage_connection) as made:
        await TableLeases(made, FixedIds(), SCHEMAS).open(replace(lease(99), parts=granting(0).parts))
        await table_of(made).delete_entity("aligned", "scopes")
        yield made


def table_of(service: TableServiceClient) -> TableClient:
    """The table itself."""
    return service.get_table_client("leases")


async def scope_keys(service: TableServiceClient) -> list[str]:
    """Of the rows of scopes."""
    keys = [str(row["RowKey"]) async for row in table_of(service).list_entities(select=["RowKey"])]
    return sorted(key for key in keys if key.startswith(("in_", "at_")))


async def rewrite_as_before(service: TableServiceClient, one: Lease, **change: Any) -> None:
    """As an older version writes the lease's own row: it knows nothing of rows of scopes."""
    row = dict(await table_of(service).get_entity(one.id.shard, lease_key(one.id)))
    del row["ByScope"]
    await table_of(service).update_entity(row | change, mode="replace")


@pytest.mark.parametrize(
    ("scopes", "count"),
    [((), 0), ((SUB,), 2), ((APP,), 2), ((ACCOUNT, APP), 2), ((ACCOUNT, SUB), 3), ((DEPLOYED,), 1), ((GROUP, f"{GROUP}-2"), 1)],
)
async def test_a_lease_has_so_many_rows_of_scopes(over_a_wire: OverAWire, scopes: tuple[str, ...], count: int) -> None:
    """And none of them is written anew while it lives, however often it is."""
    leases, _, around = over_a_wire
    opened = await leases.open(granting(1, *scopes))
    rows = {key: row.metadata["etag"] for key, row in (await rows_of_scopes(around)).items()}
    assert count == len(rows)
    active = await leases.swap(opened.activated(START, ready=True), former=opened)
    renewed = await leases.swap(active.renewed(START + timedelta(hours=2)), former=active)
    assert rows == {key: row.metadata["etag"] for key, row in (await rows_of_scopes(around)).items()}
    await end(leases, renewed)
    assert 0 == len(await rows_of_scopes(around))
    assert 5 == len(await keys(around))


async def rows_of_scopes(service: TableServiceClient) -> dict[str, Any]:
    """By their keys."""
    rows = [row async for row in table_of(service).list_entities()]
    return {row["RowKey"]: row for row in rows if row["RowKey"].startswith(("in_", "at_"))}


async def test_more_than_the_most_rows_become_one(over_a_wire: OverAWire) -> None:
    """Which names all scopes."""
    leases, _, around = over_a_wire
    scopes = [f"/subscriptions/{guid(0x1000 + number)}/resourceGroups/g" for number in range(MOST // 2 + 1)]
    await leases.open(granting(1, *scopes[1:]))
    assert MOST == len(await rows_of_scopes(around))
    await leases.open(granting(2, *scopes))
    rows = await rows_of_scopes(around)
    (only,) = [row for key, row in rows.items() if key.startswith("at_")]
    assert (MOST + 1, {*scopes}) == (len(rows), {*read_granted(only)})


async def test_leases_from_before_are_found_at_once_and_get_their_rows(service: TableServiceClient) -> None:
    """By the reconciliation, which then notes that each has them."""
    store, reach = TableLeases(service, FixedIds(), SCHEMAS), Reach(Scope.parse(ACCOUNT), above=True)
    opened = [await store.open(granting(minute, *scopes)) for minute, scopes in enumerate([(ACCOUNT,), (SUB, GROUP), ()], 1)]
    active = [await store.swap(each.activated(START, ready=True), former=each) for each in opened]
    expected = await scope_keys(service)
    for key, row in (await rows_of_scopes(service)).items():
        await table_of(service).delete_entity(row["PartitionKey"], key)
    for each in active:
        await rewrite_as_before(service, each)
    wanted = [active[1].id, active[0].id]
    for count in (3, 0):
        again = TableLeases(service, FixedIds(), SCHEMAS)
        assert wanted == await listed(again, reach, limit=1)
        assert sorted(wanted) == await granted(again, reach)
        assert count == await again.align(9)
    assert expected == await scope_keys(service)
    assert wanted == await listed(TableLeases(service, FixedIds(), SCHEMAS), reach)
    for each in active:
        current = await store.get(each.id)
        assert current is not None
        assert (each, each.by_scope) == (replace(current, version=each.version), current.by_scope)
        await end(store, current)
    assert [] == await scope_keys(service)


async def test_what_an_older_version_has_renewed_ends_like_any_other(service: TableServiceClient) -> None:
    """Its rows stand though its own row does not say so: nothing of it is stuck."""
    store = TableLeases(service, FixedIds(), SCHEMAS)
    opened = await store.open(granting(1, ACCOUNT, SUB))
    await rewrite_as_before(service, opened)
    current = await store.get(opened.id)
    assert current is not None
    assert current.by_scope is None
    ended = await end(store, current)
    assert ([], ()) == (await scope_keys(service), ended.by_scope)


@pytest.mark.parametrize("is_gone", [False, True], ids=["ended", "forgotten"])
async def test_what_an_older_version_has_ended_is_passed_over_and_forgotten(
    service: TableServiceClient, *, is_gone: bool
) -> None:
    """It has left the rows of scopes behind."""
    await TableLeases(service, FixedIds(), SCHEMAS).align(9)
    store, reach = TableLeases(service, FixedIds(), SCHEMAS), Reach(Scope.parse(ACCOUNT))
    opened = await store.open(granting(1, ACCOUNT, SUB))
    left = await rows_of_scopes(service)
    over = await end(store, opened)
    await rewrite_as_before(service, over)
    if is_gone:
        await store.remove(await stored(store, over.id))
    for row in left.values():
        await table_of(service).create_entity(row)
    assert [] == await listed(store, reach)
    assert () == (await store.list(LeaseQuery(reach=reach))).items
    assert [opened.id] == await granted(store, reach)
    assert (1, 0) == (await store.align(9), await store.align(9))
    assert ([], []) == (await scope_keys(service), await granted(store, reach))
    if not is_gone:
        await store.remove(await stored(store, over.id))
        assert await store.get(over.id) is None


async def stored(store: TableLeases, lease_id: LeaseId) -> Lease:
    """As it is now."""
    found = await store.get(lease_id)
    assert found is not None
    return found


async def test_a_lease_that_somebody_is_at_is_left_to_them(service: TableServiceClient) -> None:
    """Their next write gives it its rows; until then nothing is noted."""
    store = TableLeases(service, FixedIds(), SCHEMAS)
    opened = await store.open(granting(1, ACCOUNT))
    for key, row in (await rows_of_scopes(service)).items():
        await table_of(service).delete_entity(row["PartitionKey"], key)
    await rewrite_as_before(service, opened)
    assert (1, 1) == (await store.align(9), await store.align(9))
    current = await stored(store, opened.id)
    await store.swap(current.ending(Cause.REVOKED, START, START), former=current)
    assert 2 == len(await scope_keys(service))
    assert 0 == await store.align(9)


async def test_a_damaged_row_hides_its_lease_there_alone(over_a_wire: OverAWire) -> None:
    """The lease itself is whole, and ends."""
    leases, _, around = over_a_wire
    opened = await leases.open(granting(1, ACCOUNT))
    other = await leases.open(granting(2, ACCOUNT))
    for key, row in (await rows_of_scopes(around)).items():
        if key.endswith(opened.id):
            await table_of(around).upsert_entity({"PartitionKey": row["PartitionKey"], "RowKey": key, "Scopes0": '["'})
    assert [other.id] == await listed(leases, Reach(Scope.parse(ACCOUNT)))
    assert [other.id] == await granted(leases, Reach(Scope.parse(ACCOUNT)))
    await end(leases, opened)
    assert 2 == len(await rows_of_scopes(around))


def jit(minute: int, *scopes: str) -> tuple[Lease, RoleGrantFootprint]:
    """A lease that is to give its holder something there, as it is planned."""
    grants = tuple(Grant(Scope.parse(each), guid(number), DEFINITION) for number, each in enumerate(scopes))
    footprint = RoleGrantFootprint(ALICE.object_id, CallerType.APPLICATION, grants)
    planned = replace(opened_at(minute, WEB, ALICE.object_id), type=footprint.type, parts=(footprint,), state=State.PLANNED)
    return replace(planned, handed_out=False), footprint


@pytest.mark.parametrize("others", [(f"{SUB}/resourceGroups/app-2",), (f"{ACCOUNT}2",)])
async def test_what_was_granted_less_than_was_planned_is_found_by_what_was_granted(stores: Stores, others: Any) -> None:
    """In another group, whose index has a row less; and in the same, whose row says less."""
    leases = stores.leases
    planned, footprint = jit(0, ACCOUNT, *others)
    opened = await leases.open(planned)
    assert [[opened.id]] * 2 == [await listed(leases, Reach(Scope.parse(each))) for each in (ACCOUNT, *others)]
    first, *rest = (each.name for each in footprint.grants)
    made = replace(footprint, made=(first,), unmade=tuple(rest), left_out=tuple(rest), granted=True)
    now = planned.planned_at
    active = await leases.swap(opened.knowing(made).activated(now, ready=False), former=opened)
    assert [[active.id], []] == [await listed(leases, Reach(Scope.parse(each))) for each in (ACCOUNT, *others)]
    assert [[active.id], []] == [await granted(leases, Reach(Scope.parse(each))) for each in (ACCOUNT, *others)]
    stored = await leases.get(active.id)
    assert stored is not None
    assert made == stored.footprint

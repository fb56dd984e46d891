"""A store in which a row of nearly every kind is damaged, or of a later version's form: everything else goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from shared.broker.ending.sweep import sweep
from shared.broker.inspect import list_leases, may_issue, read_audit, read_lease, status
from shared.broker.issue.idempotent import issue_once
from shared.broker.issue.issue import IssueRequest, issue
from shared.broker.reconcile.reconcile import reconcile
from shared.broker.renew import renew
from shared.broker.revoke import revoke
from shared.cloud.storage.lease_table import TableLeases
from shared.core.audit import Outcome
from shared.core.errors import Unreadable
from shared.core.lease import State
from shared.core.names import RoleName, shard_of
from shared.core.ports.audit import AuditQuery
from shared.core.ports.leases import LeaseQuery
from tests.fakes.world import ADMINISTRATOR, BOB, EXISTING, WEB, request
from tests.stored.kept_store import STORES, Scene, on_the_store
from tests.support.kinds import SCHEMAS

ADMIN = request(ADMINISTRATOR)
LATER_FORM: Mapping[str, Any] = {"Form": 9}
CUT_OFF = "{"
DAMAGED_LEASES: dict[str, Mapping[str, Any]] = {"live": LATER_FORM, "keyed": {"View": CUT_OFF}, "held": {"Own0": CUT_OFF}}
DAMAGE: dict[str, dict[tuple[str, str], Mapping[str, Any]]] = {
    "roles": {
        ("role", "legacy"): LATER_FORM,
        ("role", "\u00a7shared"): LATER_FORM,
        ("secret-name", "kv-app.vault.azure.net_nobodys"): LATER_FORM,
        ("generation", "grouped"): LATER_FORM,
        ("generation", "nobodys"): {"Number": "many"},
        ("admission", "capped"): {"Leases0": CUT_OFF},
        ("application", str(EXISTING)): {"Until": "soon", "Holder": "nobody"},
        ("access", "auth-role_later"): LATER_FORM,
        ("access", "auth-role_damaged"): {"Document0": CUT_OFF},
        ("access", "policy_later"): LATER_FORM,
        ("access", "policy_damaged"): {"Document0": CUT_OFF},
        ("event-rule", "later"): LATER_FORM,
        ("event-rule", "damaged"): {"Document0": CUT_OFF},
        ("rule_sites", "lease_x"): LATER_FORM,
        ("rule_sites", "denied"): {"Since": "lately"},
        ("holder-resource", f"x_{BOB.object_id}"): {"At": "lately"},
        ("holder-resource", f"y_{BOB.object_id}"): LATER_FORM,
        ("access", "version"): LATER_FORM,
        ("waiting", "1"): {"Until": "soon", "Leases": "[]"},
        ("journal", "sweep"): LATER_FORM,
        ("journal", "reconcile"): {"At": "lately"},
        ("journal", "count"): {"Leases0": CUT_OFF},
        ("journal", "events"): {"LastError": "x", "Dropped": "many"},
        ("journal", "events_in"): {"own": "many"},
    },
    "leases": {
        ("00", "due_20200101T000000000Z_nobodys"): {},
        ("00", "due_20200101T000000000Z"): {},
        ("00", f"due_20200101T000000000Z_event_{'0' * 26}"): {},
        ("stuck", "stuck_~nobodys"): {},
        (shard_of(BOB.object_id), f"minted_{BOB.object_id}"): LATER_FORM,
    },
}
"""By table and key: the properties that are not as they should be."""


async def damage(scene: Scene) -> dict[tuple[str, str], dict[str, Any]]:
    """Puts it all there; gives the rows that nobody may change, as they were."""
    stored = scene.kept
    leases, audit = (scene.service.get_table_client(table) for table in ("leases", "audit"))
    for table, changes in DAMAGE.items():
        client = scene.service.get_table_client(table)
        for (partition, key), change in changes.items():
            await client.upsert_entity({"PartitionKey": partition, "RowKey": key, **change})
    for what, change in DAMAGED_LEASES.items():
        lease_id = stored.leases[what]
        await leases.upsert_entity({"PartitionKey": lease_id.shard, "RowKey": f"lease_{lease_id}", **change})
    capped, keyed = stored.leases["capped"], stored.leases["keyed"]
    rows = await scene.rows("leases")
    (listed,) = [row for row in rows if row["RowKey"].startswith("all_") and row["RowKey"].endswith(capped)]
    (repeated,) = [row for row in rows if row["RowKey"].startswith("key_") and row["LeaseId"] == stored.leases["repeated"]]
    (counted,) = [row for row in rows if row["RowKey"].startswith("role_capped") and row["RowKey"].endswith(capped)]
    await leases.upsert_entity({**_key(listed), "View": CUT_OFF})
    await leases.upsert_entity({**_key(counted), "State": "prepared"})
    await leases.upsert_entity({**_key(repeated), **LATER_FORM})
    await leases.upsert_entity({"PartitionKey": "stuck", "RowKey": f"stuck_~{keyed.age}_{keyed}"})
    first, second, *_ = stored.read("audit")
    await audit.upsert_entity({**_key(first), **LATER_FORM})
    await audit.upsert_entity({**_key(second), "Outcome": "perhaps"})
    return {_place(row): row for row in await scene.rows("leases") if _is_left(scene, row)}


def _key(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"PartitionKey": row["PartitionKey"], "RowKey": row["RowKey"]}


def _place(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["PartitionKey"], row["RowKey"]


def _is_left(scene: Scene, row: Mapping[str, Any]) -> bool:
    """Whether it is a row of one of the damaged leases: no version that cannot read them may touch these."""
    return any(row["RowKey"].endswith(scene.kept.leases[what]) for what in DAMAGED_LEASES)


async def test_one_bad_row_of_each_kind_stands_in_nobodys_way(storage_connection: str) -> None:
    """Whoami, lists, issues, the audit trail, sweeps, reconciliations and status go on, and tell what they could not read."""
    async with on_the_store(storage_connection, STORES["7cd20a5"]) as scene:
        ports, stored = scene.ports, scene.kept
        untouched = await damage(scene)
        unreadable = {stored.leases[what] for what in DAMAGED_LEASES}
        assert set(stored.documents) == {role.name for role in await ports.roles.list()}
        assert {"web", "capped"} <= {role.name for role in (await may_issue(ports, request())).roles}
        for query in (LeaseQuery(), LeaseQuery(role=WEB), LeaseQuery(state=State.ACTIVE), LeaseQuery(live=True)):
            assert (await list_leases(ports, ADMIN, query)).items, query
        assert stored.leases["capped"] not in {each.id for each in (await list_leases(ports, ADMIN, LeaseQuery())).items}
        assert State.ACTIVE is (await issue(ports, request(), IssueRequest(WEB))).lease.state
        await refused(scene)
        assert (await status(ports, ADMIN)).last_sweep is None
        scene.jump(5 * 3600)
        assert 0 < (await sweep(ports, "s")).ended
        scene.jump(3600)
        run = await reconcile(ports, "r")
        assert {f"lease {each}" for each in unreadable} <= set(run.unread)
        result = await status(ports, ADMIN)
        assert (unreadable, ["legacy"]) == (set(result.unreadable_leases), [*result.unreadable_roles])
        assert untouched == {place: row for row in await scene.rows("leases") if (place := _place(row)) in untouched}
        await tells_events(scene)
        await lists_without_the_mark(scene)
        await mended(scene)


async def refused(scene: Scene) -> None:
    """What concerns an unreadable row itself: nothing happens."""
    ports, leases = scene.ports, scene.kept.leases
    attempts = [
        *(issue(ports, ADMIN, IssueRequest(RoleName(role))) for role in ("legacy", "grouped", "capped")),
        issue_once(ports, request(), IssueRequest(WEB), "run-2"),
        issue_once(ports, request(), IssueRequest(WEB), "run-1"),
        *(verb(ports, request(), leases[what]) for verb in (read_lease, revoke) for what in DAMAGED_LEASES),
        renew(ports, request(), leases["live"], None),
    ]
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    assert [Unreadable] * len(attempts) == [type(each) for each in outcomes], outcomes
    assert await ports.leased.find([BOB.object_id]) is not None


async def tells_events(scene: Scene) -> None:
    """Those that cannot be read as well, in their places."""
    query = AuditQuery(scene.kept.taken_at.replace(hour=0), scene.ports.now(), limit=1000)
    events = (await read_audit(scene.ports, query)).items
    first, second, third, *_ = events
    assert ["unreadable_event", "unreadable_event"] == [first.operation, second.operation]
    assert (Outcome.FAILED, "misconfigured") == (first.outcome, first.code)
    assert first.at <= second.at <= third.at
    assert len(scene.kept.read("audit")) < len(events)


async def lists_without_the_mark(scene: Scene) -> None:
    """By the leases' own rows, when what says that their index rows are in order is a later version's."""
    await scene.service.get_table_client("leases").upsert_entity({"PartitionKey": "aligned", "RowKey": "leases", **LATER_FORM})
    listed = await TableLeases(scene.service, scene.ports.ids, SCHEMAS).list(LeaseQuery())
    assert scene.kept.leases["capped"] in {each.id for each in listed.items}
    assert not {each.id for each in listed.items} & {scene.kept.leases[what] for what in ("keyed", "live")}


async def mended(scene: Scene) -> None:
    """Once somebody can read them, the leases come to their ends, and nothing of theirs has been lost."""
    leases = scene.service.get_table_client("leases")
    places = {(lease_id.shard, f"lease_{lease_id}") for lease_id in (scene.kept.leases[what] for what in DAMAGED_LEASES)}
    for row in scene.kept.read("leases"):
        if _place(row) in places:
            await leases.upsert_entity(row, mode="replace")
    scene.world.cloud.locked_scopes.clear()
    scene.jump(3600)
    await sweep(scene.ports, "s")
    assert {State.ENDED} == {(await scene.lease(what)).state for what in scene.kept.leases}
    assert [] == scene.world.leftovers()
    assert () == (await status(scene.ports, ADMIN)).unreadable_leases
    scene.jump(timedelta(days=8).total_seconds())
    await sweep(scene.ports, "s")
    assert not [row for row in await scene.rows("leases") if row["RowKey"].startswith("lease_")]

"""Index rows that commit 983a077 has written: listed until the lease ends or is brought into today's form, and gone with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.broker.ending.sweep import sweep
from shared.broker.inspect import list_leases, status
from shared.broker.issue.issue import IssueRequest, issue
from shared.broker.reconcile.reconcile import reconcile
from shared.broker.renew import renew
from shared.broker.revoke import revoke
from shared.cloud.storage.lease_rows import index_rows, lease_row
from shared.core.lease import Cause, Lease, State
from shared.core.names import LeaseId, RoleName
from shared.core.ports.leases import LeaseQuery
from tests.fakes.world import ADMINISTRATOR, ALICE, WEB, request
from tests.stored.kept_store import LEASES, Scene
from tests.support.kinds import SCHEMAS

ADMIN = request(ADMINISTRATOR)
NEWEST = sorted(LEASES.values(), key=lambda each: each.ulid, reverse=True)
QUERIES = [
    LeaseQuery(),
    LeaseQuery(role=WEB),
    LeaseQuery(holder=ALICE.object_id),
    LeaseQuery(holder=ALICE.object_id, role=WEB),
]


async def listed(scene: Scene, query: LeaseQuery) -> list[LeaseId]:
    """All pages."""
    found: list[LeaseId] = []
    for _ in range(20):
        page = await list_leases(scene.ports, ADMIN, query)
        found += [each.id for each in page.items]
        if page.cursor is None:
            return found
        query = replace(query, cursor=LeaseId(page.cursor))
    raise AssertionError(found)


async def expected(scene: Scene, query: LeaseQuery, *newer: LeaseId) -> list[LeaseId]:
    """By the leases' own rows."""
    stored = [await scene.ports.leases.get(each) for each in (*newer, *NEWEST)]
    return [each.id for each in stored if each is not None and _fits(each, query)]


def _fits(lease: Lease, query: LeaseQuery) -> bool:
    return (
        query.role in {None, lease.id.role}
        and query.holder in {None, lease.known_holder.object_id}
        and (lease.state.is_live or not query.live)
        and query.state in {None, lease.state}
    )


def variants() -> Iterator[LeaseQuery]:
    """Of each index, in each state, whole and page by page."""
    for query in QUERIES:
        yield replace(query, limit=3)
        yield replace(query, limit=3, live=True)
        yield replace(query, state=State.ENDED)
        yield replace(query, state=State.ACTIVE)


async def test_the_leases_from_before_are_listed_newest_first(scene: Scene) -> None:
    """As they lie there, with newer ones, and after some were moved; page by page."""
    for query in variants():
        assert await expected(scene, query) == await listed(scene, query), query
    newer = [(await issue(scene.ports, request(), IssueRequest(WEB))).lease.id for _ in range(2)]
    await renew(scene.ports, request(), LEASES["live"], 3000)
    scene.jump(600)
    await revoke(scene.ports, request(), LEASES["keyed"])
    for query in variants():
        assert await expected(scene, query, *reversed(newer)) == await listed(scene, query), query


async def keys_of(scene: Scene, lease_id: LeaseId) -> list[str]:
    """Of the lease's index rows, but for those of scopes."""
    rows = [row["RowKey"] for row in await scene.rows("leases")]
    return sorted(key for key in rows if key.endswith(f"_{lease_id}") and not key.startswith(("lease_", "due_", "in_", "at_")))


def todays(lease_id: LeaseId, before: str = "") -> list[str]:
    """The keys that today's version writes."""
    own = f"~{lease_id.age}_{lease_id}"
    return sorted(f"{before}{index}_{own}" for index in ("all", f"holder_{ALICE.object_id}", f"role_{lease_id.role}"))


@pytest.mark.parametrize("what", ["live", "keyed_secret", "tagged"])
async def test_the_next_write_brings_a_lease_into_todays_form(scene: Scene, what: str) -> None:
    """Its former index rows go with it; at its end they move, and at the end of the record nothing is left."""
    lease_id = LEASES[what]
    assert 2 == len(await keys_of(scene, lease_id))
    await renew(scene.ports, request(), lease_id, 3000)
    assert todays(lease_id) == await keys_of(scene, lease_id)
    scene.jump(600)
    await revoke(scene.ports, request(), lease_id)
    assert todays(lease_id, "past_") == await keys_of(scene, lease_id)


async def test_a_lease_from_before_may_end_and_be_forgotten_at_once(scene: Scene) -> None:
    """One that ended before the upgrade, which nobody writes again."""
    assert 2 == len(await keys_of(scene, LEASES["ended"]))
    scene.jump(timedelta(days=8).total_seconds())
    await sweep(scene.ports, "s")
    assert [] == await keys_of(scene, LEASES["ended"])


async def test_a_reconciliation_brings_all_of_them_into_todays_form(scene: Scene) -> None:
    """But what is in somebody's hands; the next one finds nothing left to do."""
    scene.world.cloud.locked_scopes.clear()
    await sweep(scene.ports, "s")
    scene.jump(3 * 3600)
    await sweep(scene.ports, "s")
    await reconcile(scene.ports, "r")
    for lease_id in LEASES.values():
        lease = await scene.ports.leases.get(lease_id)
        assert lease is not None
        assert todays(lease_id, "" if lease.state.is_live else "past_") == await keys_of(scene, lease_id)
    assert 0 == await scene.ports.leases.align(100)
    for query in variants():
        assert await expected(scene, query) == await listed(scene, query), query


async def test_what_the_older_version_leaves_beside_todays_rows_is_mended(scene: Scene) -> None:
    """It ended one lease of today's, with index rows of its own, and forgot another: it knows nothing of today's rows."""
    ended, gone = [(await issue(scene.ports, request(), IssueRequest(WEB))).lease for _ in range(2)]
    table = scene.service.get_table_client("leases")
    await write_as_before(table, replace(ended, state=State.ENDING, cause=Cause.REVOKED))
    for row in await scene.rows("leases"):
        if row["RowKey"] == f"lease_{gone.id}" or (row["RowKey"].startswith("due_") and row["RowKey"].endswith(gone.id)):
            await table.delete_entity(row["PartitionKey"], row["RowKey"])
    assert 3 == len(await keys_of(scene, gone.id))
    assert [ended.id] == [each for each in await listed(scene, QUERIES[2]) if each == ended.id]
    stuck = await scene.ports.leases.get(ended.id)
    assert stuck is not None
    over = await scene.ports.leases.swap(stuck.ended(scene.ports.now(), timedelta(days=7)), former=stuck)
    assert todays(ended.id, "past_") == await keys_of(scene, ended.id)
    await scene.ports.leases.align(100)
    assert [] == await keys_of(scene, gone.id)
    await scene.ports.leases.remove(over)
    assert [] == await keys_of(scene, ended.id)


async def write_as_before(table: Any, lease: Lease) -> None:
    """As 983a077 stores a lease that it has moved: without ``Form``, with its own index rows beside the others."""
    row = {name: value for name, value in lease_row(SCHEMAS, lease, "w").items() if name != "Form"}
    await table.update_entity(_plain(row), mode="replace")
    result = index_rows(lease)[0]
    for key in (f"holder_{lease.known_holder.object_id}_{lease.id}", f"role_{lease.id.role}_{lease.id}"):
        stored = {"PartitionKey": lease.id.shard, "RowKey": key, "State": result["State"], "View": result["View"]}
        await table.upsert_entity(_plain(stored))


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, str) else value for name, value in row.items()}


async def test_what_is_in_somebodys_hands_is_left_to_them(scene: Scene) -> None:
    """A lease that is being made, or ended, is not written by anybody else; the next run finds it."""
    left = {LEASES[what] for what in ("planned", "ending")}
    await scene.ports.leases.align(100)
    for lease_id in LEASES.values():
        assert (lease_id in left) == (2 == len(await keys_of(scene, lease_id))), lease_id
    assert len(left) == await scene.ports.leases.align(100)
    assert sorted(left) == sorted({each for each in await listed(scene, LeaseQuery(live=True)) if each in left})


async def test_a_run_that_may_do_little_goes_on_the_next_time(scene: Scene) -> None:
    """So many a run; how many were met is told."""
    assert len(LEASES) == await scene.ports.leases.align(2)
    moved = [each for each in LEASES.values() if 3 == len(await keys_of(scene, each))]
    assert len(moved) <= 2
    assert RoleName("web") in {each.role for each in await listed(scene, LeaseQuery())}


async def test_what_was_stuck_before_is_told_at_once(scene: Scene) -> None:
    """Nobody has tried it again since; before the first reconciliation, and after it."""
    for _ in range(2):
        assert [LEASES["stuck"]] == [each.id for each in (await status(scene.ports, ADMIN)).stuck]
        await reconcile(scene.ports, "r")
    await revoke(scene.ports, ADMIN, LEASES["stuck"])
    scene.world.cloud.locked_scopes.clear()
    scene.jump(5 * 3600)
    await sweep(scene.ports, "s")
    assert () == (await status(scene.ports, ADMIN)).stuck

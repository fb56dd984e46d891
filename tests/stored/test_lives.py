"""Leases that are pooled, prepared, queued or claimed: in the third form of a row, and every other lease in the second."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import fields

import pytest

from shared.broker.ending.sweep import sweep
from shared.broker.inspect import list_leases
from shared.broker.issue.issue import IssueRequest, issue
from shared.cloud.storage.lease_reader import read_lease
from shared.cloud.storage.tables import joined
from shared.core.errors import Pending
from shared.core.forms import LEASE, form_of
from shared.core.lease import Cause, State
from shared.core.names import RoleName
from shared.core.ports.leases import LeaseQuery
from tests.fakes.world import ADMINISTRATOR, request
from tests.stored.kept_store import STORES, Scene, on_the_store
from tests.stored.rows import Stored
from tests.support import pooling
from tests.support.kinds import SCHEMAS

STORE = STORES["pooled_and_prepared"]
NEW = {
    "drained": State.ENDED,
    "uncollected": State.ENDED,
    "claimed": State.ACTIVE,
    "claimed_to_collect": State.PREPARED,
    "pooled": State.POOLED,
    "prepared": State.PREPARED,
    "prepared_secret": State.PREPARED,
    "collecting": State.PREPARED,
    "filling": State.PLANNED,
}
"""Leases of the third form, and the state that each was left in. A queued one is a planned lease as any other."""
WEB = RoleName("web")
OF_THE_SECOND = {
    *("State", "Form", "View", "Write", "Own0", "ByScope"),
    *("id", "type", "state", "holder", "issued_at", "expires_at", "max_expires_at", "ttl", "renewable", "ready"),
    *("metadata", "cause", "attempts", "last_error", "generation"),
    *("footprint", "planned_at", "due_at", "made_by", "max_ttl", "reason", "ended_at", "key", "handed_out", "ending_held"),
    *("reissues", "reissuing_until", "target_digest", "undone_by", "ready_at", "unchecked", "readiness"),
}
"""Every name that a row of the second form may hold. Its first readers do not know ``ByScope`` and the last three."""


@pytest.fixture
async def scene(storage_connection: str) -> AsyncIterator[Scene]:
    """Today's broker on the store."""
    async with on_the_store(storage_connection, STORE) as opened:
        yield opened


def test_each_lease_is_of_the_oldest_form_that_can_hold_it() -> None:
    """The new ones are of the third, all others of the second, and each is what it was left as."""
    rows = {row["RowKey"].removeprefix("lease_"): row for row in STORE.read("leases") if row["RowKey"].startswith("lease_")}
    for what, lease_id in STORE.leases.items():
        assert (3 if what in NEW else 2) == form_of(rows[lease_id]), what
    for what, state in NEW.items():
        assert state is read_lease(SCHEMAS, Stored(rows[STORE.leases[what]])).state, what


async def test_an_ordinary_lease_is_written_as_before(scene: Scene) -> None:
    """In the second form, with ``ByScope`` and what tells of its proof as its only names more."""
    made = await issue(scene.ports, request(), IssueRequest(WEB))
    ready = await issue(scene.ports, request(), IssueRequest(RoleName("legacy")))
    rows = {row["RowKey"]: row for row in await scene.rows("leases")}
    for lease, shows_ready in ((made.lease, False), (ready.lease, True)):
        row = rows[f"lease_{lease.id}"]
        view, own = json.loads(row["View"]), json.loads(joined("Own", row))
        assert LEASE.written == row["Form"] == 2
        assert {*row, *view, *own} - {"PartitionKey", "RowKey"} <= OF_THE_SECOND
        assert shows_ready == ("ready_at" in own) == ("readiness" in own) == ("unchecked" not in view)
        assert (lease.issued_at if shows_ready else None) == lease.ready_at


async def test_a_claimed_lease_is_listed_by_its_claim_and_a_pooled_one_only_when_asked_for(scene: Scene) -> None:
    """To an administrator; the holder sees what is prepared, and nothing of the pool."""
    leases, ports = scene.kept.leases, scene.ports
    pooled = await list_leases(ports, request(ADMINISTRATOR), LeaseQuery(state=State.POOLED))
    live = await list_leases(ports, request(), LeaseQuery(live=True))
    assert [leases["pooled"]] == [each.id for each in pooled.items]
    found = [each.id for each in live.items]
    assert {leases["claimed"], leases["prepared"], leases["collecting"]} <= {*found}
    assert not {leases["pooled"], leases["filling"]} & {*found}
    made = await pooling.claim(ports, request(), WEB)
    assert leases["pooled"] == made.lease.id
    newest = await list_leases(ports, request(), LeaseQuery(live=True, limit=1))
    assert ([leases["pooled"]], made.lease.place) == ([each.id for each in newest.items], newest.cursor)


async def test_leases_that_were_left_to_be_collected_are_collected(scene: Scene) -> None:
    """One whose collector has died only when that one has given up."""
    leases, ports = scene.kept.leases, scene.ports
    for what in ("prepared", "prepared_secret", "claimed_to_collect"):
        made = await pooling.collect(ports, request(), leases[what])
        assert (State.ACTIVE, leases[what]) == (made.lease.state, made.lease.id)
    with pytest.raises(Pending):
        await pooling.collect(ports, request(), leases["collecting"])
    scene.jump(100)
    assert State.ACTIVE is (await pooling.collect(ports, request(), leases["collecting"])).lease.state


async def test_what_nobody_takes_ends_at_its_own_instant(scene: Scene) -> None:
    """What is pooled, prepared or queued, each for its own cause."""
    scene.world.cloud.locked_scopes.clear()
    scene.jump(1000)
    await sweep(scene.ports, "s")
    scene.jump(1000)
    await sweep(scene.ports, "s")
    causes = {what: (await scene.lease(what)).cause for what in ("pooled", "prepared", "collecting", "queued", "filling")}
    assert causes == {
        "pooled": Cause.DRAINED,
        "prepared": Cause.UNCOLLECTED,
        "collecting": Cause.UNCOLLECTED,
        "queued": Cause.UNFINISHED,
        "filling": Cause.UNFINISHED,
    }


def test_a_lease_says_nothing_that_its_row_does_not_keep() -> None:
    """Every new field comes back as it was written."""
    rows = [row for row in STORE.read("leases") if row["RowKey"] == f"lease_{STORE.leases['claimed']}"]
    lease = read_lease(SCHEMAS, Stored(rows[0]))
    assert {"claim", "ready_at", "holder"} <= {each.name for each in fields(lease)}
    assert (26, True, True) == (len(lease.claim), lease.ready_at is not None, lease.claim > lease.id.ulid)

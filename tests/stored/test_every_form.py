"""Every form of a row that was ever written has a sample that never changes, and is read."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from shared.broker.ending.sweep import sweep
from shared.broker.inspect import list_leases, may_issue, read_lease, status
from shared.broker.issue.idempotent import issue_once
from shared.broker.issue.issue import IssueRequest
from shared.broker.reconcile.reconcile import reconcile
from shared.broker.renew import renew
from shared.cloud.storage.tables import connect
from shared.core.access.auth_role import AuthRole, read_auth_role
from shared.core.access.policy import Policy, read_policy
from shared.core.audit import AuditEvent
from shared.core.errors import Conflict
from shared.core.events.event_rule import EventRule, read_event_rule
from shared.core.events.lender import Lender
from shared.core.forms import ALL, MESSAGE, StoredType
from shared.core.lease import Lease, State
from shared.core.names import RoleName
from shared.core.ports.audit import AuditQuery
from shared.core.ports.leases import LeaseQuery
from shared.core.role import Role
from tests.fakes.world import ADMINISTRATOR, ALICE, request
from tests.stored.fill import fill_account
from tests.stored.kept_store import HERE, STORES, TABLES, Scene, on_the_store
from tests.stored.rows import everything_in, reader_of

ADMIN = request(ADMINISTRATOR)
DIGESTS: dict[str, str] = json.loads((HERE / "digests.json").read_text(encoding="utf-8"))
LATER = [name for name in STORES if name != "983a077"]
"""Stores that ``fill`` has filled. ``test_store_from_before`` tells what becomes of the one before them."""
LIVE = ("live", "live_secret", "keyed", "repeated", "repeated_secret", "capped", "rotating")


def digest(path: Path) -> str:
    """Of what a file holds."""
    return sha256(path.read_bytes()).hexdigest()


def todays(stored: StoredType) -> range:
    """The forms in which this version writes such rows."""
    return range(stored.written, stored.newest + 1)


def test_no_sample_ever_changes() -> None:
    """A new folder is a new line of ``digests.json``; no line is ever changed or taken out."""
    found = {str(path.relative_to(HERE)): digest(path) for store in STORES.values() for path in store.folder.iterdir()}
    assert found == DIGESTS


@pytest.mark.parametrize("name", STORES)
def test_everything_that_was_ever_stored_is_read(name: str) -> None:
    """Each row by the reader of its kind; no role is unreadable, and no lease lacks its holder."""
    roles = [it for _, _, it in everything_in(STORES[name]) if isinstance(it, Role)]
    assert set(STORES[name].documents) == {role.name for role in roles if not role.is_unreadable}


@pytest.mark.parametrize("name", STORES)
def test_auth_roles_and_policies_are_read_as_they_were_written(name: str) -> None:
    """Without a fault. The first stores have none of them."""
    about = STORES[name].read("about")
    written = [read_auth_role(each, it) for each, it in about.get("auth_roles", {}).items()]
    rules = [read_policy(each, it) for each, it in about.get("policies", {}).items()]
    stored = [it for _, _, it in everything_in(STORES[name])]
    found = {replace(each, version="") for each in stored if isinstance(each, AuthRole)}
    assert (set(written), set(rules)) == (found, {replace(each, version="") for each in stored if isinstance(each, Policy)})


@pytest.mark.parametrize("name", STORES)
def test_event_rules_are_read_as_they_were_written(name: str) -> None:
    """Without a fault, and with their writer. The first stores have none of them."""
    about = STORES[name].read("about")
    written = {read_event_rule(each, it, Lender.of(ADMINISTRATOR)) for each, it in about.get("event_rules", {}).items()}
    stored = [it for _, _, it in everything_in(STORES[name])]
    assert written == {replace(each, version="") for each in stored if isinstance(each, EventRule)}


def test_every_form_of_every_kind_of_row_has_a_sample() -> None:
    """A form that nobody has written is no form, and one without a sample may be misread unnoticed."""
    sampled = {(it.name, form) for store in STORES.values() for it, form, _ in everything_in(store)}
    assert {(it.name, form) for it in ALL for form in range(1, it.newest + 1)} == sampled


def test_the_documents_tell_of_every_kind_of_row_and_its_form() -> None:
    """As many rows as kinds, with the forms that are written today."""
    text = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = text.partition("## Stored forms")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([a-z' ]+) \| [^|]+ \| (\d+(?:, \d+)*) \|", section, re.MULTILINE)
    assert [(each.name, ", ".join(map(str, todays(each)))) for each in ALL] == rows


@pytest.mark.parametrize("name", LATER)
async def test_a_store_from_before_is_taken_up_where_it_was_left(name: str, storage_connection: str) -> None:
    """Its roles decide, its leases are listed, renewed, repeated under their keys and ended; none of it is taken for drift."""
    async with on_the_store(storage_connection, STORES[name]) as scene:
        ports, stored = scene.ports, scene.kept
        assert set(stored.documents) == {role.name for role in await ports.roles.list()}
        assert "everything" in {role.name for role in (await may_issue(ports, request(ALICE))).roles}
        listed = [each.id for each in (await list_leases(ports, ADMIN, LeaseQuery())).items]
        assert sorted(stored.leases.values(), key=lambda each: each.age) == listed
        assert () == (await reconcile(ports, "r")).findings
        scene.jump(300)
        for what in LIVE:
            before = await scene.lease(what)
            assert (await renew(ports, request(), before.id, 3000)).expires_at > before.expires_at
        for what, (role, key) in stored.keys.items():
            again = await issue_once(ports, request(), IssueRequest(RoleName(role)), key)
            assert stored.leases[what] == again.lease.id
        assert State.ENDING is (await read_lease(ports, request(), stored.leases["recalled"])).state
        with pytest.raises(Conflict):
            await renew(ports, request(), stored.leases["recalled"], None)
        result = await status(ports, ADMIN)
        assert ([stored.leases["stuck"]], (), {}) == (
            [each.id for each in result.stuck],
            result.unreadable_leases,
            result.unreadable_roles,
        )
        events = await ports.audit.read(AuditQuery(stored.taken_at - timedelta(days=1), ports.now(), limit=1000))
        assert len(stored.read("audit")) < len(events.items)
        await come_to_their_ends(scene)


async def come_to_their_ends(scene: Scene) -> None:
    """By sweeps alone: live and overtaken leases, and those that dead workers have left. At last no row of a lease is left."""
    scene.world.cloud.locked_scopes.clear()
    scene.jump(5 * 3600)
    await sweep(scene.ports, "s")
    assert {State.ENDED} == {(await scene.lease(what)).state for what in scene.kept.leases}
    assert [] == scene.world.leftovers()
    scene.jump(timedelta(days=8).total_seconds())
    await sweep(scene.ports, "s")
    assert [] == [row["RowKey"] for row in await scene.rows("leases") if row["PartitionKey"] != "aligned"]


async def test_each_row_of_today_tells_its_form(storage_connection: str) -> None:
    """Of every kind: each in which this version writes."""
    async with connect(storage_connection) as service:
        messages = (await fill_account(service)).world.revocations.texts
        rows = [(table, row) for table in TABLES async for row in service.get_table_client(table).list_entities()]
    result = {(reader_of(table, row)[0], row.get("Form")) for table, row in rows}
    result |= {(MESSAGE, json.loads(text)["form"]) for text in messages}
    assert {(each, form) for each in ALL for form in todays(each)} == result


def test_what_was_asked_for_has_a_sample() -> None:
    """Values, a scope to which a role was narrowed, both in a lease; holes in roles; and the events of these issues."""
    store = STORES["parameters_and_within"]
    found = [it for _, _, it in everything_in(store)]
    leases = {it.id: it for it in found if isinstance(it, Lease)}
    asked = [leases[store.leases[what]] for what in ("filled", "filled_and_narrowed", "narrowed")]
    assert [(True, False), (True, True), (False, True)] == [(bool(it.parameters), bool(it.within)) for it in asked]
    assert {"teams", "own"} == {it.name for it in found if isinstance(it, Role) and it.parameters}
    events = {it.lease: it.granted or {} for it in found if isinstance(it, AuditEvent) and it.operation == "issue"}
    assert [{*it.scopes} for it in asked] == [{*events[it.id]["scopes"]} for it in asked]
    assert [it.within for it in asked[1:]] == [events[it.id]["within"] for it in asked[1:]]


def test_permissions_of_graph_are_read_as_they_were_stored() -> None:
    """Of the role with what was looked up, and of its lease by name. Samples from before have none."""
    stored = [it for _, _, it in everything_in(STORES["graph_app_roles"])]
    roles = [it.target for it in stored if isinstance(it, Role) and it.name == "directory"]
    assert [("User.Read.All", True), ("Group.Read.All", True)] == [
        (each.name, each.id is not None and each.resource is not None)
        for target in roles
        for each in getattr(target, "graph_app_roles", ())
    ]
    leases = {it.graph_app_roles for it in stored if isinstance(it, Lease) and it.id.role == "directory"}
    assert {("User.Read.All", "Group.Read.All")} == leases
    before = [it for _, _, it in everything_in(STORES["role_grants"])]
    assert {()} == {it.graph_app_roles for it in before if isinstance(it, Lease)}

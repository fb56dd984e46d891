"""Going back: what today's broker writes is read by commit 983a077, as far as that knows what it is about."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from shared.broker.configure.roles import put_role
from shared.broker.ending.sweep import sweep
from shared.broker.issue.idempotent import issue_once
from shared.broker.issue.issue import IssueRequest, issue
from shared.broker.revoke import revoke
from shared.core.names import RoleName
from tests.fakes.world import ADMINISTRATOR, SCOPES, WEB, request
from tests.stored.kept_store import DOCUMENTS, Scene
from tests.support.kinds import read_role

NEEDS: dict[str, Any] = json.loads((Path(__file__).parent / "reader_of_983a077.json").read_text(encoding="utf-8"))


def _is_instant(value: Any) -> bool:
    return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None


IS: dict[str, Any] = {
    "text": lambda value: isinstance(value, str),
    "list": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "flag": lambda value: isinstance(value, bool),
    "number": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "instant": _is_instant,
}


def lacks(found: Mapping[str, Any], needed: Mapping[str, str], where: str) -> Iterator[str]:
    """What the old reader would miss. A word that ends in ``?`` may be null, and must be there."""
    for name, kind in needed.items():
        value = found.get(name)
        if name not in found or not ((kind.endswith("?") and value is None) or IS[kind.rstrip("?")](value)):
            yield f"{where}.{name}: {kind} is wanted, {value!r} stands there"


def strange_in_role(row: Mapping[str, Any]) -> Iterator[str]:
    """A field that it does not know made the old reader refuse every list."""
    needs, name, document = NEEDS["role"], row["RowKey"], json.loads(row["Document0"])
    kind, azure_roles = document["type"], document.get("azure_roles", ())
    yield from lacks(row, needs["row"], name)
    yield from (f"{name}: {field} is not known" for field in document if field not in needs["fields"][kind])
    for each in azure_roles:
        yield from (f"{name}: azure_roles.{field}" for field in each if field not in needs["azure_role_fields"])
    yield from lacks(document["resolved"], needs["resolved"][kind], f"{name}.resolved")
    if kind == "service_principal" and len(document["resolved"]["definition_ids"]) != len(azure_roles):
        yield f"{name}: a definition for each role"


def strange_in_lease(row: Mapping[str, Any]) -> Iterator[str]:
    """What it would miss in a lease's own row, or meet and not know."""
    needs, view, own = NEEDS["lease"], json.loads(row["View"]), json.loads(row["Own0"])
    yield from lacks(row, needs["row"], row["RowKey"])
    yield from lacks(view, needs["view"], row["RowKey"])
    yield from lacks(own, needs["own"], row["RowKey"])
    yield from lacks(own["footprint"], needs["footprint"][own["footprint"]["type"]], row["RowKey"])
    if view["state"] not in needs["states"] or view["cause"] not in {None, *needs["causes"]}:
        yield f"{row['RowKey']}: {view['state']}, {view['cause']}"
    if len(view["holder"]) != needs["holder_items"]:
        yield f"{row['RowKey']}: {view['holder']}"


def strange_in(table: str, rows: list[dict[str, Any]]) -> list[str]:
    """Of the rows that the old reader looks at."""
    found: list[str] = []
    for row in rows:
        kind = row["RowKey"].partition("_")[0] if table == "leases" else row["PartitionKey"]
        match kind:
            case "role" if table == "roles":
                found += strange_in_role(row)
            case "lease":
                found += strange_in_lease(row)
            case "key":
                found += lacks(row, NEEDS["key"]["row"], row["RowKey"])
            case "due" if not re.fullmatch(NEEDS["due_key"], row["RowKey"]):
                found.append(row["RowKey"])
    return found


@pytest.mark.parametrize("name", ["web", "legacy", "locked", "grouped"])
async def test_roles_are_written_as_the_old_reader_knows_them(scene: Scene, name: str) -> None:
    """A document without a new field is stored without one."""
    await put_role(scene.ports, request(ADMINISTRATOR), read_role(RoleName(f"new-{name}"), DOCUMENTS[name]))
    rows = await scene.rows("roles")
    assert f"new-{name}" in {row["RowKey"] for row in rows}
    assert [] == strange_in("roles", rows)


async def test_leases_are_written_as_the_old_reader_knows_them(scene: Scene) -> None:
    """In every state: active, under a key, with a second secret, ending, stuck, ended."""
    scene.world.cloud.locked_scopes.clear()
    await sweep(scene.ports, "s")
    one = await issue(scene.ports, request(), IssueRequest(WEB, metadata={"a": "b"}))
    for _ in range(2):
        await issue_once(scene.ports, request(), IssueRequest(RoleName("legacy")), "fresh")
    await issue(scene.ports, request(), IssueRequest(RoleName("locked"), ttl=60))
    await revoke(scene.ports, request(), one.lease.id)
    scene.world.cloud.locked_scopes.add(SCOPES[7])
    seen: set[str] = set()
    for _ in range(9):
        scene.jump(1400)
        await sweep(scene.ports, "s")
        rows = await scene.rows("leases")
        assert [] == strange_in("leases", rows)
        seen |= {row["State"] for row in rows if row["RowKey"].startswith("lease_")}
    assert {"ended", "ending", "stuck", "active"} >= seen >= {"ended", "ending", "stuck"}


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("roles", lambda row: row["Document0"].replace('"type"', '"bound_planets": [], "type"')),
        ("roles", lambda row: row["Document0"].replace('"resolved"', '"looked_up"')),
    ],
)
async def test_a_row_that_the_old_reader_cannot_read_is_noticed(scene: Scene, table: str, change: Any) -> None:
    """The description itself can fail."""
    (row,) = [each for each in await scene.rows(table) if each["RowKey"] == "web"]
    with pytest.raises((AssertionError, KeyError)):
        assert [] == strange_in(table, [row | {"Document0": change(row)}])

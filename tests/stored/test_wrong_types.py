"""A stored row that is whole JSON, and in which one field is of another type than was written, is ``Unreadable``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

import pytest

from shared.cloud.storage.lease_reader import read_held
from shared.cloud.storage.tables import chunked, joined
from shared.core import forms
from shared.core.errors import Unreadable
from shared.core.forms import StoredType
from shared.core.role import Role
from tests.fakes.world import OTHER_TENANT
from tests.stored.kept_store import STORES, TABLES
from tests.stored.rows import Reader, Stored, reader_of

type Path = tuple[str | int, ...]
_JSON = {
    "View",
    "Own",
    "Overdue",
    "Summary",
    "Leases",
    "Unreadable",
    "Asks",
    "AppRoles",
    "DecidedBy",
    "Changes",
    "Scopes",
    "Granted",
    "Former",
    "Earlier",
}
"""Properties that hold JSON."""
_READ = {
    *(forms.LEASE, forms.LEASE_INDEX, forms.SCOPE_INDEX, forms.IDEMPOTENCY_KEY, forms.GENERATION, forms.ADMISSIONS),
    *(
        forms.CALLER_ADMISSIONS,
        forms.ASKS,
        forms.APPLICATION_LOCK,
        forms.QUEUED_MARKER,
        forms.RUN,
        forms.COUNT,
        forms.PUBLISHED,
        forms.EVENT_COUNTS,
        forms.RULE_LEASE,
        forms.RULE_DENIED,
        forms.HOLDER_RESOURCE,
        forms.AUDIT_EVENT,
        forms.POOL_HINT,
        forms.POOL_FILLING,
    ),
}
"""What is read of these is checked. A role, an auth role, a policy or an event rule has faults instead.

Of others only the key is read.
"""
_NOT_READ = {"PartitionKey", "RowKey", "State", "Role", "Holder", "Generation", "Write"}
"""Properties of which the readers of whole rows read nothing. ``State`` and ``Generation`` are for ``read_held``, ``Role`` and
``Holder`` for conditions."""


def rows() -> Iterator[tuple[StoredType, Reader, dict[str, Any]]]:
    """The first row of each kind and each set of properties."""
    seen = set[Any]()
    for store in STORES.values():
        for table in TABLES:
            for row in store.read(table):
                stored_type, read = reader_of(table, row)
                shape = (stored_type.name, forms.form_of(row), row.get("Operation"), _type_of(row), frozenset(row))
                if stored_type in _READ and shape not in seen:
                    seen.add(shape)
                    yield stored_type, read, row


def _type_of(row: Mapping[str, Any]) -> str:
    return str(json.loads(row["View"]).get("type")) if "View" in row else ""


def unfolded(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with what its JSON says."""
    found = dict[str, Any]()
    for name in row:
        whole = name.rstrip("0123456789")
        text = joined(whole, row) if whole != name else row[name]
        found[whole] = json.loads(text) if whole in _JSON and text else text
    return found


def folded(content: Mapping[str, Any], row: Mapping[str, Any]) -> Stored:
    """The row with that content."""
    found = Stored()
    for name, value in content.items():
        text = json.dumps(value) if name in _JSON and value != "" else value
        found |= chunked(name, text) if f"{name}0" in row else {name: text}
    return found


def leaves(content: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Each value in it that is neither a list nor an object, and each list and object itself but the outermost."""
    if path:
        yield path, content
    children = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in children:
        yield from leaves(value, (*path, key))


def replaced(content: Mapping[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """A copy with another value there."""
    copy = deepcopy(dict(content))
    inner: Any = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return copy


def wrong_for(value: Any, path: Path) -> list[Any]:
    """Values of other types than that of the value. A property of a row can hold no list."""
    others = [7.5, *([["x"], {"x": 1}] if len(path) > 1 else [])]
    match value:
        case bool():
            return [*others, 7, "x"]
        case int():
            return [*others, "x", True]
        case str():
            return [*others, 7, True]
        case _:
            return [each for each in (7.5, 7, True) if each is not value]


def _is_read(path: Path) -> bool:
    if path[0] in _NOT_READ or path[-1] == "several" or path == ("Form",):
        return path[-1] == "several"
    return path[0] not in {"DecidedBy", "OverrodeDeny", "Changes", "Granted"}


CASES = [*rows()]


def test_each_kind_of_row_is_tried() -> None:
    """There is a row of each."""
    assert {each.name for each in _READ} == {stored_type.name for stored_type, _, _ in CASES}


@pytest.mark.parametrize(("stored_type", "read", "row"), CASES)
def test_a_field_of_a_wrong_type_makes_the_row_unreadable(stored_type: StoredType, read: Reader, row: dict[str, Any]) -> None:
    """Each field, at any depth: whoever reads the row learns at once that it is damaged, and nobody fails later."""
    content = unfolded(row)
    assert not isinstance(read(folded(content, row)), Role)
    believed = list[str]()
    for path, value in leaves(content):
        for wrong in wrong_for(value, path) if _is_read(path) else ():
            try:
                read(folded(replaced(content, path, wrong), row))
            except Unreadable:
                continue
            believed.append(f"{stored_type.name}: {'.'.join(map(str, path))} = {wrong!r}, not {value!r}")
    assert [] == believed


@pytest.mark.parametrize(
    "instant", [("View", "expires_at"), ("View", "issued_at"), ("Own", "due_at"), ("Own", "made_by"), ("Own", "planned_at")]
)
def test_an_instant_without_a_zone_makes_a_lease_unreadable(instant: Path) -> None:
    """Nobody could compare it with the time."""
    read, row = next((read, row) for stored_type, read, row in CASES if stored_type is forms.LEASE)
    content = unfolded(row)
    read(folded(content, row))
    with pytest.raises(Unreadable):
        read(folded(replaced(content, instant, "2026-01-01T00:00:00"), row))


@pytest.mark.parametrize("generation", ["many", 7.5, None])
def test_a_holders_lease_counts_whatever_its_index_row_says(generation: Any) -> None:
    """A row that is damaged may be of the tenant, and no revocation is known to have reached its lease."""
    row = next(row for stored_type, _, row in CASES if stored_type is forms.LEASE_INDEX and row["RowKey"].startswith("holder_"))
    damaged = Stored({**row, "Generation": generation, "View": json.dumps({"id": 7})})
    held = read_held(damaged, OTHER_TENANT)
    assert held is not None
    assert held.generation > 1_000_000

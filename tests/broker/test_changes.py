"""What the audit trail says of a change: the fields that differ, within its room."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.broker.configure.changes import LARGEST, changes_between, fields_between


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"a": 1}, {"a": 1}, ()),
        (None, {"a": 1}, ({"path": "a", "from": None, "to": 1},)),
        ({"a": 1}, None, ({"path": "a", "from": 1, "to": None},)),
        ({"a": 1, "b": 2}, {"b": 3, "c": 4}, ("a", "b", "c")),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, ({"path": "a.c", "from": 2, "to": 3},)),
        ({"a": ["x", "y"]}, {"a": ["x"]}, ({"path": "a", "from": ["x", "y"], "to": ["x"]},)),
        ({"a": [{"b": 1}, {"b": 2}]}, {"a": [{"b": 1}, {"b": 3}]}, ({"path": "a[1].b", "from": 2, "to": 3},)),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1}, {"b": 2}]}, ({"path": "a[1]", "from": None, "to": {"b": 2}},)),
        ({"a": [{"b": 1}, {"b": 2}]}, {"a": [{"b": 1}]}, ({"path": "a[1]", "from": {"b": 2}, "to": None},)),
        ({"a": [{"b": 1}]}, {"a": "x"}, ({"path": "a", "from": [{"b": 1}], "to": "x"},)),
    ],
)
def test_the_fields_that_differ_are_named_with_both_values(before: Any, after: Any, expected: tuple[Any, ...]) -> None:
    """The smallest part that differs: but a list of texts is one value."""
    found = changes_between(before, after)
    assert expected in (found, tuple(change["path"] for change in found))


def test_a_value_that_has_no_room_is_left_out_and_its_path_stays() -> None:
    """The others keep their values."""
    found = changes_between({"a": 1, "b": "x" * LARGEST, "c": 2}, {"a": 2, "b": "", "c": 3})
    assert ({"path": "a", "from": 1, "to": 2}, {"path": "b", "left_out": True}, {"path": "c", "from": 2, "to": 3}) == found


def test_paths_that_have_no_room_are_counted() -> None:
    """All of it stays within the room that an event has."""
    after = {"rules": [{"path": f"roles/{'x' * 200}{number}", "capabilities": ["read"]} for number in range(256)]}
    before = {"rules": [{"path": "status", "capabilities": ["read"]} for _ in range(256)]}
    found = changes_between(before, after)
    assert len(json.dumps(found)) <= LARGEST
    assert f"and {256 - (len(found) - 1)} more" == found[-1]["path"]
    assert {"path": "rules[0].path", "from": "status", "to": after["rules"][0]["path"]} == found[0]


RULES = [{"path": f"roles/app-{number}/leases", "capabilities": ["issue"]} for number in range(200)]
AUDIT = {"path": "audit", "capabilities": ["read"]}


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ([*RULES[:3], AUDIT, *RULES[3:]], [{"path": "rules[3]", "from": None, "to": AUDIT}]),
        ([*RULES[:3], *RULES[4:]], [{"path": "rules[3]", "from": RULES[3], "to": None}]),
        (
            [*RULES[:3], RULES[3] | {"path": "roles/x/leases"}, *RULES[4:]],
            [{"path": "rules[3].path", "from": "roles/app-3/leases", "to": "roles/x/leases"}],
        ),
        (
            [AUDIT, *RULES[:-1]],
            [{"path": "rules[0]", "from": None, "to": AUDIT}, {"path": "rules[199]", "from": RULES[199], "to": None}],
        ),
    ],
)
def test_one_rule_of_a_large_policy_is_told_alone(after: Any, expected: Any) -> None:
    """Although the places of all others change with it."""
    assert expected == [*changes_between({"rules": RULES}, {"rules": after})]


@pytest.mark.parametrize("values", [RULES, [f"value-{number:04}" for number in range(256)]])
def test_the_items_of_a_large_list_are_told_one_by_one(values: Any) -> None:
    """As many as there is room for, also of a document that is new or has gone. Then the others are counted."""
    made, gone = changes_between(None, {"list": values}), changes_between({"list": values}, None)
    assert ({"path": "list[0]", "from": None, "to": values[0]}, {"path": "list[0]", "from": values[0], "to": None}) == (
        *(made[0], gone[0]),
    )
    for found in (made, gone):
        assert len(json.dumps(found)) <= LARGEST
        assert f"and {len(values) - (len(found) - 1)} more" == found[-1]["path"]
    more = changes_between({"list": values}, {"list": [*values, "another"]})
    assert ({"path": f"list[{len(values)}]", "from": None, "to": "another"},) == more


def test_fields_are_named_by_the_document_alone() -> None:
    """In the order of the alphabet."""
    assert ("a", "c") == fields_between({"a": 1, "b": 2}, {"b": 2, "c": 3, "a": {"x": 1}})
    assert ((), ("a",), ("a",)) == (fields_between(None, None), fields_between({"a": 1}, None), fields_between(None, {"a": 1}))

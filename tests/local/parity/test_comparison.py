"""The comparison by shape finds what differs, and only that."""

from __future__ import annotations

from tests.local.parity.records import compare_shape, shape


def test_equal_shapes_have_no_differences() -> None:
    """Values do not matter, types and keys do."""
    assert compare_shape({"a": 1, "b": ["x"]}, {"a": 2, "b": ["y", "z"]}) == []


def test_names_missing_and_surplus_keys() -> None:
    """Both directions are differences."""
    assert compare_shape({"a": 1}, {"b": 1}) == ["$.a is missing", "$.b is not in the recording"]


def test_names_the_place_of_another_type() -> None:
    """A number where a text was recorded is found at depth."""
    assert compare_shape({"a": {"b": ["x"]}}, {"a": {"b": [1]}}) == ["$.a.b[0] is number, recorded as string"]


def test_tells_booleans_from_numbers() -> None:
    """Python's bool is an int; JSON's is not."""
    assert compare_shape({"a": 1}, {"a": True}) == ["$.a is boolean, recorded as number"]


def test_passes_over_ignored_keys() -> None:
    """A key that is not compared may be missing, surplus or different."""
    assert compare_shape({"a": {"b": 1}}, {"a": {"b": "x"}}, ignore=["b"]) == []


def test_null_matches_anything() -> None:
    """What is null in one reply may be set in the other."""
    assert compare_shape({"a": None}, {"a": {"b": 1}}) == []


def test_shape_replaces_leaves_by_their_types() -> None:
    """A list is the set of its elements' shapes."""
    assert shape({"a": [1, 2, "x"], "b": None, "c": False}) == {"a": ["number", "string"], "b": "null", "c": "boolean"}

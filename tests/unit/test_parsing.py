from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shared.core.errors import Malformed
from shared.core.names import RoleName
from shared.core.parsing import Reader, as_seconds, parsed_item, text_item

type Read = Callable[[Reader], object]

READERS: dict[str, Read] = {
    "text": lambda reader: reader.text("f"),
    "long": lambda reader: reader.text("f", longest=9, lines=True),
    "parsed": lambda reader: reader.parsed("f", RoleName.parse),
    "flag": lambda reader: reader.flag("f", default=False),
    "whole": lambda reader: reader.whole("f", least=1, most=9),
    "choice": lambda reader: reader.choice("f", ("a", "b"), default="a"),
    "duration": lambda reader: reader.duration("f", least=60, most=3600),
    "items": lambda reader: reader.items("f", text_item, most=2),
}

MISFITS: dict[str, tuple[Any, ...]] = {
    "text": ("", "x" * 257, 1, True, None, ["x"], "a\nb", "a\x85b", "a\u202eb"),
    "long": ("", "x" * 10, "a\u202eb", None),
    "parsed": ("", "No Role", 1, None, "a" * 4097),
    "flag": (0, 1, "true", None),
    "whole": (0, 10, True, "5", 5.0, None),
    "choice": ("c", "A", 1, None, ["a"], {}),
    "duration": (59, 3601, "59s", "61m", "15 m", "m", "-1m", "1w", 90.0, True, None, "\u0661\u0665m", "15m\n"),
    "items": ([], ["a", "b", "c"], "ab", {"a": 1}, None, ["a", 1], [" a"], [""], ["x" * 257], ["a\u200bb"]),
}


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("text", "x", "x"),
        ("text", "x" * 256, "x" * 256),
        ("long", "x" * 9, "x" * 9),
        ("long", "a\tb\nc", "a\tb\nc"),
        ("parsed", "a" * 63, "a" * 63),
        ("whole", 1, 1),
        ("choice", "a", "a"),
        ("duration", 60, 60),
        ("duration", "1h", 3600),
        ("items", ["x" * 256], ("x" * 256,)),
        ("parsed", "web", "web"),
        ("flag", True, True),
        ("whole", 9, 9),
        ("choice", "b", "b"),
        ("duration", "15m", 900),
        ("duration", 3600, 3600),
        ("items", ["a", "b"], ("a", "b")),
    ],
)
def test_reads_what_fits(kind: str, value: Any, expected: object) -> None:
    """Each kind of field is read as what it is."""
    reader = Reader({"f": value})
    assert expected == READERS[kind](reader)
    assert [] == reader.faults


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("text", None), ("parsed", None), ("flag", False), ("whole", None), ("choice", "a"), ("duration", None), ("items", ())],
)
def test_an_absent_field_is_no_fault(kind: str, expected: object) -> None:
    """Absence gives the default."""
    reader = Reader({})
    assert expected == READERS[kind](reader)
    assert [] == reader.faults


@pytest.mark.parametrize(
    ("kind", "value"),
    [(kind, value) for kind, values in MISFITS.items() for value in values],
)
def test_what_does_not_fit_is_one_fault_of_that_field(kind: str, value: Any) -> None:
    """Nothing is coerced, and an explicit null is not absence."""
    reader = Reader({"f": value})
    READERS[kind](reader)
    assert ["f"] == [fault.path.partition("[")[0] for fault in reader.faults]


@pytest.mark.parametrize("document", [None, [], "x", 1, True])
def test_a_document_that_is_no_object_is_one_fault(document: Any) -> None:
    """Its fields are not asked for one by one."""
    reader = Reader(document)
    reader.text("f")
    with pytest.raises(Malformed) as caught:
        reader.finish()
    assert [("", "expected an object")] == [(fault.path, fault.message) for fault in caught.value.faults]


def test_a_required_field_that_is_absent_is_a_fault() -> None:
    """Under its own name."""
    reader = Reader({}, "outer")
    reader.text("f", required=True)
    assert [("outer.f", "is required")] == [(fault.path, fault.message) for fault in reader.faults]


def test_every_fault_is_told_at_once() -> None:
    """Faults of the object, of nested ones and of items, and unknown fields, in one error."""
    reader = Reader({"a": 1, "nested": {"b": 2, "odd": 3}, "list": ["ok", 4], "unknown": 5})
    reader.text("a")
    nested = Reader(reader.take("nested"), reader.at("nested"), reader.faults)
    nested.text("b")
    nested.done()
    reader.items("list", text_item, most=9)
    with pytest.raises(Malformed) as caught:
        reader.finish()
    assert ["a", "nested.b", "nested.odd", "list[1]", "unknown"] == [fault.path for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("value", "hint"),
    [("servce", "; did you mean service?"), ("Service", "; did you mean service?"), ("x", ""), (["service"], "")],
)
def test_a_choice_is_told_with_the_word_that_is_meant(value: object, hint: str) -> None:
    """If it is like one of them, in any case."""
    reader = Reader({"kind": value})
    reader.choice("kind", ("secret", "service"), default="secret")
    assert [f"expected one of secret, service{hint}"] == [fault.message for fault in reader.faults]


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("polices", "is not a known field; did you mean policies?"),
        ("bound_sub_ids", "is not a known field; did you mean bound_subscription_ids?"),
        ("bound_group_id", "is not a known field; did you mean bound_group_ids?"),
        ("renewabel", "is not a known field; did you mean renewable?"),
        ("bound_hosts", "is not a known field"),
        ("colour", "is not a known field"),
        ("", "is not a known field"),
    ],
)
def test_an_unknown_field_is_told_with_the_one_that_is_meant(field: str, message: str) -> None:
    """Whether the object has that one or not. A word that is like no field is left alone."""
    reader = Reader({field: 1, "kind": "a"})
    reader.choice("kind", ("a",), default="a")
    reader.flag("renewable", default=True)
    for each in ("policies", "bound_group_ids", "bound_subscription_ids", "bound_locations"):
        reader.items(each, text_item, most=9)
    reader.done()
    assert [message] == [fault.message for fault in reader.faults]


def test_a_fault_of_the_object_itself_has_its_path() -> None:
    """An empty field name means the object."""
    reader = Reader({}, "outer[0]")
    reader.fault("", "is odd")
    assert [("outer[0]", "is odd")] == [(fault.path, fault.message) for fault in reader.faults]


def test_items_are_parsed_with_their_own_paths() -> None:
    """The message of ``Unparsable`` becomes the fault's."""
    reader = Reader({"f": ["web", "No"]})
    assert ("web",) == reader.items("f", parsed_item(RoleName.parse), most=5)
    assert ["f[1]"] == [fault.path for fault in reader.faults]


@given(some.integers(0, 999_999_999), some.sampled_from([("s", 1), ("m", 60), ("h", 3600), ("d", 86400)]))
def test_a_duration_is_its_count_times_its_unit(count: int, unit: tuple[str, int]) -> None:
    """For every count and unit."""
    assert count * unit[1] == as_seconds(f"{count}{unit[0]}")


@given(some.recursive(some.none() | some.booleans() | some.integers() | some.text() | some.floats(), some.lists, max_leaves=5))
def test_no_value_makes_a_reader_fall_over(value: Any) -> None:
    """Whatever JSON holds, the outcome is a value or a fault."""
    for read in READERS.values():
        read(Reader({"f": value}))


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("text", "", "expected a text of 1 to 256 characters"),
        ("long", "x" * 10, "expected a text of 1 to 9 characters"),
        ("parsed", "a" * 4097, "expected a text of 1 to 4096 characters"),
        ("flag", 1, "expected true or false"),
        ("whole", 0, "expected a whole number from 1 to 9"),
        ("choice", "c", "expected one of a, b"),
        ("duration", 59, "expected 60 to 3600 seconds"),
        ("duration", "x", "expected seconds as a whole number, or a text such as 15m or 4h"),
        ("items", [], "expected a list of 1 to 2 items; leave the field out to name none"),
    ],
)
def test_a_misfit_is_told_what_would_fit(kind: str, value: Any, message: str) -> None:
    """With its bounds."""
    reader = Reader({"f": value})
    READERS[kind](reader)
    assert [("f", message)] == [(fault.path, fault.message) for fault in reader.faults]


@pytest.mark.parametrize(
    ("text", "seconds"), [("2s", 2), ("2m", 120), ("2h", 7200), ("2d", 172_800), ("2", None), (7, 7), (True, None)]
)
def test_a_duration_s_units_are_seconds_minutes_hours_and_days(text: Any, seconds: int | None) -> None:
    """A plain number is of seconds."""
    assert seconds == as_seconds(text)

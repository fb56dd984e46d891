from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shared.core.parameters.parameter import needs_principal, read_parameters, restore_parameters, write_parameters
from shared.core.parsing import Reader
from tests.unit.parameters.subjects import ANY_ACCOUNT, GROUP, SUB, Json, faults_of, parameters

WHOLE: Json = {
    "group": GROUP | {"description": "where the account lies", "default": "shared"},
    "account": ANY_ACCOUNT,
    "vault": {"kind": "key_vault", "any": True, "default": "v-1"},
    "own": {"kind": "resource_group", "from": "caller.resource_group"},
    "own_app": {"kind": "word", "from": "caller.app_id", "allowed": ["a-*"]},
    "sub": {"kind": "subscription", "allowed": [SUB], "from": "caller.subscription_id"},
}


def test_is_read_and_written_as_it_stands() -> None:
    """Every field, in the order of the document."""
    assert WHOLE == write_parameters(parameters(**WHOLE))
    assert list(WHOLE) == [each.name for each in parameters(**WHOLE)]
    assert parameters(**WHOLE) == restore_parameters(json.loads(json.dumps(WHOLE)))


def test_an_absent_field_is_no_parameters() -> None:
    """Stored or written."""
    assert () == restore_parameters(None)
    assert () == read_parameters(Reader({}))


@pytest.mark.parametrize(
    ("field", "path", "words"),
    [
        ({}, "parameters", "leave the field out"),
        (None, "parameters", "expected an object"),
        ([], "parameters", "expected an object"),
        ({f"p{number}": ANY_ACCOUNT for number in range(9)}, "parameters", "1 to 8"),
        ({"x": None}, "parameters.x", "expected an object"),
        ({"Group": GROUP}, "parameters.Group", "a parameter's name"),
        ({"1x": GROUP}, "parameters.1x", "a parameter's name"),
        ({"a" * 33: GROUP}, f"parameters.{'a' * 33}", "a parameter's name"),
        ({"x": {"any": True}}, "parameters.x.kind", "is required"),
        ({"x": GROUP | {"kind": "resource_grup"}}, "parameters.x.kind", "did you mean resource_group?"),
        ({"x": GROUP | {"kind": 1}}, "parameters.x.kind", "expected one of"),
        ({"x": GROUP | {"alowed": ["a"]}}, "parameters.x.alowed", "did you mean allowed?"),
        ({"x": {"kind": "resource_group"}}, "parameters.x", "say which values will do"),
        ({"x": {"kind": "resource_group", "any": False}}, "parameters.x", "say which values will do"),
        ({"x": {"kind": "resource_group", "any": 1}}, "parameters.x.any", "expected true or false"),
        ({"x": GROUP | {"any": True}}, "parameters.x.any", "either allowed or any"),
        ({"x": GROUP | {"allowed": []}}, "parameters.x.allowed", "a list of 1 to 64"),
        ({"x": GROUP | {"allowed": None}}, "parameters.x.allowed", "a list of 1 to 64"),
        ({"x": GROUP | {"allowed": ["a"] * 65}}, "parameters.x.allowed", "a list of 1 to 64"),
        ({"x": GROUP | {"allowed": ["a", "b", "c", "d/e"]}}, "parameters.x.allowed[3]", "the name of a resource group"),
        ({"x": GROUP | {"allowed": ["a", "*"]}}, "parameters.x.allowed[1]", "at least one other character"),
        ({"x": GROUP | {"allowed": ["a", None]}}, "parameters.x.allowed[1]", "expected a text"),
        ({"x": GROUP | {"default": "web"}}, "parameters.x.default", "is not among the allowed values"),
        ({"x": GROUP | {"default": "app-*"}}, "parameters.x.default", "the name of a resource group"),
        ({"x": GROUP | {"default": None}}, "parameters.x.default", "expected a text"),
        ({"x": GROUP | {"from": "caller.resource_group", "default": "shared"}}, "parameters.x.default", "default or from"),
        ({"x": GROUP | {"from": "caller.group"}}, "parameters.x.from", "did you mean caller."),
        ({"x": GROUP | {"from": None}}, "parameters.x.from", "expected one of"),
        ({"x": GROUP | {"from": "caller.resource_name"}}, "parameters.x.from", "fills a parameter of kind"),
        ({"x": {"kind": "subscription", "any": True}}, "parameters.x.allowed", "lists every value"),
        ({"x": {"kind": "subscription", "from": "caller.subscription_id"}}, "parameters.x.allowed", "lists every value"),
        ({"x": {"kind": "subscription", "allowed": [f"{SUB[:-1]}*"]}}, "parameters.x.allowed[0]", "takes no patterns"),
        (
            {"x": {"kind": "subscription", "allowed": [SUB], "from": "caller.object_id"}},
            "parameters.x.from",
            "fills a parameter",
        ),
        ({"x": GROUP | {"description": ""}}, "parameters.x.description", "1 to 256"),
        ({"x": GROUP | {"description": "a\x00"}}, "parameters.x.description", "without control"),
    ],
)
def test_a_fault_has_its_path(field: Any, path: str, words: str) -> None:
    """And there is no other one."""
    found = faults_of(field)
    assert [path] == [*found]
    assert words in found[path]


def test_all_faults_are_told_at_once() -> None:
    """Of all parameters."""
    found = faults_of({"a": {"kind": "x", "alowed": 1}, "B": GROUP, "c": {}})
    assert {"parameters.a.kind", "parameters.a.alowed", "parameters.B", "parameters.c.kind"} == {*found}


def test_from_needs_no_any_and_may_have_it() -> None:
    """It says the same."""
    assert {} == faults_of({"x": {"kind": "word", "from": "caller.object_id"}})
    assert {} == faults_of({"x": {"kind": "word", "from": "caller.object_id", "any": True}})


@pytest.mark.parametrize(
    "stored",
    [
        *([], "x", {"x": None}, {"x": GROUP | {"later": 1}}, {"x": GROUP | {"kind": "later"}}, {"x": {}}, {1: GROUP}),
        *({"x": GROUP | {"allowed": "a"}}, {"x": GROUP | {"allowed": [1]}}, {"x": GROUP | {"from": "caller.later"}}),
        *({"x": GROUP | {"any": 1}}, {"x": GROUP | {"any": True}}, {"x": GROUP | {"allowed": ["*"]}}),
        *({"x": GROUP | {"default": 1}}, {"x": GROUP | {"description": 1}}, {"a": GROUP, "x": {"kind": []}}),
    ],
)
def test_what_cannot_be_read_is_never_left_out(stored: Any) -> None:
    """Each field may take values away, so that the whole is unreadable."""
    assert restore_parameters(stored) is None


def test_a_stored_value_need_not_follow_the_rules_of_today() -> None:
    """It is judged when it is asked for. Without bounds, no value is allowed."""
    found = restore_parameters({"x": {"kind": "resource_group", "allowed": ["a."]}, "y": {"kind": "word"}})
    assert found is not None
    assert not found[1].allows("a")


@given(
    some.recursive(
        some.none() | some.booleans() | some.text(max_size=3),
        lambda each: some.lists(each) | some.dictionaries(some.text(max_size=8), each),
    )
)
def test_whatever_is_stored_nothing_is_raised(stored: Any) -> None:
    """Damaged rows are read as well."""
    restore_parameters(stored)
    restore_parameters({"x": stored})


@pytest.mark.parametrize(
    ("name", "needed"), [("subscription_id", True), ("resource_group", True), ("object_id", False), ("app_id", False)]
)
def test_only_facts_of_the_resource_need_the_directory(name: str, needed: bool) -> None:  # noqa: FBT001
    """The token has the others."""
    assert needed is needs_principal(parameters(x={"kind": "word", "from": f"caller.{name}"}))
    assert not needs_principal(parameters(x=GROUP))

"""Conditional requests: what the headers say, and what the store is to expect."""

from __future__ import annotations

import azure.functions as func
import pytest

from shared.core.errors import Malformed, PreconditionFailed
from shared.core.ports.documents import ABSENT, ANY, Expect, Version
from shared.triggers.http.preconditions import Conditions, conditions, tag_of


def read(**headers: str) -> Conditions:
    """From a request with these headers."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return conditions(func.HttpRequest("PUT", "https://broker.example/", headers=named, body=b""))


def test_a_tag_tells_versions_apart_and_nothing_of_them() -> None:
    """Thirty-two hexadecimal digits in quotes."""
    assert tag_of("v1") != tag_of("v2")
    assert len(tag_of("v1")) == 34
    assert tag_of("v1") == '"3bfc269594ef649228e9a74bab00f042"'


def test_the_headers_say_what_must_hold() -> None:
    """Any version, one of some, none, or nothing in particular."""
    assert Conditions() == read()
    assert Conditions(frozenset()) == read(if_match=" * ")
    assert Conditions(frozenset({'"a"', '"b"'})) == read(if_match='"a" , "b"')
    assert Conditions(must_be_new=True) == read(if_none_match=" * ")


@pytest.mark.parametrize(
    ("headers", "path", "message"),
    [
        ({"if_match": 'W/"a"'}, "If-Match", 'expected * or entity tags in double quotes, without W/, such as "abc"'),
        ({"if_match": "a"}, "If-Match", 'expected * or entity tags in double quotes, without W/, such as "abc"'),
        ({"if_none_match": '"a"'}, "If-None-Match", "expected *"),
        ({"if_match": "*", "if_none_match": "*"}, "If-None-Match", "is not taken together with If-Match"),
    ],
)
def test_headers_that_say_something_else_are_malformed(headers: dict[str, str], path: str, message: str) -> None:
    """By the header's name."""
    with pytest.raises(Malformed) as caught:
        read(**headers)
    assert [(path, message)] == [(fault.path, fault.message) for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("wanted", "former", "expected"),
    [
        (Conditions(), None, ANY),
        (Conditions(), "v1", ANY),
        (Conditions(frozenset()), "v1", Version("v1")),
        (Conditions(frozenset({tag_of("v1"), tag_of("v0")})), "v1", Version("v1")),
        (Conditions(must_be_new=True), None, ABSENT),
    ],
)
def test_a_condition_that_holds_tells_the_store_what_to_expect(
    wanted: Conditions, former: str | None, expected: Expect
) -> None:
    """The version there is, none at all, or whatever it finds."""
    assert expected == wanted.expected(former)


@pytest.mark.parametrize(
    ("wanted", "former", "detail"),
    [
        (Conditions(frozenset()), None, PreconditionFailed.sentence),
        (Conditions(frozenset({tag_of("v1")})), None, PreconditionFailed.sentence),
        (Conditions(frozenset({tag_of("v1")})), "v2", PreconditionFailed.sentence),
        (Conditions(must_be_new=True), "v1", "There is one already."),
    ],
)
def test_a_condition_that_does_not_hold_is_told(wanted: Conditions, former: str | None, detail: str) -> None:
    """Before the store is asked."""
    with pytest.raises(PreconditionFailed) as caught:
        wanted.expected(former)
    assert detail == caught.value.detail

"""``Prefer``, as callers write it."""

from __future__ import annotations

import azure.functions as func
import pytest

from shared.broker.issue.preparations import Preference
from shared.triggers.http.preferences import Preferred, preferred


def read(header: str) -> Preference:
    """What is taken of the header."""
    return _of(header).preference


def _of(header: str) -> Preferred:
    headers = {"prefer": header} if header else {}
    return preferred(func.HttpRequest("GET", "https://x/", headers=headers, body=b""))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", Preference()),
        ("respond-async", Preference(wait=0)),
        ("wait=0", Preference(wait=0)),
        ("wait=100", Preference(wait=100)),
        ('Wait = "30"', Preference(wait=30)),
        ("respond-async, wait=10", Preference(wait=10)),
        ("wait=10,respond-async", Preference(wait=10)),
        ("wait=201", Preference(wait=200)),
        ("wait=99999999999999999999", Preference(wait=200)),
        ("wait=10, wait=20", Preference(wait=10)),
        ("wait=10; foo=bar", Preference(wait=10)),
        ('foo="a, wait=1", wait=7', Preference(wait=7)),
        ("wait=soon", Preference()),
        ("wait=-1", Preference()),
        ("wait", Preference()),
        ("wait=\u0661", Preference()),
        ("return=minimal, depth-noroot", Preference()),
        (",,;=", Preference()),
        ('"', Preference()),
        ("handling=lenient", Preference(is_lenient=True)),
        ('HANDLING="lenient"', Preference(is_lenient=True)),
        ("handling=strict", Preference()),
        ("handling=strict, handling=lenient", Preference(is_lenient=True)),
        ("respond-async, handling=lenient", Preference(is_lenient=True)),
        ("handling=lenient, wait=5", Preference(wait=5, is_lenient=True)),
        ("respond-async," + " " * 5000, Preference()),
    ],
)
def test_what_is_known_is_taken_and_the_rest_passed_over(header: str, expected: Preference) -> None:
    """RFC 7240: nothing of it is an error. ``handling=lenient`` wins."""
    assert expected == read(header)


@pytest.mark.parametrize(
    ("header", "accepted", "expected"),
    [
        ("", True, ""),
        ("respond-async", True, "respond-async"),
        ("respond-async", False, ""),
        ("respond-async, wait=300", True, "respond-async, wait=200"),
        ("wait=30", False, "wait=30"),
        ("handling=lenient, wait=5", False, "wait=5, handling=lenient"),
        ("handling=lenient", True, ""),
        ("depth-noroot", False, ""),
    ],
)
def test_the_answer_says_what_was_done(header: str, expected: str, *, accepted: bool) -> None:
    """With the wait that was taken."""
    assert expected == _of(header).applied(accepted=accepted).get("Preference-Applied", "")

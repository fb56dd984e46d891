"""Recorded exchanges with Azure, and the comparison of the local cloud's replies with them by shape.

The recordings lie beside the repository, never in it: ``../shared/recordings``, or where ``LEASEHOLD_RECORDINGS`` says.
A test that needs them skips, saying so, when they are absent.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[3]
FOLDER = Path(os.environ.get("LEASEHOLD_RECORDINGS") or ROOT.parent / "shared" / "recordings")


@dataclass(frozen=True, slots=True)
class Record:
    """One exchange as it was recorded. ``source`` tells it from every other."""

    source: str
    method: str
    url: str
    request_headers: Mapping[str, str]
    request_body: Any
    status: int
    response_headers: Mapping[str, str]
    response_body: Any

    @property
    def host(self) -> str:
        """The name that was called."""
        return urlsplit(self.url).netloc

    @property
    def path(self) -> str:
        """The path that was called, as written."""
        return urlsplit(self.url).path

    @property
    def query(self) -> dict[str, str]:
        """The query's fields."""
        return dict(parse_qsl(urlsplit(self.url).query, keep_blank_values=True))

    @property
    def form(self) -> dict[str, str]:
        """The fields of a form that was sent; empty for any other body."""
        body = self.request_body
        return dict(body.get("_form", {})) if isinstance(body, dict) else {}


def load(topic: str) -> list[Record]:
    """The recordings of one topic, such as ``graph_applications``; skips the test when they are absent."""
    file = FOLDER / f"{topic}.json"
    if not file.exists():
        pytest.skip(f"no recordings of {topic}: looked in {FOLDER}")
    return [_record(raw) for raw in json.loads(file.read_text(encoding="utf-8"))]


def records(topic: str) -> list[Any]:
    """The recordings as test parameters named by their source; one skipped parameter when they are absent."""
    if not (FOLDER / f"{topic}.json").exists():
        return [pytest.param(None, marks=pytest.mark.skip(reason=f"no recordings of {topic}"), id="absent")]
    return [pytest.param(record, id=record.source) for record in load(topic)]


def _record(raw: Mapping[str, Any]) -> Record:
    return Record(
        source=raw["source"],
        method=raw["method"],
        url=raw["url"],
        request_headers={name.lower(): value for name, value in (raw.get("request_headers") or {}).items()},
        request_body=raw.get("request_body"),
        status=raw["status"],
        response_headers={name.lower(): value for name, value in (raw.get("response_headers") or {}).items()},
        response_body=raw.get("response_body"),
    )


def shape(value: Any) -> Any:
    """The value with every leaf replaced by the name of its JSON type; a list becomes the list of its distinct shapes."""
    if isinstance(value, Mapping):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        found: list[Any] = []
        for item in map(shape, value):
            if item not in found:
                found.append(item)
        return found
    return _type(value)


def _type(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else "string"


def compare_shape(expected: Any, actual: Any, at: str = "$", *, ignore: Iterable[str] = ()) -> list[str]:
    """How two JSON values differ in shape, a sentence each; empty when they do not.

    Objects must have the same keys and lists the same kinds of element; an empty list matches any. ``null`` matches
    anything, for what is set on one side only. ``ignore`` names keys that are not compared, at any depth.
    """
    passed = frozenset(ignore)
    if expected is None or actual is None:
        return []
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        return _compare_objects(expected, actual, at, passed)
    if isinstance(expected, list) and isinstance(actual, list):
        return _compare_lists(expected, actual, at, passed)
    wanted, found = _kind(expected), _kind(actual)
    return [] if wanted == found else [f"{at} is {found}, recorded as {wanted}"]


def _compare_objects(expected: Mapping[str, Any], actual: Mapping[str, Any], at: str, passed: frozenset[str]) -> list[str]:
    missing = [f"{at}.{key} is missing" for key in expected if key not in actual and key not in passed]
    surplus = [f"{at}.{key} is not in the recording" for key in actual if key not in expected and key not in passed]
    shared = [key for key in expected if key in actual and key not in passed]
    below = [line for key in shared for line in compare_shape(expected[key], actual[key], f"{at}.{key}", ignore=passed)]
    return missing + surplus + below


def _compare_lists(expected: list[Any], actual: list[Any], at: str, passed: frozenset[str]) -> list[str]:
    """Every element of ours must look like one of theirs."""
    if not expected or not actual:
        return []
    differences = []
    for index, item in enumerate(actual):
        attempts = [compare_shape(wanted, item, f"{at}[{index}]", ignore=passed) for wanted in expected]
        nearest = min(attempts, key=len)
        differences += nearest
    return differences


def _kind(value: Any) -> str:
    if isinstance(value, Mapping):
        return "object"
    return "array" if isinstance(value, list) else _type(value)

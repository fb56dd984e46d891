"""Whatever is sent to whatever call: an answer of the contract's, and a problem with a stable code where it is no success."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import pytest

import shared
from shared.triggers.http import groups
from shared.triggers.http.routes import Route
from tests.fakes.world import role, world
from tests.triggers.app import App

ROUTES = groups.routes()
EXPLAINED = frozenset(
    re.findall("^## `?([a-z_]+)`?$", (Path(shared.__file__).parents[1] / "docs" / "problems.md").read_text(), re.MULTILINE)
)
SEGMENTS = ("web", "x", "\0", "\ud800", "\u00e9", "..", "%2f", "a" * 300, "web.01kjwr4b80zzzzzzzzzzzzzzzz", "'", "\u202e", " ")
QUERIES = (
    *("", "a=1", "limit=1&limit=2", "limit=", "limit=%31", "limit=1e3", "limit=%D9%A1", "cursor=..", "cursor=%00", "=", "&&"),
    *(
        "cursor=20260302.x",
        "state=nope",
        "until=x",
        "from=x",
        "to=%ff",
        "dry_run=true",
        "force=true",
        "revoke=true",
        "holder=x",
    ),
)
HEADERS: tuple[dict[str, str], ...] = (
    {},
    {"if-match": "x"},
    {"if-match": '"a"', "if-none-match": "*"},
    {"if-none-match": "*"},
    {"content-type": "x"},
    {"content-type": "application/json; charset=\ud800"},
    {"content-encoding": "gzip"},
    {"idempotency-key": ""},
    {"authorization": "Bearer \u00e9"},
    {"x-request-id": "\u202e"},
)
BODIES: tuple[Any, ...] = (
    *(None, {}, [], "x", 1, b"\xff", b"\xef\xbb\xbf", b"{}\x00", b'{"a":1e999}', b"\x00{\x00}", {"increment": True}),
    *({"ttl": -1}, {"ttl": 10**40}, {"ttl": 1.5}, {"reason": "\u202e"}, {"metadata": {"": ""}}),
    {"type": "service_principal", "azure_roles": [{"scope": "/"}]},
)
TOKENS = ("admin.token.x", "alice.token.x", "watcher.token.x", "another", None)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
async def test_nothing_that_is_sent_is_a_fault_of_the_brokers(route: Route) -> None:
    """Thirty draws a call: methods, paths, queries, headers and bodies that fit or do not."""
    chance = random.Random(route.name)
    for _ in range(30):
        app = App(world(role()))
        path = re.sub(r"\{\w+\}", lambda _: chance.choice(SEGMENTS), f"/{route.path}?{chance.choice(QUERIES)}")
        method = chance.choice((*route.taken, "HEAD", "OPTIONS", "PATCH"))
        sent = {"token": chance.choice(TOKENS), "body": chance.choice(BODIES), "headers": chance.choice(HEADERS)}
        answer = await app.call(method, path, **sent)
        assert answer.status < 500, (method, path, sent)
        if answer.status >= 400 and method != "HEAD":
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.code in EXPLAINED, (method, path, sent)

"""How much of everything a request may have: up to each bound it is taken, and beyond it refused, by every call alike."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.triggers.http import groups, requests, transfer
from shared.triggers.http.routes import Route
from tests.fakes.world import role, world
from tests.triggers.app import App
from tests.triggers.documents import GONE_SITES

ISSUE = "/api/v1/roles/web/leases"
ROUTES = [route for route in groups.routes() if route.operation]
IN_PATH = {"role": "web", "name": "readers", "id": "web.01kjwr4b80zzzzzzzzzzzzzzzz"}
NAMES = {"role": "a" * 64, "name": "a" * 64, "id": f"{'a' * 64}.01kjwr4b80zzzzzzzzzzzzzzzz"}
TAG = '"9f86d081884c7d659a2feaa0c55ad015"'


def path_of(route: Route, **names: str) -> str:
    """The path of a call, with names that there may be."""
    return f"/{route.path}".format_map({**IN_PATH, **names})


def nested(depth: int) -> bytes:
    """An object of that many levels: lists and objects in turn."""
    inner, levels = "1", 0
    while levels < depth:
        inner, levels = (f'{{"a":{inner}}}' if (depth - levels) % 2 else f"[{inner}]"), levels + 1
    return inner.encode()


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
async def test_a_query_has_64_parameters_at_most(route: Route) -> None:
    """More are not looked at one by one, whatever the call."""
    app = App(world(role()))
    refused = await app.call(route.methods[0], f"{path_of(route)}?{'&'.join(['x'] * 65)}", token="admin.token.x")
    looked_at = await app.call(route.methods[0], f"{path_of(route)}?{'&'.join(['x'] * 64)}", token="admin.token.x")
    assert [(400, "malformed")] * 2 == [(each.status, each.code) for each in (refused, looked_at)]
    assert [{"path": "", "message": "a query has at most 64 parameters"}] == refused.json["errors"]
    assert [{"path": "x", "message": "is not a known query parameter"}] == looked_at.json["errors"]


TAKE_A_BODY = [each for each in ROUTES if each.told.body and each.name != "publish_events"]
"""But for the door for events: an administrator does not get in, and ``test_events.py`` says what a body is there."""


@pytest.mark.parametrize("route", TAKE_A_BODY, ids=lambda route: route.name)
@pytest.mark.parametrize("depth", [65, 500, 10_000])
async def test_json_has_64_levels_at_most(route: Route, depth: int) -> None:
    """The bound is the broker's own, not the interpreter's."""
    app = App(world(role()))
    answer = await app.call(route.methods[0], path_of(route), token="admin.token.x", body=nested(depth))
    assert (400, "malformed") == (answer.status, answer.code)
    assert [{"path": "", "message": "the body is nested too deeply"}] == answer.json["errors"]


async def test_json_of_64_levels_is_read() -> None:
    """Then the document is looked at, field by field."""
    answer = await App(world(role())).call("POST", ISSUE, body=nested(64))
    assert [{"path": "a", "message": "is not a known field"}] == answer.json["errors"]


async def test_a_wide_document_is_not_deep() -> None:
    """Many objects beside one another are no depth."""
    answer = await App(world(role())).call("POST", ISSUE, body={"b": [{"c": []}] * 1000})
    assert [{"path": "b", "message": "is not a known field"}] == answer.json["errors"]


@pytest.mark.parametrize("route", TAKE_A_BODY, ids=lambda route: route.name)
async def test_a_body_is_as_long_as_its_call_takes_and_no_longer(route: Route) -> None:
    """64 KiB; an import 5 MiB."""
    app = App(world(role()))
    most = transfer.MOST_OCTETS if route.name == "write_configuration" else requests.MAX_BODY
    for size, status in ((most, 400), (most + 1, 413)):
        body = b'{"no such field": 1}'.ljust(size)
        answer = await app.call(route.methods[0], path_of(route), token="admin.token.x", body=body)
        assert (size, status) == (size, answer.status)


@pytest.mark.parametrize("route", TAKE_A_BODY, ids=lambda route: route.name)
@pytest.mark.parametrize("headers", [{"content-type": "text/plain"}, {"content-encoding": "gzip"}], ids=str)
async def test_every_call_with_a_body_takes_json_alone(route: Route, headers: dict[str, str]) -> None:
    """As it is, and said to be so."""
    answer = await App(world(role())).call(
        route.methods[0], path_of(route), token="admin.token.x", body={"a": 1}, headers=headers
    )
    assert (415, "unsupported_media_type") == (answer.status, answer.code)


@pytest.mark.parametrize("route", [each for each in ROUTES if "{" in each.path], ids=lambda route: route.name)
async def test_a_name_in_a_path_has_63_characters_at_most(route: Route) -> None:
    """Of roles, documents, and the roles in ids of leases."""
    answer = await App(world(role())).call(route.methods[0], path_of(route, **NAMES), token="admin.token.x")
    assert (400, "malformed") == (answer.status, answer.code)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
async def test_an_authorization_header_has_16_kib_at_most(route: Route) -> None:
    """A longer one is nobody's token, whatever the call."""
    for header in (f"Bearer {'a' * 16 * 1024}", "Bearer a, Bearer b", "Bearer a b"):
        answer = await App(world(role())).call(route.methods[0], path_of(route), token=None, headers={"authorization": header})
        assert (401, "unauthenticated") == (answer.status, answer.code)


def _conditional(header: str) -> list[Route]:
    return [each for each in ROUTES if any(parameter.name == header for parameter in each.told.headers)]


@pytest.mark.parametrize(
    ("route", "header"),
    [
        *((route, "if-match") for route in _conditional("If-Match")),
        *((route, "if-none-match") for route in _conditional("If-None-Match") if route.methods == ("GET",)),
    ],
    ids=lambda each: each if isinstance(each, str) else each.name,
)
async def test_conditions_have_4096_characters_at_most(route: Route, header: str) -> None:
    """Some hundred entity tags."""
    app = App(world(role()))
    await app.call("PUT", "/api/v1/policies/readers", token="admin.token.x", body={"rules": [_RULE]})
    await app.call("PUT", "/api/v1/auth-roles/readers", token="admin.token.x", body={"bound_locations": ["westeurope"]})
    await app.call("PUT", "/api/v1/event-rules/readers", token="admin.token.x", body=GONE_SITES)
    body: Any = _BODIES[route.name] if route.methods == ("PUT",) else None
    found = []
    for length in (4096, 4097):
        tags = f"{TAG}, " * 113
        headers = {header: tags + f'"{"x" * (length - len(tags) - 2)}"'}
        answer = await app.call(route.methods[0], path_of(route), token="admin.token.x", body=body, headers=headers)
        found.append(answer.status)
    assert [200 if header == "if-none-match" else 412, 400] == found


_RULE = {"path": "roles/*", "capabilities": ["read"]}
_BODIES: dict[str, Any] = {
    "write_rule": GONE_SITES,
    "write_policy": {"rules": [_RULE]},
    "write_auth_role": {"bound_locations": ["westeurope"]},
    "write_role": {"type": "service_principal", "azure_roles": [{"role_name": "Reader", "scope": "/subscriptions/x"}]},
}


@pytest.mark.parametrize(("key", "status"), [("k" * 128, 201), ("k" * 129, 400), ("a b", 400), ("\u00e9", 400), ("", 400)])
async def test_an_idempotency_key_has_128_visible_characters_at_most(key: str, status: int) -> None:
    """And one at least."""
    answer = await App(world(role())).call("POST", ISSUE, body={}, headers={"idempotency-key": key})
    assert status == answer.status


@pytest.mark.parametrize(("sent", "shown"), [("r" * 64, "r" * 64), ("r" * 65, None), ("a b", None), ("\u202e", None)])
async def test_a_callers_own_request_id_has_64_characters_at_most(sent: str, shown: str | None) -> None:
    """Another is passed over: it would stand in logs and in the trail."""
    answer = await App(world(role())).call("GET", "/api/v1/whoami", headers={"x-request-id": sent})
    assert (200, shown) == (answer.status, answer.headers.get("x-client-request-id"))


@pytest.mark.parametrize(
    "route",
    [each for each in ROUTES if "cursor" in each.rules.query and each.name != "list_leases"],
    ids=lambda route: route.name,
)
@pytest.mark.parametrize("cursor", ["c" * 1025, "a b", "\u00e9", "\x7f"], ids=["long", "blank", "accent", "delete"])
async def test_a_cursor_has_1024_visible_characters_at_most(route: Route, cursor: str) -> None:
    """The broker writes no other."""
    answer = await App(world(role())).call("GET", path_of(route), token="admin.token.x", query={"cursor": cursor})
    assert (400, ["cursor"]) == (answer.status, [each["path"] for each in answer.json["errors"]])


async def test_an_answer_names_a_hundred_faults_at_most() -> None:
    """And says how many there are beside them."""
    body = json.dumps({f"field{number}": 0 for number in range(2000)}).encode()
    answer = await App(world(role())).call("POST", ISSUE, body=body)
    assert (101, {"path": "", "message": "and 1900 more"}) == (len(answer.json["errors"]), answer.json["errors"][-1])

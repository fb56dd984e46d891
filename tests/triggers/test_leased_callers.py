"""Principals that leases have made, as callers: refused by every call that has callers, and nothing happens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.core.caller import CallerType
from shared.core.errors import Absent, Refused, Throttled, Unavailable, Unreachable, Upstream
from shared.core.names import LeaseId
from shared.triggers.http import groups
from shared.triggers.http.routes import Route
from tests.fakes.world import ADMINISTRATOR, ALICE, WATCHER, guid
from tests.triggers.app import App

ROUTES = [each for each in groups.routes() if each.operation]
PEOPLE = [("alice.token.x", ALICE), ("admin.token.x", ADMINISTRATOR), ("watcher.token.x", WATCHER)]
READING = {
    "get",
    "all",
    "list",
    "find",
    "find_key",
    "count_live",
    "inventory",
    "waiting",
    "last_sweep",
    "last_reconciliation",
    "noted",
    "page",
    "version",
    "load",
    "stuck",
    "read",
    "reachable",
}


def effects(app: App) -> list[str]:
    """What was called that is no reading; the audit of the refusal aside."""
    return [name for name in app.world.calls.names() if name.partition(".")[2] not in READING and name != "audit.record"]


async def issue_request(app: App, route: Route, token: str) -> Any:
    """The call, with a body that it may take."""
    lease_id = next(iter(app.world.leases.rows), LeaseId("web.0123456789abcdefghjkmnpqrs"))
    path = "/" + route.path.replace("{role}", "web").replace("{id}", lease_id)
    document = {"type": "application_secret", "application_object_id": guid(0x200)}
    return await app.call(route.methods[0], path, token=token, body=document if route.methods[0] == "PUT" else None)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
@pytest.mark.parametrize("by", ["object_id", "app_id"])
@pytest.mark.parametrize(("token", "caller"), PEOPLE)
async def test_a_leased_principal_is_nobodys_caller(app: App, route: Route, by: str, token: str, caller: Any) -> None:
    """Whatever it is bound to, and whatever app role it holds."""
    if caller.app_id is None:
        by = "object_id"
    app.world.leased.rows[getattr(caller, by)] = LeaseId("web.00000000000000000000000001")
    answer = await issue_request(app, route, token)
    assert (answer.status, answer.code) == (403, "leased_caller")
    assert [] == effects(app)
    event = app.world.audit.events[-1]
    assert (event.operation, event.code, event.caller) == (route.operation, "leased_caller", caller)
    assert "web.00000000000000000000000001" in event.reason
    assert "web.0000" not in answer.body.decode()


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
@pytest.mark.parametrize(
    "trouble",
    [Unavailable("down", status=500), Unreachable("silent"), Throttled(), Refused("no", status=403), Absent("no table")],
)
async def test_who_cannot_be_told_is_refused(app: App, route: Route, trouble: Upstream) -> None:
    """503: the caller may come again."""
    app.world.calls.fail("leased.find", trouble)
    answer = await issue_request(app, route, "admin.token.x")
    assert (answer.status, answer.headers["retry-after"]) == (503, "10")
    assert [] == effects(app)


async def test_whoever_signs_in_through_a_leased_application_is_refused(app: App) -> None:
    """A user's token names it as its client."""
    person = replace(ALICE, kind=CallerType.USER)
    app.verifier.known["person.token.x"] = person
    assert 200 == (await app.call("GET", "/api/v1/whoami", token="person.token.x")).status
    app.world.leased.rows[guid(0x401)] = LeaseId("web.00000000000000000000000001")
    assert 403 == (await app.call("GET", "/api/v1/whoami", token="person.token.x")).status


async def test_a_body_that_is_wrong_does_not_change_the_answer(app: App) -> None:
    """Whoever may not come in is told that alone."""
    app.world.leased.rows[ALICE.object_id] = LeaseId("web.00000000000000000000000001")
    for options in ({"body": b"{"}, {"query": {"x": "y"}}):
        answer = await app.call("POST", "/api/v1/roles/web/leases", **options)
        assert (answer.status, answer.code) == (403, "leased_caller")


@pytest.mark.parametrize("path", ["health", "openapi.json", "docs", "problems"])
async def test_open_calls_are_open_to_everybody(app: App, path: str) -> None:
    """They have no callers."""
    app.world.leased.rows[ALICE.object_id] = LeaseId("web.00000000000000000000000001")
    assert 200 == (await app.call("GET", f"/api/v1/{path}")).status


async def test_issuing_takes_no_trip_more(app: App) -> None:
    """The look-up is made beside the role's."""
    app.world.calls.latency = 1.0
    await app.call("POST", "/api/v1/roles/web/leases")
    look_up, role = (app.world.calls.named(name)[0] for name in ("leased.find", "roles.get"))
    assert look_up.began == role.began

"""Issuing under an ``Idempotency-Key``, and letting go of a lease, as a client sees them."""

from __future__ import annotations

import pytest

from shared.core.errors import Locked, Unavailable
from shared.core.lease import ATTEMPTS_UNTIL_STUCK
from tests.fakes.world import SCOPES
from tests.triggers.app import Answer, App

ISSUE = "/api/v1/roles/web/leases"
KEY = "8e03978e-40d5-43dd-bc93-6894a57f9324"


async def issued(app: App, key: str = KEY, **more: object) -> Answer:
    """One issue under a key."""
    return await app.call("POST", ISSUE, headers={"Idempotency-Key": key}, **more)  # type: ignore[arg-type]  # a body or none


async def test_a_repeat_is_answered_like_the_first(app: App) -> None:
    """201 and the same lease, with another secret."""
    first, second = await issued(app), await issued(app)
    assert (first.status, second.status) == (201, 201)
    assert first.json["lease"] == second.json["lease"]
    assert first.headers["location"] == second.headers["location"]
    differing = {name for name, value in first.json["credential"].items() if second.json["credential"][name] != value}
    assert differing == {"client_secret", "secret_id"}


async def test_without_a_key_each_issue_is_another(app: App) -> None:
    """Nothing is guessed."""
    first, second = await app.call("POST", ISSUE), await app.call("POST", ISSUE)
    assert first.json["lease"]["id"] != second.json["lease"]["id"]


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 129, "tab\there", "a\x00b", "a\x7f", "\u00e9", "a\n", "one, two"])
async def test_refuses_a_key_that_is_none(app: App, key: str) -> None:
    """Before anything is issued."""
    answer = await issued(app, key)
    assert (answer.status, answer.code) == (400, "malformed")
    assert [fault["path"] for fault in answer.json["errors"]] == ["Idempotency-Key"]
    assert app.world.leases.rows == {}


@pytest.mark.parametrize("key", ["x", "x" * 128, '"quoted"', "!~/\\#?%"])
async def test_takes_every_visible_character(app: App, key: str) -> None:
    """A key is opaque."""
    first, second = await issued(app, key), await issued(app, key)
    assert first.json["lease"]["id"] == second.json["lease"]["id"]


async def test_no_key_is_kept_or_told_as_it_was_sent(app: App) -> None:
    """Digests alone are stored; the audit trail has none of it."""
    await issued(app)
    await issued(app)
    assert KEY not in repr((app.world.leases.rows, app.world.leases.keys, app.world.audit.events))


async def test_refuses_the_same_key_with_another_body(app: App) -> None:
    """409, naming the lease; the same body written otherwise is the same."""
    first = await issued(app, body={"ttl": "10m"})
    again = await issued(app, body={"ttl": 600})
    other = await issued(app, body={"ttl": 601})
    assert (again.status, other.status, other.code) == (201, 409, "idempotency_key_reused")
    assert first.json["lease"]["id"] in other.json["detail"]


async def test_a_lease_that_has_ended_is_gone(app: App) -> None:
    """410, naming it."""
    lease_id = (await issued(app)).json["lease"]["id"]
    await app.call("DELETE", f"/api/v1/leases/{lease_id}")
    answer = await issued(app)
    assert (answer.status, answer.code) == (410, "lease_ended")
    assert lease_id in answer.json["detail"]


async def test_after_a_failure_the_same_key_succeeds(app: App) -> None:
    """503, then 201."""
    app.world.calls.fail("directory.create_principal", Unavailable("down", status=500), times=500)
    failed = await issued(app)
    app.world.calls._troubles.clear()
    assert (failed.status, (await issued(app)).status) == (503, 201)


async def stuck(app: App) -> str:
    """The path of a lease that cannot be ended."""
    path = f"/api/v1/leases/{(await issued(app)).json['lease']['id']}"
    app.world.cloud.locked_scopes.add(SCOPES[0])
    for _ in range(ATTEMPTS_UNTIL_STUCK):
        app.world.clock.jump(1400)
        await app.call("POST", "/api/v1/sweep", token="admin.token.x")
    return path


async def test_an_operator_lets_go_of_a_lease_that_is_stuck(app: App) -> None:
    """200 and ended, with the error that kept it; the status lists it no more."""
    path = await stuck(app)
    unforced = await app.call("POST", f"{path}/revoke", token="admin.token.x")
    forced = await app.call("POST", f"{path}/revoke", token="admin.token.x", query={"force": "true"})
    again = await app.call("POST", f"{path}/revoke", token="admin.token.x", query={"force": "true"})
    assert (unforced.status, unforced.json["state"]) == (202, "stuck")
    error = f"{Locked.code}: ScopeLocked at {SCOPES[0]}"
    assert (forced.status, forced.json["state"], forced.json["last_error"]) == (200, "ended", error)
    assert forced.json == again.json
    assert (await app.call("GET", "/api/v1/status", token="admin.token.x")).json["stuck"] == []


async def test_only_admins_force(app: App) -> None:
    """Its holder is told so; to others the lease does not exist."""
    path = await stuck(app)
    answers = [
        await app.call("POST", f"{path}/revoke", token=f"{who}.token.x", query={"force": "true"})
        for who in ("alice", "bob", "watcher")
    ]
    assert [(each.status, each.code) for each in answers] == [
        (403, "forbidden"),
        (404, "lease_not_found"),
        (404, "lease_not_found"),
    ]


@pytest.mark.parametrize("query", [{"force": "yes"}, {"force": ""}, {"Force": "true"}])
async def test_refuses_a_force_that_it_does_not_understand(app: App, query: dict[str, str]) -> None:
    """It must not be taken for an ordinary revocation."""
    path = f"/api/v1/leases/{(await issued(app)).json['lease']['id']}/revoke"
    assert (await app.call("POST", path, token="admin.token.x", query=query)).status == 400
    assert (await app.call("GET", path.removesuffix("/revoke"))).json["state"] == "active"

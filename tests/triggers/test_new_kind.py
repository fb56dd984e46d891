"""A kind of credential that the product does not have, over HTTP: no route, body or answer is made for it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.world import ALICE, world
from tests.support.toy_kind import badge
from tests.triggers.app import Answer, App

DOCUMENT: dict[str, Any] = {"type": "badge", "door": "north", "bound_service_principal_ids": [ALICE.object_id]}


@pytest.fixture
def app() -> App:
    """A broker that has the kind as well."""
    return App(world(kinds=(badge,)))


async def put(app: App, document: Any = DOCUMENT) -> Answer:
    """An administrator writes the role."""
    return await app.call("PUT", "/api/v1/roles/door", token="admin.token.x", body=document)


async def test_a_lease_of_it_is_issued_read_renewed_and_revoked(app: App) -> None:
    """Through the calls that every lease goes through."""
    assert 201 == (await put(app)).status
    answer = await app.call("POST", "/api/v1/roles/door/leases", body={"ttl": 600})
    assert 201 == answer.status, answer.body
    lease, credential = answer.json["lease"], answer.json["credential"]
    assert ("badge", "active") == (lease["type"], lease["state"])
    (stored,) = app.world.cloud.elsewhere.values()
    assert ALICE.object_id == stored.holder
    assert {"type": "badge", "door": "north", "number": stored.number, "expires_at": lease["expires_at"]} == credential

    path = answer.headers["location"]
    assert lease == (await app.call("GET", path)).json
    app.world.clock.jump(300)
    renewed = await app.call("POST", f"{path}/renew", body={})
    assert (200, "2026-03-02T09:15:00.000Z") == (renewed.status, renewed.json["expires_at"])
    ended = await app.call("DELETE", path)
    assert (200, "ended") == (ended.status, ended.json["state"]), ended.body
    assert [] == app.world.leftovers()


async def test_a_repeat_under_a_key_gets_the_same_badge(app: App) -> None:
    """There is no secret that could be made again."""
    await put(app)
    once, again = [
        await app.call("POST", "/api/v1/roles/door/leases", headers={"idempotency-key": "alice-1"}) for _ in range(2)
    ]
    assert once.json["lease"]["id"] == again.json["lease"]["id"]
    assert once.json["credential"] == again.json["credential"]
    assert 1 == len(app.world.leftovers())


async def test_a_role_of_it_is_read_as_it_was_written(app: App) -> None:
    """And may be written so again."""
    written = (await put(app)).json
    assert ("badge", "north") == (written["type"], written["door"])
    read = await app.call("GET", "/api/v1/roles/door", token="admin.token.x")
    assert written == read.json == (await put(app, read.json)).json
    listed = await app.call("GET", "/api/v1/roles", token="admin.token.x")
    assert [read.json] == listed.json["roles"]


@pytest.mark.parametrize(
    ("change", "code", "path"),
    [({"door": 7}, "malformed", "door"), ({"door": "roof"}, "unresolvable", "door"), ({"tags": ["a"]}, "malformed", "tags")],
)
async def test_what_is_wrong_with_a_role_of_it_is_told_by_its_fields(app: App, change: Any, code: str, path: str) -> None:
    """By its own rules, and by what there is."""
    answer = await put(app, DOCUMENT | change)
    assert (400, code, [path]) == (answer.status, answer.code, [each["path"] for each in answer.json["errors"]])


async def test_a_broker_without_the_kind_refuses_its_roles() -> None:
    """It names the kinds that it has."""
    answer = await put(App(world()))
    assert (400, "malformed") == (answer.status, answer.code)
    assert "type" in {each["path"] for each in answer.json["errors"]}

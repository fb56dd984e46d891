"""Leases that are pooled or prepared, over HTTP: who is told of them, and what is refused."""

from __future__ import annotations

import pytest

from tests.fakes.world import ALICE, WEB, request
from tests.support import pooling
from tests.triggers.app import App

SEES_ALL = {"admin.token.x": True, "watcher.token.x": True, "alice.token.x": False, "bob.token.x": False}


@pytest.mark.parametrize(("token", "sees"), SEES_ALL.items())
async def test_a_pooled_lease_is_there_for_admins_and_auditors_alone(app: App, token: str, *, sees: bool) -> None:
    """By its id and by its state; to others it is as if it were not there, and nobody's list of live leases has it."""
    lease = await pooling.fill(app.world.ports, WEB)
    read = await app.call("GET", f"/api/v1/leases/{lease.id}", token=token)
    listed = await app.call("GET", "/api/v1/leases", token=token, query={"state": "pooled"})
    live = await app.call("GET", "/api/v1/leases", token=token)
    assert (200 if sees else 404) == read.status
    assert (200, [lease.id] if sees else []) == (listed.status, [each["id"] for each in listed.json["leases"]])
    assert [] == live.json["leases"]
    if sees:
        assert ("pooled", False) == (read.json["state"], "holder" in read.json)
        assert ("ready", True, False) == (read.json["ready"], "ready_at" in read.json, "claim" in read.json)
    else:
        assert "lease_not_found" == read.code


async def test_a_prepared_lease_is_shown_to_its_holder_and_not_renewed(app: App) -> None:
    """It can be revoked."""
    lease = await pooling.prepare(app.world.ports, request(ALICE), WEB)
    read = await app.call("GET", f"/api/v1/leases/{lease.id}")
    assert (200, "prepared", ALICE.object_id) == (read.status, read.json["state"], read.json["holder"]["object_id"])
    renewed = await app.call("POST", f"/api/v1/leases/{lease.id}/renew")
    assert (409, "lease_not_active") == (renewed.status, renewed.code)
    app.world.clock.jump(300)
    ended = await app.call("DELETE", f"/api/v1/leases/{lease.id}")
    assert (200, "ended") == (ended.status, ended.json["state"])


async def test_status_tells_of_every_state(app: App) -> None:
    """What is in a pool as well, by state and by role."""
    await pooling.fill(app.world.ports, WEB)
    await pooling.prepare(app.world.ports, request(ALICE), WEB)
    result = await app.call("GET", "/api/v1/status", token="watcher.token.x")
    counts = {"pooled": 1, "prepared": 1}
    assert (counts, {"web": counts}) == (result.json["leases"]["by_state"], result.json["leases"]["by_role"])


async def test_an_answer_shows_neither_the_claim_nor_when_a_credential_was_proven(app: App) -> None:
    """Both are stored only."""
    await pooling.fill(app.world.ports, WEB)
    given = await pooling.claim(app.world.ports, request(ALICE), WEB)
    assert (True, True) == (bool(given.lease.claim), given.lease.ready_at is not None)
    read = await app.call("GET", f"/api/v1/leases/{given.lease.id}")
    plain = (await app.call("POST", "/api/v1/roles/web/leases")).json["lease"]
    assert {*plain} == {*read.json}

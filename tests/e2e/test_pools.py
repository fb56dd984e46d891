"""Pools over HTTP: the timer fills them, callers empty them, and whoever touches what stands in them is told of."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from shared.wiring.root import Composition
from tests.e2e.conftest import NEVER, Deployment
from tests.e2e.test_credentials import ARM, reads
from tests.e2e.test_not_waiting import works
from tests.e2e.test_reconcile import Hand

pytestmark = pytest.mark.asyncio(loop_scope="session")
SETTINGS = {"LEASEHOLD_FILL_SCHEDULE": "* * * * * *", "LEASEHOLD_POOL_ASSIGNMENTS": "9", "LEASEHOLD_SWEEP_SCHEDULE": NEVER}
_SOON = 20.0
"""Seconds within which a pool is filled: some runs of the timer, and a proof."""


def pooled_role(deployment: Deployment, size: int, **fields: Any) -> dict[str, Any]:
    """A role that reads the group ``app``, with so many leases in its pool."""
    bounds = {"bound_service_principal_ids": [deployment.object_id("fn-orders"), deployment.object_id("vm-web")]}
    reader = {"azure_roles": [{"role_name": "Reader", "scope": deployment.app}]}
    return {"type": "service_principal", "ready": "token", "pool": {"size": size}} | bounds | reader | fields


async def put(deployment: Deployment, name: str, document: dict[str, Any]) -> httpx.Response:
    """An administrator writes a role."""
    return await (await deployment.broker("admin")).call("PUT", f"roles/{name}", document)


async def until(holds: Callable[[], Awaitable[bool]], what: object) -> None:
    """Waits until it holds."""
    async with asyncio.timeout(_SOON) as limit:
        while not await holds():
            assert not limit.expired(), what
            await asyncio.sleep(0.2)


async def standing(deployment: Deployment, name: str) -> list[dict[str, Any]]:
    """The leases that stand in the role's pool, as an administrator sees them."""
    return list((await (await deployment.broker("admin")).must("GET", f"leases?role={name}&state=pooled"))["leases"])


async def full(deployment: Deployment, name: str, size: int) -> list[dict[str, Any]]:
    """The leases in the pool, once it is full."""

    async def is_full() -> bool:
        return len(await standing(deployment, name)) == size and (await told(deployment, name))["ready"] == size

    await until(is_full, f"the pool of {name} is not filled")
    return await standing(deployment, name)


async def told(deployment: Deployment, name: str) -> dict[str, Any]:
    """What ``status`` says of the role's pool."""
    status = await (await deployment.broker("admin")).must("GET", "status")
    found: dict[str, Any] = status["pool"][name]
    return found


async def gone(deployment: Deployment, name: str, before: dict[str, Any]) -> None:
    """The role is deleted with its leases, and nothing is left of them."""
    await (await deployment.broker("admin")).must("DELETE", f"roles/{name}?revoke=true")
    await deployment.settled()
    assert before == await deployment.objects()


async def test_a_pool_that_cannot_be_is_refused_with_the_role(deployment: Deployment) -> None:
    """The path says what is wrong, and nothing is stored."""
    parameters = {"group": {"kind": "resource_group", "allowed": ["app"]}}
    hole = [{"role_name": "Reader", "scope": deployment.app.replace("/app", "/{group}")}]
    constant = pooled_role(deployment, 1, azure_roles=hole, parameters=parameters, pool={"size": 1, "assigned": True})
    grant = pooled_role(deployment, 1, type="role_grant", ready="none")
    applications = (await deployment.objects())["applications"]
    legacy = next(each["object_id"] for each in applications if each["display_name"] == "legacy")
    secret = {"type": "application_secret", "application_object_id": legacy, "pool": {"size": 1}}
    cases = [
        (pooled_role(deployment, 10), "pool_too_large", "pool.size"),
        (constant, "pool_needs_constant_scopes", "pool.assigned"),
        (pooled_role(deployment, 51), "malformed", "pool.size"),
        (pooled_role(deployment, 1, pool={"size": 1, "max_age": "59s"}), "malformed", "pool.max_age"),
        (grant, "malformed", "pool"),
        (secret, "malformed", "pool"),
    ]
    for document, code, path in cases:
        refused = await put(deployment, "refused", document)
        problem = refused.json()
        assert (400, code, path) == (refused.status_code, problem["code"], problem["errors"][0]["path"]), refused.text
    assert 404 == (await (await deployment.broker("admin")).call("GET", "roles/refused")).status_code


async def test_a_broker_whom_no_application_can_trust_has_no_pools(deployment: Deployment) -> None:
    """Its identity is system-assigned. A role without a pool is none of that."""
    await deployment.visitor.control("PUT", "identities/leasehold", {"kind": "system_assigned"})
    try:
        refused = await put(deployment, "untrusted", pooled_role(deployment, 1))
        assert (400, "broker_identity_unsuitable", "pool") == (
            refused.status_code,
            refused.json()["code"],
            refused.json()["errors"][0]["path"],
        )
        assert 201 == (await put(deployment, "untrusted", pooled_role(deployment, 0))).status_code
    finally:
        await deployment.visitor.control("PUT", "identities/leasehold", {"kind": "user_assigned"})


async def test_a_pool_that_may_change_things_is_warned_of(deployment: Deployment) -> None:
    """Unless the role says that nothing is assigned ahead of time, which is what it means if it says nothing."""
    writes = {"azure_roles": [{"role_name": "Contributor", "scope": deployment.app}]}
    expected = {None: [], False: [], True: [("pool.assigned", "pool_holds_writes")]}
    for assigned, warnings in expected.items():
        pool = {"size": 1} | ({} if assigned is None else {"assigned": assigned})
        # Of a dry run: the broker cannot assign the role.
        reply = await (await deployment.broker("admin")).call(
            "PUT", "roles/writes?dry_run=true", pooled_role(deployment, 1, **writes, pool=pool)
        )
        assert reply.is_success, reply.text
        found = [(each["path"], each["code"]) for each in reply.json()["warnings"]]
        assert warnings == [each for each in found if each[1].startswith("pool_")]


async def test_a_token_is_there_when_somebody_asks(deployment: Deployment) -> None:
    """Nothing is written to Azure at the claim. The pool is filled again, and a revocation leaves nothing of either."""
    before = await deployment.objects()
    made = await put(deployment, "ready-tokens", pooled_role(deployment, 2, credential="token", token_scopes=[ARM]))
    assert (201, {"size": 2}) == (made.status_code, {"size": made.json()["pool"]["size"]})
    pooled = await full(deployment, "ready-tokens", 2)
    status = await told(deployment, "ready-tokens")
    assert {"ready": 2, "filling": 0, "wanted": 2, "failing": ""} == {
        name: status[name] for name in ("ready", "filling", "wanted", "failing")
    }
    assert status["oldest"] is not None
    shown = await (await deployment.broker("admin")).must("GET", f"leases/{pooled[0]['id']}")
    assert ("pooled", None) == (shown["state"], shown.get("holder"))
    caller = await deployment.broker("fn-orders")
    assert [] == (await caller.must("GET", "leases?state=pooled"))["leases"]
    assert 404 == (await caller.call("GET", f"leases/{pooled[0]['id']}")).status_code
    assert 404 == (await caller.call("GET", f"leases/{pooled[0]['id']}/credential")).status_code
    key = {"idempotency_key": "pool-1"}
    issued = (await caller.call("POST", "roles/ready-tokens/leases", {}, **key)).json()
    assert issued["lease"]["id"] in {each["id"] for each in pooled}
    assert ("ready", "active") == (issued["lease"]["ready"], issued["lease"]["state"])
    assert 200 == await reads(deployment, issued["credential"]["access_token"])
    again = (await caller.call("POST", "roles/ready-tokens/leases", {}, **key)).json()
    assert issued["lease"]["id"] == again["lease"]["id"]
    after = await full(deployment, "ready-tokens", 2)
    assert issued["lease"]["id"] not in {each["id"] for each in after}
    assert [issued["lease"]["id"]] == [each["id"] for each in (await caller.must("GET", "leases?role=ready-tokens"))["leases"]]
    await (await deployment.broker("admin")).must("POST", "roles/ready-tokens/revoke")
    dead = await caller.call("POST", "roles/ready-tokens/leases", {}, **key)
    assert (410, "lease_ended") == (dead.status_code, dead.json()["code"])

    async def is_filled_anew() -> bool:
        ids = {each["id"] for each in await standing(deployment, "ready-tokens")}
        return len(ids) == 2 and not ids & {each["id"] for each in after}

    await until(is_filled_anew, "the pool is not filled after a revocation")
    await gone(deployment, "ready-tokens", before)
    assert 403 == await reads(deployment, again["credential"]["access_token"])


async def test_a_secret_is_the_one_thing_that_is_made_for_its_caller(deployment: Deployment) -> None:
    """Waiting or not. What the application had before is left alone, and the lease begins when it is handed out."""
    before = await deployment.objects()
    await put(deployment, "ready-secrets", pooled_role(deployment, 1))
    (pooled,) = await full(deployment, "ready-secrets", 1)
    caller = await deployment.broker("vm-web")
    asked = await caller.call("POST", "roles/ready-secrets/leases", {"ttl": 600}, prefer="respond-async")
    assert (202, pooled["id"]) == (asked.status_code, asked.json()["lease"]["id"])
    path = asked.json()["next"]["url"].partition("/api/v1/")[2]
    issued: dict[str, Any] = {}

    async def is_collected() -> bool:
        reply = await caller.call("GET", path)
        assert reply.status_code in {200, 202}, reply.text
        issued.update(reply.json())
        return reply.status_code == 200

    await until(is_collected, issued)
    assert ("active", "ready") == (issued["lease"]["state"], issued["lease"]["ready"])
    assert await works(deployment, issued["credential"])
    state = await deployment.visitor.control("GET", "state")
    own = [each for each in state["applications"] if each["client_id"] == issued["credential"]["client_id"]]
    assert 1 == len(own)
    renewed = await caller.must("POST", f"leases/{pooled['id']}/renew", {"increment": 1200})
    assert renewed["expires_at"] > issued["lease"]["expires_at"]
    await caller.must("DELETE", f"leases/{pooled['id']}")
    assert not await works(deployment, issued["credential"])
    await gone(deployment, "ready-secrets", before)


async def test_a_secret_that_somebody_adds_to_what_stands_in_a_pool_ends_it(deployment: Deployment) -> None:
    """It is told in the audit trail, with the key's id, before anybody is handed out the lease."""
    before = await deployment.objects()
    await put(deployment, "watched", pooled_role(deployment, 1, credential="token", token_scopes=[ARM]))
    (pooled,) = await full(deployment, "watched", 1)
    application = next(each for each in (await deployment.objects())["applications"] if pooled["id"] in each["display_name"])
    added = await Hand(deployment, "leasehold").graph(
        "POST", f"/applications/{application['object_id']}/addPassword", {"passwordCredential": {"displayName": "mine"}}
    )
    await look_now(deployment)
    admin = await deployment.broker("admin")

    async def is_ended() -> bool:
        return str((await admin.must("GET", f"leases/{pooled['id']}"))["state"]) == "ended"

    await until(is_ended, "nobody has looked")
    events = (await admin.must("GET", f"audit?lease={pooled['id']}"))["events"]
    (alarm,) = [each for each in events if each["operation"] == "reconcile"]
    assert ("foreign_credential", True) == (alarm["code"], added["keyId"] in alarm["reason"])
    assert {"fill", "reconcile", "end"} == {each["operation"] for each in events}
    await full(deployment, "watched", 1)
    await gone(deployment, "watched", before)


async def look_now(deployment: Deployment) -> None:
    """Nobody has looked at what stands in pools for ten minutes."""
    composition = Composition(deployment.stack.environment())
    async with composition.storage.tables:
        pools = composition.ports.pools
        for hints in (await pools.hints()).values():
            for hint in hints:
                await pools.note(replace(hint, looked_at=hint.looked_at - timedelta(minutes=10)))


async def test_twenty_callers_at_once_share_nothing(deployment: Deployment) -> None:
    """Five of them are given what stands in the pool, and for the others it is made."""
    before = await deployment.objects()
    await put(deployment, "crowded", pooled_role(deployment, 5, ready="none", credential="token", token_scopes=[ARM]))
    pooled = {each["id"] for each in await full(deployment, "crowded", 5)}
    callers = [await deployment.broker(name) for name in ("fn-orders", "vm-web")]
    issued = await asyncio.gather(*(callers[each % 2].must("POST", "roles/crowded/leases", {}) for each in range(20)))
    leases = {each["lease"]["id"] for each in issued}
    assert 20 == len(leases)
    assert 20 == len({each["credential"]["object_id"] for each in issued})
    assert pooled <= leases
    assert {"fn-orders", "vm-web"} == {
        name
        for each in issued
        for name in ("fn-orders", "vm-web")
        if each["lease"]["holder"]["object_id"] == deployment.object_id(name)
    }
    await full(deployment, "crowded", 5)
    await gone(deployment, "crowded", before)

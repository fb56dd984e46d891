"""What callers and operators are told over HTTP of a stored role and a lease that cannot be read."""

from __future__ import annotations

from tests.fakes.world import WEB, role, world
from tests.triggers.app import App
from tests.triggers.test_contract import CONTRACT, faults_of

ADMIN = "admin.token.x"


async def test_an_unreadable_role_is_listed_refused_and_told_of() -> None:
    """In the shapes that the contract gives; the log alone says what is wrong with it."""
    made = App(world(role()))
    made.world.roles.keep_document(WEB, {"type": "database_user"})
    assert (200, [{"name": "web", "type": "unknown"}]) == await _roles(made)
    assert 200 == (await made.call("GET", "/api/v1/roles/web", token=ADMIN)).status
    refused = await made.call("POST", "/api/v1/roles/web/leases", token=ADMIN)
    assert (500, "misconfigured") == (refused.status, refused.json["code"])
    assert "database_user" not in refused.body.decode()
    result = await made.call("GET", "/api/v1/status", token=ADMIN)
    assert [] == faults_of(result.json, CONTRACT["components"]["schemas"]["Status"])
    assert (["web"], []) == ([each["role"] for each in result.json["unreadable"]["roles"]], result.json["unreadable"]["leases"])


async def _roles(made: App) -> tuple[int, list[dict[str, str]]]:
    answer = await made.call("GET", "/api/v1/roles", token=ADMIN)
    return answer.status, [{name: each[name] for name in ("name", "type")} for each in answer.json["roles"]]


async def test_an_unreadable_lease_is_refused_and_told_of() -> None:
    """Once the reconciliation has met it. Nothing of it is shown, not even to its holder."""
    made = App(world(role()))
    lease_id = (await made.call("POST", "/api/v1/roles/web/leases")).json["lease"]["id"]
    made.world.leases.unreadable.add(lease_id)
    answers = [
        await made.call("GET", f"/api/v1/leases/{lease_id}"),
        await made.call("POST", f"/api/v1/leases/{lease_id}/revoke"),
    ]
    assert [(500, "misconfigured")] * 2 == [(each.status, each.json["code"]) for each in answers]
    await made.call("POST", "/api/v1/reconcile", token=ADMIN)
    result = await made.call("GET", "/api/v1/status", token=ADMIN)
    assert [] == faults_of(result.json, CONTRACT["components"]["schemas"]["Status"])
    assert [lease_id] == result.json["unreadable"]["leases"]

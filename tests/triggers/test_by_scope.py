"""The calls that find and end leases by scope: what they answer, and every way to ask wrongly."""

from __future__ import annotations

from typing import Any

import pytest

from shared.core.lease import State
from tests.fakes.world import ALICE, SCOPES, SUBSCRIPTION, secret_target
from tests.fakes.world import role as a_role
from tests.triggers.app import Answer, App

ACCOUNT = f"{SCOPES[0]}/providers/Microsoft.Storage/storageAccounts/x"
ADMIN = "admin.token.x"
UNSEEN = ["groups_not_seen", "management_groups_not_known"]


async def issued(app: App, role: str = "web") -> str:
    """The id of a lease of Alice's."""
    answer = await app.call("POST", f"/api/v1/roles/{role}/leases")
    assert answer.status == 201, answer.body
    return str(answer.json["lease"]["id"])


async def listed(app: App, token: str = ADMIN, **query: str) -> Answer:
    """A list."""
    return await app.call("GET", "/api/v1/leases", token=token, query=query)


async def revoked(app: App, body: Any, token: str = ADMIN) -> Answer:
    """A revocation."""
    return await app.call("POST", "/api/v1/leases/revoke", token=token, body=body)


async def test_a_list_by_scope_says_what_it_does_not_show(app: App) -> None:
    """Each lease as in any other list."""
    lease_id = await issued(app)
    whole = (await listed(app)).json
    assert {"leases", "next"} == whole.keys()
    for query, codes in (({"within": f"{SCOPES[0]}/"}, UNSEEN[:1]), ({"reaching": ACCOUNT.upper()}, UNSEEN)):
        answer = (await listed(app, **query)).json
        assert ([lease_id], whole["leases"], None) == (
            [each["id"] for each in answer["leases"]],
            answer["leases"],
            answer["next"],
        )
        (field,) = query
        assert [(field, code) for code in codes] == [(each["path"], each["code"]) for each in answer["warnings"]]
    nothing = (await listed(app, within=ACCOUNT)).json
    assert ([], UNSEEN[:1]) == (nothing["leases"], [each["code"] for each in nothing["warnings"]])
    group = (await listed(app, within="/providers/Microsoft.Management/managementGroups/all")).json
    assert ([], UNSEEN) == (group["leases"], [each["code"] for each in group["warnings"]])


async def test_a_list_by_scope_goes_on_where_it_stopped(app: App) -> None:
    """With every state but one that is over, of one role, of one holder."""
    made = [await issued(app) for _ in range(3)]
    query: dict[str, Any] = {
        "reaching": ACCOUNT,
        "limit": "1",
        "role": "web",
        "holder": str(ALICE.object_id),
        "state": "active",
    }
    found: list[str] = []
    for _ in range(3):
        answer = (await listed(app, **query)).json
        found += [each["id"] for each in answer["leases"]]
        query["cursor"] = answer["next"]
    assert (sorted(made), None) == (sorted(found), query["cursor"])


@pytest.mark.parametrize("field", ["within", "reaching"])
@pytest.mark.parametrize(
    "scope",
    [
        *("app", "//", "/", "/subscriptions", "/subscriptions/x", f"/subscriptions/{SUBSCRIPTION}/resourceGroups"),
        *(f"{SCOPES[0]}%2Fproviders", f"{SCOPES[0]}/../rg1", f"{SCOPES[0]}//", f"{SCOPES[0]}?x", f"{SCOPES[0]}/providers/a/b"),
        *("/providers/Microsoft.Capacity", f"{SCOPES[0]}{'x' * 1024}", "x" * 5000),
    ],
)
async def test_a_scope_that_is_none_is_refused(app: App, field: str, scope: str) -> None:
    """As in a role's document."""
    answer = await listed(app, **{field: scope})
    assert (400, "malformed", [field]) == (answer.status, answer.code, [each["path"] for each in answer.json["errors"]])


@pytest.mark.parametrize("state", ["ended", "all"])
@pytest.mark.parametrize("field", ["within", "reaching"])
async def test_what_has_ended_is_not_found_by_scope(app: App, field: str, state: str) -> None:
    """That is said, and not answered with an empty list."""
    answer = await listed(app, **{field: ACCOUNT}, state=state)
    assert (400, "malformed") == (answer.status, answer.code)
    message = "leases that have ended are not found by scope: name another state, or leave it out"
    assert [{"path": "state", "message": message}] == answer.json["errors"]


async def test_one_question_a_list(app: App) -> None:
    """All faults are result at once."""
    answer = await listed(app, within=ACCOUNT, reaching=ACCOUNT, state="ended", limit="0")
    assert ["limit", "reaching", "state"] == sorted(each["path"] for each in answer.json["errors"])


async def test_a_revocation_says_how_many_and_of_which_roles(app: App) -> None:
    """And what it has not seen. Repeating it is harmless."""
    app.world.roles.keep(a_role(secret_target(), name="legacy"))  # type: ignore[arg-type]  # a name as it is written
    lease_id, other = await issued(app), await issued(app, "legacy")
    expected = {"revoking": 1, "as_of": "2026-03-02T09:00:00.000Z", "roles": ["web"]}
    for body in ({"reaching": ACCOUNT}, {"reaching": f"{ACCOUNT}/", "roles": ["web", "nope", "web"]}):
        answer = await revoked(app, body)
        assert answer.status == 202, answer.body
        document = dict(answer.json)
        warnings = document.pop("warnings")
        assert (expected | {"as_of": document["as_of"]}, UNSEEN) == (document, [each["code"] for each in warnings])
    assert [State.ENDING, State.ACTIVE] == [app.world.leases.rows[each].state for each in (lease_id, other)]  # type: ignore[index]
    assert ["revoke_reaching"] * 2 == [each.operation for each in app.world.audit.events if "reach" in each.operation]
    assert 0 == (await revoked(app, {"reaching": ACCOUNT, "roles": ["nope"]})).json["revoking"]


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ({}, ["reaching"]),
        ([], ["", "reaching"]),
        ({"reaching": None}, ["reaching"]),
        ({"reaching": ""}, ["reaching"]),
        ({"reaching": ["/"]}, ["reaching"]),
        ({"reaching": "/"}, ["reaching"]),
        ({"reaching": "/subscriptions/x", "roles": "web"}, ["reaching", "roles"]),
        ({"reaching": ACCOUNT, "roles": []}, ["roles"]),
        ({"reaching": ACCOUNT, "roles": None}, ["roles"]),
        ({"reaching": ACCOUNT, "roles": ["web", "Web", 7]}, ["roles[1]", "roles[2]"]),
        ({"reaching": ACCOUNT, "roles": ["web"] * 101}, ["roles"]),
        ({"reaching": ACCOUNT, "within": ACCOUNT}, ["within"]),
        ({"reaching": ACCOUNT.replace("/x", "%2Fx")}, ["reaching"]),
    ],
)
async def test_a_body_that_is_wrong_ends_nothing(app: App, body: Any, paths: list[str]) -> None:
    """Each fault with its path."""
    lease_id = await issued(app)
    answer = await revoked(app, body)
    assert (400, "malformed", paths) == (answer.status, answer.code, [each["path"] for each in answer.json["errors"]])
    assert State.ACTIVE is app.world.leases.rows[lease_id].state  # type: ignore[index]  # an id as it is written


async def test_a_query_is_none_of_its_parameters(app: App) -> None:
    """A scope in the address is refused, and not passed over."""
    answer = await app.call(
        "POST", "/api/v1/leases/revoke", token=ADMIN, query={"reaching": ACCOUNT}, body={"reaching": ACCOUNT}
    )
    assert (400, ["reaching"]) == (answer.status, [each["path"] for each in answer.json["errors"]])


@pytest.mark.parametrize(("method", "status"), [("GET", 400), ("DELETE", 400), ("PUT", 405)])
async def test_the_path_is_a_call_of_its_own(app: App, method: str, status: int) -> None:
    """With another method it names a lease that is none."""
    assert status == (await app.call(method, "/api/v1/leases/revoke", token=ADMIN)).status

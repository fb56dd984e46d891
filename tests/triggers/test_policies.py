"""The calls that configure policies."""

from __future__ import annotations

from typing import Any

import pytest

from shared.core.access.bounds import Bounds
from shared.core.errors import PreconditionFailed
from tests.fakes.world import ALICE, BOB, GROUPS, role
from tests.support.rights import give, keep_auth_role, keep_policy
from tests.triggers.app import App
from tests.triggers.documents import ADMIN, POLICIES, READERS, delete, get, put

FORCE: dict[str, Any] = {"query": {"force": "true"}}


def rules(*each: tuple[str, str]) -> dict[str, Any]:
    """A policy with these rules: a path, and capabilities with blanks between them."""
    return {"rules": [{"path": path, "capabilities": words.split()} for path, words in each]}


async def warned(app: App, document: Any, name: str = "one") -> list[tuple[str, str]]:
    """The paths and codes of the warnings of a policy that is taken."""
    answer = await put(app, POLICIES, name, document)
    assert answer.status in {200, 201}, answer.body
    return [(each["path"], each["code"]) for each in answer.json.get("warnings", ())]


async def test_every_fault_is_answered_at_once(app: App) -> None:
    """Each with its path, and for a word that is no word, with the nearest."""
    document = {
        "rules": [
            {"path": "rolls/web", "capabilities": ["read"]},
            {"path": "/roles/web", "capabilities": ["raed"]},
            {"path": "roles/web", "capabilities": ["issue"]},
            {"path": "roles/web/leases", "capabilities": ["deny", "issue"]},
            {"path": "status", "capabilities": []},
            {"capabilities": ["read"], "colour": "red"},
        ],
        "colour": "red",
    }
    answer = await put(app, POLICIES, "one", document)
    found = {each["path"]: each["message"] for each in answer.json["errors"]}
    assert (400, "malformed") == (answer.status, answer.code)
    assert {
        *("rules[0].path", "rules[1].path", "rules[1].capabilities[0]", "rules[2].capabilities[0]"),
        *("rules[3].capabilities", "rules[4].capabilities", "rules[5].path", "rules[5].colour", "colour"),
    } == {*found}
    assert "did you mean roles?" in found["rules[0].path"]
    assert "did you mean read?" in found["rules[1].capabilities[0]"]


@pytest.mark.parametrize("document", [{}, {"rules": []}, [], {"rules": None}, {"rules": [{"path": "status"}]}])
async def test_a_policy_has_rules(app: App, document: Any) -> None:
    """None at all is a fault."""
    assert 400 == (await put(app, POLICIES, "one", document)).status


async def test_a_policy_has_256_rules_at_most(app: App) -> None:
    """One more is a fault of the list."""
    many = [(f"roles/r{number}", "read") for number in range(257)]
    answer = await put(app, POLICIES, "one", rules(*many))
    assert (400, ["rules"]) == (answer.status, [each["path"] for each in answer.json["errors"]])
    assert 201 == (await put(app, POLICIES, "one", rules(*many[:256]))).status


async def test_what_its_author_should_know_is_answered(app: App) -> None:
    """A role that is not there, and rights that are worth as much as the broker's own."""
    assert [] == await warned(app, READERS)
    assert [("rules[0].path", "no_such_role")] == await warned(app, rules(("roles/nope/leases", "issue")))
    assert [("rules[0]", "writes_grants")] == await warned(app, rules(("roles/web", "write")))
    assert [] == await warned(app, rules(("roles/w*", "read"), ("status", "read")))


async def test_a_policy_that_denies_everybody_to_mend_it_is_warned(app: App) -> None:
    """Its writer included: ``Leasehold.Admin`` still enters."""
    everything = rules(("roles/web/leases", "deny"), ("policies/*", "deny"))
    assert [("rules[1]", "denies_itself")] == await warned(app, everything, "locked")
    keep_auth_role(app.world, "everybody", "locked", bound_app_roles=["Leasehold.Admin"])
    keep_auth_role(app.world, "others", "free", bound_group_ids=[GROUPS[0]])
    found = await warned(app, rules(("roles/web/leases", "deny"), ("policies/l*", "deny")), "locked")
    assert [("rules[1]", "denies_itself"), ("rules[0]", "denies_writer"), ("rules[1]", "denies_writer")] == found
    assert [] == await warned(app, rules(("roles/web/leases", "deny")), "free")
    assert 200 == (await put(app, POLICIES, "locked", READERS)).status


async def test_a_policy_in_use_is_not_deleted(app: App) -> None:
    """The answer names the auth roles that name it. Nothing is changed."""
    keep_policy(app.world, "readers", ("roles/web/leases", "issue"))
    for name in ("b", "a"):
        keep_auth_role(app.world, name, "readers", bound_group_ids=[GROUPS[0]])
    keep_auth_role(app.world, "c", bound_group_ids=[GROUPS[0]])
    answer = await delete(app, POLICIES, "readers")
    assert (409, "policy_in_use", ["a", "b"]) == (answer.status, answer.code, answer.json["used_by"])
    assert 200 == (await get(app, POLICIES, "readers")).status


async def test_force_takes_the_name_out_of_each_auth_role(app: App) -> None:
    """Then the policy goes. Each change is audited, and answered."""
    for name in ("readers", "more"):
        keep_policy(app.world, name, ("roles/web/leases", "issue"))
    for name in ("a", "b"):
        keep_auth_role(app.world, name, "more", "readers", bound_group_ids=[GROUPS[0]])
    answer = await delete(app, POLICIES, "readers", **FORCE)
    assert (200, {"changed": ["a", "b"]}) == (answer.status, answer.json)
    assert [("more",), ("more",)] == [each.policies for each in await app.world.access.auth_roles.list()]
    assert [
        ("put_auth_role", "auth-roles/a"),
        ("put_auth_role", "auth-roles/b"),
        ("delete_policy", "policies/readers"),
    ] == [(event.operation, event.document) for event in app.world.audit.events]
    assert ({"path": "policies", "from": ["more", "readers"], "to": ["more"]},) == app.world.audit.events[0].changes
    assert 404 == (await get(app, POLICIES, "readers")).status


async def test_force_on_a_policy_that_nobody_uses_changes_nothing_else(app: App) -> None:
    """The answer says so."""
    keep_policy(app.world, "readers", ("roles/web/leases", "issue"))
    answer = await delete(app, POLICIES, "readers", **FORCE)
    assert (200, {"changed": []}) == (answer.status, answer.json)


async def test_force_goes_on_with_an_auth_role_that_changes_meanwhile(app: App) -> None:
    """It is read again."""
    keep_policy(app.world, "readers", ("roles/web/leases", "issue"))
    keep_auth_role(app.world, "a", "readers", bound_group_ids=[GROUPS[0]])
    app.world.calls.fail("auth_roles.put", PreconditionFailed())
    assert {"changed": ["a"]} == (await delete(app, POLICIES, "readers", **FORCE)).json


async def test_a_stale_forced_deletion_changes_nothing(app: App) -> None:
    """The condition is looked at before the auth roles are."""
    old = (await put(app, POLICIES, "readers", READERS)).headers["etag"]
    await put(app, POLICIES, "readers", rules(("status", "read")))
    keep_auth_role(app.world, "a", "readers", bound_group_ids=[GROUPS[0]])
    assert 412 == (await delete(app, POLICIES, "readers", headers={"If-Match": old}, **FORCE)).status
    assert [("readers",)] == [each.policies for each in await app.world.access.auth_roles.list()]


async def test_a_policy_that_denies_is_deleted_by_an_admin_alone(app: App) -> None:
    """With force or without."""
    keep_policy(app.world, "closed", ("roles/web/leases", "deny"))
    keep_auth_role(app.world, "a", "closed", bound_group_ids=[GROUPS[0]])
    give(app.world, BOB, ("policies/closed", "delete"))
    for more in ({}, FORCE):
        answer = await delete(app, POLICIES, "closed", token="bob.token.x", **more)
        assert (403, "escalation") == (answer.status, answer.code)
    assert 200 == (await delete(app, POLICIES, "closed", **FORCE)).status


async def test_a_new_deny_is_in_force_at_once_for_issuing(app: App) -> None:
    """On another worker too, which believes its configuration for some time otherwise."""
    other = App(app.world.coworker(), app.verifier)
    give(app.world, ALICE, ("roles/web/leases", "issue"))
    assert 201 == (await other.call("POST", "/api/v1/roles/web/leases")).status
    await put(app, POLICIES, "own", rules(("roles/web/leases", "deny")))
    assert 403 == (await other.call("POST", "/api/v1/roles/web/leases")).status


async def test_a_deleted_auth_role_is_at_once_out_of_force_for_issuing(app: App) -> None:
    """On another worker too."""
    made = app.world
    other = App(made.coworker(), app.verifier)
    made.roles.keep(role(bounds=Bounds()))
    give(made, ALICE, ("roles/web/leases", "issue"))
    assert 201 == (await other.call("POST", "/api/v1/roles/web/leases")).status
    assert 204 == (await app.call("DELETE", "/api/v1/auth-roles/own", token=ADMIN)).status
    assert 403 == (await other.call("POST", "/api/v1/roles/web/leases")).status


async def test_a_policy_of_a_later_version_says_what_cannot_be_read(app: App) -> None:
    """It is listed among the others, and a PUT mends it."""
    stored = rules(("roles/web/leases", "issue")) | {"mood": "x"}
    app.world.access.policies.keep_document("later", stored)
    found = await get(app, POLICIES, "later")
    assert [("mood", "outdated")] == [(each["path"], each["code"]) for each in found.json["warnings"]]
    assert found.headers["etag"] != (await put(app, POLICIES, "later", READERS)).headers["etag"]


def teams(capability: str, *more: dict[str, Any], path: str = "roles/web/leases") -> dict[str, Any]:
    """A policy with one rule that has a parameter, and these rules."""
    return {"rules": [{"path": path, "capabilities": [capability], "parameters": {"group": ["team-a-*"]}}, *more]}


async def test_parameters_that_mean_nothing_are_warned(app: App) -> None:
    """No role has a parameter; and an allow without any makes those beside it void."""
    missing, free = ("rules[0].parameters", "no_such_parameter"), {"path": "roles/*/leases", "capabilities": ["issue"]}
    assert [missing] == await warned(app, teams("issue"))
    assert [missing] == await warned(app, teams("deny"))
    assert [("rules[0].parameters", "void_parameters"), missing] == await warned(app, teams("issue", free))
    assert [("rules[0].path", "no_such_role")] == await warned(app, teams("issue", path="roles/nope/leases"))


async def test_an_allow_with_parameters_allows_no_ask_without_them(app: App) -> None:
    """The refusal is that of anybody without a right. Only the trail says which parameter is missing."""
    app.world.roles.keep(role(bounds=Bounds()))
    unknown = await app.call("POST", "/api/v1/roles/web/leases")
    give(app.world, ALICE, ("status", "read"))
    await put(app, POLICIES, "own", teams("issue"))
    refused = await app.call("POST", "/api/v1/roles/web/leases")
    assert (403, "forbidden", 403) == (refused.status, refused.code, unknown.status)
    assert unknown.without_request_id() == refused.without_request_id()
    assert app.world.audit.events[-1].reason.endswith("policy own, rule 0: group wants team-a-*, has none")
    assert False is (await app.call("GET", "/api/v1/whoami", query={"role": "web"})).json["may_issue"]
    assert [] == (await app.call("GET", "/api/v1/whoami")).json["roles"]


async def test_a_deny_with_parameters_denies_no_ask_without_them(app: App) -> None:
    """And no other call about the role."""
    give(app.world, ALICE, ("roles/*/leases", "issue revoke"))
    free = {"path": "roles/*/leases", "capabilities": ["issue", "revoke"]}
    await put(app, POLICIES, "own", teams("deny", free))
    assert 201 == (await app.call("POST", "/api/v1/roles/web/leases")).status
    assert 202 == (await app.call("POST", "/api/v1/roles/web/revoke")).status


async def test_parameters_of_a_rule_are_a_change_of_the_policy(app: App) -> None:
    """Stored, answered, exported and audited. The same once more changes nothing."""
    plain = {"rules": [{"path": "roles/web/leases", "capabilities": ["issue"]}]}
    first = await put(app, POLICIES, "one", plain)
    second = await put(app, POLICIES, "one", teams("issue"))
    assert (200, teams("issue")["rules"]) == (second.status, second.json["rules"])
    assert first.headers["etag"] != second.headers["etag"]
    change = {"path": "rules[0].parameters", "from": None, "to": {"group": ["team-a-*"]}}
    assert (change,) == app.world.audit.events[-1].changes
    assert second.headers["etag"] == (await put(app, POLICIES, "one", teams("issue"))).headers["etag"]
    exported = (await app.call("GET", "/api/v1/export", token=ADMIN)).json
    assert teams("issue") == exported["policies"]["one"]

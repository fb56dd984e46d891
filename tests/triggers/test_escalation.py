"""Without ``Leasehold.Admin`` a caller gives nobody, itself included, more rights than it has."""

from __future__ import annotations

from typing import Any

import pytest

from shared.core.access.bounds import Bounds
from tests.fakes.world import ALICE, BOB, GROUPS, WATCHER, role
from tests.support.rights import give, keep_auth_role, keep_policy
from tests.triggers.app import Answer, App
from tests.triggers.documents import AUTH_ROLES, POLICIES, ROLES, SECRET, delete, put

TOKEN = "bob.token.x"
WRITER = (("policies/*", "read write delete"), ("auth-roles/*", "read write delete"), ("roles/*", "read write delete"))
"""What Bob may do here, beside what a test gives him."""


def rules(*each: tuple[str, str]) -> dict[str, Any]:
    """A policy with these rules."""
    return {"rules": [{"path": path, "capabilities": words.split()} for path, words in each]}


def paths(answer: Answer) -> list[str]:
    """The places that an escalation names."""
    assert (403, "escalation") == (answer.status, answer.code), answer.body
    return [each["path"] for each in answer.json["errors"]]


async def policy(app: App, *each: tuple[str, str], name: str = "one") -> Answer:
    """Bob writes a policy."""
    return await put(app, POLICIES, name, rules(*each), token=TOKEN)


async def auth_role(app: App, *policies: str, name: str = "one", **bounds: list[str]) -> Answer:
    """Bob writes an auth role."""
    wanted = bounds or {"bound_group_ids": [GROUPS[0]]}
    return await put(app, AUTH_ROLES, name, {**wanted, "policies": [*policies]}, token=TOKEN)


@pytest.mark.parametrize("rule", [("roles/web", "read"), ("policies/a*", "read write"), ("roles/w*", "write read delete")])
async def test_a_caller_writes_rules_that_its_own_cover(app: App, rule: tuple[str, str]) -> None:
    """A narrower path, and fewer capabilities."""
    give(app.world, BOB, *WRITER)
    assert 201 == (await policy(app, rule)).status


@pytest.mark.parametrize(
    "rule",
    [("roles/web/leases", "issue"), ("status", "read"), ("roles", "list"), ("policies/one", "read"), ("leases/*", "read")],
)
async def test_a_caller_writes_no_rule_that_its_own_do_not_cover(app: App, rule: tuple[str, str]) -> None:
    """The answer names each such rule, the audit trail as well, and nothing is stored."""
    give(app.world, BOB, ("policies/o*", "write"), ("roles/web", "read"))
    assert ["rules[1]"] == paths(await policy(app, ("roles/web", "read"), rule))
    assert None is app.world.access.policies.kept("one")
    (event,) = app.world.audit.events
    assert ("put_policy", "refused", "escalation") == (event.operation, event.outcome, event.code)
    assert rule[0] in event.reason


async def test_rights_of_several_auth_roles_add_up(app: App) -> None:
    """And what an app role of the broker gives counts, too."""
    give(app.world, BOB, *WRITER)
    give(app.world, BOB, ("roles/web/leases", "issue"), name="more")
    assert 201 == (await policy(app, ("roles/web/leases", "issue"))).status
    give(app.world, WATCHER, *WRITER, name="watcher")
    answer = await put(app, POLICIES, "two", rules(("leases/*", "read"), ("leases/*", "revoke")), token="watcher.token.x")
    assert ["rules[1]"] == paths(answer)


async def test_what_is_denied_to_the_caller_it_gives_nobody(app: App) -> None:
    """Although an allow of its own covers it."""
    give(app.world, BOB, *WRITER, ("roles/web", "deny"))
    assert ["rules[0]"] == paths(await policy(app, ("roles/*", "read")))
    assert 201 == (await policy(app, ("roles/x*", "read"))).status


async def test_an_allow_that_was_there_is_judged_like_a_new_one(app: App) -> None:
    """Whoever writes a policy gives all that it gives. To take an allow away gives nothing."""
    give(app.world, BOB, *WRITER)
    keep_policy(app.world, "one", ("roles/web/leases", "issue"), ("roles/web", "read"))
    assert ["rules[0]"] == paths(await policy(app, ("roles/web/leases", "issue"), ("roles/web", "read write")))
    assert 200 == (await policy(app, ("roles/web", "read"))).status


async def test_a_deny_is_neither_written_nor_taken_away(app: App) -> None:
    """Not by a change of the policy, and not by its deletion."""
    give(app.world, BOB, *WRITER)
    assert ["rules[0]"] == paths(await policy(app, ("roles/web", "deny")))
    keep_policy(app.world, "closed", ("roles/web", "read"), ("roles/x", "deny"))
    assert ["rules"] == paths(await policy(app, ("roles/web", "read"), name="closed"))
    assert ["rules"] == paths(await delete(app, POLICIES, "closed", token=TOKEN))
    assert 200 == (await policy(app, ("roles/x", "deny"), ("roles/y", "read"), name="closed")).status


async def test_an_auth_role_names_only_policies_that_its_writers_rules_cover(app: App) -> None:
    """Each one that is too much is named, by its place."""
    give(app.world, BOB, *WRITER)
    keep_policy(app.world, "less", ("roles/web", "read"))
    keep_policy(app.world, "more", ("roles/web/leases", "issue"))
    keep_policy(app.world, "closed", ("roles/x", "deny"))
    assert 201 == (await auth_role(app, "less")).status
    assert ["policies[1]", "policies[2]"] == paths(await auth_role(app, "less", "more", "closed"))


async def test_an_auth_role_gives_a_policy_to_nobody_else_either(app: App) -> None:
    """Neither its bounds nor its list change while it names what its writer does not have, even if it has named that before."""
    give(app.world, BOB, *WRITER)
    keep_policy(app.world, "more", ("roles/web/leases", "issue"))
    keep_policy(app.world, "less", ("roles/web", "read"))
    keep_auth_role(app.world, "one", "more", bound_group_ids=[GROUPS[0]])
    assert ["policies[0]"] == paths(await auth_role(app, "more", "less"))
    assert ["policies[0]"] == paths(await auth_role(app, "more", bound_group_ids=[GROUPS[1]]))
    assert 200 == (await auth_role(app)).status


async def test_an_auth_role_that_matches_nobody_is_not_mended_by_who_lacks_its_rights(app: App) -> None:
    """One that breaks a rule of today gives nothing: whoever mends it gives what it names."""
    give(app.world, BOB, *WRITER)
    keep_policy(app.world, "more", ("roles/web/leases", "issue"))
    stored = {"bound_group_ids": [GROUPS[0]], "policies": ["more"], "bound_moods": ["x"]}
    app.world.access.auth_roles.keep_document("one", stored)
    assert ["policies[0]"] == paths(await auth_role(app, "more"))


async def test_a_policy_that_denies_is_not_taken_from_callers(app: App) -> None:
    """Neither by leaving its name out, nor by other bounds."""
    give(app.world, BOB, *WRITER)
    keep_policy(app.world, "closed", ("roles/x", "deny"))
    keep_auth_role(app.world, "one", "closed", bound_group_ids=[GROUPS[0]])
    assert ["policies"] == paths(await auth_role(app))
    assert "policies" in paths(await auth_role(app, "closed", bound_group_ids=[GROUPS[1]]))
    keep_policy(app.world, "less", ("roles/web", "read"))
    assert 200 == (await auth_role(app, "closed", "less")).status


@pytest.mark.parametrize("bounds", [{"bound_app_roles": ["Robot"]}, {"bound_service_principal_ids": [BOB.object_id]}])
async def test_the_bounds_of_a_role_are_changed_by_who_may_issue_from_it(app: App, bounds: dict[str, Any]) -> None:
    """Not even by binding oneself: what counts are the bounds that are there."""
    app.world.roles.keep(role(bounds=Bounds(service_principal_ids=frozenset({ALICE.object_id}))))
    give(app.world, BOB, *WRITER)
    assert set(bounds) | {"bound_service_principal_ids"} == {*paths(await put(app, ROLES, "web", SECRET | bounds, token=TOKEN))}
    give(app.world, BOB, *WRITER, ("roles/web/leases", "issue"))
    assert 200 == (await put(app, ROLES, "web", SECRET | bounds, token=TOKEN)).status


async def test_a_caller_that_inline_bounds_let_in_changes_them(app: App) -> None:
    """It may issue from the role."""
    give(app.world, BOB, *WRITER)
    assert 200 == (await put(app, ROLES, "web", SECRET | {"bound_app_roles": ["Robot"]}, token=TOKEN)).status


async def test_a_new_role_has_bounds_only_by_who_may_issue_from_it(app: App) -> None:
    """Without bounds, whoever may write it makes it; and keeps what is there."""
    give(app.world, BOB, *WRITER)
    assert ["bound_app_roles"] == paths(await put(app, ROLES, "new", SECRET | {"bound_app_roles": ["Robot"]}, token=TOKEN))
    assert 201 == (await put(app, ROLES, "new", SECRET, token=TOKEN)).status
    assert 200 == (await put(app, ROLES, "new", SECRET | {"ttl": 120}, token=TOKEN)).status


async def test_nothing_is_looked_up_in_azure_for_who_escalates(app: App) -> None:
    """It is refused before."""
    give(app.world, BOB, *WRITER)
    app.world.calls.made.clear()
    await put(app, ROLES, "new", SECRET | {"bound_app_roles": ["Robot"]}, token=TOKEN, query={"dry_run": "true"})
    assert [] == [call.name for call in app.world.calls.made if call.service in {"applications", "directory", "lookups"}]


async def test_a_dry_run_is_refused_alike(app: App) -> None:
    """It says what a PUT would say."""
    give(app.world, BOB, *WRITER)
    answer = await put(app, POLICIES, "one", rules(("status", "read")), token=TOKEN, query={"dry_run": "true"})
    assert ["rules[0]"] == paths(answer)


async def test_an_admin_writes_what_it_likes(app: App) -> None:
    """Whatever denies there are."""
    keep_policy(app.world, "closed", ("roles/*", "deny"), ("policies/*", "deny"))
    keep_auth_role(app.world, "all", "closed", bound_app_roles=["Leasehold.Admin"])
    for answer in (
        await put(app, POLICIES, "one", rules(("roles/*/leases", "issue"), ("status", "deny"))),
        await put(app, AUTH_ROLES, "one", {"bound_group_ids": [GROUPS[0]], "policies": ["closed"]}),
        await put(app, ROLES, "web", SECRET | {"bound_app_roles": ["Robot"]}),
        await delete(app, POLICIES, "closed", query={"force": "true"}),
    ):
        assert answer.status in {200, 201}, answer.body


async def test_a_fact_that_cannot_be_read_refuses_a_change_of_bounds(app: App) -> None:
    """With 503: whether Bob may issue from the role is not known."""
    give(app.world, BOB, *WRITER)
    app.world.roles.keep(role(bounds=Bounds(resource_groups=frozenset({"app"}))))
    app.world.callers.trouble = "down"
    answer = await put(app, ROLES, "web", SECRET | {"bound_app_roles": ["Robot"]}, token=TOKEN)
    assert (503, "directory_unavailable") == (answer.status, answer.code)


async def test_who_may_issue_some_asks_alone_says_nothing_of_who_may_issue_all(app: App) -> None:
    """Whom a role's own bounds let in, they let in for every ask. So a right with parameters is not enough to change them."""
    app.world.roles.keep(role(bounds=Bounds(service_principal_ids=frozenset({ALICE.object_id}))))
    give(app.world, BOB, *WRITER)
    keep_auth_role(app.world, "teams", "teams", bound_service_principal_ids=[BOB.object_id])
    bounds = {"bound_service_principal_ids": [BOB.object_id]}
    some = {"path": "roles/web/leases", "capabilities": ["issue"], "parameters": {"group": ["a"]}}
    whole = {"path": "roles/web/leases", "capabilities": ["issue"]}
    for rules, may in (([some], False), ([whole, some | {"capabilities": ["deny"]}], False), ([whole, some], True)):
        app.world.access.policies.keep_document("teams", {"rules": rules})
        await app.world.access.touch()
        answer = await put(app, ROLES, "web", SECRET | bounds, token=TOKEN)
        assert (200 if may else 403) == answer.status

"""What decides: app roles, denies, allows, inline bounds, and what could not be read."""

from __future__ import annotations

from typing import Any

import pytest

from shared.core.access.decide import AppRole, Decision, Inline, PolicyLine
from shared.core.access.documents import caller_from, configuration_of, decided, facts_from
from tests.unit.access.subjects import AWAY, GROUP, HOME, UNREADABLE, VM, Json, bound, claims, identity

ADMIN, AUDITOR = claims(roles=["Leasehold.Admin", "x"]), claims(roles=["Leasehold.Auditor", "x"])
READER = claims(roles=["x"])
ISSUE = "issue roles/app/leases"
MINE, UNREAD, NOT_MINE = bound(app_roles="x"), bound(app_roles="x", resource_groups="app"), bound(app_roles="y")
ALLOW, DENY = {"path": "roles/*/leases", "capabilities": ["issue"]}, {"path": "roles/app/leases", "capabilities": ["deny"]}
OTHERS = {"path": "audit", "capabilities": ["read"]}


def decision(
    auth_roles: Json, policies: Json, of: Json, ask: str = ISSUE, *, inline: Json | None = None, directory: Any = UNREADABLE
) -> Decision:
    """Decides. An auth role is ``(bounds, names of policies)``; a policy is a list of rules."""
    configuration = configuration_of(
        {name: bounds | {"policies": [*named]} for name, (bounds, *named) in auth_roles.items()},
        {name: {"rules": rules} for name, rules in policies.items()},
        {"app": inline} if inline else {},
    )
    capability, _, path = ask.partition(" ")
    return decided(configuration, caller_from(of, HOME), facts_from(directory), path, capability)


@pytest.mark.parametrize(
    ("auth_roles", "policies", "expected"),
    [
        ({}, {}, "denied"),
        ({"a": (MINE, "p")}, {"p": [ALLOW]}, "allowed"),
        ({"a": (MINE, "p")}, {"p": [OTHERS]}, "denied"),
        ({"a": (MINE,)}, {"p": [ALLOW]}, "denied"),
        ({"a": (NOT_MINE, "p")}, {"p": [ALLOW]}, "denied"),
        ({"a": (MINE, "p")}, {"p": [ALLOW, DENY]}, "denied"),
        ({"a": (MINE, "p", "q")}, {"p": [ALLOW], "q": [DENY]}, "denied"),
        ({"a": (MINE, "p"), "b": (MINE, "q")}, {"p": [ALLOW], "q": [DENY]}, "denied"),
        ({"a": (MINE, "p"), "b": (NOT_MINE, "q")}, {"p": [ALLOW], "q": [DENY]}, "allowed"),
        ({"a": (MINE, "p"), "b": (UNREAD, "q")}, {"p": [ALLOW], "q": [DENY]}, "denied"),
        ({"a": (MINE, "p"), "b": (UNREAD, "q")}, {"p": [ALLOW], "q": [OTHERS]}, "allowed"),
        ({"a": (UNREAD, "p")}, {"p": [ALLOW]}, "unknown"),
        ({"a": (UNREAD, "p")}, {"p": [OTHERS]}, "denied"),
        ({"a": (UNREAD, "p"), "b": (MINE, "q")}, {"p": [ALLOW], "q": [OTHERS]}, "unknown"),
        ({"a": (UNREAD, "p"), "b": (MINE, "q")}, {"p": [ALLOW], "q": [DENY]}, "denied"),
        ({"a": (UNREAD, "p"), "b": (UNREAD, "q")}, {"p": [ALLOW], "q": [DENY]}, "denied"),
        ({"a": (UNREAD, "p")}, {"p": [ALLOW, DENY]}, "denied"),
        ({"a": (MINE, "gone")}, {}, "unknown"),
        ({"a": (UNREAD, "gone")}, {}, "unknown"),
        ({"a": (NOT_MINE, "gone")}, {}, "denied"),
        ({"a": (MINE, "gone", "p")}, {"p": [ALLOW]}, "allowed"),
        ({"a": (MINE, "gone", "p")}, {"p": [DENY]}, "denied"),
        ({"a": (MINE, "p")}, {"p": [{"path": "roles/*/leases", "capabilities": ["sign"]}]}, "unknown"),
        ({"a": (MINE, "p")}, {"p": [ALLOW | {"parameters": {"x": "y"}}]}, "unknown"),
        ({"a": (MINE, "p")}, {"p": [ALLOW, DENY | {"parameters": {"x": "y"}}]}, "denied"),
        ({"a": (MINE, "p")}, {"p": [ALLOW, OTHERS | {"parameters": {"x": "y"}}]}, "allowed"),
        ({"a": (bound(app_roles="x", hosts="h"), "p")}, {"p": [ALLOW]}, "unknown"),
        ({"a": (bound(app_roles="y", hosts="h"), "p")}, {"p": [ALLOW]}, "denied"),
        ({"a": ({}, "p")}, {"p": [ALLOW]}, "unknown"),
        ({"a": (MINE, "p"), "b": (bound(app_roles=[]), "q")}, {"p": [ALLOW], "q": [DENY]}, "denied"),
        ({"a": (MINE, "p"), "b": (bound(tenant_ids=AWAY), "q")}, {"p": [ALLOW], "q": [DENY]}, "denied"),
        ({"a": (MINE, "p"), "b": (bound(app_roles="x", locations="*"), "q")}, {"p": [ALLOW], "q": [DENY]}, "denied"),
    ],
)
def test_an_allow_counts_if_it_matches_and_a_deny_if_it_may(auth_roles: Json, policies: Json, expected: str) -> None:
    """Unknown is what only an unread fact, or a policy that is not there, could allow. The order decides nothing."""
    backwards = dict([*auth_roles.items()][::-1]), dict([*policies.items()][::-1])
    assert [expected] * 2 == [decision(*each, READER).outcome for each in ((auth_roles, policies), backwards)]


@pytest.mark.parametrize(
    ("inline", "caller", "directory", "ask", "expected"),
    [
        (MINE, READER, UNREADABLE, ISSUE, "allowed"),
        (MINE, READER, UNREADABLE, "revoke roles/app/leases", "denied"),
        (MINE, READER, UNREADABLE, "read roles/app", "denied"),
        (MINE, READER, UNREADABLE, "issue roles/db/leases", "denied"),
        (MINE, READER, UNREADABLE, "issue leases/app", "denied"),
        (MINE, READER, UNREADABLE, "issue policies/app/leases", "denied"),
        (NOT_MINE, READER, UNREADABLE, ISSUE, "denied"),
        (UNREAD, READER, UNREADABLE, ISSUE, "unknown"),
        (UNREAD, READER, identity(VM), ISSUE, "allowed"),
        (UNREAD, READER, {"servicePrincipalType": "Application"}, ISSUE, "denied"),
        (bound(group_ids=GROUP), claims(hasgroups=True), {}, ISSUE, "unknown"),
        (bound(group_ids=GROUP), claims(hasgroups=True), {"groups": [GROUP]}, ISSUE, "allowed"),
        (MINE, claims(roles=["x"], tid=AWAY), UNREADABLE, ISSUE, "denied"),
        (bound(tenant_ids=HOME), READER, UNREADABLE, ISSUE, "denied"),
        (bound(resource_ids="/*", app_roles="x"), READER, identity(VM), ISSUE, "denied"),
        (bound(app_roles="x", hosts="h"), READER, UNREADABLE, ISSUE, "denied"),
    ],
)
def test_inline_bounds_give_the_issue_on_their_role_alone(
    inline: Json, caller: Json, directory: Any, ask: str, expected: str
) -> None:
    """They are an unnamed auth role. Those that cannot be read let nobody in."""
    found = decision({}, {}, caller, ask, inline=inline, directory=directory)
    assert expected == found.outcome
    assert (Inline("app") if expected == "allowed" else None) == found.by


@pytest.mark.parametrize("denying", [MINE, UNREAD])
def test_a_deny_wins_over_inline_bounds(denying: Json) -> None:
    """That of an auth role which matches, and of one which may."""
    found = decision({"a": (denying, "p")}, {"p": [DENY]}, READER, inline=MINE)
    expected = PolicyLine("p", 0, "roles/app/leases", "deny")
    assert Decision("denied", expected, "policy p denies roles/app/leases") == found


def test_an_administrator_is_above_every_deny() -> None:
    """What it overrides is named, for the audit trail."""
    overridden = PolicyLine("p", 1, "roles/app/leases", "deny")
    for auth_roles in ({"a": (MINE, "p")}, {"a": (UNREAD, "p")}):
        found = decision(auth_roles, {"p": [ALLOW, DENY]}, ADMIN)
        assert Decision("allowed", AppRole("Leasehold.Admin"), overrode=overridden) == found
    assert Decision("allowed", AppRole("Leasehold.Admin")) == decision({}, {}, ADMIN, "delete policies/x")


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        *(("read audit", True), ("read status", True), ("read leases/app.1", True), ("list leases/app.1", True)),
        *(("read leases/{id}", True), ("renew leases/app.1", False), ("revoke leases/app.1", False)),
        *(("write leases/app.1", False), ("read roles/app", False), ("list roles", False), ("read export", False)),
        *(("read policies", False), ("write sweep", False), (ISSUE, False), ("list audit", False), ("read leases", False)),
        *(("read audit/x", False), ("read leases/app.1/x", False)),
    ],
)
def test_an_auditor_reads_leases_status_and_audit(ask: str, *, expected: bool) -> None:
    """And no policy takes that away."""
    everything = [{"path": ask.partition(" ")[2], "capabilities": ["deny"]}]
    for policies in ({}, {"p": everything}):
        found = decision({"a": (MINE, "p")} if policies else {}, policies, AUDITOR, ask)
        assert expected == found.is_allowed
        assert not expected or AppRole("Leasehold.Auditor") == found.by


@pytest.mark.parametrize("role", ["Leasehold.Admin", "Leasehold.Auditor", "leasehold.admin", "Leasehold.Administrator"])
def test_an_app_role_counts_in_the_home_tenant_alone(role: str) -> None:
    """Another tenant's administrators hand out what they like. The names of the broker's own app roles are compared exactly."""
    away = decision({}, {}, claims(roles=[role], tid=AWAY), "read audit")
    home = decision({}, {}, claims(roles=[role]), "read audit")
    assert ("denied", role in {"Leasehold.Admin", "Leasehold.Auditor"}) == (away.outcome, home.is_allowed)


def test_the_line_that_decided_is_named() -> None:
    """The first by the names of auth roles, then as policies and rules stand."""
    auth_roles, policies = {"b": (MINE, "q", "p"), "a": (MINE, "r", "p")}, {"p": [OTHERS, ALLOW], "q": [ALLOW], "r": [OTHERS]}
    assert Decision("allowed", PolicyLine("p", 1, "roles/*/leases", "issue")) == decision(auth_roles, policies, READER)


@pytest.mark.parametrize(
    ("auth_roles", "policies", "inline", "why"),
    [
        ({"a": (UNREAD, "p")}, {"p": [ALLOW]}, None, "auth role a: the directory could not be asked"),
        ({"a": (MINE, "gone")}, {}, None, "policy gone of auth role a is not there"),
        ({"a": (MINE, "p")}, {"p": []}, None, "policy p of auth role a cannot be read"),
        ({}, {}, UNREAD, "inline bounds: the directory could not be asked"),
        ({}, {}, NOT_MINE, "not matched: bound_app_roles"),
        ({}, {}, None, "no policy gives issue on roles/app/leases"),
        (
            {"a": (bound(app_roles="x", hosts="h"), "p")},
            {"p": [ALLOW]},
            None,
            "auth role a: it must be written again: bound_hosts: is not a known field",
        ),
    ],
)
def test_the_operator_learns_why(auth_roles: Json, policies: Json, inline: Json | None, why: str) -> None:
    """What is refused or not known has a reason."""
    found = decision(auth_roles, policies, READER, inline=inline)
    assert (None, why) == (found.by, found.why)


def test_the_denies_of_an_auth_role_whose_tenants_cannot_be_read_count_for_callers_of_any_tenant() -> None:
    """Without tenants, its other kinds would speak of the broker's own alone."""
    auth_roles = {
        "a": (bound(tenant_ids=AWAY, app_roles="x"), "p"),
        "b": ({"bound_tenant_ids": 5, "bound_app_roles": ["x"]}, "q"),
    }
    found = decision(auth_roles, {"p": [ALLOW], "q": [DENY]}, claims(roles=["x"], tid=AWAY))
    assert PolicyLine("q", 0, "roles/app/leases", "deny") == found.by

"""Roles with application permissions of Microsoft Graph: who may write them, and where they are shown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.broker.configure.roles import put_role, read
from shared.broker.issue.dry_run import would_issue
from shared.broker.issue.idempotent import issue_once
from shared.broker.issue.issue import Issued, IssueRequest
from shared.broker.renew import renew
from shared.core.access.errors import Escalation
from shared.core.errors import Conflict, Malformed, RoleOutdated
from shared.core.lease import State
from shared.core.role import Role
from shared.issuers.service_principal.graph_app_roles import GraphPermissions
from tests.broker.scenes import issued, stored, swept
from tests.fakes.app_roles import ALL_GROUPS, USERS, FakeAppRoles, carried
from tests.fakes.world import ADMINISTRATOR, ALICE, BOB, SCOPES, WEB, World, principal_target, request, role, world
from tests.support.kinds import as_principal
from tests.support.rights import give

NAMES = ("User.Read.All", "Group.Read.All")
DOCUMENT: dict[str, Any] = {
    "type": "service_principal",
    "ready": "none",
    "azure_roles": [{"role_name": "Reader", "scope": SCOPES[0]}],
    "bound_service_principal_ids": [ALICE.object_id],
}


def with_both(**more: Any) -> World:
    """A role with two permissions, from which Alice may issue."""
    return world(role(principal_target(1, 0, graph_app_roles=(USERS, ALL_GROUPS), **more)))


async def put(made: World, *names: str, by: Any = ADMINISTRATOR, **more: Any) -> Role:
    """Somebody writes the role with these permissions."""
    document = DOCUMENT | ({"graph_app_roles": [*names]} if names else {}) | more
    return (await put_role(made.ports, request(by), read(made.ports, WEB, document))).document


async def once(made: World) -> Issued:
    """Alice asks under a key."""
    return await issue_once(made.ports, request(), IssueRequest(WEB), "k")


def author() -> World:
    """Bob may write every role, and may issue from every role."""
    made = world()
    give(made, BOB, ("roles/*", "read write"), ("roles/*/leases", "issue"))
    return made


async def test_an_admin_gives_them_to_a_role() -> None:
    """With what they mean today."""
    made = world()
    await put(made, *NAMES)
    found = await made.ports.roles.get(WEB)
    assert found is not None
    assert NAMES == made.ports.kinds.graph_app_roles(found)
    assert (USERS, ALL_GROUPS) == getattr(found.target, "graph_app_roles", ())


async def test_who_writes_roles_and_is_no_admin_gives_none() -> None:
    """However much else the caller may: they reach all of the tenant. Nothing is looked up, and nothing is stored."""
    made = author()
    with pytest.raises(Escalation) as caught:
        await put(made, *NAMES, by=BOB)
    assert ["graph_app_roles[0]", "graph_app_roles[1]"] == [fault.path for fault in caught.value.faults]
    assert [] == made.calls.named("app_roles")
    assert await made.ports.roles.get(WEB) is None


async def test_who_is_no_admin_adds_none_to_those_that_a_role_has() -> None:
    """The rest of the role may be changed, and a permission taken away; given back it is not."""
    made = author()
    await put(made, "User.Read.All")
    await put(made, "User.Read.All", by=BOB, ttl=120)
    with pytest.raises(Escalation) as caught:
        await put(made, "User.Read.All", "Group.Read.All", by=BOB)
    assert ["graph_app_roles[1]"] == [fault.path for fault in caught.value.faults]
    await put(made, by=BOB)
    with pytest.raises(Escalation):
        await put(made, "User.Read.All", by=BOB)


async def test_what_no_role_may_have_is_refused_with_its_code() -> None:
    """An admin's role as well."""
    with pytest.raises(Malformed) as caught:
        await put(world(), "AppRoleAssignment.ReadWrite.All")
    assert "graph_app_role_forbidden" == caught.value.stable_code


async def test_the_lease_and_the_trail_name_them() -> None:
    """As long as the lease is there."""
    made = with_both()
    given = await issued(made)
    assert NAMES == given.lease.graph_app_roles == stored(made).graph_app_roles
    (event,) = [each for each in made.audit.events if each.operation == "issue"]
    assert {"scopes": [SCOPES[0]], "graph_app_roles": [*NAMES]} == event.granted


async def test_a_lease_of_permissions_alone_is_told_as_one() -> None:
    """It lies at no scope."""
    made = world(role(principal_target(0, 0, graph_app_roles=(USERS,))))
    await issued(made)
    (event,) = [each for each in made.audit.events if each.operation == "issue"]
    assert {"graph_app_roles": ["User.Read.All"]} == event.granted


async def test_a_dry_run_names_them() -> None:
    """And gives none."""
    made = with_both()
    found = await would_issue(made.ports, request(), IssueRequest(WEB))
    assert NAMES == found.graph_app_roles
    (event,) = [each for each in made.audit.events if each.operation == "dry_run"]
    assert event.granted is not None
    assert [*NAMES] == event.granted["graph_app_roles"]
    assert [] == made.calls.named("app_roles")


async def test_the_end_of_the_lease_is_theirs() -> None:
    """No call of its own: the principal is gone, and with it what it had."""
    made = with_both()
    given = await issued(made)
    app_id = as_principal(stored(made).footprint).app_id
    assert app_id is not None
    assert {*NAMES} == carried(made.cloud, app_id)
    calls = len(made.calls.named("app_roles"))
    await swept(made, after=given.lease.ttl + 1)
    assert State.ENDED is stored(made).state
    assert (frozenset(), calls) == (carried(made.cloud, app_id), len(made.calls.named("app_roles")))
    assert [] == made.leftovers()


async def test_what_the_operator_has_struck_off_is_issued_no_more() -> None:
    """Before anything is made: neither a dry run nor a repeat under a key gets it. Only the trail says which."""
    made = with_both()
    await once(made)
    before = made.leftovers()
    calls = FakeAppRoles(made.calls, made.cloud)
    issuer = replace(made.issuers.principals, graph_permissions=GraphPermissions(calls, frozenset({"User.Read.All"})))
    made.issuers = replace(made.issuers, principals=issuer)
    made.ports = replace(made.ports, kinds=made.issuers.kinds())
    for asking in (issued(made), once(made), would_issue(made.ports, request(), IssueRequest(WEB))):
        with pytest.raises(RoleOutdated) as caught:
            await asking
        assert () == caught.value.faults
        assert "graph_app_roles[1]" in caught.value.audit_reason
    assert before == made.leftovers()


async def test_another_permission_is_another_role() -> None:
    """A lease of before is neither handed out again nor renewed."""
    made = with_both()
    given = await once(made)
    await put(made, "User.Read.All")
    with pytest.raises(Conflict) as repeating:
        await once(made)
    with pytest.raises(Conflict) as renewing:
        await renew(made.ports, request(), given.lease.id, 120)
    assert ["role_changed"] * 2 == [repeating.value.stable_code, renewing.value.stable_code]

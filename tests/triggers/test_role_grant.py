"""Roles that are granted to their callers, over HTTP: the document, the ask, what is there already, and the end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.broker.reconcile.reconcile import Result, reconcile
from shared.core import ownership
from shared.core.audit import Outcome
from shared.core.caller import CallerType
from shared.core.errors import Locked, Unavailable
from shared.core.footprint import Assignment
from shared.core.lease import State
from shared.core.names import LeaseId
from shared.core.protection import Protected
from tests.fakes.cloud_state import Granted, Thing
from tests.fakes.world import ALICE, BOB, DEFINITION, OTHER_TENANT, SCOPES, TENANT, World, guid, principal_target, role, world
from tests.support.grants import grant_target
from tests.triggers.app import Answer, App

BOUND = {"bound_service_principal_ids": [ALICE.object_id, BOB.object_id]}
ROLES = [{"role_name": "Reader", "scope": scope} for scope in SCOPES[:2]]
DOCUMENT: dict[str, Any] = {"type": "role_grant", "azure_roles": ROLES, "ttl": "1h", **BOUND}
PATH, LEASES = "/api/v1/roles/jit", "/api/v1/roles/jit/leases"
BY_HAND = Assignment(SCOPES[1], guid(0x999))
KEY = {"idempotency-key": "alice-1"}


@pytest.fixture
async def app() -> App:
    """A broker with the role ``jit``."""
    made = App(world())
    await put(made)
    return made


async def put(app: App, **change: Any) -> Answer:
    """An administrator writes the role. What is ``None`` is left out."""
    document = {name: value for name, value in {**DOCUMENT, **change}.items() if value is not None}
    return await app.call("PUT", PATH, token="admin.token.x", body=document)


async def issue(app: App, **more: Any) -> Answer:
    """Alice asks."""
    return await app.call("POST", LEASES, **more)


def by_hand(app: App, found: Assignment = BY_HAND) -> None:
    """Somebody has given the role to Alice there."""
    app.world.cloud.assign(found, Granted(DEFINITION, ALICE.object_id, None, "by hand"))


def writes(world: World) -> list[str]:
    """The changes that were sent to Azure."""
    return [each.name for each in world.calls.made if each.name in {"authorization.assign", "authorization.unassign"}]


async def test_a_lease_is_issued_read_renewed_and_revoked(app: App) -> None:
    """The caller itself has the roles for that time."""
    answer = await issue(app)
    assert 201 == answer.status, answer.body
    lease, credential = answer.json["lease"], answer.json["credential"]
    assert {ALICE.object_id} == {each.principal for each in app.world.cloud.assignments.values()}
    made = [
        {
            "id": f"{scope}/providers/Microsoft.Authorization/roleAssignments/{ownership.assignment_name(lease['id'], index)}",
            "scope": scope,
            "role_definition_id": DEFINITION,
        }
        for index, scope in enumerate(SCOPES[:2])
    ]
    assert {
        "type": "role_grant",
        "tenant_id": TENANT,
        "client_id": ALICE.app_id,
        "object_id": ALICE.object_id,
        "subscription_id": SCOPES[0].subscription_id,
        "role_assignments": made,
        "left_out": [],
        "expires_at": lease["expires_at"],
    } == credential
    assert [*SCOPES[:2]] == lease["scopes"]
    app.world.clock.jump(600)
    renewed = await app.call("POST", f"{answer.headers['location']}/renew", body={"increment": "2h"})
    assert 200 == renewed.status
    assert renewed.json["expires_at"] > lease["expires_at"]
    ended = await app.call("DELETE", answer.headers["location"])
    assert (200, "ended") == (ended.status, ended.json["state"])
    assert [] == app.world.leftovers()


async def test_a_repeat_under_a_key_answers_the_same_without_a_change_in_azure(app: App) -> None:
    """The left-out role is told again as well."""
    by_hand(app)
    await put(app, on_existing="ignore")
    once = await issue(app, headers=KEY)
    before = writes(app.world)
    app.world.clock.jump(600)
    again = await issue(app, headers=KEY)
    assert (201, 201) == (once.status, again.status)
    assert once.json["credential"] == again.json["credential"]
    assert before == writes(app.world)


async def test_what_is_left_out_is_no_scope_of_the_lease_and_stays_when_it_ends(app: App) -> None:
    """Neither in the answer nor in the lease, the audit trail, or what is found by scope."""
    by_hand(app)
    await put(app, on_existing="ignore")
    answer = await issue(app)
    assert 201 == answer.status
    credential, lease = answer.json["credential"], answer.json["lease"]
    assert [{"scope": SCOPES[1], "role_definition_id": DEFINITION, "code": "already_held"}] == credential["left_out"]
    assert [SCOPES[0]] == lease["scopes"] == [each["scope"] for each in credential["role_assignments"]]
    assert lease == (await app.call("GET", answer.headers["location"])).json
    (event,) = [each for each in app.world.audit.events if each.operation == "issue"]
    assert event.granted is not None
    assert [SCOPES[0]] == event.granted["scopes"]
    for scope, found in ((SCOPES[0], [lease["id"]]), (SCOPES[1], [])):
        listed = await app.call("GET", "/api/v1/leases", query={"within": scope})
        assert found == [each["id"] for each in listed.json["leases"]]
    await app.call("DELETE", answer.headers["location"])
    assert [Thing("assignment", BY_HAND.name, BY_HAND.scope)] == app.world.leftovers()


async def test_another_lease_of_the_same_roles_is_refused_and_named(app: App) -> None:
    """Until that one has ended. Another caller is not in the way."""
    first = await issue(app)
    again = await issue(app)
    assert (409, "already_granted", first.json["lease"]["id"]) == (again.status, again.code, again.json["lease"])
    assert 1 == len(app.world.leases.rows)
    assert 201 == (await issue(app, token="bob.token.x")).status
    await app.call("DELETE", first.headers["location"])
    assert 201 == (await issue(app)).status


async def test_what_somebody_else_has_given_refuses_the_request(app: App) -> None:
    """What was made before goes at once, and what somebody else has given stays."""
    by_hand(app)
    answer = await issue(app)
    assert (409, "already_held") == (answer.status, answer.code)
    assert "lease" not in answer.json
    assert [Thing("assignment", BY_HAND.name, BY_HAND.scope)] == app.world.leftovers()
    assert [State.ENDED] == [each.state for each in app.world.leases.rows.values()]
    by_hand(app, Assignment(SCOPES[0], guid(0x998)))
    await put(app, on_existing="ignore")
    assert "already_held" == (await issue(app)).code
    refusals = [each.code for each in app.world.audit.events if each.outcome is Outcome.REFUSED]
    assert ["already_held"] * 2 == refusals


async def test_a_forced_end_lets_go_of_its_own_and_leaves_what_is_not(app: App) -> None:
    """What may be left behind is told, and what somebody else has given is not among it."""
    by_hand(app)
    await put(app, on_existing="ignore")
    made = await issue(app)
    lease = LeaseId(made.json["lease"]["id"])
    app.world.clock.jump(300)
    app.world.calls.fail("authorization.unassign", Locked("no", status=409, azure_code="ScopeLocked"), times=99)
    assert 202 == (await app.call("DELETE", made.headers["location"])).status
    forced = await app.call("POST", f"{made.headers['location']}/revoke?force=true", token="admin.token.x")
    assert (200, "ended") == (forced.status, forced.json["state"])
    (event,) = [each for each in app.world.audit.events if each.operation == "force_revoke"]
    assert f"role assignment {ownership.assignment_name(lease, 0)} at {SCOPES[0]}" in event.reason
    assert BY_HAND.name not in event.reason
    assert SCOPES[1] not in event.reason
    app.world.calls.heal()
    await reconcile(app.world.ports, "run")
    app.world.clock.jump(3 * 3600)
    done = await reconcile(app.world.ports, "run")
    assert [("grant", Result.REMOVED)] == [(each.type, each.result) for each in done.findings]
    assert [Thing("assignment", BY_HAND.name, BY_HAND.scope)] == app.world.leftovers()


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"azure_roles": None}, "azure_roles"),
        ({"azure_roles": []}, "azure_roles"),
        ({"azure_groups": [{"object_id": guid(1)}]}, "azure_groups"),
        ({"graph_app_roles": ["User.Read.All"]}, "graph_app_roles"),
        ({"pool": {"size": 1}}, "pool"),
        ({"ready": "token"}, "ready"),
        ({"on_existing": "take"}, "on_existing"),
        ({"tags": ["x"]}, "tags"),
        ({"credential": "secret"}, "credential"),
        ({"narrowing": "maybe"}, "narrowing"),
    ],
)
async def test_what_the_type_does_not_take_is_refused_by_its_path(app: App, change: dict[str, Any], path: str) -> None:
    """Each with its own fault."""
    answer = await put(app, **change)
    assert (400, "malformed", [path]) == (answer.status, answer.code, [each["path"] for each in answer.json["errors"]])


async def test_a_role_is_read_as_it_was_written(app: App) -> None:
    """With what is not the default, and with parameters."""
    hole = {"group": {"kind": "resource_group", "allowed": ["rg*"]}}
    scope = str(SCOPES[0]).replace("rg0", "{group}")
    more = {"parameters": hole, "azure_roles": [{"role_name": "Reader", "scope": scope}], "narrowing": "refuse"}
    written = await put(app, on_existing="ignore", **more)
    assert (200, "ignore", "refuse", hole) == (
        written.status,
        *(written.json[name] for name in ("on_existing", "narrowing")),
        {name: {key: each[key] for key in ("kind", "allowed")} for name, each in written.json["parameters"].items()},
    )
    assert written.json == (await put(app, **written.json)).json
    refused = await issue(app, body={"parameters": {"group": "rg1"}, "within": f"{SCOPES[1]}/providers/a.b/c/d"})
    assert "not_narrowable" == refused.code


async def test_parameters_and_within_choose_one_resource(app: App) -> None:
    """Just-in-time access to that alone."""
    hole = {"group": {"kind": "resource_group", "allowed": ["rg*"]}}
    scope = str(SCOPES[0]).replace("rg0", "{group}")
    await put(app, parameters=hole, azure_roles=[{"role_name": "Reader", "scope": scope}])
    account = f"{SCOPES[3]}/providers/Microsoft.Storage/storageAccounts/x"
    answer = await issue(app, body={"parameters": {"group": "rg3"}, "within": account})
    assert (201, [account]) == (answer.status, answer.json["lease"]["scopes"]), answer.body
    assert [account] == [each.scope for each in app.world.cloud.assignments]


async def test_a_role_may_not_reach_what_is_protected() -> None:
    """As for service principals: when it is written, and when it is filled."""
    app = App(world(protected=Protected(scopes=(SCOPES[1],))))
    assert "protected_target" == (await put(app)).code
    hole = {"group": {"kind": "resource_group", "allowed": ["rg*"]}}
    scope = str(SCOPES[0]).replace("rg0", "{group}")
    await put(app, parameters=hole, azure_roles=[{"role_name": "Reader", "scope": scope}])
    assert "protected_target" == (await issue(app, body={"parameters": {"group": "rg1"}})).code
    assert [] == app.world.leftovers()


async def test_an_identity_of_the_brokers_own_gets_nothing() -> None:
    """By its own token it asks like anybody, and is refused like nobody else."""
    app = App(world(protected=Protected(frozenset({ALICE.object_id}))))
    await put(app)
    answer = await issue(app)
    assert (403, "protected_target", {}) == (answer.status, answer.code, app.world.leases.rows)


USER = replace(ALICE, kind=CallerType.USER, app_roles=frozenset({"Deployer"}))
OF_USERS = {"bound_service_principal_ids": None, "bound_app_roles": ["Deployer"]}
FOREIGNER = replace(ALICE, tenant_id=OTHER_TENANT, at_home=False)


@pytest.mark.parametrize("query", [{}, {"dry_run": "true"}])
@pytest.mark.parametrize("who", [USER, FOREIGNER])
async def test_a_caller_to_whom_nothing_can_be_assigned_is_told_so(app: App, who: Any, query: dict[str, str]) -> None:
    """Before a lease is stored, and in a dry run as well."""
    bounds = OF_USERS if who is USER else {**BOUND, "bound_tenant_ids": [OTHER_TENANT]}
    written = await put(app, **bounds)
    assert 200 == written.status, written.body
    app.verifier.known["alice.token.x"] = who
    answer = await issue(app, query=query)
    assert (409, "grant_unsupported", {}) == (answer.status, answer.code, app.world.leases.rows)
    assert [] == app.world.leftovers()


async def test_a_user_may_hold_a_lease_where_the_deployment_allows_that(app: App) -> None:
    """As ``grantToUsers`` of the template says: the assignment is a user's."""
    app.world.issuers = replace(app.world.issuers, grants=replace(app.world.issuers.grants, to_users=True))
    app.world.ports = replace(app.world.ports, kinds=app.world.issuers.kinds())
    assert 200 == (await put(app, **OF_USERS)).status
    app.verifier.known["alice.token.x"] = USER
    answer = await issue(app)
    assert (201, None) == (answer.status, answer.json["credential"]["client_id"])
    assert {CallerType.USER} == {each.principal_type for each in app.world.cloud.assignments.values()}


async def test_a_dry_run_says_what_would_be_made(app: App) -> None:
    """Nothing is read or made in Azure for it."""
    before = len(app.world.calls.named("authorization.assign"))
    answer = await issue(app, query={"dry_run": "true"})
    assert (200, [*SCOPES[:2]]) == (answer.status, answer.json["scopes"])
    assert before == len(app.world.calls.named("authorization.assign"))


async def test_a_failure_of_azures_leaves_nothing(app: App) -> None:
    """What was made is taken back at once."""
    app.world.calls.fail("authorization.assign", Unavailable("no", status=500), nth=2, times=99)
    assert 503 == (await issue(app)).status
    app.world.calls.heal()
    app.world.clock.jump(300)
    await app.call("POST", "/api/v1/sweep", token="admin.token.x")
    assert [] == app.world.leftovers()


async def test_what_either_kind_has_assigned_is_no_orphan_of_the_others() -> None:
    """Both have leases at one scope, and each finds its own, be it live or without a lease."""
    scene = world(role(principal_target(1, 0)), role(grant_target(1), name="jit"))  # type: ignore[arg-type]  # a name
    app = App(scene)
    leases = [(await app.call("POST", f"/api/v1/roles/{name}/leases")).json["lease"]["id"] for name in ("web", "jit")]
    scene.clock.jump(600)
    assert () == (await reconcile(scene.ports, "run")).findings
    for lost in leases:
        del scene.leases.rows[LeaseId(lost)]
    scene.clock.jump(2 * 3600)
    done = await reconcile(scene.ports, "run", dry_run=True)
    assert [("application", leases[0]), ("grant", leases[1])] == sorted((each.type, each.lease) for each in done.findings)
    await reconcile(scene.ports, "run")
    assert [] == scene.leftovers()


@pytest.mark.parametrize("strange", ["maker", "description", "name"])
async def test_what_has_only_part_of_the_mark_is_nobodys_orphan(app: App, strange: str) -> None:
    """Another broker's, a copied description, a copied name."""
    other = LeaseId.parse("web.01kjpwpbk0rb77xn6nfcf2ztw9")
    name = guid(0x777) if strange == "name" else ownership.assignment_name(other, 0)
    description = "by hand" if strange == "description" else ownership.grant_description(other)
    found = Assignment(SCOPES[0], name)
    app.world.cloud.assign(found, Granted(DEFINITION, ALICE.object_id, None, description))
    if strange == "maker":
        app.world.inventory.strange.add(found)
    app.world.clock.jump(3 * 3600)
    assert () == (await reconcile(app.world.ports, "run")).findings
    assert [Thing("assignment", name, SCOPES[0])] == app.world.leftovers()


async def test_a_lease_whose_grants_somebody_took_away_ends(app: App) -> None:
    """All of them: of a part of them the hourly run takes no notice."""
    lease = LeaseId((await issue(app)).json["lease"]["id"])
    app.world.clock.jump(300)
    first, second = app.world.cloud.assignments
    del app.world.cloud.assignments[first]
    assert () == (await reconcile(app.world.ports, "run")).findings
    del app.world.cloud.assignments[second]
    assert [Result.ENDED] == [each.result for each in (await reconcile(app.world.ports, "run")).findings]
    assert "vanished" == app.world.leases.rows[lease].cause


async def test_a_scope_that_cannot_be_read_is_named(app: App) -> None:
    """And nothing there is judged."""
    await issue(app)
    app.world.clock.jump(300)
    app.world.calls.fail("inventory.assignments_at", Unavailable("no"), times=9)
    done = await reconcile(app.world.ports, "run")
    assert {*SCOPES[:2]} == {*done.unread}
    assert () == done.findings

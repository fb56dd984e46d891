"""Roles with holes over HTTP: their documents, who sees and changes them, and what the broker explains of them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from shared.core.access.check import check
from shared.core.protection import Protected
from tests.fakes.world import ALICE, BOB, EXISTING, GROUPS, SCOPES, TENANT, WATCHER, role, world
from tests.support.holes import (
    ACCOUNT,
    FILLED,
    GROUP,
    GROUP_SCOPE,
    HOLES,
    IN_SUB,
    OWN_GROUP,
    STORAGE,
    TEMPLATE,
    VALUES,
    document,
    group,
    keep_rules,
    machine,
    place,
    rule,
    target,
)
from tests.support.rights import give
from tests.triggers.app import App
from tests.triggers.documents import ADMIN, POLICIES, ROLES, get, put
from tests.triggers.holed import BOUND, LEASES, OF_BOTH, ask, furnished, paths, require_nothing
from tests.triggers.transferring import configuration, export, imported


async def test_a_document_is_taken_back_as_it_was_given() -> None:
    """Written, read, written again."""
    app = App(world())
    wanted = document(narrowing="refuse", **BOUND)
    made = await put(app, ROLES, "web", wanted)
    assert (201, wanted["parameters"], wanted["azure_roles"], "refuse") == (
        made.status,
        made.json["parameters"],
        made.json["azure_roles"],
        made.json["narrowing"],
    )
    read = await get(app, ROLES, "web")
    assert made.json == read.json | {"warnings": made.json["warnings"]} if "warnings" in made.json else made.json == read.json
    again = await put(app, ROLES, "web", {key: value for key, value in read.json.items() if key != "warnings"})
    assert (200, read.headers["etag"]) == (again.status, again.headers["etag"])
    assert 201 == (await ask(app, VALUES)).status


async def test_a_role_without_the_field_has_no_holes() -> None:
    """Its braces are plain text."""
    answer = await put(App(world()), ROLES, "web", document({}, f"{IN_SUB}/resourceGroups/{{group}}"))
    assert (201, False) == (answer.status, "parameters" in answer.json)


async def test_all_faults_of_a_document_are_told_at_once() -> None:
    """With their paths: of the parameters first; of the holes when these have none."""
    app = App(world())
    bad = {
        "Group": GROUP,
        "account": {"kind": "storage"},
        "both": {**GROUP, "default": "prod"},
        "free": {"kind": "container"},
        "open": {"kind": "resource_group", "allowed": ["*", "..", 5]},
        "fact": {"kind": "resource_group", "from": "caller.shoe_size", "colour": "red"},
        "sub": {"kind": "subscription", "any": True},
    }
    answer = await put(app, ROLES, "web", document(bad, ttl=5, colour="red"))
    assert (400, "malformed") == (answer.status, answer.code)
    found = {*paths(answer)}
    assert {
        "parameters.Group",
        "parameters.account.kind",
        "parameters.both.default",
        "parameters.free",
        "parameters.open.allowed[0]",
        "parameters.open.allowed[1]",
        "parameters.open.allowed[2]",
        "parameters.fact.from",
        "parameters.fact.colour",
        "ttl",
        "colour",
    } <= found
    assert any(path.startswith("parameters.sub") for path in found)
    holes = document(
        {**HOLES, "unused": ACCOUNT},
        f"{IN_SUB}/resourceGroups/x{{group}}/{STORAGE}/{{account}}",
        f"{IN_SUB}/resourceGroups/{{account}}",
        f"{IN_SUB}/resourceGroups/{{gruop}}",
        f"{IN_SUB}/providers/Microsoft.Authorization/roleDefinitions/{{group}}",
    )
    answer = await put(app, ROLES, "web", holes)
    assert {
        "azure_roles[0].scope",
        "azure_roles[1].scope",
        "azure_roles[2].scope",
        "azure_roles[3].scope",
        "parameters.unused",
    } == {*paths(answer)}


async def test_an_author_is_warned() -> None:
    """Of groups beside holes, and of a hole that may be filled to what is protected. A dry run says the same."""
    own = Protected(scopes=(type(SCOPES[0])(f"{IN_SUB}/resourceGroups/app-broker/{STORAGE}/own"),))
    app = App(world(protected=own))
    wanted = document(azure_groups=[{"object_id": GROUPS[0]}])
    for query in ({"dry_run": "true"}, {}):
        answer = await put(app, ROLES, "web", wanted, query=query)
        codes = {(each["path"], each["code"]) for each in answer.json["warnings"]}
        assert {("azure_groups", "not_confined"), ("azure_roles[0].scope", "may_reach_protected")} <= codes
    safe = await put(app, ROLES, "safe", document({**HOLES, "group": {**GROUP, "allowed": ["team-*"]}}))
    assert not {"not_confined", "may_reach_protected"} & {each["code"] for each in safe.json.get("warnings", ())}


async def test_a_listed_value_that_is_protected_is_a_fault() -> None:
    """It is known when the role is written."""
    app = App(world(protected=Protected(scopes=(group("app-broker"),))))
    answer = await put(app, ROLES, "web", document({"group": {**GROUP, "allowed": ["app-web", "App-Broker"]}}, GROUP_SCOPE))
    assert (400, "protected_target", ["azure_roles[0].scope"]) == (answer.status, answer.code, paths(answer))


async def test_a_dry_run_of_a_role_with_holes_writes_nothing() -> None:
    """And looks everything up."""
    app = App(world())
    answer = await put(app, ROLES, "web", document(), query={"dry_run": "true"})
    assert (200, None) == (answer.status, app.world.roles.kept("web"))
    assert {"authorization.permissions_at", "authorization.definitions_named"} <= {*app.world.calls.names()}
    assert (
        HOLES.keys() == answer.json["role"]["parameters"].keys() if "role" in answer.json else answer.json["parameters"].keys()
    )


# Who sees what


async def test_who_may_issue_sees_the_parameters() -> None:
    """Kinds, descriptions and bounds; nobody else does."""
    holes = {**HOLES, "group": {**GROUP, "default": "shared"}, "own": {"kind": "container", "from": "caller.object_id"}}
    app = furnished(holes, f"{TEMPLATE}/blobServices/default/containers/{{own}}")
    expected = [
        {
            "name": "group",
            "kind": "resource_group",
            "description": "where the account lies",
            "allowed": ["app-*", "shared"],
            "default": "shared",
        },
        {"name": "account", "kind": "storage_account", "any": True},
        {"name": "own", "kind": "container", "from": "caller.object_id"},
    ]
    answer = await app.call("GET", "/api/v1/whoami")
    assert [expected] == [each["parameters"] for each in answer.json["roles"]]
    assert expected == (await app.call("GET", "/api/v1/whoami?role=web")).json["parameters"]
    for query in ("", "?role=web"):
        assert b"app-*" not in (await app.call("GET", f"/api/v1/whoami{query}", token="watcher.token.x")).body
    plain = await App(world(role())).call("GET", "/api/v1/whoami")
    assert "parameters" not in plain.json["roles"][0]


async def test_who_may_issue_some_asks_sees_the_parameters_too() -> None:
    """A rule with parameters lets it in for some values."""
    app = App(world(replace(role(target()), bounds=replace(role().bounds, service_principal_ids=frozenset({BOB.object_id})))))
    keep_rules(app.world, rule(group=["app-web"]))
    answer = await app.call("GET", "/api/v1/whoami?role=web")
    assert answer.json["may_issue"]
    assert 201 == (await ask(app, VALUES)).status
    refusal = await ask(app, {**VALUES, "group": "app-two"})
    assert (403, "forbidden") == (refusal.status, refusal.code)
    assert b"app-" not in refusal.body


async def test_a_dry_run_of_an_issue_says_what_would_be_made() -> None:
    """Every field."""
    app = furnished()
    answer = await ask(app, VALUES, path=f"{LEASES}?dry_run=true", ttl=120)
    (assigned,) = answer.json["azure_roles"]
    assert {"role_definition_id", "scope"} == assigned.keys()
    assert {**answer.json, "azure_roles": None, "warnings": None} == {
        "role": "web",
        "type": "service_principal",
        "ttl": 120,
        "max_ttl": 14400,
        "parameters": VALUES,
        "scopes": [FILLED],
        "azure_roles": None,
        "warnings": None,
    }
    require_nothing(app.world)
    give(app.world, ALICE, ("policies/*", "read"))
    assert "decided_by" in (await ask(app, VALUES, path=f"{LEASES}?dry_run=true")).json


async def test_the_trail_shows_what_was_asked_for() -> None:
    """Of both, and of nothing that was refused."""
    app = furnished()
    box = f"{FILLED}/blobServices/default/containers/box"
    await ask(app, VALUES, path=f"{LEASES}?dry_run=true", within=box)
    await ask(app, VALUES, within=box)
    await ask(app, {**VALUES, "group": "prod"})
    events = (await app.call("GET", "/api/v1/audit", token=ADMIN)).json["events"]
    shown = [(each["operation"], each.get("parameters"), each.get("within"), each.get("scopes")) for each in events]
    assert [("dry_run", VALUES, box, [box]), ("issue", VALUES, box, [box]), ("issue", None, None, None)] == shown[:3]


# Rights


@pytest.mark.parametrize(
    ("now", "widens"),
    [
        ({**HOLES, "group": {**GROUP, "allowed": ["app-*", "shared", "more"]}}, True),
        ({**HOLES, "group": {"kind": "resource_group", "any": True}}, True),
        ({**HOLES, "account": {"kind": "storage_account", "allowed": ["logs1"]}}, False),
        ({**HOLES, "group": {**GROUP, "allowed": ["shared"], "description": "x"}}, False),
    ],
)
async def test_only_who_may_issue_all_of_it_widens_a_role(now: dict[str, Any], widens: bool) -> None:  # noqa: FBT001
    """A rule for some values is not enough."""
    app = furnished()
    give(app.world, WATCHER, ("roles/*", "read write"))
    for more in ((), (rule(group=["app-*"]),)):
        keep_rules(app.world, rule("roles/*", ("read", "write")), *more, caller=WATCHER.object_id)
        before = app.world.roles.contents()
        answer = await put(app, ROLES, "web", document(now, **OF_BOTH), token="watcher.token.x", query={"dry_run": "true"})
        assert (403 if widens else 200) == answer.status, answer.body
        assert ["parameters"] == paths(answer) if widens else True
        assert before == app.world.roles.contents()
    keep_rules(app.world, rule("roles/*", ("read", "write")), rule(), caller=WATCHER.object_id)
    assert 200 == (await put(app, ROLES, "web", document(now, **OF_BOTH), token="watcher.token.x")).status


async def test_a_fact_that_is_dropped_widens_the_role() -> None:
    """Then every caller would choose."""
    app = furnished(OWN_GROUP, GROUP_SCOPE)
    keep_rules(app.world, rule("roles/*", ("read", "write")), caller=WATCHER.object_id)
    wanted = document({"group": {"kind": "resource_group", "allowed": ["app-*"]}}, GROUP_SCOPE, **OF_BOTH)
    answer = await put(app, ROLES, "web", wanted, token="watcher.token.x")
    assert (403, "escalation", ["parameters"]) == (answer.status, answer.code, paths(answer))


async def test_policies_with_parameters_are_written_warned_of_and_held() -> None:
    """A denied ask, an allowed one; a deny that names a parameter the role has not is warned of."""
    app = furnished()
    rules = {
        "rules": [{"path": "roles/web/leases", "capabilities": ["deny"], "parameters": {"nothing": ["x"], "group": ["app-p*"]}}]
    }
    answer = await put(app, POLICIES, "closed", rules)
    assert (201, True) == (answer.status, bool(answer.json["warnings"]))
    assert rules["rules"] == (await get(app, POLICIES, "closed")).json["rules"]


# Explaining, exporting


async def explained(app: App, **question: Any) -> str:
    """What the broker says it would decide."""
    answer = await app.call("POST", "/api/v1/explain", token=ADMIN, body={"role": "web", **question})
    assert 200 == answer.status, answer.body
    return str(answer.json["decision"])


async def test_an_explanation_is_of_the_ask_with_its_parameters() -> None:
    """The same as what the ask gets: given values, defaults, and facts of the subject."""
    app = App(world(replace(role(target({**HOLES, "group": {**GROUP, "default": "shared"}})), bounds=type(role().bounds)())))
    keep_rules(app.world, rule(group=["app-*"]))
    place(app.world, machine("app-web"))
    subject = {"object_id": ALICE.object_id}
    assert "allowed" == await explained(app, **subject, parameters=VALUES)
    assert "denied" == await explained(app, **subject, parameters={**VALUES, "group": "shared"})
    assert "denied" == await explained(app, **subject)
    assert (201, 403) == ((await ask(app, VALUES)).status, (await ask(app, {"account": "a12"})).status)


@pytest.mark.parametrize("source", ["caller.resource_group", "caller.object_id"])
async def test_an_explanation_knows_the_facts_that_fill_the_role(source: str) -> None:
    """For an object of the directory, and for a token's claims."""
    value = {"caller.resource_group": "app-web", "caller.object_id": str(ALICE.object_id)}[source]
    holes = {"group": {"kind": "resource_group", "from": source}}
    app = App(world(replace(role(target(holes, GROUP_SCOPE)), bounds=type(role().bounds)())))
    keep_rules(app.world, rule(group=[value]))
    place(app.world, machine("app-web"))
    assert 201 == (await ask(app)).status
    assert "allowed" == await explained(app, object_id=ALICE.object_id)
    assert "allowed" == await explained(app, claims={"oid": ALICE.object_id, "appid": ALICE.app_id})


async def test_an_export_is_imported_with_its_holes() -> None:
    """And changes nothing then; its tests may ask with parameters."""
    app = App(world())
    await put(app, ROLES, "web", document(narrowing="refuse", **BOUND))
    await put(app, POLICIES, "some", {"rules": [rule(group=["app-*"])]})
    found = await export(app)
    other = App(world())
    assert 200 == (await imported(other, found)).status
    assert found == await export(other)
    again = await imported(other, found)
    assert 2 == again.json["unchanged"]
    assert json.dumps(HOLES) in json.dumps(found["roles"]["web"]) or HOLES == found["roles"]["web"]["parameters"]


@pytest.mark.parametrize(("in_group", "expect"), [("app-web", "allowed"), ("ops", "denied")])
async def test_a_test_of_a_policy_knows_the_facts_of_its_caller(in_group: str, expect: str) -> None:
    """As the directory of the test has them, in an import and in a check alike."""
    sections = {
        "roles": {"web": document(OWN_GROUP, GROUP_SCOPE)},
        "policies": {"teams": {"rules": [rule(group=["app-*"])]}},
        "auth_roles": {"all": {"bound_service_principal_ids": [ALICE.object_id], "policies": ["teams"]}},
    }
    claims = {"oid": ALICE.object_id, "appid": ALICE.app_id, "idtyp": "app"}
    directory = {"servicePrincipalType": "ManagedIdentity", "alternativeNames": [machine(in_group)]}
    tests = [{"caller": {"claims": claims, "directory": directory}, "ask": "issue web", "expect": expect}]
    wanted = configuration(**sections, tests=tests)
    answer = await imported(App(world()), wanted)
    assert 200 == answer.status, answer.body
    assert [] == [*check(wanted, TENANT)]


async def test_no_other_type_takes_the_fields_yet() -> None:
    """An application's secret has no scopes."""
    wanted = {"type": "application_secret", "application_object_id": EXISTING, "parameters": HOLES}
    assert ["parameters"] == paths(await put(App(world()), ROLES, "web", wanted))

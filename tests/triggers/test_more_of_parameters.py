"""Roles with holes over HTTP: templates that lead nowhere, faults beside faults, and changes that widen or narrow."""

from __future__ import annotations

from typing import Any

import pytest

from shared.core.names import Scope
from shared.core.ports.inventory import ScopeState
from tests.fakes.world import ALICE, SUBSCRIPTION, WATCHER, role, world
from tests.support.holes import GROUP_SCOPE, IN_SUB, OWN_GROUP, document
from tests.support.rights import give
from tests.triggers.app import App
from tests.triggers.documents import ADMIN, ROLES, get, put
from tests.triggers.holed import BOUND, ask, furnished, paths

NAME = {"kind": "resource_name", "any": True}
GROUP = {"kind": "resource_group", "allowed": ["app-*", "shared"]}


@pytest.mark.parametrize("kind", ["resource_name", "resource_group"])
async def test_a_hole_in_a_management_group_is_a_fault_of_its_scope(kind: str) -> None:
    """There is no scope above it to look anything up at."""
    scope = "/providers/Microsoft.Management/managementGroups/{n}"
    answer = await put(App(world()), ROLES, "web", document({"n": {"kind": kind, "any": True}}, scope, **BOUND))
    assert (400, "malformed", {"azure_roles[0].scope"}) == (answer.status, answer.code, {*paths(answer)})


async def test_a_faulty_parameter_hides_no_fault_of_another_hole() -> None:
    """All of them at once: the parameter's own, a hole without a parameter, a part of a segment, one that nothing uses."""
    parameters = {"group": {"kind": "zork", "allowed": ["*"], "default": 7}, "unused": NAME}
    scopes = (f"{IN_SUB}/resourceGroups/x{{group}}", f"{IN_SUB}/resourceGroups/{{nope}}", f"{IN_SUB}/resourceGroups/{{group}}")
    answer = await put(App(world()), ROLES, "web", document(parameters, *scopes, **BOUND))
    assert 400 == answer.status
    own = {f"parameters.group.{each}" for each in ("kind", "allowed[0]", "default")}
    assert own | {"parameters.unused", "azure_roles[0].scope", "azure_roles[1].scope"} == {*paths(answer)}


async def test_a_faulty_parameter_of_a_known_kind_hides_no_fault_of_its_own_holes() -> None:
    """Neither that it is of the wrong kind there, nor that it has none."""
    parameters = {"a": {"kind": "word", "any": True, "zz": 1}, "b": {"kind": "word", "any": True, "allowed": ["x"]}}
    answer = await put(App(world()), ROLES, "web", document(parameters, f"{IN_SUB}/resourceGroups/{{a}}", **BOUND))
    wanted = {"parameters.a.zz", "azure_roles[0].scope", "parameters.b.any", "parameters.b"}
    assert (400, wanted) == (answer.status, {*paths(answer)})


async def test_a_faulty_assignment_hides_no_fault_of_a_hole() -> None:
    """Its own holes are judged as far as they can be read, and those of the others under their own paths."""
    body = document({"group": GROUP, "unused": NAME}, *[GROUP_SCOPE] * 3, **BOUND)
    body["azure_roles"][0] = {"scope": f"{IN_SUB}/resourceGroups/x{{group}}"}
    body["azure_roles"][1] = {"role_name": "Reader", "scope": f"{IN_SUB}/resourceGroups/{{nope}}", "more": 1}
    answer = await put(App(world()), ROLES, "web", body)
    both = {"azure_roles[0]", "azure_roles[0].scope", "azure_roles[1].more", "azure_roles[1].scope", "parameters.unused"}
    assert (400, both) == (answer.status, {*paths(answer)})


@pytest.mark.parametrize("broken", [{"scope": "nowhere"}, {"scope": IN_SUB, "condition": "("}, 7])
async def test_a_parameter_is_not_said_to_have_no_hole_while_something_is_unread(broken: Any) -> None:
    """The hole may be there. A hole that no parameter fills is one in any case."""
    body = document({"group": GROUP, "unused": NAME}, f"{IN_SUB}/resourceGroups/{{nope}}", **BOUND)
    body["azure_roles"].append({"role_name": "Reader", **broken} if isinstance(broken, dict) else broken)
    answer = await put(App(world()), ROLES, "web", body)
    assert 400 == answer.status
    assert "azure_roles[0].scope" in paths(answer)
    assert not any(each.startswith("parameters") for each in paths(answer))


async def test_a_definition_has_no_holes() -> None:
    """Neither does its id's scope."""
    body = document({"group": GROUP}, GROUP_SCOPE, **BOUND)
    found = "/providers/Microsoft.Authorization/roleDefinitions/00000003-0000-4000-8000-000000000000"
    body["azure_roles"] = [{"scope": GROUP_SCOPE, "role_id": f"{GROUP_SCOPE}{found}"}]
    answer = await put(App(world()), ROLES, "web", body)
    assert (400, ["azure_roles[0].role_id"]) == (answer.status, paths(answer))


@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        ({"group": {"kind": "resource_group", "allowed": ["app-web", "SHARED"]}}, 200),
        ({"group": {"kind": "resource_group", "allowed": ["app-*"]}}, 200),
        ({"group": {"kind": "resource_group", "allowed": ["app*", "shared"]}}, 403),
        ({"group": {"kind": "resource_group", "allowed": ["app-*", "shared", "data"]}}, 403),
        ({"group": {"kind": "resource_group", "any": True}}, 403),
        (None, 403),
    ],
)
async def test_who_may_not_issue_all_of_a_role_may_narrow_it_and_not_widen_it(parameters: Any, status: int) -> None:
    """A narrower pattern is no escalation. A parameter that goes takes its bounds along."""
    app = furnished({"group": GROUP}, GROUP_SCOPE)
    give(app.world, WATCHER, ("roles/*", "read write"))
    stored = (await get(app, ROLES, "web", token="watcher.token.x")).json
    body = {key: value for key, value in stored.items() if key not in {"name", "warnings"}}
    if parameters is None:
        del body["parameters"]
        body["azure_roles"] = [{"role_name": "Reader", "scope": f"/subscriptions/{SUBSCRIPTION}"}]
    else:
        body["parameters"] = parameters
    answer = await put(app, ROLES, "web", body, token="watcher.token.x")
    assert status == answer.status, answer.json
    if status == 403:
        assert ("escalation", ["parameters"]) == (answer.code, paths(answer))


async def test_a_role_that_loses_its_fact_is_widened() -> None:
    """``from`` dropped counts as a change of who may issue."""
    app = furnished(OWN_GROUP, GROUP_SCOPE)
    give(app.world, WATCHER, ("roles/*", "read write"))
    body = {key: value for key, value in (await get(app, ROLES, "web", token="watcher.token.x")).json.items() if key != "name"}
    del body["parameters"]
    body["azure_roles"] = [{"role_name": "Reader", "scope": f"/subscriptions/{SUBSCRIPTION}"}]
    answer = await put(app, ROLES, "web", body, token="watcher.token.x")
    assert (403, "escalation") == (answer.status, answer.code)


async def test_explain_says_that_an_ask_is_refused_for_its_values() -> None:
    """The gate lets the caller in; the role's bounds do not let the value through."""
    app = furnished({"group": GROUP}, GROUP_SCOPE)
    question = {"role": "web", "claims": {"oid": ALICE.object_id, "appid": ALICE.app_id}}
    for parameters, path in (({"group": "prod"}, "parameters.group"), ({}, "parameters.group"), ({"zz": "x"}, "parameters.zz")):
        answer = await app.call("POST", "/api/v1/explain", token=ADMIN, body={**question, "parameters": parameters})
        assert ("allowed", True) == (answer.json["decision"], any(path in each for each in answer.json["assumed"])), answer.json
    answer = await app.call("POST", "/api/v1/explain", token=ADMIN, body={**question, "parameters": {"group": "app-web"}})
    assert not any("parameters" in each for each in answer.json.get("assumed", ()))


async def test_a_missing_resource_of_a_subscription_is_named() -> None:
    """Its name stands at another place than that of a resource in a group."""
    scope = f"{IN_SUB}/providers/Microsoft.Network/things/{{n}}"
    app = furnished({"n": NAME}, scope)
    app.world.inventory.missing[Scope.parse(scope.replace("{n}", "one"))] = ScopeState.NO_RESOURCE
    answer = await ask(app, {"n": "one"})
    assert (409, "azure_refused", ["parameters.n"]) == (answer.status, answer.code, paths(answer))


@pytest.mark.parametrize("last", ["*", "a#b", "a;b", "{x}", "a'b", "a|b"])
async def test_within_names_nothing_that_no_resource_is_called(last: str) -> None:
    """Azure has no such names, and some of them mean something else to a path."""
    app = App(world(role()))
    answer = await app.call("POST", "/api/v1/roles/web/leases", body={"within": f"{IN_SUB}/resourceGroups/{last}"})
    assert (400, ["within"]) == (answer.status, paths(answer))

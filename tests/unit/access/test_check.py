"""Tests of policies, and ``python -m shared.core.access.check``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shared.core.access.check import check, main
from shared.core.access.documents import asked_for, configuration_of, failing
from shared.core.errors import Fault, Malformed
from shared.core.names import Unparsable
from tests.unit.access.subjects import APP, AWAY, GROUP, HOME, ME, SUB, VM, Json, bound, claims, identity

AUTH_ROLES = {
    "readers": bound(app_roles="x") | {"policies": ["issuers"]},
    "machines": bound(subscription_ids=SUB, resource_groups="app") | {"policies": ["issuers", "no-db"]},
    "places": bound(locations="westeurope") | {"policies": ["audits"]},
    "teams": bound(group_ids=GROUP) | {"policies": ["audits"]},
}
POLICIES = {
    "issuers": {"rules": [{"path": "roles/*/leases", "capabilities": ["issue"]}]},
    "no-db": {"rules": [{"path": "audit", "capabilities": ["read"]}, {"path": "roles/db/leases", "capabilities": ["deny"]}]},
    "audits": {"rules": [{"path": "audit", "capabilities": ["read"]}]},
}
ROLES = {"app": {"type": "anything", "ttl": 5}, "web": bound(service_principal_ids=ME)}
SCOPE, NAMING = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/app", bound(app_roles="x")
ELSEWHERE = identity(VM.replace("app", "x"))
MACHINE = {"claims": claims(), "directory": identity(VM)}
READER = {"claims": claims(roles=["x"])}


def exported(*tests: Any, **more: Any) -> Json:
    """Returns an exported configuration, with these tests."""
    return {"form": 1, "roles": ROLES, "auth_roles": AUTH_ROLES, "policies": POLICIES, "tests": [*tests]} | more


def one(ask: str, expect: str, caller: Json = READER, **more: Any) -> Json:
    """Returns one test."""
    return {"caller": caller, "ask": ask, "expect": expect} | more


def failures(*tests: Any) -> list[tuple[str, str]]:
    """Returns the tests that fail, and why."""
    return [(fault.path, fault.message) for fault in check(exported(*tests), HOME)]


@pytest.mark.parametrize(
    "passing",
    [
        one("issue roles/app/leases", "allowed"),
        one("issue app", "allowed", by="policy issuers"),
        one("issue nowhere", "allowed"),
        one("issue policies", "allowed"),
        one("revoke roles/app/leases", "denied"),
        one("read audit", "denied"),
        one("issue db", "allowed", MACHINE, by="policy issuers") | {"expect": "denied", "by": "policy no-db"},
        one("issue app", "allowed", MACHINE),
        one("read audit", "allowed", MACHINE, by="policy no-db"),
        one("issue web", "allowed", {"claims": claims()}, by="inline bounds of web"),
        one("issue web", "denied", {"claims": claims(oid=SUB)}),
        one("delete policies/x", "allowed", {"claims": claims(roles=["Leasehold.Admin"])}, by="app role Leasehold.Admin"),
        one("list leases/app.1", "allowed", {"claims": claims(roles=["Leasehold.Auditor"])}, by="app role Leasehold.Auditor"),
        one("issue app", "unknown", {"claims": claims(), "directory": None}),
        one("issue app", "unknown", {"claims": claims(), "directory": {}}),
        one("issue app", "denied", {"claims": claims()}),
        one("read audit", "unknown", {"claims": claims(), "directory": ELSEWHERE}),
        one("read audit", "allowed", {"claims": claims(), "directory": ELSEWHERE | {"location": "westeurope"}}),
        one("read audit", "denied", {"claims": claims(), "directory": ELSEWHERE | {"location": None}}),
        one("read audit", "allowed", {"claims": claims(hasgroups=True), "directory": {"groups": [GROUP]}}),
        one("issue app", "denied", {"claims": claims(roles=["x"], tid=AWAY)}),
        one("issue app", "allowed", {"claims": claims(roles=["x"], tid=HOME)}),
    ],
)
def test_a_test_of_policies_that_holds(passing: Json) -> None:
    """And, with any other expectation, fails."""
    wrong = [{**passing, "expect": each} for each in ("allowed", "denied", "unknown") if each != passing["expect"]]
    assert ["tests[1]", "tests[2]"] == [path for path, _ in failures(passing, *wrong)]
    assert ["tests[0]"] == [path for path, _ in failures({**passing, "by": "policy other"})]


@pytest.mark.parametrize(
    ("test", "message"),
    [
        (one("issue app", "denied"), "expected denied, and it is allowed: policy issuers, rule 0, roles/*/leases"),
        (one("read audit", "allowed"), "expected allowed, and it is denied: no policy gives read on audit"),
        (one("issue db", "allowed", MACHINE), "expected allowed, and it is denied: policy no-db, rule 1, roles/db/leases"),
        (
            one("issue app", "allowed", by="policy no-db"),
            "expected allowed by policy no-db, and it is allowed: policy issuers, rule 0, roles/*/leases",
        ),
        (one("issue web", "denied", {"claims": claims()}), "expected denied, and it is allowed: inline bounds of web"),
        (
            one("issue app", "denied", {"claims": claims(roles=["Leasehold.Admin"])}),
            "expected denied, and it is allowed: app role Leasehold.Admin",
        ),
        (
            one("issue app", "allowed", {"claims": claims(), "directory": None}),
            "expected allowed, and it is unknown: auth role machines: the directory could not be asked",
        ),
        (
            one("issue app", "denied", {"claims": {"appid": APP}}),
            "no token of such claims is accepted: The access token does not say who the caller is: it has no oid claim.",
        ),
        (
            one("issue app", "denied", {"claims": claims(tid="x")}),
            "no token of such claims is accepted: the tid claim is no GUID",
        ),
    ],
)
def test_a_test_that_fails_says_which_line_decided(test: Json, message: str) -> None:
    """Its place among the tests is the path."""
    assert [("tests[1]", message)] == failures(one("issue app", "allowed"), test)


@pytest.mark.parametrize(
    ("tests", "paths"),
    [
        ("x", ["tests"]),
        ({}, ["tests"]),
        (0, ["tests"]),
        (False, ["tests"]),
        ("", ["tests"]),
        ([one("issue app", "allowed")] * 1001, ["tests"]),
        ([None], ["tests[0]", "tests[0].caller", "tests[0].caller.claims", "tests[0].ask", "tests[0].expect"]),
        ([{}], ["tests[0].caller", "tests[0].caller.claims", "tests[0].ask", "tests[0].expect"]),
        ([one("issue app", "allowed"), one("issue app", "perhaps")], ["tests[1].expect"]),
        ([one("issue app", "allowed", by=5)], ["tests[0].by"]),
        ([one("issue app", "allowed", note="x")], ["tests[0].note"]),
        ([one("issue app", "allowed", {})], ["tests[0].caller.claims"]),
        ([one("issue app", "allowed", {"claims": []})], ["tests[0].caller.claims"]),
        ([one("issue app", "allowed", READER | {"directory": []})], ["tests[0].caller.directory"]),
        ([one("issue app", "allowed", READER | {"groups": []})], ["tests[0].caller.groups"]),
        ([one("issue app", "allowed", within=each) for each in ("here", 7)], ["tests[0].within", "tests[1].within"]),
        ([one("read policies", "allowed", within=SCOPE)], ["tests[0].within"]),
        ([one("isue app", "allowed"), one("issue", "maybe")], ["tests[0].ask", "tests[1].ask", "tests[1].expect"]),
    ],
)
def test_a_test_that_cannot_be_read_is_a_fault(tests: Any, paths: list[str]) -> None:
    """Then none is run."""
    configuration = configuration_of(AUTH_ROLES, POLICIES, ROLES)
    with pytest.raises(Malformed) as refused:
        list(failing(configuration, tests, HOME))
    assert paths == [fault.path for fault in refused.value.faults]
    assert paths == [fault.path for fault in check(exported(tests=tests), HOME)]


def test_within_changes_no_decision() -> None:
    """It only takes away, and needs no right of its own."""
    assert [] == failures(one("issue app", "allowed", within=SCOPE))
    assert [] == [*check(exported(one("issue app", "allowed", within=SCOPE)), HOME)]


@pytest.mark.parametrize("tests", [None, []])
def test_without_tests_nothing_fails(tests: Any) -> None:
    """They are optional."""
    assert [] == [*failing(configuration_of(AUTH_ROLES, POLICIES, ROLES), tests, HOME)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("issue app", ("roles/app/leases", "issue")),
        ("issue audit", ("roles/audit/leases", "issue")),
        ("issue roles/app/leases", ("roles/app/leases", "issue")),
        ("revoke roles/app/leases", ("roles/app/leases", "revoke")),
        ("list roles", ("roles", "list")),
        ("read policies", ("policies", "read")),
        ("write leases/app.1", ("leases/app.1", "write")),
        ("delete auth-roles/x", ("auth-roles/x", "delete")),
    ],
)
def test_an_ask_is_a_capability_and_a_path(text: str, expected: tuple[str, str]) -> None:
    """``issue NAME`` is short for the leases of a role."""
    assert expected == asked_for(text)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "issue",
            "issue ",
            " issue app",
            "issue  app",
            "app issue",
            "deny audit",
            "Issue app",
            "issue App",
            "issue a b",
        ),
        *("revoke app", "read app", "issue roles/app", "issue leases/app", "read audit/x", "read leases", "write audit"),
        *(
            "issue roles/*/leases",
            "read leases/*",
            "read /audit",
            "read audit/",
            "list ",
            "issue roles//leases",
            "read ..",
            "read .",
        ),
    ],
)
def test_what_no_call_asks_for_cannot_be_asked(text: str) -> None:
    """Otherwise a spelling mistake would be a test that expects a denial, and never fails."""
    with pytest.raises(Unparsable):
        asked_for(text)


_UNKNOWN = "is not a known field"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"next": None}, []),
        ({"form": None}, [("form", "expected 1")]),
        ({"rolls": {}, "things": {}}, [("rolls", _UNKNOWN + "; did you mean roles?"), ("things", _UNKNOWN)]),
        ({"form": 2}, [("form", "expected 1")]),
        ({"form": True}, [("form", "expected 1")]),
        (
            {"roles": [], "auth_roles": None, "policies": "x"},
            [(each, "expected an object") for each in ("policies", "roles", "auth_roles")],
        ),
        (
            {"roles": {"app": bound(group_ids=GROUP) | {"bound_hosts": ["x"], "bound_group_id": [GROUP], "ttl": "x"}}},
            [("roles.app.bound_hosts", _UNKNOWN), ("roles.app.bound_group_id", _UNKNOWN + "; did you mean bound_group_ids?")],
        ),
        (
            {"more": 1, "policies": {"p": {}}, "auth_roles": {}, "tests": [one("issue app", "perhaps")]},
            ["more", "policies.p.rules", "tests[0].expect"],
        ),
        ({"roles": {"app": 5}}, [("roles.app", "expected an object")]),
        ({"roles": {"app": {"bound_app_roles": []}}}, ["roles.app.bound_app_roles"]),
        ({"roles": {"app": bound(tenant_ids=HOME)}}, ["roles.app.bound_tenant_ids"]),
        ({"roles": {"app": bound(tenant_ids=HOME) | {"bound_group_ids": ["x"]}}}, ["roles.app.bound_group_ids[0]"]),
        ({"roles": {"App": bound(tenant_ids=HOME)}}, ["roles.App", "roles.App.bound_tenant_ids"]),
        ({"auth_roles": {"a": NAMING | {"policies": ["gone"]}}}, [("auth_roles.a.policies[0]", "there is no policy gone")]),
        (
            {"auth_roles": {"a": {"policies": ["gone", [], "issuers"]}}},
            ["auth_roles.a.policies[1]", "auth_roles.a", "auth_roles.a.policies[0]"],
        ),
        (
            {"auth_roles": {"A b": {}}, "policies": {"": {}}},
            ["auth_roles.A b", "auth_roles.A b", "policies.", "policies..rules"],
        ),
        (
            {"policies": POLICIES | {"x": {"rules": [{"path": "rols", "capabilities": ["raed"]}]}}},
            ["policies.x.rules[0].capabilities[0]", "policies.x.rules[0].path"],
        ),
        ({"policies": POLICIES | {"x": None}}, ["policies.x", "policies.x.rules"]),
    ],
)
def test_every_fault_of_every_document_is_found(changes: Json, expected: list[Any]) -> None:
    """Then no test is run: the one that would fail is not reported."""
    found = [(fault.path, fault.message) for fault in check(exported(one("issue app", "unknown"), **changes), HOME)]
    failed = [("tests[0]", "expected unknown, and it is allowed: policy issuers, rule 0, roles/*/leases")]
    paths = [path for path, _ in found]
    assert (expected or failed) == (paths if expected and isinstance(expected[0], str) else found)


def test_sections_may_be_absent() -> None:
    """Without policies, whether one is there cannot be told. Nothing else than an object of the form is a configuration."""
    assert [] == [*check({"form": 1, "auth_roles": AUTH_ROLES}, HOME)]
    assert [] == [*check({"form": 1}, HOME)]
    assert [Fault("form", "is required")] == [*check({}, HOME)]
    assert [Fault("", "expected an object")] == [*check([], HOME)]


def test_a_page_of_an_export_is_checked_as_well() -> None:
    """Policies that its auth roles name may be on another page."""
    page = {"form": 1, "partial": True, "next": "policies/x", "auth_roles": AUTH_ROLES, "policies": {}}
    assert [] == [*check(page, HOME)]
    assert [] == [*check(page | {"next": None}, HOME)]
    assert ["partial"] == [fault.path for fault in check(page | {"partial": "yes", "next": None, "auth_roles": {}}, HOME)]


def run(path: Path, *arguments: str) -> tuple[int, list[str]]:
    """Runs the command as a pipeline does."""
    command = [sys.executable, "-m", "shared.core.access.check", str(path), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.splitlines()


def test_a_pipeline_reads_the_exit_code_and_each_fault(tmp_path: Path) -> None:
    """0 without a fault, 1 with any, 2 if it is called wrongly."""
    file = tmp_path / "access.json"
    file.write_text(json.dumps(exported(one("issue app", "allowed"), one("issue web", "allowed"))), "utf-8")
    assert (0, ["2 tests, 0 failures"]) == run(file)
    file.write_text(json.dumps(exported(one("issue app", "denied"))), "utf-8")
    decided = "policy issuers, rule 0, roles/*/leases"
    assert (1, [f"tests[0]: expected denied, and it is allowed: {decided}"]) == run(file)
    assert 2 == run(file, "--wrong")[0]


@pytest.mark.parametrize("content", ["", "{", "\ud800", "[" * 100_000, "5", "null"])
def test_a_file_that_is_no_configuration_is_a_fault(content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Damaged text, text of another encoding, JSON that is too deep, and what is no object."""
    file = tmp_path / "access.json"
    file.write_bytes(content.encode("utf-8", "surrogatepass"))
    assert 1 == main([str(file)])
    assert 1 == len(capsys.readouterr().out.splitlines())


def test_a_file_that_is_not_there_and_a_tenant_that_is_none_are_faults(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each has a sentence."""
    file = tmp_path / "access.json"
    assert 1 == main([str(file)])
    file.write_text('{"form": 1}', "utf-8")
    assert 1 == main([str(file), "--tenant", "home"])
    assert 0 == main([str(file)])
    missing, tenant, passed = capsys.readouterr().out.splitlines()
    assert ("No such file" in missing, "expected a GUID" in tenant, passed) == (True, True, "0 tests, 0 failures")


def test_the_tenant_of_the_broker_may_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For tests whose claims have a tid. Bounds are then checked against it as well."""
    file = tmp_path / "access.json"
    file.write_text(json.dumps(exported(one("issue app", "allowed", {"claims": claims(roles=["x"], tid=AWAY)}))), "utf-8")
    assert [1, 0] == [main([str(file)]), main([str(file), "--tenant", AWAY.upper()])]
    foreign = {
        "form": 1,
        "auth_roles": {"a": bound(tenant_ids=HOME, resource_groups="app")},
        "roles": {"r": bound(tenant_ids=HOME, locations="x")},
    }
    file.write_text(json.dumps(foreign), "utf-8")
    capsys.readouterr()
    assert [0, 1, 0] == [main([str(file)]), main([str(file), "--tenant", AWAY]), main([str(file), "--tenant", HOME])]
    lines = capsys.readouterr().out.splitlines()[1:3]
    assert ["roles.r.bound_locations", "auth_roles.a.bound_resource_groups"] == [line.partition(":")[0] for line in lines]


TEAMS = {
    "policies": POLICIES
    | {
        "issuers": {
            "rules": [
                {"path": "roles/app/leases", "capabilities": ["issue"], "parameters": {"group": ["team-a-*", "shared"]}},
                {"path": "roles/web/leases", "capabilities": ["deny"], "parameters": {"group": ["PROD-*"]}},
            ]
        }
    }
}


@pytest.mark.parametrize(
    ("asked", "expect", "message"),
    [
        ({"group": "team-a-web"}, "allowed", ""),
        ({"group": "team-b-web"}, "allowed", "policy issuers, rule 0: group wants team-a-*, shared, has team-b-web"),
        ({}, "allowed", "policy issuers, rule 0: group wants team-a-*, shared, has none"),
        (None, "denied", ""),
    ],
)
def test_a_test_may_have_the_parameters_of_an_ask(asked: Json | None, expect: str, message: str) -> None:
    """Without the field the ask has none. A test that fails says which parameter kept a rule from the ask."""
    test = one("issue app", expect) | ({"parameters": asked} if asked is not None else {})
    denied = "expected allowed, and it is denied: not matched: no_bounds; "
    wanted = [("tests[0]", denied + message)] if message else []
    assert wanted == [(fault.path, fault.message) for fault in check(exported(test, **TEAMS), HOME)]


def test_a_deny_with_parameters_is_named_by_a_test() -> None:
    """It wins over the role's own bounds."""
    both = {"claims": claims(roles=["x"])}
    tests = (
        one("issue web", "denied", both, by="policy issuers", parameters={"group": "prod-1"}),
        one("issue web", "allowed", both, by="inline bounds of web", parameters={"group": "test-1"}),
        one("issue web", "allowed", both, by="inline bounds of web"),
    )
    assert [] == [*check(exported(*tests, **TEAMS), HOME)]


@pytest.mark.parametrize(
    ("ask", "asked", "paths"),
    [
        ("read audit", {"group": "x"}, ["parameters"]),
        ("read audit", {}, ["parameters"]),
        ("issue app", None, ["parameters"]),
        ("issue app", ["x"], ["parameters"]),
        ("issue app", {f"p{n}": "x" for n in range(9)}, ["parameters"]),
        ("issue app", {"Group": "x"}, ["parameters.Group"]),
        ("issue app", {"a": 5, "b": None, "c": ["x"], "d": ""}, [f"parameters.{name}" for name in "abcd"]),
        ("issue app", {"a": "team-*", "b": "e\u0301", "c": "x" * 261}, [f"parameters.{name}" for name in "abc"]),
    ],
)
def test_parameters_that_no_ask_has_are_a_fault_of_the_test(ask: str, asked: Any, paths: list[str]) -> None:
    """They stand beside an ask to issue alone."""
    found = check(exported(one(ask, "denied", parameters=asked)), HOME)
    assert [f"tests[0].{path}" for path in paths] == [fault.path for fault in found]

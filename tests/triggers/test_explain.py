"""``POST /api/v1/explain``: what it takes, what it answers, and what is recorded."""

from __future__ import annotations

from typing import Any

import pytest

from shared.core.errors import Unavailable, Unreachable
from tests.fakes.world import ADMINISTRATOR, ALICE, BOB, GROUPS, TENANT, guid
from tests.support.rights import give, keep_auth_role, keep_policy
from tests.triggers.app import Answer, App
from tests.triggers.documents import ADMIN

SUBJECT = guid(0x500)
VM = f"/subscriptions/{guid(0x22)}/resourceGroups/app/providers/Microsoft.Compute/virtualMachines/vm1"
CLAIMS = {"oid": SUBJECT, "appid": guid(0x501)}


async def explain(app: App, body: Any, token: str = ADMIN) -> Answer:
    """The answer."""
    return await app.call("POST", "/api/v1/explain", token=token, body=body)


async def test_an_answer_has_the_decision_and_what_led_to_it(app: App) -> None:
    """Every field. What has decided is a rule, by its place in its policy."""
    keep_policy(app.world, "machines", ("status", "read"), ("roles/w*/leases", "issue revoke"))
    keep_auth_role(app.world, "one", "machines", bound_resource_ids=[VM])
    keep_auth_role(app.world, "staff", bound_group_ids=[GROUPS[1], GROUPS[0]])
    app.world.callers.place(SUBJECT, VM)
    answer = await explain(app, {"role": "web", "object_id": SUBJECT.upper()})
    wanted = [str(GROUPS[0]), str(GROUPS[1])]
    assert 200 == answer.status
    assert {
        "decision": "allowed",
        "decided_by": {"policy": "machines", "rule": 1, "path": "roles/w*/leases", "capability": "issue"},
        "auth_roles": [
            {"name": "one", "outcome": "matched", "failed": []},
            {
                "name": "staff",
                "outcome": "not matched",
                "failed": [{"kind": "bound_group_ids", "wanted": wanted, "has": []}],
            },
        ],
        "inline": {
            "outcome": "not matched",
            "failed": [
                {
                    "kind": "bound_service_principal_ids",
                    "wanted": sorted([ALICE.object_id, BOB.object_id]),
                    "has": [SUBJECT],
                }
            ],
        },
        "assumed": [
            "the token is taken to be of the broker's own tenant, and in time",
            "groups and app roles are those of the directory now, whether or not a token names them",
        ],
    } == answer.json


async def test_an_answer_to_claims_assumes_nothing(app: App) -> None:
    """The role's own bounds decide here."""
    answer = await explain(app, {"ask": "issue web", "claims": {"oid": ALICE.object_id, "appid": ALICE.app_id}})
    assert {
        "decision": "allowed",
        "decided_by": {"inline": "web"},
        "auth_roles": [],
        "inline": {"outcome": "matched", "failed": []},
    } == answer.json


async def test_an_app_role_decides(app: App) -> None:
    """Of an administrator nothing is looked up."""
    answer = await explain(app, {"ask": "write sweep", "claims": {**CLAIMS, "roles": ["Leasehold.Admin"]}})
    assert {"decision": "allowed", "decided_by": {"app_role": "Leasehold.Admin"}, "auth_roles": []} == answer.json


async def test_what_is_unknown_says_why(app: App) -> None:
    """For the decision, for each auth role, and for the role's bounds."""
    keep_policy(app.world, "machines", ("roles/web/leases", "issue"))
    keep_auth_role(app.world, "one", "machines", bound_resource_ids=[VM])
    answer = await explain(app, {"role": "web", "claims": CLAIMS, "directory": None})
    why = "the directory could not be asked"
    assert ("unknown", None, f"auth role one: {why}") == (
        *(answer.json["decision"], answer.json["decided_by"]),
        answer.json["why"],
    )
    assert [{"name": "one", "outcome": "unknown", "failed": [], "why": why}] == answer.json["auth_roles"]


async def test_a_deny_decides_by_its_rule(app: App) -> None:
    """And the answer names it."""
    give(app.world, ALICE, ("roles/*/leases", "issue"), ("roles/w*/leases", "deny"))
    answer = await explain(app, {"role": "web", "claims": {"oid": ALICE.object_id, "appid": ALICE.app_id}})
    assert ("denied", {"policy": "own", "rule": 1, "path": "roles/w*/leases", "capability": "deny"}) == (
        answer.json["decision"],
        answer.json["decided_by"],
    )
    assert "policy own denies roles/w*/leases" == answer.json["why"]


@pytest.mark.parametrize(
    ("directory", "expected"),
    [
        ({}, "unknown"),
        ({"servicePrincipalType": None}, "denied"),
        ({"servicePrincipalType": "Application", "alternativeNames": [VM]}, "denied"),
        ({"servicePrincipalType": "ManagedIdentity", "alternativeNames": [VM]}, "allowed"),
        ({"servicePrincipalType": "ManagedIdentity", "alternativeNames": [VM.replace("/app/", "/app-2/")]}, "denied"),
        (None, "unknown"),
    ],
)
async def test_the_directory_of_a_question_is_believed(app: App, directory: Any, expected: str) -> None:
    """Whatever the directory itself would say: nobody asks it."""
    keep_policy(app.world, "machines", ("roles/web/leases", "issue"))
    keep_auth_role(app.world, "one", "machines", bound_resource_ids=[VM])
    app.world.callers.place(SUBJECT, VM)
    answer = await explain(app, {"role": "web", "claims": CLAIMS, "directory": directory})
    assert (expected, []) == (answer.json["decision"], [each for each in app.world.calls.names() if each.startswith("graph")])
    assert "allowed" == (await explain(app, {"role": "web", "claims": CLAIMS})).json["decision"]


EITHER, WHOM = "expected exactly one of role and ask", "expected exactly one of object_id and claims"


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({}, [("", EITHER), ("", WHOM)]),
        ({"role": "web", "ask": "issue web", "object_id": SUBJECT, "claims": CLAIMS}, [("", EITHER), ("", WHOM)]),
        (
            {"role": "Web", "object_id": "me", "directory": {}, "colour": "red"},
            [
                ("role", "a role name is 1 to 63 characters of a-z, 0-9 and '-', beginning with a letter or digit"),
                ("object_id", "expected a GUID"),
                ("directory", "stands beside claims alone"),
                ("colour", "is not a known field"),
            ],
        ),
        ({"role": 7, "claims": []}, [("role", "expected a text"), ("claims", "expected an object")]),
        ({"role": "web", "claims": None}, [("claims", "expected an object")]),
        ({"role": "web", "claims": CLAIMS, "directory": []}, [("directory", "expected an object or null")]),
        (
            {"ask": "dance web", "claims": CLAIMS},
            [("ask", "expected a capability (issue, renew, read, list, revoke, write, delete), a blank and a path")],
        ),
        (
            {"ask": "issue roles/web", "claims": CLAIMS},
            [("ask", "no call asks for issue on roles/web, but for read, write, delete")],
        ),
        ({"ask": "read roles/*", "claims": CLAIMS}, [("ask", "a call has a path without stars")]),
        ({"ask": "read nowhere", "claims": CLAIMS}, [("ask", "no call asks for read on nowhere: it is no call's path")]),
        ({"role": "web", "claims": {}}, [("claims", "no token of such claims is accepted: ")]),
    ],
)
async def test_every_fault_of_a_question_is_answered_at_once(app: App, body: Any, faults: list[tuple[str, str]]) -> None:
    """Each with its path and what to write. Nothing is looked up for such a question."""
    answer = await explain(app, body)
    assert (400, "malformed") == (answer.status, answer.code)
    found = [(each["path"], each["message"]) for each in answer.json["errors"]]
    assert [path for path, _ in faults] == [path for path, _ in found]
    assert [] == [
        (message, wanted) for (_, wanted), (_, message) in zip(faults, found, strict=True) if not message.startswith(wanted)
    ]
    assert [] == app.world.calls.named("graph.subject")


@pytest.mark.parametrize("body", [b"", b"{", [], "web"])
async def test_a_question_is_an_object(app: App, body: Any) -> None:
    """Anything else is refused."""
    assert 400 == (await explain(app, body)).status


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"role": "nope", "claims": CLAIMS}, "role_not_found"),
        ({"ask": "issue roles/NOPE/leases", "claims": CLAIMS}, "role_not_found"),
        ({"role": "web", "object_id": SUBJECT}, "subject_not_found"),
        ({"role": "nope", "object_id": SUBJECT}, "role_not_found"),
    ],
)
async def test_what_is_not_there_is_not_found(app: App, body: Any, code: str) -> None:
    """The refusal is recorded, with the question."""
    answer = await explain(app, body)
    assert (404, code) == (answer.status, answer.code)
    (event,) = app.world.audit.events
    assert ("explain", "refused", code, ADMINISTRATOR) == (event.operation, event.outcome, event.code, event.caller)
    subject = f" for {SUBJECT}" if code == "subject_not_found" else ""
    name = body.get("role", "NOPE")
    assert f"issue roles/{name}/leases{subject}" == event.reason


async def test_a_directory_in_trouble_is_no_missing_subject(app: App) -> None:
    """502, 503 or 504, and a later attempt may succeed."""
    app.world.callers.place(SUBJECT, VM)
    body = {"role": "web", "object_id": SUBJECT}
    app.world.calls.fail("graph.subject", Unreachable("nobody answers"))
    assert 504 == (await explain(app, body)).status
    app.world.calls.fail("graph.subject", Unavailable("it failed", status=500))
    assert (await explain(app, body)).status in {502, 503}
    assert 200 == (await explain(app, body)).status


async def test_asker_and_subject_stand_in_the_audit_trail(app: App) -> None:
    """An auditor finds the question by who asked, with what let the asker in."""
    give(app.world, BOB, ("policies", "read"), name="operators")
    assert 200 == (await explain(app, {"role": "web", "claims": CLAIMS}, token="bob.token.x")).status
    query: dict[str, str] = {"caller": BOB.object_id}
    app.world.clock.jump(1)
    (event,) = (await app.call("GET", "/api/v1/audit", token="watcher.token.x", query=query)).json["events"]
    assert ("explain", "done", "web", f"issue roles/web/leases for {SUBJECT} of {TENANT}: denied") == (
        *(event["operation"], event["outcome"]),
        *(event["role"], event["reason"]),
    )
    assert {"policy": "operators", "rule": 0, "path": "policies", "capability": "read"} == event["decided_by"]


@pytest.mark.parametrize("token", ["alice.token.x", "watcher.token.x"])
async def test_whoever_may_not_read_policies_is_told_nothing(app: App, token: str) -> None:
    """Not even whether the body is well formed, or the role is there."""
    answers = [await explain(app, body, token) for body in ({"role": "web", "claims": CLAIMS}, {"role": "nope"}, {})]
    assert {(403, "forbidden")} == {(each.status, each.code) for each in answers}
    assert 1 == len({each.without_request_id() for each in answers})
    assert {"refused"} == {event.outcome for event in app.world.audit.events}


async def test_auth_roles_beyond_a_hundred_are_counted(app: App) -> None:
    """The answer says how many are left out."""
    for number in range(100):
        keep_auth_role(app.world, f"a{number:03}", bound_group_ids=[GROUPS[0]])
    body = {"role": "web", "claims": CLAIMS}
    found = (await explain(app, body)).json
    assert (100, "none") == (len(found["auth_roles"]), found.get("left_out", "none"))
    keep_auth_role(app.world, "zz", bound_service_principal_ids=[SUBJECT])
    await app.world.access.touch()
    found = (await explain(app, body)).json
    assert (100, 1, "zz") == (len(found["auth_roles"]), found["left_out"], found["auth_roles"][0]["name"])


async def test_no_claim_is_recorded_or_logged(app: App, caplog: pytest.LogCaptureFixture) -> None:
    """Only who the claims are about."""
    caplog.set_level("DEBUG")
    claims = {**CLAIMS, "preferred_username": "somebody@example.com", "groups": [GROUPS[0]]}
    await explain(app, {"role": "web", "claims": claims})
    await explain(app, {"role": "nope", "claims": claims})
    written = caplog.text + repr(app.world.audit.events)
    assert (False, False) == ("somebody" in written, GROUPS[0] in written)


TEAMS: dict[str, Any] = {
    "rules": [
        {"path": "roles/w*/leases", "capabilities": ["issue"], "parameters": {"group": ["team-a-*"]}},
        {"path": "roles/web/leases", "capabilities": ["deny"], "parameters": {"group": ["team-a-prod", "team-a-old"]}},
    ]
}


@pytest.mark.parametrize(
    ("parameters", "decided", "others"),
    [
        ({"group": "team-a-web"}, ("allowed", 0), [(1, "deny", "team-a-web")]),
        ({"group": "TEAM-A-PROD"}, ("denied", 1), [(0, "issue", "TEAM-A-PROD")]),
        ({"group": "team-b"}, ("denied", None), [(0, "issue", "team-b"), (1, "deny", "team-b")]),
        ({}, ("denied", None), [(0, "issue", None), (1, "deny", None)]),
        (None, ("denied", None), [(0, "issue", None), (1, "deny", None)]),
    ],
)
async def test_a_question_may_have_the_parameters_of_an_ask(
    app: App, parameters: Any, decided: tuple[str, int | None], others: list[tuple[int, str, str | None]]
) -> None:
    """The answer has each rule that speaks of asks with other values, and why."""
    app.world.access.policies.keep_document("teams", TEAMS)
    keep_auth_role(app.world, "teams", "teams", bound_service_principal_ids=[SUBJECT])
    asked = {"parameters": parameters} if parameters is not None else {}
    found = (await explain(app, {"role": "web", "claims": CLAIMS, **asked})).json
    ground = found["decided_by"]
    assert decided == (found["decision"], ground and ground["rule"])
    assert others == [
        (each["rule"]["rule"], each["rule"]["capability"], failed.get("has"))
        for each in found["passed_over"]
        for failed in each["failed"]
    ]
    wanted = [failed["wanted"] for each in found["passed_over"] for failed in each["failed"] if each["rule"]["rule"] == 1]
    assert all(each == ["team-a-prod", "team-a-old"] for each in wanted)


async def test_a_reason_says_which_parameter_does_not_match(app: App) -> None:
    """In a sentence as well."""
    app.world.access.policies.keep_document("teams", TEAMS)
    keep_auth_role(app.world, "teams", "teams", bound_service_principal_ids=[SUBJECT])
    found = (await explain(app, {"role": "web", "claims": CLAIMS, "parameters": {"group": "x"}})).json
    assert found["why"].endswith("policy teams, rule 0: group wants team-a-*, has x")


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"ask": "read audit", "parameters": {"group": "x"}}, "parameters"),
        ({"ask": "revoke roles/web/leases", "parameters": {}}, "parameters"),
        ({"role": "web", "parameters": None}, "parameters"),
        ({"role": "web", "parameters": {"group": "team-*"}}, "parameters.group"),
        ({"role": "web", "parameters": {"Group": "x"}}, "parameters.Group"),
    ],
)
async def test_parameters_stand_beside_an_ask_to_issue_alone(app: App, body: Any, path: str) -> None:
    """And are texts that an ask may have."""
    answer = await explain(app, {**body, "claims": CLAIMS})
    assert (400, [path]) == (answer.status, [each["path"] for each in answer.json["errors"]])

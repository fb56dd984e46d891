"""Faults of an imported configuration: all of them are answered at once, each with its path."""

from __future__ import annotations

from typing import Any

import pytest

from shared.core.limits import Limits
from tests.fakes.world import SCOPES, guid, world
from tests.triggers.app import App
from tests.triggers.documents import PRINCIPALS, READERS, SECRET, STAFF
from tests.triggers.transferring import changes, configuration, imported


async def test_every_fault_of_every_document_is_answered_at_once(empty: App) -> None:
    """Each by its path in the configuration; nothing is written, and Azure is asked nothing."""
    document = configuration(
        policies={
            "readers": {"rules": [{"path": "rolls/x", "capabilities": ["read"]}]},
            "Bad": READERS,
            "Both Bad": {"rules": [{"path": "audit", "capabilities": ["reed"]}]},
            "big": {"x": "y" * 70000},
        },
        roles={
            "web": {**PRINCIPALS, "ttl": 1},
            "No": {**PRINCIPALS, "ttl": 2},
            "far": {**SECRET, "bound_tenant_ids": [guid(0x77)], "bound_app_roles": ["x"]},
        },
        auth_roles={"staff": {**STAFF, "policies": ["readers", "nope"]}, "none": {}, "": {}},
        tests=[{"caller": {"claims": {}}, "ask": "dance", "expect": "allowed"}],
    )
    answer = await imported(empty, document)
    assert (400, "malformed") == (answer.status, answer.code)
    assert {
        *(
            "policies.readers.rules[0].path",
            "policies.Bad",
            "policies.Both Bad",
            "policies.Both Bad.rules[0].capabilities[0]",
            "policies.big",
            "policies.big.rules",
            "policies.big.x",
        ),
        *(
            "roles.No",
            "roles.No.ttl",
            "auth_roles.",
            "roles.web.ttl",
            "roles.far.bound_tenant_ids",
            "auth_roles.staff.policies[1]",
            "auth_roles.none",
            "tests[0].ask",
        ),
    } == {each["path"] for each in answer.json["errors"]}
    assert [] == [call.name for call in empty.world.calls.made if call.service in {"authorization", "directory"}]
    assert [] == changes(empty.world)


async def test_a_fault_of_the_frame_hides_no_fault_of_a_document(empty: App) -> None:
    """The faults of documents, of tests, of the frame and of the call are answered together."""
    document = {
        "form": 2,
        "colour": "red",
        "partial": True,
        "policies": {"readers": {"rules": []}},
        "roles": {"web": {**PRINCIPALS, "ttl": 1}},
        "auth_roles": {"staff": {**STAFF, "policies": ["nope"]}},
        "tests": [{"caller": {"claims": {}}, "ask": "dance", "expect": "allowed"}],
    }
    answer = await imported(empty, document, prune="true")
    expected = {
        "form",
        "colour",
        "prune",
        "policies.readers.rules",
        "roles.web.ttl",
        "auth_roles.staff.policies[0]",
        "tests[0].ask",
    }
    assert expected == {each["path"] for each in answer.json["errors"]}


async def test_policies_that_cannot_be_read_are_not_missed(empty: App) -> None:
    """Nobody can tell whether an auth role names one that is not there."""
    answer = await imported(empty, configuration(policies=[], auth_roles={"staff": {**STAFF, "policies": ["p"]}}))
    assert (400, ["policies"]) == (answer.status, [each["path"] for each in answer.json["errors"]])


async def test_a_lifetime_above_the_setting_is_a_fault_as_well() -> None:
    """As in a PUT of the role."""
    app = App(world(limits=Limits(max_ttl=3600)))
    answer = await imported(app, configuration(roles={"web": {**SECRET, "ttl": 4000, "max_ttl": 5000}}))
    assert (400, ["roles.web.ttl", "roles.web.max_ttl"]) == (answer.status, [each["path"] for each in answer.json["errors"]])


async def test_what_azure_refuses_is_a_fault_as_well(empty: App) -> None:
    """Of each role, by its path; nothing is written."""
    azure_roles = [{"role_name": "Raeder", "scope": SCOPES[0]}]
    document = configuration(
        roles={name: {**PRINCIPALS, "azure_roles": azure_roles} for name in ("a", "b")}, policies={"p": READERS}
    )
    answer = await imported(empty, document)
    assert (400, ["roles.a.azure_roles[0].role_name", "roles.b.azure_roles[0].role_name"], []) == (
        answer.status,
        [each["path"] for each in answer.json["errors"]],
        changes(empty.world),
    )


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ([], ""),
        ({}, "form"),
        ({"form": 2}, "form"),
        ({"form": True}, "form"),
        ({"form": 1, "roles": []}, "roles"),
        ({"form": 1, "tests": {}}, "tests"),
        ({"form": 1, "colour": "red"}, "colour"),
        ({"form": 1, "partial": "yes"}, "partial"),
    ],
)
async def test_a_document_of_another_form_is_refused(empty: App, document: Any, path: str) -> None:
    """With the path of the fault."""
    answer = await imported(empty, document)
    assert (400, path) == (answer.status, answer.json["errors"][0]["path"])

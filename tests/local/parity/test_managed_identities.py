"""Managed identities' service principals, and lists of groups, as Azure's directory was seen to show them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from local.cloud.control import provision
from tests.local.graph.calls import Tenant
from tests.local.parity.graph_fixtures import SINCE
from tests.local.parity.records import FOLDER, compare_shape

_FLOWS = FOLDER / "flows_graph_arm.json"
_LISTS = ("flows_graph_arm", "graph_groups", "graph_users")


def _recorded() -> list[Any]:
    """Every managed identity in the recorded sessions, once, with the day of its recording."""
    if not _FLOWS.exists():
        return [pytest.param({}, "", marks=pytest.mark.skip(reason="no recordings of flows_graph_arm"), id="absent")]
    found = {}
    for flow in json.loads(_FLOWS.read_text(encoding="utf-8")):
        for exchange in flow["exchanges"]:
            for each in _objects(exchange["response_body"]):
                if each.get("servicePrincipalType") == "ManagedIdentity":
                    found[each["id"]] = pytest.param(each, each["createdDateTime"][:10], id=each["displayName"])
    return list(found.values())


def _objects(body: Any) -> Iterator[dict[str, Any]]:
    if isinstance(body, dict):
        yield body
    for each in body.values() if isinstance(body, dict) else body if isinstance(body, list) else ():
        yield from _objects(each)


def _group_lists() -> list[Any]:
    """Every recorded answer to ``getMemberGroups``."""
    found: list[Any] = []
    for topic in _LISTS:
        file = FOLDER / f"{topic}.json"
        if not file.exists():
            return [pytest.param({}, marks=pytest.mark.skip(reason=f"no recordings of {topic}"), id="absent")]
        for each in _objects(json.loads(file.read_text(encoding="utf-8"))):
            if str(each.get("url")).endswith("/getMemberGroups"):
                found.append(pytest.param(each, id=f"{topic} {len(found)}"))
    return found


@pytest.mark.parametrize(("recorded", "day"), _recorded())
def test_a_managed_identity_is_shown_as_recorded(recorded: dict[str, Any], day: str) -> None:
    """Two alternative names: whether it is user-assigned, and its resource, with the word ``resourcegroups`` in lower case."""
    tenant = Tenant()
    explicit, shown = recorded["alternativeNames"]
    resource = shown.replace("/resourcegroups/", "/resourceGroups/")
    made = provision.managed_identity(
        tenant.world, recorded["displayName"], resource, system_assigned=explicit == "isExplicit=False"
    )

    body = tenant.client("Application.Read.All").get(f"/servicePrincipals/{made.id}").body

    computed = ("alternativeNames", "displayName", "servicePrincipalType", "tags", "appRoles", "passwordCredentials")
    assert {name: recorded[name] for name in computed} == {name: body[name] for name in computed}
    later = [name for name, since in SINCE.items() if day < since]
    assert [] == compare_shape(recorded, body, ignore=["@odata.type", "@odata.context", *later])


@pytest.mark.parametrize("record", _group_lists())
def test_groups_are_listed_as_recorded(record: dict[str, Any]) -> None:
    """Ids alone, in the shape of the recording."""
    tenant = Tenant()
    user = tenant.user()
    for number in range(len(record["response_body"]["value"])):
        tenant.group(f"group {number}", (user.id,))

    reply = tenant.client("Directory.Read.All").post(f"/users/{user.id}/getMemberGroups", record["request_body"])

    assert (record["status"], record["response_body"]["@odata.context"]) == (reply.status, reply.body["@odata.context"])
    assert len(record["response_body"]["value"]) == len(reply.body["value"])
    assert [] == compare_shape(record["response_body"], reply.body)

"""System topics: what they tell of changes to resources."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.cloud.engine.http import Json
from tests.local.arm.calls import CONTRIBUTOR, GROUP, OWNER, READER, ROOT, SUBSCRIPTION, TENANT, VERSION, assignment
from tests.local.event_grid.calls import Events

SITE = f"{GROUP}/providers/Microsoft.Web/sites/web"
OBJECT_ID = "http://schemas.microsoft.com/identity/claims/objectidentifier"
TENANT_ID = "http://schemas.microsoft.com/identity/claims/tenantid"
BODY = {"location": "westeurope"}


def _types(events: Events, topic: str = "audit") -> list[tuple[str, str]]:
    found = [each["event"] for each in events.shown(topic)]
    return [(each["eventType"].removeprefix("Microsoft.Resources.Resource"), each["subject"]) for each in found]


def _last(events: Events) -> Json:
    found: Json = events.shown("audit")[-1]["event"]
    return found


def test_a_write_is_told_in_the_documented_schema(events: Events) -> None:
    """With who did it, by which right. Of the request that makes a resource nothing is told."""
    events.topic("audit", "system", source=GROUP)
    events.azure.call("PUT", SITE, BODY)
    event = _last(events)
    data = event["data"]
    assert {"id", "topic", "subject", "eventType", "eventTime", "data", "dataVersion", "metadataVersion"} == event.keys()
    assert (GROUP, SITE, "Microsoft.Resources.ResourceWriteSuccess", "2027-01-15T08:00:00.2500000Z", "2", "1") == (
        *(event[name] for name in ("topic", "subject", "eventType", "eventTime", "dataVersion", "metadataVersion")),
    )
    action = "Microsoft.Web/sites/write"
    expected = {
        "resourceProvider": "Microsoft.Web",
        "resourceUri": SITE,
        "operationName": action,
        "status": "Succeeded",
        "subscriptionId": SUBSCRIPTION,
        "tenantId": TENANT,
    }
    assert expected == {name: data[name] for name in expected}
    assert {*expected, "authorization", "claims", "correlationId"} == data.keys()
    assert (SITE, action) == (data["authorization"]["scope"], data["authorization"]["action"])
    assert ("Owner", ROOT, "ServicePrincipal", events.azure.owner.replace("-", ""), OWNER.replace("-", "")) == tuple(
        data["authorization"]["evidence"][name]
        for name in ("role", "roleAssignmentScope", "principalType", "principalId", "roleDefinitionId")
    )


def test_a_change_and_a_deletion_tell_of_the_request(events: Events) -> None:
    """With the caller's address."""
    events.topic("audit", "system")
    events.azure.call("PUT", SITE, BODY)
    headers = {"authorization": f"Bearer {events.azure.token(events.azure.owner)}", "x-ms-client-request-id": "mine"}
    for method in ("PUT", "DELETE"):
        events.azure.send(method, SITE, BODY, headers, {"api-version": VERSION})
        request = {
            "clientRequestId": "mine",
            "clientIpAddress": "127.0.0.1",
            "method": method,
            "url": f"https://arm.local:8443{SITE}?api-version={VERSION}",
        }
        assert request == _last(events)["data"]["httpRequest"]
    assert [("WriteSuccess", SITE), ("WriteSuccess", SITE), ("DeleteSuccess", SITE)] == _types(events)


def test_a_patch_is_a_write(events: Events) -> None:
    """As PUT is."""
    events.azure.call("PUT", SITE, BODY)
    events.topic("audit", "system")
    events.azure.call("PATCH", SITE, {"tags": {"a": "b"}})
    assert [("WriteSuccess", SITE)] == _types(events)


def test_the_callers_claims_are_told_by_their_long_names(events: Events) -> None:
    """All values are texts; others keep their short ones."""
    events.topic("audit", "system")
    caller = events.azure.principal()
    events.azure.grant(caller, CONTRIBUTOR, GROUP)
    rest: dict[str, Any] = {
        "groups": ["a", "b"],
        "_claim_names": {"groups": "src1"},
        "amr": ["pwd", "mfa"],
        "ipaddr": "192.0.2.7",
    }
    headers = {"authorization": f"Bearer {events.azure.token(caller, tid=TENANT, **rest)}"}
    events.azure.send("PUT", SITE, BODY, headers, {"api-version": VERSION})
    claims = _last(events)["data"]["claims"]
    expected = {
        OBJECT_ID: caller,
        TENANT_ID: TENANT,
        "appid": f"app-of-{caller}",
        "ver": "1.0",
        "groups": "a,b",
        "_claim_names": json.dumps({"groups": "src1"}, separators=(",", ":")),
        "http://schemas.microsoft.com/claims/authnmethodsreferences": "pwd,mfa",
        "ipaddr": "192.0.2.7",
        "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier": caller,
    }
    assert expected == {name: claims[name] for name in expected}
    assert {"oid", "tid", "sub"}.isdisjoint(claims)
    assert all(isinstance(value, str) for value in claims.values())


@pytest.mark.parametrize("given", [None, "3f1f1f1f-0000-4000-8000-000000000007"])
def test_the_correlation_id_is_the_answers(events: Events, given: str | None) -> None:
    """The caller's own, if it has one."""
    events.topic("audit", "system")
    correlation = {} if given is None else {"x-ms-correlation-request-id": given}
    headers = {"authorization": f"Bearer {events.azure.token(events.azure.owner)}", **correlation}
    answer = events.azure.send("PUT", SITE, BODY, headers, {"api-version": VERSION}).headers["x-ms-correlation-request-id"]
    assert answer == _last(events)["data"]["correlationId"]
    assert given in (None, answer)


def test_role_assignments_are_resources(events: Events) -> None:
    """Made and taken away: so the broker's own work makes events."""
    events.topic("audit", "system", source=GROUP)
    name = events.azure.world.guid()
    events.azure.assign(events.azure.principal(), READER, GROUP, name=name)
    events.azure.call("DELETE", assignment(GROUP, name))
    path = assignment(GROUP, name)
    assert [("WriteSuccess", path), ("DeleteSuccess", path)] == _types(events)
    assert "Microsoft.Authorization/roleAssignments/delete" == _last(events)["data"]["operationName"]


def test_a_group_goes_with_all_that_is_in_it(events: Events) -> None:
    """Each by an event of its own, nested ones first, the group last."""
    for path in (SITE, f"{SITE}/slots/blue"):
        events.azure.call("PUT", path, BODY)
    events.topic("audit", "system")
    events.azure.call("DELETE", GROUP)
    found = _types(events)
    assert {"DeleteSuccess"} == {kind for kind, _ in found}
    assert [f"{SITE}/slots/blue", GROUP] == [found[0][1], found[-1][1]]
    assert SITE in [subject for _, subject in found]
    assert "Microsoft.Resources/subscriptions/resourceGroups/delete" == _last(events)["data"]["operationName"]


def test_what_a_provider_refuses_is_told_as_a_failure(events: Events) -> None:
    """Here the role is unknown."""
    events.topic("audit", "system")
    name = events.azure.world.guid()
    reply = events.azure.assign(events.azure.principal(), events.azure.world.guid(), GROUP, name=name)
    assert (404, [("WriteFailure", assignment(GROUP, name))]) == (reply.status, _types(events))
    assert "Failed" == _last(events)["data"]["status"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", GROUP),
        ("DELETE", SITE),
        ("PUT", f"{ROOT}/resourceGroups/none/providers/Microsoft.Web/sites/web"),
        ("PUT", f"{GROUP}/providers/Microsoft.KeyVault/vaults/one"),
        ("PUT", "/providers/Microsoft.Authorization/roleAssignments/20000000-0000-4000-8000-000000000009"),
    ],
    ids=["reads", "nothing to delete", "no such group", "not implemented", "above subscriptions"],
)
def test_of_other_calls_nothing_is_told(events: Events, method: str, path: str) -> None:
    """Nor of those that the gateway refuses."""
    events.topic("audit", "system")
    events.azure.call(method, path, BODY)
    assert [] == events.shown("audit")


def test_whoever_has_no_right_makes_no_event(events: Events) -> None:
    """The gateway refuses."""
    events.topic("audit", "system")
    assert 403 == events.azure.call("PUT", SITE, BODY, by=events.azure.principal()).status
    assert [] == events.shown("audit")


def test_a_topic_tells_of_its_source_alone(events: Events) -> None:
    """A group with what is in it; another group's name may begin alike."""
    events.topic("audit", "system", source=GROUP)
    events.topic("whole", "system")
    for group in (f"{GROUP}-2", GROUP):
        events.azure.call("PUT", group, BODY)
    assert ([GROUP], [f"{GROUP}-2", GROUP]) == tuple(
        [subject for _, subject in _types(events, topic)] for topic in ("audit", "whole")
    )


def test_a_deleted_topic_tells_nothing(events: Events) -> None:
    """Not even of its own deletion."""
    topic = events.topic("audit", "system")
    events.azure.call("DELETE", topic["id"])
    events.azure.call("PUT", SITE, BODY)
    assert [] == events.shown("audit")


def test_without_a_topic_nobody_listens(events: Events) -> None:
    """A custom topic is none of Azure's own; after a reset nobody listens any more."""
    world = events.azure.world
    events.topic()
    before: list[Any] = list(world.activity.listeners)
    events.topic("audit", "system")
    heard = len(world.activity.listeners)
    world.reset()
    assert ([], 1, []) == (before, heard, world.activity.listeners)


def test_event_ids_are_drawn_apart(events: Events) -> None:
    """A topic changes no id of the directory, and the same calls make the same ids."""
    other = Events()
    for each in (events, other):
        each.topic("audit", "system")
        each.azure.call("PUT", SITE, BODY)
    plain = Events()
    plain.topic()
    plain.azure.call("PUT", SITE, BODY)
    assert _last(events)["id"] == _last(other)["id"]
    assert plain.azure.world.guid() == events.azure.world.guid()

"""What the template has Event Grid tell the broker: from where, which events, with which right, and for how long they wait."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from local.cloud.rbac import builtin_roles
from local.snapshots import FOLDER, GROUP_ID, SUBSCRIPTION, Resource, read
from shared.core.message import EVENTS
from tests.infra import compiler

TOPIC, SUBSCRIBED = "Microsoft.EventGrid/systemTopics", "Microsoft.EventGrid/systemTopics/eventSubscriptions"
ASSIGNED, LIFECYCLE = "Microsoft.Authorization/roleAssignments", "Microsoft.Storage/storageAccounts/managementPolicies"
CONTAINER = "Microsoft.Storage/storageAccounts/blobServices/containers"
ACCOUNT = f"{GROUP_ID}/providers/Microsoft.Storage/storageAccounts/account"
DEAD = "event-dead-letters"
WRITTEN, DELETED = "Microsoft.Resources.ResourceWriteSuccess", "Microsoft.Resources.ResourceDeleteSuccess"
WEEK = 7 * 24 * 3600
OF_GROUP, OF_SUBSCRIPTION = 0, 1


def _subscribed(place: int) -> dict[str, Any]:
    return read("event-sources").of_type(SUBSCRIBED)[place].properties


def test_nothing_of_it_is_made_unless_it_is_asked_for() -> None:
    """Neither topics nor a place for what could not be delivered."""
    plain, full = read("plain"), read("full")

    assert [0, 0, 0] == [len(plain.of_type(kind)) for kind in (TOPIC, SUBSCRIBED, LIFECYCLE)]
    assert [2, 2, 1] == [len(full.of_type(kind)) for kind in (TOPIC, SUBSCRIBED, LIFECYCLE)]
    assert [["packages"], ["packages", DEAD]] == [[each.name for each in made.of_type(CONTAINER)] for made in (plain, full)]


def test_a_topic_tells_of_a_group_or_of_a_subscription() -> None:
    """It lies there, in no region, and has an identity of its own: https://learn.microsoft.com/azure/event-grid/system-topics."""
    topics = read("event-sources").of_type(TOPIC)
    app, other = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/app", "/subscriptions/8d7b1f6e-6a57-4a0c-9a53-0c6f3a1f0007"

    assert [
        (app, app, "Microsoft.Resources.ResourceGroups"),
        (f"{other}/resourceGroups/shared", other, "Microsoft.Resources.Subscriptions"),
    ] == [(each.scope, each.properties["source"], each.properties["topicType"]) for each in topics]
    assert [("global", {"type": "SystemAssigned"})] * 2 == [(each.body["location"], each.body["identity"]) for each in topics]


def test_two_topics_of_one_group_have_two_names() -> None:
    """One of the group, one of its subscription."""
    assert 2 == len({each.name for each in read("full").of_type(TOPIC)})


def test_events_come_in_the_schema_whose_topic_nobody_else_can_write() -> None:
    """As CloudEvents, anybody's topic could name any source."""
    assert ["EventGridSchema"] * 2 == [_subscribed(each)["eventDeliverySchema"] for each in (OF_GROUP, OF_SUBSCRIPTION)]


def test_only_events_of_which_a_rule_can_speak_are_told() -> None:
    """Further filters hold where they are given: the beginning of the subject, and the operation."""
    wide, narrow = (_subscribed(each)["filter"] for each in (OF_SUBSCRIPTION, OF_GROUP))

    assert [WRITTEN, DELETED] == wide["includedEventTypes"] == narrow["includedEventTypes"]
    assert ("", []) == (wide["subjectBeginsWith"], wide["advancedFilters"])
    assert narrow["subjectBeginsWith"].endswith("/resourceGroups/app/providers/Microsoft.Web/sites/")
    operations = ["Microsoft.Web/sites/write", "Microsoft.Web/sites/delete"]
    assert [{"operatorType": "StringIn", "key": "data.operationName", "values": operations}] == narrow["advancedFilters"]


def test_messages_wait_for_a_week_on_the_queue_of_the_broker() -> None:
    """Put there with the identity of the topic."""
    for place in (OF_GROUP, OF_SUBSCRIPTION):
        delivery = _subscribed(place)["deliveryWithResourceIdentity"]
        assert ({"type": "SystemAssigned"}, "StorageQueue") == (delivery["identity"], delivery["destination"]["endpointType"])
        assert {"resourceId": ACCOUNT, "queueName": EVENTS, "queueMessageTimeToLiveInSeconds": WEEK} == delivery["destination"][
            "properties"
        ]


def test_a_topic_may_put_messages_on_that_queue_and_nothing_else() -> None:
    """Nowhere else in the account, but for dead letters, in a container of their own."""
    found = {each.scope.removeprefix(ACCOUNT): _role(each) for each in read("event-sender").of_type(ASSIGNED)}

    assert {
        f"/queueServices/default/queues/{EVENTS}": "Storage Queue Data Message Sender",
        f"/blobServices/default/containers/{DEAD}": "Storage Blob Data Contributor",
    } == found


def test_the_right_is_there_before_the_subscription_is_made() -> None:
    """Event Grid tries it."""
    assert "dependsOn: [senders[index]]" in (FOLDER.parent / "modules" / "event-sources.bicep").read_text(encoding="utf-8")


def test_dead_letters_are_nobodys_to_read_and_are_gone_after_a_week() -> None:
    """They hold callers' claims."""
    full = read("full")
    (private,) = [each.properties["publicAccess"] for each in full.of_type(CONTAINER) if each.name == DEAD]
    (rule,) = full.only(LIFECYCLE).properties["policy"]["rules"]

    assert "None" == private
    assert [f"{DEAD}/"] == rule["definition"]["filters"]["prefixMatch"]
    assert {"baseBlob": {"delete": {"daysAfterModificationGreaterThan": 7}}} == rule["definition"]["actions"]
    destination = _subscribed(OF_GROUP)["deadLetterWithResourceIdentity"]["deadLetterDestination"]
    assert {"resourceId": ACCOUNT, "blobContainerName": DEAD} == destination["properties"]


@pytest.mark.parametrize(
    ("groups", "more", "refused"),
    [(("app", "APP"), "", True), (("app", "data"), "", False), (("app", "data"), ", wholeSubscription: true", True)],
)
def test_a_source_that_is_named_twice_is_refused(
    bicep: str, copy: Path, groups: tuple[str, ...], more: str, *, refused: bool
) -> None:
    """Azure has one system topic of it."""
    sources = "\n".join(f"{{ subscriptionId: 'SUB', resourceGroup: '{group}'{more} }}" for group in groups)
    parameters = copy / "snapshots" / "plain.bicepparam"
    stored = parameters.read_text(encoding="utf-8")
    parameters.write_text(f"{stored}param eventSources = [\n{sources.replace('SUB', SUBSCRIPTION)}\n]\n", encoding="utf-8")

    done = compiler.snapshot(bicep, parameters, "overwrite")

    assert (1 if refused else 0, refused) == (done.returncode, "names a source twice" in done.stdout), done.stdout


def _role(assignment: Resource) -> str:
    return builtin_roles.BY_NAME[assignment.properties["roleDefinitionId"].rsplit("/", 1)[1]].role_name

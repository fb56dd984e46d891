from __future__ import annotations

import pytest

from local.cloud.tenant.resources import Lock
from tests.local.arm.calls import (
    CONTRIBUTOR,
    GROUP,
    OWNER,
    READER,
    ROOT,
    STORE,
    SUBSCRIPTION,
    TENANT,
    Azure,
    assignment,
    outcome,
)

NAME = "aaaaaaaa-0000-4000-8000-00000000000a"
MANAGEMENT_GROUP = f"/providers/Microsoft.Management/managementGroups/{TENANT}"


@pytest.fixture
def azure() -> Azure:
    """A furnished world."""
    return Azure()


def test_creating_answers_the_assignment(azure: Azure) -> None:
    """As recorded: no creator yet, an updater, and instants of seven digits."""
    principal = azure.principal()

    reply = azure.assign(principal, name=NAME)

    role = f"{ROOT}/providers/Microsoft.Authorization/roleDefinitions/{READER}"
    properties = {
        "roleDefinitionId": role,
        "principalId": principal,
        "principalType": "ServicePrincipal",
        "scope": GROUP,
        "condition": None,
        "conditionVersion": None,
        "createdOn": "2027-01-15T08:00:00.2500000Z",
        "updatedOn": "2027-01-15T08:00:00.2500000Z",
        "createdBy": None,
        "updatedBy": azure.owner,
        "delegatedManagedIdentityResourceId": None,
        "description": None,
    }
    kind = "Microsoft.Authorization/roleAssignments"
    expected = {"properties": properties, "id": assignment(GROUP, NAME), "type": kind, "name": NAME}
    assert (201, expected) == (reply.status, reply.body)


def test_reading_tells_who_created_it(azure: Azure) -> None:
    """Unlike the answer to the PUT."""
    azure.assign(azure.principal(), name=NAME)

    assert azure.owner == azure.call("GET", assignment(GROUP, NAME)).body["properties"]["createdBy"]


@pytest.mark.parametrize(
    ("version", "absent"),
    [
        ("2015-07-01", {"principalType", "condition", "conditionVersion", "description"}),
        ("2018-01-01-preview", {"condition", "conditionVersion", "description"}),
        ("2018-09-01-preview", {"condition", "conditionVersion", "description"}),
        ("2020-04-01-preview", set()),
        ("2022-04-01", set()),
    ],
)
def test_older_versions_know_fewer_properties(azure: Azure, version: str, absent: set[str]) -> None:
    """As recorded with each of them."""
    azure.assign(azure.principal(), name=NAME)

    shown = azure.call("GET", assignment(GROUP, NAME), version=version).body["properties"]

    assert absent == {"principalType", "condition", "conditionVersion", "description"} - set(shown)


def test_the_same_put_again_answers_201(azure: Azure) -> None:
    """A retry after a lost answer succeeds."""
    principal = azure.principal()

    replies = [azure.assign(principal, name=NAME) for _ in range(2)]

    assert [201, 201] == [reply.status for reply in replies]


def test_description_may_change(azure: Azure) -> None:
    """What may change is changed, and when and by whom is told."""
    principal = azure.principal()
    azure.assign(principal, name=NAME)
    azure.clock.at += 60

    azure.assign(principal, name=NAME, properties={"description": "lease"})

    shown = azure.call("GET", assignment(GROUP, NAME)).body["properties"]
    assert ("lease", True) == (shown["description"], shown["updatedOn"] > shown["createdOn"])


@pytest.mark.parametrize("change", ["principal", "scope", "role"])
def test_a_name_belongs_to_one_assignment(azure: Azure, change: str) -> None:
    """Names are unique in the tenant, whatever the scope."""
    principal = azure.principal()
    azure.assign(principal, name=NAME)

    reply = azure.assign(
        azure.principal() if change == "principal" else principal,
        CONTRIBUTOR if change == "role" else READER,
        STORE if change == "scope" else GROUP,
        name=NAME,
    )

    assert (400, "RoleAssignmentUpdateNotPermitted") == outcome(reply)


def test_the_same_grant_under_another_name_exists(azure: Azure) -> None:
    """Principal, role and scope are unique together; the case of the scope does not matter."""
    principal = azure.principal()
    azure.assign(principal)

    reply = azure.assign(principal, scope=GROUP.lower())

    expected = {"code": "RoleAssignmentExists", "message": "The role assignment already exists."}
    assert (409, expected) == (reply.status, reply.body["error"])


def test_the_quota_of_a_subscription_counts_all_in_it(azure: Azure) -> None:
    """Groups and resources included; deleting makes room."""
    azure.arm.settings.assignments_per_subscription = 3
    replies = [
        azure.assign(azure.principal(), scope=scope, name=NAME if scope == STORE else None) for scope in (STORE, GROUP, ROOT)
    ]
    azure.call("DELETE", assignment(STORE, NAME))
    replies.append(azure.assign(azure.principal()))

    assert [(201, ""), (201, ""), (400, "RoleAssignmentLimitExceeded"), (201, "")] == [outcome(item) for item in replies]


def test_the_quota_of_a_management_group_is_its_own(azure: Azure) -> None:
    """What is in subscriptions does not count for it."""
    azure.grant(azure.owner, OWNER, "/")
    azure.arm.settings.assignments_per_management_group = 1

    replies = [azure.assign(azure.principal(), scope=MANAGEMENT_GROUP) for _ in range(2)]

    assert [(201, ""), (400, "RoleAssignmentLimitExceeded")] == [outcome(item) for item in replies]


@pytest.mark.parametrize(("level", "put", "delete"), [("CanNotDelete", 201, 409), ("ReadOnly", 409, 409)])
@pytest.mark.parametrize("at", [ROOT, GROUP, STORE])
def test_locks_hold_at_their_scope_and_below(azure: Azure, level: str, put: int, delete: int, at: str) -> None:
    """A lock that forbids deletion leaves creation free, a read-only one neither."""
    stored = azure.grant(azure.principal(), READER, STORE)
    azure.world.tree.locks["x"] = Lock("x", at, level)  # type: ignore[arg-type]  # parametrized text

    replies = [azure.assign(azure.principal(), scope=STORE), azure.call("DELETE", assignment(STORE, stored))]

    assert [put, delete] == [reply.status for reply in replies]


def test_the_text_of_a_lock_names_both_scopes(azure: Azure) -> None:
    """What was to be deleted, and where the lock is."""
    stored = azure.grant(azure.principal(), READER, STORE)
    azure.world.tree.locks["x"] = Lock("x", GROUP, "CanNotDelete")

    reply = azure.call("DELETE", assignment(STORE, stored))

    expected = (
        f"The scope '{assignment(STORE, stored)}' cannot perform delete operation because following scope(s) are locked: "
        f"'{GROUP}'. Please remove the lock and try again."
    )
    assert ("ScopeLocked", expected) == (reply.body["error"]["code"], reply.body["error"]["message"])


def test_a_decision_does_not_look_at_all_assignments(azure: Azure) -> None:
    """With thousands of them, one principal's decision reads only its own."""
    for _ in range(4_000):
        azure.grant(azure.world.guid(), READER, GROUP)
    reader = azure.principal()
    azure.grant(reader, READER, GROUP)
    reads: list[str] = []
    sees = azure.world.consistency.sees

    class Counting:
        ghosts = azure.world.ghosts

        def of(self, _observer: str) -> Counting:
            return self

        def sees(self, _observer: str, *fact: str) -> bool:
            reads.append(fact[0])
            return sees("arm", *fact)

    azure.world.consistency = Counting()  # type: ignore[assignment]  # counts what the decision asks

    assert (200, 1) == (azure.call("GET", STORE, by=reader).status, len(reads))


def test_subscription_appears_in_ids_of_roles(azure: Azure) -> None:
    """A role sent without a subscription is answered with the scope's, as recorded."""
    short = f"/providers/Microsoft.Authorization/roleDefinitions/{READER}"

    reply = azure.assign(azure.principal(), properties={"roleDefinitionId": short})

    assert f"/subscriptions/{SUBSCRIPTION}{short}" == reply.body["properties"]["roleDefinitionId"]

from __future__ import annotations

import pytest

from local.cloud.rbac.condition_evaluation import Circumstances, holds
from local.cloud.rbac.condition_syntax import ConditionSyntaxError, parse
from tests.local.arm.calls import CONTRIBUTOR, GROUP, OWNER, RBAC_ADMIN, READER, Azure, assignment, outcome

WRITE = "Microsoft.Authorization/roleAssignments/write"
ROLE = "@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId]"
TYPE = "@Request[Microsoft.Authorization/roleAssignments:PrincipalType]"
RESOURCE_ROLE = "@Resource[Microsoft.Authorization/roleAssignments:RoleDefinitionId]"
CONSTRAINED = (
    "((!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'})) OR "
    f"({ROLE} ForAnyOfAnyValues:GuidEquals {{{READER}, {CONTRIBUTOR}}} AND "
    f"{TYPE} StringEqualsIgnoreCase 'ServicePrincipal')) AND "
    "((!(ActionMatches{'Microsoft.Authorization/roleAssignments/delete'})) OR "
    f"({RESOURCE_ROLE} ForAnyOfAnyValues:GuidEquals {{{READER}, {CONTRIBUTOR}}}))"
)


@pytest.fixture
def azure() -> Azure:
    """A furnished world."""
    return Azure()


@pytest.fixture
def broker(azure: Azure) -> str:
    """A principal that may assign Reader and Contributor to service principals, and nothing else."""
    made = azure.principal()
    azure.grant(made, RBAC_ADMIN, GROUP, CONSTRAINED)
    return made


def _asked(**request: str) -> Circumstances:
    prefix = "microsoft.authorization/roleassignments:"
    return Circumstances(WRITE, {prefix + name.lower(): (value,) for name, value in request.items()})


def test_a_constrained_administrator_assigns_what_it_may(azure: Azure, broker: str) -> None:
    """The role is on the list and the principal of the right type."""
    assert 201 == azure.assign(azure.principal(), READER, by=broker).status


def test_a_constrained_administrator_is_refused_another_role(azure: Azure, broker: str) -> None:
    """The text tells a condition from no role at all."""
    name = azure.world.guid()

    reply = azure.assign(azure.principal(), OWNER, by=broker, name=name)

    expected = (
        f"The client 'app-of-{broker}' with object id '{broker}' has an authorization with ABAC condition that is not "
        f"fulfilled to perform action '{WRITE}' over scope '{assignment(GROUP, name)}' or the scope is invalid. "
        "If access was recently granted, please refresh your credentials."
    )
    assert (403, expected) == (reply.status, reply.body["error"]["message"])


def test_a_constrained_administrator_is_refused_another_type(azure: Azure, broker: str) -> None:
    """The type that the caller claims is the one that the condition sees."""
    reply = azure.assign(azure.principal(), READER, by=broker, properties={"principalType": "User"})

    assert (403, "AuthorizationFailed") == outcome(reply)


def test_a_constrained_administrator_deletes_only_its_roles(azure: Azure, broker: str) -> None:
    """``@Resource`` is the assignment that is there."""
    reader, owner = azure.principal(), azure.principal()
    removable, stored = azure.grant(reader, READER, GROUP), azure.grant(owner, OWNER, GROUP)

    replies = [azure.call("DELETE", assignment(GROUP, name), by=broker) for name in (removable, stored)]

    assert [(200, ""), (403, "AuthorizationFailed")] == [outcome(reply) for reply in replies]


def test_actions_that_a_condition_does_not_name_are_free(azure: Azure, broker: str) -> None:
    """Its reading is not constrained."""
    assert 200 == azure.call("GET", GROUP, by=broker).status


def test_another_role_without_condition_grants_all_the_same(azure: Azure, broker: str) -> None:
    """One grant is enough."""
    azure.grant(broker, OWNER, GROUP)

    assert 201 == azure.assign(azure.principal(), OWNER, by=broker).status


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (f"{ROLE} GuidEquals {READER}", True),
        (f"{ROLE} GuidEquals '{READER.upper()}'", True),
        (f"{ROLE} GuidNotEquals {READER}", False),
        (f"{ROLE} ForAnyOfAllValues:GuidNotEquals {{{OWNER}, {CONTRIBUTOR}}}", True),
        (f"{ROLE} ForAnyOfAllValues:GuidNotEquals {{{OWNER}, {READER}}}", False),
        (f"{TYPE} StringEquals 'serviceprincipal'", False),
        (f"{TYPE} StringStartsWith 'Service'", True),
        (f"{TYPE} StringLike 'S*P?incipal'", True),
        (f"{TYPE} StringNotLike 'S*'", False),
        (f"!({TYPE} StringEquals 'User')", True),
        (f"NOT {TYPE} StringEquals 'User'", True),
        (f"{TYPE} StringEquals 'User' || {TYPE} StringEquals 'ServicePrincipal'", True),
        (f"{TYPE} StringEquals 'User' && {TYPE} StringEquals 'ServicePrincipal'", False),
        (f"({TYPE} StringEquals 'User' AND {TYPE} StringEquals 'x') OR ActionMatches{{'*/write'}}", True),
        (f"Exists {TYPE}", True),
        (f"NotExists {TYPE}", False),
        ("Exists @Resource[Microsoft.Authorization/roleAssignments:PrincipalId]", False),
        ("@Resource[Microsoft.Authorization/roleAssignments:PrincipalId] StringNotEquals 'x'", False),
        ("SubOperationMatches{'Blob.List'}", False),
        ("{'red', 'blue'} ForAnyOfAnyValues:StringEquals {'blue', 'green'}", True),
        ("{'red', 'blue'} ForAllOfAnyValues:StringEquals {'red', 'green'}", False),
        ("{10, 20} ForAnyOfAllValues:NumericLessThan {15, 18}", True),
        ("{10, 20} ForAllOfAllValues:NumericLessThan {5, 15, 18}", False),
        ("{10, 20} ForAllOfAllValues:NumericLessThan {25, 30}", True),
        ("'2026-01-01T00:00:00Z' DateTimeLessThan '2026-02-01T00:00:00Z'", True),
        ("true BoolEquals true", True),
    ],
)
def test_conditions_evaluate_as_documented(condition: str, *, expected: bool) -> None:
    """Operators, quantifiers and combinations of Azure's condition language."""
    circumstances = _asked(RoleDefinitionId=READER, PrincipalType="ServicePrincipal")

    assert expected == holds(parse(condition), circumstances)


def test_a_suboperation_is_seen_by_both_of_its_spellings() -> None:
    """The old one is an attribute of the request, the new one a function."""
    circumstances = Circumstances("Microsoft.Storage/x/read", suboperation="Blob.List")
    old = "@Request[subOperation] ForAnyOfAnyValues:StringEqualsIgnoreCase {'blob.list'}"

    assert [True, True] == [holds(parse(text), circumstances) for text in (old, "SubOperationMatches{'Blob.List'}")]


@pytest.mark.parametrize(
    "condition",
    [
        "nonsense",
        f"{TYPE} StringEquals",
        f"{TYPE} Resembles 'x'",
        f"({TYPE} StringEquals 'x'",
        f"{TYPE} StringEquals 'x') ",
        f"{TYPE} StringEquals 'x' AND",
        f"{TYPE} StringEquals {{'x'",
        "ActionMatches{@Request[subOperation]}",
        "Exists 'x'",
        "@Resource[Microsoft.ServiceBus/namespaces/queues:Name] StringEquals 'foo'",
        "@Elsewhere[a] StringEquals 'foo'",
        f"{TYPE} StringEquals 'x' # comment",
    ],
)
def test_what_is_not_a_condition_is_refused(azure: Azure, condition: str) -> None:
    """Both by the parser and, as Azure does, when it is sent."""
    with pytest.raises(ConditionSyntaxError):
        parse(condition)

    reply = azure.assign(azure.principal(), properties={"condition": condition, "conditionVersion": "2.0"})

    assert (400, "The given role assignment condition is invalid.") == (reply.status, reply.body["error"]["message"])


def test_a_condition_of_another_version_is_refused(azure: Azure) -> None:
    """Azure answers as if the condition itself were wrong."""
    sent = {"condition": f"{TYPE} StringEquals 'User'", "conditionVersion": "1.0"}

    assert 400 == azure.assign(azure.principal(), properties=sent).status


def test_a_condition_is_kept_as_it_was_sent(azure: Azure) -> None:
    """Spelling and spaces included."""
    text = "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:Name] stringEquals 'foo'"

    reply = azure.assign(azure.principal(), properties={"condition": text, "conditionVersion": "2.0"})

    assert (text, "2.0") == (reply.body["properties"]["condition"], reply.body["properties"]["conditionVersion"])

from __future__ import annotations

import logging

import pytest

from shared.core.caller import CallerType
from shared.core.definition import Permission, read_at
from shared.core.directory import NewApplication
from shared.core.errors import (
    Absent,
    AlreadyExists,
    IdentityRefused,
    Locked,
    NotReplicated,
    Refused,
    Throttled,
    Unavailable,
    Unreachable,
    Upstream,
)
from shared.core.footprint import Assignment
from shared.core.names import ObjectId, Scope
from shared.kinds.calls import Authorization
from tests.cloud.adapters import Adapters, connected
from tests.local.conftest import Cloud

NAME = "cccccccc-0000-4000-8000-000000000001"
OTHER_NAME = "cccccccc-0000-4000-8000-000000000002"
NOBODY = ObjectId("cccccccc-0000-4000-8000-000000000003")
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
CONDITION = (
    "((!(ActionMatches{'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read'})) OR "
    "(@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name] StringEquals 'public'))"
)


async def principal(adapters: Adapters) -> ObjectId:
    """A service principal of the broker's own making."""
    new = NewApplication("leasehold-test", "test", "AzureADMyOrg", ("leasehold",), "")
    return await adapters.graph.create_principal((await adapters.graph.upsert_application(new)).app_id)


def assignment(adapters: Adapters, name: str = NAME) -> Assignment:
    """On the resource group."""
    return Assignment(adapters.scope, name)


def reader(adapters: Adapters) -> str:
    """The definition of Reader, by its full id."""
    return f"/subscriptions/{adapters.scope.subscription_id}/providers/Microsoft.Authorization/roleDefinitions/{READER}"


def readable(adapters: Adapters) -> str:
    """Its id where the broker may read it: it has no right over the whole subscription."""
    return read_at(reader(adapters), adapters.scope)


def test_satisfies_what_the_issuer_asks_for(adapters: Adapters) -> None:
    """A matter for the type checker."""
    authorization: Authorization = adapters.arm
    assert authorization is adapters.arm


async def test_assigns_a_role_to_a_service_principal(adapters: Adapters) -> None:
    """By the name that the broker chose, and without asking the directory for the principal's type."""
    target = await principal(adapters)
    await adapters.arm.assign(assignment(adapters), reader(adapters), target, None)
    made = assignments(adapters)[NAME]
    assert (target, "ServicePrincipal", None) == (made["principal_id"], made["principal_type"], made.get("condition"))


def assignments(adapters: Adapters) -> dict[str, dict[str, object]]:
    """What the local cloud holds, by name."""
    return {each["name"]: each for each in adapters.cloud.control("GET", "state")["role_assignments"]}


async def test_assigns_to_a_principal_that_resource_manager_has_not_seen(adapters: Adapters) -> None:
    """That is what the principal's type is sent for."""
    adapters.cloud.control("PUT", "consistency", {"profile": "typical", "seed": 1, "speed": 50})
    await adapters.arm.assign(assignment(adapters), reader(adapters), NOBODY, None)
    assert NOBODY == assignments(adapters)[NAME]["principal_id"]


async def test_a_condition_goes_with_its_version(adapters: Adapters) -> None:
    """Azure takes none without."""
    await adapters.arm.assign(assignment(adapters), reader(adapters), await principal(adapters), CONDITION)
    made = await adapters.arm._client.role_assignments.get(adapters.scope.removeprefix("/"), NAME)
    assert (CONDITION, "2.0") == (made.condition, made.condition_version)


async def test_the_same_assignment_again_is_success(adapters: Adapters) -> None:
    """A repeat after a lost answer."""
    target = await principal(adapters)
    for _ in range(2):
        await adapters.arm.assign(assignment(adapters), reader(adapters), target, None)
    assert ["PUT 201", "PUT 201"] == adapters.calls("arm")


async def test_the_same_assignment_under_another_name_exists_already(adapters: Adapters) -> None:
    """Azure holds one of a kind."""
    target = await principal(adapters)
    await adapters.arm.assign(assignment(adapters), reader(adapters), target, None)
    with pytest.raises(AlreadyExists):
        await adapters.arm.assign(assignment(adapters, OTHER_NAME), reader(adapters), target, None)


async def test_a_role_is_assigned_to_a_user(adapters: Adapters) -> None:
    """Where the broker's grant lets it: the sample's does not."""
    with pytest.raises(Refused) as refused:
        await adapters.arm.assign(*(assignment(adapters), reader(adapters), NOBODY, None), principal_type=CallerType.USER)
    assert 403 == refused.value.status


async def test_what_a_principal_has_at_a_scope_is_listed_without_what_lies_around(adapters: Adapters) -> None:
    """Not what it has above, and not what others have."""
    target = await principal(adapters)
    for who, name in ((target, NAME), (NOBODY, OTHER_NAME)):
        await adapters.arm.assign(assignment(adapters, name), reader(adapters), who, None, "some words")
    (found,) = await adapters.arm.assigned_to(target, adapters.scope)
    assert (assignment(adapters), target, "some words") == (found.assignment, target, found.description)
    assert READER == found.definition_id.rpartition("/")[2]


async def test_a_deletion_is_noticed(adapters: Adapters) -> None:
    """It is there, and then it is not."""
    await adapters.arm.assign(assignment(adapters), reader(adapters), await principal(adapters), None)
    await adapters.arm.unassign(assignment(adapters))
    assert NAME not in assignments(adapters)
    with pytest.raises(Absent):
        await adapters.arm.unassign(assignment(adapters))
    assert ["PUT 201", "DELETE 200", "DELETE 403", "GET 404"] == adapters.calls("arm")


async def test_a_forbidden_deletion_of_what_is_there_is_refused(adapters: Adapters) -> None:
    """A right is missing: the assignment is not taken for gone."""
    await adapters.arm.assign(assignment(adapters), reader(adapters), await principal(adapters), None)
    adapters.fail("arm", 403, "AuthorizationFailed")
    with pytest.raises(Refused) as refused:
        await adapters.arm.unassign(assignment(adapters))
    assert (Refused, 403) == (type(refused.value), refused.value.status)
    assert ["PUT 201", "DELETE 403", "GET 200"] == adapters.calls("arm")


async def test_an_assignment_on_a_scope_that_is_gone_is_absent(adapters: Adapters) -> None:
    """The resource took it along."""
    gone = Scope.parse(f"{adapters.scope}/providers/Microsoft.Storage/storageAccounts/gone")
    with pytest.raises(Absent):
        await adapters.arm.unassign(Assignment(gone, NAME))
    assert "GET 404" == adapters.calls("arm")[-1]


async def test_a_role_definition_that_does_not_exist_is_absent(adapters: Adapters) -> None:
    """It was deleted after the role had been written. A broker whose grant lists what it may assign is refused before that."""
    wide = {"identity": "leasehold", "role": "User Access Administrator", "scope": adapters.scope}
    adapters.cloud.control("POST", "role-assignments", wide)
    with pytest.raises(Absent) as absent:
        await adapters.arm.assign(assignment(adapters), reader(adapters).replace(READER, NAME), await principal(adapters), None)
    assert "RoleDefinitionDoesNotExist" == absent.value.azure_code


@pytest.mark.parametrize("name", ["Reader", "reader", "READER"])
async def test_finds_a_definition_by_its_name_in_any_case(adapters: Adapters, name: str) -> None:
    """As the full id that an assignment takes; Azure itself compares without case."""
    assert [reader(adapters)] == [each.id for each in await adapters.arm.definitions_named(name, adapters.scope)]
    assert () == await adapters.arm.definitions_named("Read", adapters.scope)


async def test_tells_the_names_of_all_definitions_at_a_scope(adapters: Adapters) -> None:
    """Of built-in ones there, too."""
    assert {"Reader", "Storage Blob Data Reader"} <= set(await adapters.arm.definition_names_at(adapters.scope))


async def test_a_quote_in_a_role_name_stays_in_the_name(adapters: Adapters) -> None:
    """It does not end the filter."""
    assert () == await adapters.arm.definitions_named("Ops' Reader' or roleName eq 'Reader", adapters.scope)


async def test_reads_a_definition(adapters: Adapters) -> None:
    """By its id below a scope that the broker has a right over, or with no scope before it: not at the subscription."""
    with pytest.raises(Refused):
        await adapters.arm.definition(reader(adapters))
    short = reader(adapters).partition(adapters.scope.split("/resourceGroups")[0])[2]
    found = [await adapters.arm.definition(each) for each in (readable(adapters), short)]
    assert [(READER, "Reader", (Permission(("*/read",)),), ("/",))] * 2 == [
        (each.guid, each.name, each.permissions, each.assignable_scopes) for each in found
    ]
    with pytest.raises(Absent):
        await adapters.arm.definition(short.replace(READER, NAME))


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "PrincipalNotFound", NotReplicated),
        (400, "RoleAssignmentUpdateNotPermitted", Refused),
        (400, "RoleAssignmentLimitExceeded", Refused),
        (404, "ResourceGroupNotFound", Absent),
        (409, "RoleAssignmentExists", AlreadyExists),
        (409, "ScopeLocked", Locked),
        (409, "SomethingElse", Refused),
        (429, "TooManyRequests", Throttled),
        (500, "InternalServerError", Unavailable),
        (503, "ServerTimeout", Unavailable),
        (504, "GatewayTimeout", Unavailable),
    ],
)
async def test_each_failure_has_a_meaning(adapters: Adapters, status: int, code: str, expected: type[Upstream]) -> None:
    """By status and code; the SDK repeats none of it."""
    await adapters.arm.definition(readable(adapters))
    adapters.fail("arm", status, code)
    with pytest.raises(Upstream) as failure:
        await adapters.arm.unassign(assignment(adapters))
    assert (expected, status, code) == (type(failure.value), failure.value.status, failure.value.azure_code)
    assert ["GET 200", f"DELETE {status}"] == adapters.calls("arm")


async def test_a_token_that_is_refused_is_asked_for_once_anew(adapters: Adapters) -> None:
    """And the call repeated once; what is refused then as well is the identity."""
    await adapters.arm.definition(readable(adapters))
    effect = {"status": 401, "code": "ExpiredAuthenticationToken"}
    adapters.trouble("arm", effect)
    assert READER == (await adapters.arm.definition(readable(adapters))).guid
    adapters.trouble("arm", effect, times=2)
    with pytest.raises(IdentityRefused) as refused:
        await adapters.arm.definition(readable(adapters))
    assert (401, "ExpiredAuthenticationToken") == (refused.value.status, refused.value.azure_code)
    assert ["GET 200", "GET 401", "GET 200", "GET 401", "GET 401"] == adapters.calls("arm")


@pytest.mark.parametrize("status", [429, 503])
async def test_throttling_says_how_long(adapters: Adapters, status: int) -> None:
    """The broker's patience obeys it; the SDK does not wait by itself."""
    adapters.fail("arm", status, "TooManyRequests", retry_after=17)
    with pytest.raises(Throttled) as throttled:
        await adapters.arm.unassign(assignment(adapters))
    assert 17.0 == throttled.value.retry_after
    assert [f"DELETE {status}"] == adapters.calls("arm")


async def test_a_lock_is_told_with_its_scope(adapters: Adapters) -> None:
    """The operator must know which lock to lift."""
    await adapters.arm.assign(assignment(adapters), reader(adapters), await principal(adapters), None)
    adapters.cloud.control("POST", "locks", {"name": "keep", "scope": adapters.scope, "level": "CanNotDelete"})
    with pytest.raises(Locked) as locked:
        await adapters.arm.unassign(assignment(adapters))
    assert f"azure_scope_locked: ScopeLocked at {adapters.scope}" == locked.value.brief()


async def test_a_lock_in_other_words_is_told_by_its_code(adapters: Adapters) -> None:
    """Azure promises nothing of the wording."""
    adapters.fail("arm", 409, "ScopeLocked")
    with pytest.raises(Locked) as locked:
        await adapters.arm.unassign(assignment(adapters))
    assert "azure_scope_locked: ScopeLocked" == locked.value.brief()


async def test_a_connection_that_breaks_is_replaced_once(adapters: Adapters) -> None:
    """The aiohttp library repeats what may be repeated, over a new connection, if the one at hand turns out to be dead."""
    await adapters.arm.definition(readable(adapters))
    adapters.trouble("arm", "drop_after_effect")
    await adapters.arm.assign(assignment(adapters), reader(adapters), NOBODY, None)
    assert NAME in assignments(adapters)


async def test_a_lost_answer_leaves_it_open(adapters: Adapters) -> None:
    """The assignment has been made, and nobody was told."""
    await adapters.arm.definition(readable(adapters))
    adapters.trouble("arm", "drop_after_effect", times=2)
    with pytest.raises(Unreachable):
        await adapters.arm.assign(assignment(adapters), reader(adapters), NOBODY, None)
    assert NAME in assignments(adapters)


async def test_silence_leaves_it_open(cloud: Cloud, adapters: Adapters) -> None:
    """After the time that a call may take."""
    async with connected(cloud, read_seconds=0.2) as hasty:
        await hasty.arm.definition(readable(adapters))
        adapters.trouble("arm", "timeout")
        with pytest.raises(Unreachable):
            await hasty.arm.unassign(assignment(adapters))


async def test_the_token_does_not_reach_the_log(adapters: Adapters, caplog: pytest.LogCaptureFixture) -> None:
    """At any level, in success and failure."""
    with caplog.at_level(logging.DEBUG):
        await adapters.arm.definition(readable(adapters))
        adapters.fail("arm", 403, "AuthorizationFailed")
        with pytest.raises(Refused):
            await adapters.arm.unassign(assignment(adapters))
    assert "eyJ" not in caplog.text

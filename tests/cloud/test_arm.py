from __future__ import annotations

import logging

import pytest

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
from tests.cloud.stage import Stage, staged
from tests.local.conftest import Cloud

NAME = "cccccccc-0000-4000-8000-000000000001"
OTHER_NAME = "cccccccc-0000-4000-8000-000000000002"
NOBODY = ObjectId("cccccccc-0000-4000-8000-000000000003")
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
CONDITION = (
    "((!(ActionMatches{'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read'})) OR "
    "(@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name] StringEquals 'public'))"
)


async def principal(stage: Stage) -> ObjectId:
    """A service principal of the broker's own making."""
    new = NewApplication("leasehold-test", "test", "AzureADMyOrg", ("leasehold",), "")
    return await stage.graph.create_principal((await stage.graph.upsert_application(new)).app_id)


def assignment(stage: Stage, name: str = NAME) -> Assignment:
    """On the resource group."""
    return Assignment(stage.scope, name)


def reader(stage: Stage) -> str:
    """The definition of Reader, by its full id."""
    return f"/subscriptions/{stage.scope.subscription_id}/providers/Microsoft.Authorization/roleDefinitions/{READER}"


def readable(stage: Stage) -> str:
    """Its id where the broker may read it: it has no right over the whole subscription."""
    return read_at(reader(stage), stage.scope)


def test_satisfies_what_the_issuer_asks_for(stage: Stage) -> None:
    """A matter for the type checker."""
    authorization: Authorization = stage.arm
    assert authorization is stage.arm


async def test_assigns_a_role_to_a_service_principal(stage: Stage) -> None:
    """By the name that the broker chose, and without asking the directory for the principal's type."""
    target = await principal(stage)
    await stage.arm.assign(assignment(stage), reader(stage), target, None)
    made = assignments(stage)[NAME]
    assert (target, "ServicePrincipal", None) == (made["principal_id"], made["principal_type"], made.get("condition"))


def assignments(stage: Stage) -> dict[str, dict[str, object]]:
    """What the local cloud holds, by name."""
    return {each["name"]: each for each in stage.cloud.control("GET", "state")["role_assignments"]}


async def test_assigns_to_a_principal_that_resource_manager_has_not_seen(stage: Stage) -> None:
    """That is what the principal's type is sent for."""
    stage.cloud.control("PUT", "consistency", {"profile": "typical", "seed": 1, "speed": 50})
    await stage.arm.assign(assignment(stage), reader(stage), NOBODY, None)
    assert NOBODY == assignments(stage)[NAME]["principal_id"]


async def test_a_condition_goes_with_its_version(stage: Stage) -> None:
    """Azure takes none without."""
    await stage.arm.assign(assignment(stage), reader(stage), await principal(stage), CONDITION)
    made = await stage.arm._client.role_assignments.get(stage.scope.removeprefix("/"), NAME)
    assert (CONDITION, "2.0") == (made.condition, made.condition_version)


async def test_the_same_assignment_again_is_success(stage: Stage) -> None:
    """A repeat after a lost answer."""
    target = await principal(stage)
    for _ in range(2):
        await stage.arm.assign(assignment(stage), reader(stage), target, None)
    assert ["PUT 201", "PUT 201"] == stage.calls("arm")


async def test_the_same_assignment_under_another_name_exists_already(stage: Stage) -> None:
    """Azure holds one of a kind."""
    target = await principal(stage)
    await stage.arm.assign(assignment(stage), reader(stage), target, None)
    with pytest.raises(AlreadyExists):
        await stage.arm.assign(assignment(stage, OTHER_NAME), reader(stage), target, None)


async def test_a_deletion_is_noticed(stage: Stage) -> None:
    """It is there, and then it is not."""
    await stage.arm.assign(assignment(stage), reader(stage), await principal(stage), None)
    await stage.arm.unassign(assignment(stage))
    assert NAME not in assignments(stage)
    with pytest.raises(Absent):
        await stage.arm.unassign(assignment(stage))
    assert ["PUT 201", "DELETE 200", "DELETE 403", "GET 404"] == stage.calls("arm")


async def test_a_forbidden_deletion_of_what_is_there_is_refused(stage: Stage) -> None:
    """A right is missing: the assignment is not taken for gone."""
    await stage.arm.assign(assignment(stage), reader(stage), await principal(stage), None)
    stage.fail("arm", 403, "AuthorizationFailed")
    with pytest.raises(Refused) as refused:
        await stage.arm.unassign(assignment(stage))
    assert (Refused, 403) == (type(refused.value), refused.value.status)
    assert ["PUT 201", "DELETE 403", "GET 200"] == stage.calls("arm")


async def test_an_assignment_on_a_scope_that_is_gone_is_absent(stage: Stage) -> None:
    """The resource took it along."""
    gone = Scope.parse(f"{stage.scope}/providers/Microsoft.Storage/storageAccounts/gone")
    with pytest.raises(Absent):
        await stage.arm.unassign(Assignment(gone, NAME))
    assert "GET 404" == stage.calls("arm")[-1]


async def test_a_role_definition_that_does_not_exist_is_absent(stage: Stage) -> None:
    """It was deleted after the role had been written. A broker whose grant lists what it may assign is refused before that."""
    wide = {"identity": "leasehold", "role": "User Access Administrator", "scope": stage.scope}
    stage.cloud.control("POST", "role-assignments", wide)
    with pytest.raises(Absent) as absent:
        await stage.arm.assign(assignment(stage), reader(stage).replace(READER, NAME), await principal(stage), None)
    assert "RoleDefinitionDoesNotExist" == absent.value.azure_code


@pytest.mark.parametrize("name", ["Reader", "reader", "READER"])
async def test_finds_a_definition_by_its_name_in_any_case(stage: Stage, name: str) -> None:
    """As the full id that an assignment takes; Azure itself compares without case."""
    assert [reader(stage)] == [each.id for each in await stage.arm.definitions_named(name, stage.scope)]
    assert () == await stage.arm.definitions_named("Read", stage.scope)


async def test_tells_the_names_of_all_definitions_at_a_scope(stage: Stage) -> None:
    """Of built-in ones there, too."""
    assert {"Reader", "Storage Blob Data Reader"} <= set(await stage.arm.definition_names_at(stage.scope))


async def test_a_quote_in_a_role_name_stays_in_the_name(stage: Stage) -> None:
    """It does not end the filter."""
    assert () == await stage.arm.definitions_named("Ops' Reader' or roleName eq 'Reader", stage.scope)


async def test_reads_a_definition(stage: Stage) -> None:
    """By its id below a scope that the broker has a right over, or with no scope before it: not at the subscription."""
    with pytest.raises(Refused):
        await stage.arm.definition(reader(stage))
    short = reader(stage).partition(stage.scope.split("/resourceGroups")[0])[2]
    found = [await stage.arm.definition(each) for each in (readable(stage), short)]
    assert [(READER, "Reader", (Permission(("*/read",)),), ("/",))] * 2 == [
        (each.guid, each.name, each.permissions, each.assignable_scopes) for each in found
    ]
    with pytest.raises(Absent):
        await stage.arm.definition(short.replace(READER, NAME))


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
async def test_each_failure_has_a_meaning(stage: Stage, status: int, code: str, expected: type[Upstream]) -> None:
    """By status and code; the SDK repeats none of it."""
    await stage.arm.definition(readable(stage))
    stage.fail("arm", status, code)
    with pytest.raises(Upstream) as failure:
        await stage.arm.unassign(assignment(stage))
    assert (expected, status, code) == (type(failure.value), failure.value.status, failure.value.azure_code)
    assert ["GET 200", f"DELETE {status}"] == stage.calls("arm")


async def test_a_token_that_is_refused_is_asked_for_once_anew(stage: Stage) -> None:
    """And the call repeated once; what is refused then as well is the identity."""
    await stage.arm.definition(readable(stage))
    effect = {"status": 401, "code": "ExpiredAuthenticationToken"}
    stage.trouble("arm", effect)
    assert READER == (await stage.arm.definition(readable(stage))).guid
    stage.trouble("arm", effect, times=2)
    with pytest.raises(IdentityRefused) as refused:
        await stage.arm.definition(readable(stage))
    assert (401, "ExpiredAuthenticationToken") == (refused.value.status, refused.value.azure_code)
    assert ["GET 200", "GET 401", "GET 200", "GET 401", "GET 401"] == stage.calls("arm")


@pytest.mark.parametrize("status", [429, 503])
async def test_throttling_says_how_long(stage: Stage, status: int) -> None:
    """The broker's patience obeys it; the SDK does not wait by itself."""
    stage.fail("arm", status, "TooManyRequests", retry_after=17)
    with pytest.raises(Throttled) as throttled:
        await stage.arm.unassign(assignment(stage))
    assert 17.0 == throttled.value.retry_after
    assert [f"DELETE {status}"] == stage.calls("arm")


async def test_a_lock_is_told_with_its_scope(stage: Stage) -> None:
    """The operator must know which lock to lift."""
    await stage.arm.assign(assignment(stage), reader(stage), await principal(stage), None)
    stage.cloud.control("POST", "locks", {"name": "keep", "scope": stage.scope, "level": "CanNotDelete"})
    with pytest.raises(Locked) as locked:
        await stage.arm.unassign(assignment(stage))
    assert f"azure_scope_locked: ScopeLocked at {stage.scope}" == locked.value.brief()


async def test_a_lock_in_other_words_is_told_by_its_code(stage: Stage) -> None:
    """Azure promises nothing of the wording."""
    stage.fail("arm", 409, "ScopeLocked")
    with pytest.raises(Locked) as locked:
        await stage.arm.unassign(assignment(stage))
    assert "azure_scope_locked: ScopeLocked" == locked.value.brief()


async def test_a_connection_that_breaks_is_replaced_once(stage: Stage) -> None:
    """The aiohttp library repeats what may be repeated, over a new connection, if the one at hand turns out to be dead."""
    await stage.arm.definition(readable(stage))
    stage.trouble("arm", "drop_after_effect")
    await stage.arm.assign(assignment(stage), reader(stage), NOBODY, None)
    assert NAME in assignments(stage)


async def test_a_lost_answer_leaves_it_open(stage: Stage) -> None:
    """The assignment has been made, and nobody was told."""
    await stage.arm.definition(readable(stage))
    stage.trouble("arm", "drop_after_effect", times=2)
    with pytest.raises(Unreachable):
        await stage.arm.assign(assignment(stage), reader(stage), NOBODY, None)
    assert NAME in assignments(stage)


async def test_silence_leaves_it_open(cloud: Cloud, stage: Stage) -> None:
    """After the time that a call may take."""
    async with staged(cloud, read_seconds=0.2) as hasty:
        await hasty.arm.definition(readable(stage))
        stage.trouble("arm", "timeout")
        with pytest.raises(Unreachable):
            await hasty.arm.unassign(assignment(stage))


async def test_the_token_does_not_reach_the_log(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """At any level, in success and failure."""
    with caplog.at_level(logging.DEBUG):
        await stage.arm.definition(readable(stage))
        stage.fail("arm", 403, "AuthorizationFailed")
        with pytest.raises(Refused):
            await stage.arm.unassign(assignment(stage))
    assert "eyJ" not in caplog.text

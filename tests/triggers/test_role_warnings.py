"""What a PUT of a role tells its writer beside the role."""

from __future__ import annotations

import pytest

from shared.core.definition import ASSIGN, ASSIGN_IDENTITY, Permission
from shared.core.errors import OutOfReach
from tests.fakes.world import DEFINITION, EXISTING
from tests.triggers.app import App
from tests.triggers.test_roles import put


def codes(document: dict[str, object]) -> list[str]:
    """Of the warnings."""
    result = document.get("warnings", [])
    assert isinstance(result, list)
    return [each["code"] for each in result]


async def test_a_definition_that_assigns_identities_is_warned_of(app: App) -> None:
    """In the answer, with its path; what was answered can be written back, and a plain read has none."""
    app.world.cloud.permissions[DEFINITION] = (Permission((ASSIGN_IDENTITY,)),)
    made = await put(app)
    assert (201, ["assigns_identities"]) == (made.status, codes(made.json))
    assert "azure_roles[0].role_name" == made.json["warnings"][0]["path"]
    assert (200, ["assigns_identities"]) == ((again := await put(app, document=made.json)).status, codes(again.json))
    read = await app.call("GET", "/api/v1/roles/api", token="admin.token.x")
    assert [] == codes(read.json)


async def test_a_warning_names_the_field_that_names_the_definition(app: App) -> None:
    """Here its id."""
    app.world.cloud.permissions[DEFINITION] = (Permission((ASSIGN_IDENTITY,)),)
    document = (await put(app)).json
    document["azure_roles"] = [{"role_id": DEFINITION, "scope": document["azure_roles"][0]["scope"]}]
    assert "azure_roles[0].role_id" == (await put(app, document=document)).json["warnings"][0]["path"]


async def test_a_dry_run_says_what_it_has_not_tried(app: App) -> None:
    """The conditions of the broker's own grants; a PUT that stores says nothing of it."""
    tried = (await put(app, query={"dry_run": "true"})).json
    assert [("azure_roles", "grant_condition_not_evaluated")] == [(each["path"], each["code"]) for each in tried["warnings"]]
    assert [] == codes((await put(app)).json)


@pytest.mark.parametrize("dry_run", ["true", "false"])
async def test_an_admins_mistake_is_400_with_its_path(app: App, dry_run: str) -> None:
    """Never Azure's failure."""
    app.world.calls.fail("authorization.permissions_at", OutOfReach("x", status=404, azure_code="SubscriptionNotFound"))
    answer = await put(app, query={"dry_run": dry_run})
    assert (400, "unresolvable", ["azure_roles[0].scope"]) == (
        answer.status,
        answer.code,
        [each["path"] for each in answer.json["errors"]],
    )


async def test_a_role_that_gives_roles_is_400(app: App) -> None:
    """With a code of its own."""
    app.world.cloud.permissions[DEFINITION] = (Permission((ASSIGN,)),)
    answer = await put(app)
    assert (400, "gives_roles") == (answer.status, answer.code)


SECRETS = {"type": "application_secret", "application_object_id": EXISTING, "bound_app_roles": ["Deployer"]}


@pytest.mark.parametrize("dry_run", ["true", "false"])
async def test_an_application_that_the_broker_may_not_change_is_400_with_its_path(app: App, dry_run: str) -> None:
    """Not the first caller's 409."""
    app.world.cloud.applications[EXISTING].owned = False
    answer = await put(app, document=SECRETS, query={"dry_run": dry_run})
    assert (400, "unresolvable", ["application_object_id"]) == (
        answer.status,
        answer.code,
        [each["path"] for each in answer.json["errors"]],
    )


@pytest.mark.parametrize("dry_run", ["true", "false"])
async def test_an_application_that_the_broker_does_not_own_is_warned_of(app: App, dry_run: str) -> None:
    """Where another permission reaches it; one that it owns is not."""
    assert [] == codes((await put(app, document=SECRETS, query={"dry_run": dry_run})).json)
    app.world.cloud.applications[EXISTING].owned = False
    app.world.cloud.reaches_all = True
    assert ["not_an_owner"] == codes((await put(app, document=SECRETS, query={"dry_run": dry_run})).json)


async def test_an_issue_on_an_application_that_came_to_carry_the_mark_tells_administrators_which_field(app: App) -> None:
    """So does the status, from then on."""
    await put(app, document=SECRETS)
    app.world.cloud.applications[EXISTING].tags = ("leasehold",)
    answer = await app.call("POST", "/api/v1/roles/api/leases", token="admin.token.x")
    status = await app.call("GET", "/api/v1/status", token="admin.token.x")
    (result,) = status.json["outdated_roles"]
    assert (409, "role_outdated", "api") == (answer.status, answer.code, result["role"])
    assert ["application_object_id"] == [each["path"] for each in answer.json["errors"]]
    assert answer.json["errors"] == result["errors"]

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from local.cloud.control.sample import WEBHOOK_ROLE
from local.snapshots import INFRA
from shared.core.caller import ADMIN, AUDITOR
from shared.core.events.door import EVENT_GRID, EVENT_GRID_GOVERNMENT
from tests.infra.conftest import Tenant

SCRIPT = INFRA / "entra.sh"
OWNED = "Application.ReadWrite.OwnedBy"
NAME = "applications(uniqueName='leasehold-api')"


@pytest.fixture(scope="module")
def application(tenant: Tenant) -> dict[str, str]:
    """What registering the API application prints."""
    return tenant.lines("application")


def _broker(tenant: Tenant, name: str) -> str:
    made: dict[str, Any] = tenant.control("POST", "identities", {"name": name, "kind": "user_assigned"})
    return str(made["object_id"])


def _permissions(tenant: Tenant, principal: str) -> list[str]:
    graph = tenant.graph("servicePrincipals(appId='00000003-0000-0000-c000-000000000000')")
    names = {role["id"]: role["value"] for role in graph["appRoles"]}
    held = tenant.graph(f"servicePrincipals/{principal}/appRoleAssignments")["value"]
    return sorted(names[each["appRoleId"]] for each in held)


def test_the_script_is_bash() -> None:
    """As far as bash tells without running it."""
    assert 0 == subprocess.run(["bash", "-n", str(SCRIPT)], check=False).returncode


def test_prints_what_the_template_asks_for(tenant: Tenant, application: dict[str, str]) -> None:
    """Audience, and the two ids to be protected."""
    found = tenant.graph(NAME)
    principal = tenant.graph(f"servicePrincipals(appId='{found['appId']}')")

    assert application == {
        "audience": found["appId"],
        "application_object_id": found["id"],
        "service_principal_object_id": principal["id"],
    }


def test_the_application_takes_tokens_of_version_two(tenant: Tenant, application: dict[str, str]) -> None:
    """Their audience is the client id."""
    found = tenant.graph(NAME)

    assert (2, [f"api://{application['audience']}"]) == (found["api"]["requestedAccessTokenVersion"], found["identifierUris"])


def test_the_application_offers_the_roles_that_the_broker_knows(tenant: Tenant, application: dict[str, str]) -> None:
    """By the very names, to people and to programs; and the one by which Event Grid's webhooks are known."""
    assert application
    offered = {role["value"]: sorted(role["allowedMemberTypes"]) for role in tenant.graph(NAME)["appRoles"]}

    assert {each: ["Application", "User"] for each in (ADMIN, AUDITOR, WEBHOOK_ROLE)} == offered


def test_the_application_asks_for_the_claim_that_tells_programs_from_people(
    tenant: Tenant, application: dict[str, str]
) -> None:
    """``idtyp`` is optional in Entra ID."""
    assert application
    assert ["idtyp"] == [each["name"] for each in tenant.graph(NAME)["optionalClaims"]["accessToken"]]


def test_the_azure_cli_needs_nobodys_consent(tenant: Tenant, application: dict[str, str]) -> None:
    """People get their first token with it."""
    assert application
    api = tenant.graph(NAME)["api"]

    assert [each["id"] for each in api["oauth2PermissionScopes"]] == api["preAuthorizedApplications"][0][
        "delegatedPermissionIds"
    ]


def test_users_cannot_consent_to_the_scope(tenant: Tenant, application: dict[str, str]) -> None:
    """Else any client could talk an administrator into a token for itself."""
    assert application
    scopes = tenant.graph(NAME)["api"]["oauth2PermissionScopes"]

    assert [("access", "Admin")] == [(each["value"], each["type"]) for each in scopes]


def test_the_application_has_no_secret(tenant: Tenant, application: dict[str, str]) -> None:
    """It never signs in itself."""
    assert application
    assert ([], []) == (tenant.graph(NAME)["passwordCredentials"], tenant.graph(NAME)["keyCredentials"])


def test_registering_again_changes_nothing(tenant: Tenant, application: dict[str, str]) -> None:
    """Neither ids nor anything else."""
    before = tenant.graph(NAME)

    assert application == tenant.lines("application")
    assert before == tenant.graph(NAME)


def test_the_broker_gets_one_permission(tenant: Tenant) -> None:
    """Over applications that it owns."""
    broker = _broker(tenant, "plain")

    tenant.lines("permissions", "--broker", broker)

    assert [OWNED] == _permissions(tenant, broker)


def test_groups_take_two_more_permissions(tenant: Tenant) -> None:
    """And are asked for by name."""
    broker = _broker(tenant, "with-groups")

    tenant.lines("permissions", "--broker", broker, "--groups")

    assert ["Application.Read.All", OWNED, "GroupMember.ReadWrite.All"] == _permissions(tenant, broker)


def test_callers_groups_take_permissions_that_only_read(tenant: Tenant) -> None:
    """Beside what every broker has; with both options, what two of them ask for is given once."""
    broker, both = _broker(tenant, "with-caller-groups"), _broker(tenant, "with-both")

    tenant.lines("permissions", "--broker", broker, "--caller-groups")
    given = tenant.run("permissions", "--broker", both, "--groups", "--caller-groups").stdout.splitlines()

    reading = ["Application.Read.All", OWNED, "GroupMember.Read.All", "User.ReadBasic.All"]
    assert reading == _permissions(tenant, broker)
    assert sorted([*reading, "GroupMember.ReadWrite.All"]) == _permissions(tenant, both)
    assert 5 == len(given)


def test_permissions_of_graph_take_one_that_is_worth_the_tenant(tenant: Tenant) -> None:
    """Nobody else gets it, and whoever asks for it is told."""
    broker = _broker(tenant, "with-graph-app-roles")

    done = tenant.run("permissions", "--broker", broker, "--graph-app-roles")

    assert ["AppRoleAssignment.ReadWrite.All", "Application.Read.All", OWNED] == sorted(_permissions(tenant, broker))
    assert (0, 3) == (done.returncode, len(done.stdout.splitlines()))
    assert "warning: AppRoleAssignment.ReadWrite.All lets the broker's identity give itself" in done.stderr


def test_no_other_option_warns(tenant: Tenant) -> None:
    """There is nothing to warn of."""
    done = tenant.run("permissions", "--broker", _broker(tenant, "without"), "--groups", "--caller-groups")

    assert (0, "") == (done.returncode, done.stderr)


def test_granting_again_changes_nothing(tenant: Tenant) -> None:
    """What is held is not asked for twice: Graph would refuse."""
    broker = _broker(tenant, "twice")

    tenant.lines("permissions", "--broker", broker)
    tenant.lines("permissions", "--broker", broker)

    assert [OWNED] == _permissions(tenant, broker)


@pytest.mark.parametrize(
    ("given", "expected"), [((), ADMIN), (("--role", AUDITOR), AUDITOR), (("--role", WEBHOOK_ROLE), WEBHOOK_ROLE)]
)
def test_gives_somebody_a_role_of_the_broker(
    tenant: Tenant, application: dict[str, str], given: tuple[str, ...], expected: str
) -> None:
    """Admin unless another is named; once, however often it is run. Whoever subscribes the broker to a topic has the third."""
    somebody = _broker(tenant, f"for-{expected.lower().replace('.', '-')}")

    tenant.lines("assign", "--principal", somebody, *given)
    tenant.lines("assign", "--principal", somebody, *given)

    roles = {role["id"]: role["value"] for role in tenant.graph(NAME)["appRoles"]}
    held = tenant.graph(f"servicePrincipals/{somebody}/appRoleAssignments")["value"]
    assert [(application["service_principal_object_id"], expected)] == [
        (each["resourceId"], roles[each["appRoleId"]]) for each in held
    ]


def _held(tenant: Tenant, principal: str, application: dict[str, str]) -> list[str]:
    """The app roles of the broker that somebody has."""
    roles = {role["id"]: role["value"] for role in tenant.graph(NAME)["appRoles"]}
    held = tenant.graph(f"servicePrincipals/{principal}/appRoleAssignments")["value"]
    own = [each for each in held if each["resourceId"] == application["service_principal_object_id"]]
    return [roles[each["appRoleId"]] for each in own]


def test_event_grid_may_publish_once_it_was_given_the_role(tenant: Tenant, application: dict[str, str]) -> None:
    """By its application in this cloud; once, however often it is run."""
    principal = tenant.graph(f"servicePrincipals(appId='{EVENT_GRID}')")["id"]
    before = _held(tenant, principal, application)

    given = [tenant.lines("assign", "--event-grid") for _ in range(2)]

    assert ([], [{"assigned": WEBHOOK_ROLE}] * 2) == (before, given)
    assert [WEBHOOK_ROLE] == _held(tenant, principal, application)


def test_event_grid_gets_a_service_principal_where_there_is_none(tenant: Tenant, application: dict[str, str]) -> None:
    """A tenant that has never used Event Grid has none."""
    made = tenant.graph("applications", "POST", {"displayName": "Event Grid elsewhere"})

    given = [tenant.lines("assign", "--event-grid", "--event-grid-app-id", made["appId"].upper()) for _ in range(2)]

    assert [{"assigned": WEBHOOK_ROLE}] * 2 == given
    principal = tenant.graph(f"servicePrincipals(appId='{made['appId']}')")["id"]
    assert [WEBHOOK_ROLE] == _held(tenant, principal, application)


@pytest.mark.parametrize(
    ("cloud", "message"),
    [("AzureUSGovernment", EVENT_GRID_GOVERNMENT), ("AzureChinaCloud", "in the cloud AzureChinaCloud, name Event Grid's")],
)
def test_event_grid_is_another_application_in_other_clouds(
    tenant: Tenant, application: dict[str, str], monkeypatch: pytest.MonkeyPatch, cloud: str, message: str
) -> None:
    """Where nobody knows which, whoever runs the script has to say."""
    assert application
    monkeypatch.setitem(tenant.environment, "FAKE_AZ_CLOUD", cloud)

    done = tenant.run("assign", "--event-grid")

    assert (1, True) == (done.returncode, message in done.stderr)


@pytest.mark.parametrize(
    "arguments",
    [
        ("assign", "--event-grid", "--principal", "11111111-2222-3333-4444-555555555555"),
        ("assign", "--event-grid", "--role", ADMIN),
        ("assign", "--event-grid", "--event-grid-app-id", "4962773b"),
        ("frobnicate",),
        ("permissions",),
        ("permissions", "--broker", "leasehold-broker"),
        ("permissions", "--broker"),
        ("assign", "--principal", "someone@example.net"),
        ("application", "--unique-name", "x' or 'y"),
        ("application", "--force"),
    ],
    ids=" ".join,
)
def test_refuses_what_it_does_not_understand(tenant: Tenant, arguments: tuple[str, ...]) -> None:
    """Before anything is changed, and with a sentence."""
    tenant.control("DELETE", "calls")

    done = tenant.run(*arguments)

    assert (1, True) == (done.returncode, done.stderr.startswith("entra.sh: "))
    assert [] == tenant.control("GET", "calls")


def test_refuses_a_role_that_does_not_exist(tenant: Tenant) -> None:
    """The application has three."""
    done = tenant.run("assign", "--principal", "11111111-2222-3333-4444-555555555555", "--role", "Leasehold.Owner")

    assert (1, "entra.sh: no such role: Leasehold.Owner\n") == (done.returncode, done.stderr)


def test_tells_how_it_is_used(tenant: Tenant) -> None:
    """When it is asked, or asked nothing."""
    assert tenant.run("--help").stdout == tenant.run().stdout
    assert tenant.run().stdout.startswith("usage: entra.sh")


def test_a_replica_that_is_behind_is_asked_again(tenant: Tenant, application: dict[str, str]) -> None:
    """What was made just now may be unknown to the next who is asked."""
    _disturb(tenant, times=1)

    assert application == tenant.lines("application")


def test_a_failure_that_stays_ends_the_script(tenant: Tenant) -> None:
    """With Graph's own words, and without printing half of what was asked for."""
    _disturb(tenant, times=50)

    done = tenant.run("application")
    tenant.control("DELETE", "faults")

    assert (1, "") == (done.returncode, done.stdout)
    assert "Request_ResourceNotFound" in done.stderr


def _disturb(tenant: Tenant, times: int) -> None:
    effect = {"status": 404, "code": "Request_ResourceNotFound"}
    fault = {"service": "graph", "method": "GET", "path": r"servicePrincipals\(appId", "times": times, "effect": effect}
    tenant.control("POST", "faults", [fault])

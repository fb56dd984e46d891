"""The API application when it is there already: somebody else's, or ours with what others have added."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from infra.application import changes
from local.cloud.control import deployment
from local.cloud.control.sample import WEBHOOK_ROLE
from local.snapshots import INFRA
from tests.infra.conftest import Tenant

AZURE_CLI = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
OTHER = "11111111-2222-3333-4444-555555555555"
CLIENT = "99999999-2222-3333-4444-555555555555"


def _waiting(tenant: Tenant, name: str) -> dict[str, Any]:
    """Somebody has registered an application under the name, before us."""
    body = {"displayName": "Leasehold", "signInAudience": "AzureADMyOrg"}
    path = f"applications(uniqueName='{name}')"
    tenant.graph(path, "PATCH", body, prefer="create-if-missing")
    found: dict[str, Any] = tenant.graph(path)
    return found


def _own(tenant: Tenant, path: str, owner: str) -> None:
    reference = {"@odata.id": f"https://graph.microsoft.com/v1.0/directoryObjects/{owner}"}
    tenant.graph(f"{path}/owners/$ref", "POST", reference)


def _by_owner(tenant: Tenant, app: dict[str, Any]) -> None:
    _own(tenant, f"applications/{app['id']}", _identity(tenant, "stranger"))


def _by_secret(tenant: Tenant, app: dict[str, Any]) -> None:
    tenant.graph(f"applications/{app['id']}/addPassword", "POST", {"passwordCredential": {"displayName": "mine"}})


def _by_federation(tenant: Tenant, app: dict[str, Any]) -> None:
    trusted = {"name": "mine", "issuer": "https://example.net", "subject": "me", "audiences": ["api://AzureADTokenExchange"]}
    tenant.graph(f"applications/{app['id']}/federatedIdentityCredentials", "POST", trusted)


def _by_principals_secret(tenant: Tenant, app: dict[str, Any]) -> None:
    principal = tenant.graph("servicePrincipals", "POST", {"appId": app["appId"]})
    tenant.graph(f"servicePrincipals/{principal['id']}/addPassword", "POST", {"passwordCredential": {"displayName": "mine"}})


def _by_principals_owner(tenant: Tenant, app: dict[str, Any]) -> None:
    principal = tenant.graph("servicePrincipals", "POST", {"appId": app["appId"]})
    _own(tenant, f"servicePrincipals/{principal['id']}", _identity(tenant, "stranger"))


def _identity(tenant: Tenant, name: str) -> str:
    return str(tenant.control("GET", "")["identities"][name]["object_id"])


@pytest.mark.parametrize("way", [_by_owner, _by_secret, _by_federation, _by_principals_secret, _by_principals_owner])
def test_refuses_an_application_that_others_can_act_as(tenant: Tenant, way: Any) -> None:
    """And leaves it as it is; told in words, it takes it."""
    name = f"squatted{way.__name__.replace('_', '-')}"
    way(tenant, _waiting(tenant, name))
    before = tenant.graph(f"applications(uniqueName='{name}')")

    refused = tenant.run("application", "--unique-name", name)

    assert (1, "") == (refused.returncode, refused.stdout)
    assert "others can act as it" in refused.stderr
    assert before == tenant.graph(f"applications(uniqueName='{name}')")
    taken = tenant.lines("application", "--unique-name", name, "--accept-its-owners-and-credentials")
    assert before["appId"] == taken["audience"]


def _foreign(name: str, **others: Any) -> dict[str, Any]:
    """An entry of ours, of the app roles or the scopes, under somebody else's id."""
    wanted = deployment.application()
    entries = {each["value"]: each for each in (*wanted["appRoles"], *wanted["api"]["oauth2PermissionScopes"])}
    found: dict[str, Any] = entries[name] | {"id": OTHER} | others
    return found


ELSEWHERE = ["https://example.net/take"]


@pytest.mark.parametrize(
    ("theirs", "named"),
    [
        ({"appRoles": [_foreign("Leasehold.Admin")]}, f"app role Leasehold.Admin has the id {OTHER}"),
        ({"api": {"oauth2PermissionScopes": [_foreign("access", type="User")]}}, f"scope access has the id {OTHER}"),
        ({"web": {"redirectUris": ELSEWHERE}}, 'web.redirectUris is ["https://example.net/take"]'),
        ({"spa": {"redirectUris": ELSEWHERE}}, 'spa.redirectUris is ["https://example.net/take"]'),
        ({"publicClient": {"redirectUris": ELSEWHERE}}, 'publicClient.redirectUris is ["https://example.net/take"]'),
        (
            {"web": {"implicitGrantSettings": {"enableAccessTokenIssuance": True}}},
            "web.implicitGrantSettings.enableAccessTokenIssuance is true",
        ),
        (
            {"web": {"implicitGrantSettings": {"enableIdTokenIssuance": True}}},
            "web.implicitGrantSettings.enableIdTokenIssuance is true",
        ),
        ({"isFallbackPublicClient": True}, "isFallbackPublicClient is true"),
        ({"api": {"acceptMappedClaims": True}}, "api.acceptMappedClaims is true"),
        ({"api": {"knownClientApplications": [CLIENT]}}, f'api.knownClientApplications is ["{CLIENT}"]'),
        ({"signInAudience": "AzureADMultipleOrgs"}, 'signInAudience is "AzureADMultipleOrgs"'),
    ],
)
def test_refuses_an_application_with_settings_of_somebody_else(
    tenant: Tenant, theirs: dict[str, Any], named: str, request: pytest.FixtureRequest
) -> None:
    """Although nobody owns it, and it has no credential: the setting is named, and nothing is written."""
    name = f"set-up-{request.node.callspec.indices['theirs']}"
    app = _waiting(tenant, name)
    tenant.graph(f"applications/{app['id']}", "PATCH", theirs)
    before = tenant.graph(f"applications/{app['id']}")

    refused = tenant.run("application", "--unique-name", name, "--accept-its-owners-and-credentials")

    assert (1, "") == (refused.returncode, refused.stdout)
    assert named in refused.stderr
    assert 3 == len(refused.stderr.splitlines()), "it names what is foreign alone"
    assert before == tenant.graph(f"applications/{app['id']}")


def test_takes_over_app_roles_and_scopes_of_somebody_else_if_told(tenant: Tenant) -> None:
    """Each is there once, under their id: in Graph a value stands for one entry. Users cannot consent to the scope any more."""
    app = _waiting(tenant, "taken-over")
    role, scope = _foreign("Leasehold.Admin", displayName="x"), _foreign("access", type="User", id=CLIENT)
    tenant.graph(f"applications/{app['id']}", "PATCH", {"appRoles": [role], "api": {"oauth2PermissionScopes": [scope]}})

    first, second = (tenant.lines("application", "--unique-name", "taken-over", "--accept-its-settings") for _ in range(2))

    found = tenant.graph(f"applications/{app['id']}")
    assert app["appId"] == first["audience"] == second["audience"]
    assert [("Leasehold.Admin", OTHER), "Leasehold.Auditor", WEBHOOK_ROLE] == [
        (found["appRoles"][0]["value"], found["appRoles"][0]["id"]),
        *[each["value"] for each in found["appRoles"][1:]],
    ]
    assert [(CLIENT, "Admin")] == [(each["id"], each["type"]) for each in found["api"]["oauth2PermissionScopes"]]
    assert [CLIENT] == found["api"]["preAuthorizedApplications"][0]["delegatedPermissionIds"]


def test_prints_what_it_has_made_though_nobody_lets_it_read_who_holds_app_roles(tenant: Tenant) -> None:
    """A sentence says what has not been looked at."""
    effect = {"status": 403, "code": "Authorization_RequestDenied"}
    path = "appRoleAssignedTo"
    tenant.control("POST", "faults", [{"service": "graph", "method": "GET", "path": path, "times": 9, "effect": effect}])

    done = tenant.run("application", "--unique-name", "unread")
    tenant.control("DELETE", "faults")

    assert (0, 3) == (done.returncode, len(done.stdout.splitlines()))
    assert "who holds its app roles could not be read" in done.stderr
    assert "Traceback" not in done.stderr


def test_takes_an_application_of_named_owners_and_of_its_own(tenant: Tenant) -> None:
    """Who is signed in is no stranger; nor is who is expected."""
    app = _waiting(tenant, "owned")
    for owner in ("admin", "auditor"):
        _own(tenant, f"applications/{app['id']}", _identity(tenant, owner))

    refused = tenant.run("application", "--unique-name", "owned")
    taken = tenant.lines("application", "--unique-name", "owned", "--owner", _identity(tenant, "auditor").upper())

    assert (1, True) == (refused.returncode, _identity(tenant, "auditor") in refused.stderr)
    assert _identity(tenant, "admin") not in refused.stderr
    assert app["appId"] == taken["audience"]


def test_names_whom_the_application_lets_in(tenant: Tenant) -> None:
    """Whoever had it before may have left neither owner nor credential, but an app role or a client that needs no consent."""
    fresh = tenant.run("application", "--unique-name", "left-open")
    app = tenant.graph("applications(uniqueName='left-open')")
    tenant.lines("assign", "--unique-name", "left-open", "--principal", _identity(tenant, "stranger"))
    scope = app["api"]["oauth2PermissionScopes"][0]["id"]
    client = {"appId": CLIENT, "delegatedPermissionIds": [scope]}
    api = app["api"] | {"preAuthorizedApplications": [client, *app["api"]["preAuthorizedApplications"]]}
    tenant.graph(f"applications/{app['id']}", "PATCH", {"api": api})

    again = tenant.run("application", "--unique-name", "left-open")

    assert (0, "") == (fresh.returncode, fresh.stderr)
    _, client_line, holder_line = again.stderr.splitlines()
    assert (0, fresh.stdout) == (again.returncode, again.stdout)
    assert f"client {CLIENT} is authorized in advance" == client_line
    assert (_identity(tenant, "stranger"), "Leasehold.Admin") == (holder_line.split()[0], holder_line.split()[-1])


def test_keeps_what_others_have_added(tenant: Tenant) -> None:
    """Scopes, app roles, authorized clients, addresses and claims stay beside ours."""
    path = "applications(uniqueName='shared')"
    made = tenant.lines("application", "--unique-name", "shared")
    app = tenant.graph(path)
    scope = app["api"]["oauth2PermissionScopes"][0] | {"id": OTHER, "value": "other"}
    role = app["appRoles"][0] | {"id": OTHER, "value": "Other"}
    client = {"appId": CLIENT, "delegatedPermissionIds": [OTHER]}
    theirs = {
        "api": app["api"] | {"oauth2PermissionScopes": [scope, *app["api"]["oauth2PermissionScopes"]]},
        "appRoles": [role, *[each for each in app["appRoles"] if each["value"] != "Leasehold.Auditor"]],
        "identifierUris": ["api://other", *app["identifierUris"]],
        "displayName": "Our Leasehold",
    }
    disabled = [each | {"isEnabled": each["value"] != "Leasehold.Auditor"} for each in app["appRoles"]]
    tenant.graph(f"applications/{app['id']}", "PATCH", {"appRoles": disabled})
    tenant.graph(f"applications/{app['id']}", "PATCH", theirs)
    authorized = {"preAuthorizedApplications": [client, *app["api"]["preAuthorizedApplications"]]}
    tenant.graph(f"applications/{app['id']}", "PATCH", {"api": theirs["api"] | authorized})

    assert made == tenant.lines("application", "--unique-name", "shared")

    found = tenant.graph(path)
    assert "Our Leasehold" == found["displayName"]
    assert {"Other", "Leasehold.Admin", "Leasehold.Auditor", WEBHOOK_ROLE} == {each["value"] for each in found["appRoles"]}
    assert {"api://other", f"api://{app['appId']}"} == set(found["identifierUris"])
    assert {"other", "access"} == {each["value"] for each in found["api"]["oauth2PermissionScopes"]}
    assert {CLIENT, AZURE_CLI} == {each["appId"] for each in found["api"]["preAuthorizedApplications"]}


def test_the_guide_finds_and_removes_what_users_have_consented_to(tenant: Tenant) -> None:
    """The consents to the broker's scope alone, by the very addresses that the guide gives."""
    ours = tenant.lines("application", "--unique-name", "consented")["service_principal_object_id"]
    graph = tenant.graph("servicePrincipals(appId='00000003-0000-0000-c000-000000000000')")["id"]
    client = {"clientId": _identity(tenant, "admin"), "consentType": "AllPrincipals"}
    for resource, scope in ((ours, "access"), (graph, "User.Read")):
        tenant.graph("oauth2PermissionGrants", "POST", client | {"resourceId": resource, "scope": scope})
    guide = (INFRA.parent / "docs" / "deploy.md").read_text().partition("### Consents of 0.1.0")[2].partition("###")[0]
    listing, removal = re.findall(r'--url "https://graph.microsoft.com/v1.0/(.+?)"', guide.replace("\\$", "$"))

    (found,) = tenant.graph(listing.replace("<service_principal_object_id>", ours))["value"]
    tenant.graph(removal.replace("<id>", found["id"]), "DELETE")

    left = tenant.graph("oauth2PermissionGrants")["value"]
    assert ("access", [graph]) == (found["scope"], [each["resourceId"] for each in left])


def test_registering_again_writes_nothing(tenant: Tenant) -> None:
    """It looks, and finds all as it should be."""
    tenant.lines("application", "--unique-name", "settled")
    tenant.control("DELETE", "calls")

    tenant.lines("application", "--unique-name", "settled")

    assert {"GET"} == {each["method"] for each in tenant.control("GET", "calls")}


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_a_refusal_for_good_is_told_at_once(tenant: Tenant, method: str) -> None:
    """With Graph's own words, and without waiting for it to change its mind."""
    effect = {"status": 403, "code": "Authorization_RequestDenied"}
    fault = {"service": "graph", "method": method, "path": "applications", "times": 50, "effect": effect}
    tenant.control("POST", "faults", [fault])
    tenant.waited()

    done = tenant.run("application", "--unique-name", f"forbidden-{method.lower()}")
    tenant.control("DELETE", "faults")

    assert (1, "", []) == (done.returncode, done.stdout, tenant.waited())
    assert "Authorization_RequestDenied" in done.stderr


def test_a_service_principal_that_is_refused_for_a_moment_is_tried_again(tenant: Tenant) -> None:
    """Graph answers 403 while a replica does not know the application yet."""
    effect = {"status": 403, "code": "Authorization_RequestDenied"}
    fault = {"service": "graph", "method": "PATCH", "path": "servicePrincipals", "times": 1, "effect": effect}
    tenant.control("POST", "faults", [fault])
    tenant.waited()

    tenant.lines("application", "--unique-name", "slow")

    assert [2] == tenant.waited()


def _as_wanted() -> dict[str, Any]:
    return deployment.application() | {"identifierUris": [f"api://{CLIENT}"]}


def test_never_takes_the_command_line_out_on_the_way() -> None:
    """Whatever is missing, each change in its turn leaves the Azure CLI authorized."""
    for name in ("appRoles", "optionalClaims", "identifierUris"):
        assert [{name}] == [set(body) for body in changes(_as_wanted() | {name: None}, CLIENT)]
    there = _as_wanted()
    scope = there["api"]["oauth2PermissionScopes"][0]
    for api in (
        there["api"] | {"requestedAccessTokenVersion": 1},
        there["api"] | {"oauth2PermissionScopes": [scope | {"type": "User"}]},
        there["api"] | {"oauth2PermissionScopes": []},
    ):
        bodies = changes(there | {"api": api}, CLIENT)
        assert bodies
        for body in bodies:
            assert AZURE_CLI in [each["appId"] for each in body["api"]["preAuthorizedApplications"]]


def test_a_new_scope_comes_before_the_client_that_is_authorized_for_it(tenant: Tenant) -> None:
    """Graph takes a client only for a scope that is there: each change is taken in its turn, and in no other."""
    app = _waiting(tenant, "unscoped")
    path = f"applications/{app['id']}"
    tenant.graph(path, "PATCH", {"api": {"acceptMappedClaims": True}})

    first, second = changes(tenant.graph(path), app["appId"])

    with pytest.raises(httpx.HTTPStatusError, match="400"):
        tenant.graph(path, "PATCH", second)
    for body in (first, second):
        tenant.graph(path, "PATCH", body)
    api = tenant.graph(path)["api"]
    assert [AZURE_CLI] == [each["appId"] for each in api["preAuthorizedApplications"]]
    assert api["acceptMappedClaims"] is True


def test_ids_are_the_same_in_any_case() -> None:
    """Whoever wrote them."""
    there = _as_wanted()
    there["appRoles"] = [each | {"id": each["id"].upper()} for each in there["appRoles"]]

    assert [] == changes(there, CLIENT)

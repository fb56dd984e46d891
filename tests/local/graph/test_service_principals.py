"""Service principals and the permissions they hold, in the local Microsoft Graph."""

from __future__ import annotations

import pytest

from local.cloud.control import provision
from local.cloud.tenant import first_party
from tests.local.graph.calls import ABSENT, Client, Tenant, error, ids

OWNED = "Application.ReadWrite.OwnedBy"
EVERY = "Application.ReadWrite.All"


@pytest.fixture
def tenant() -> Tenant:
    """A fresh tenant."""
    return Tenant()


@pytest.fixture
def client(tenant: Tenant) -> Client:
    """An application that may manage every other, and give permissions."""
    return tenant.client(EVERY, "AppRoleAssignment.ReadWrite.All")


def test_is_made_of_its_application(tenant: Tenant, client: Client) -> None:
    """It shows the application's names and addresses."""
    app = tenant.application()
    app.properties |= {"identifierUris": ["api://one"], "web": {"redirectUris": ["https://a"]}}
    made = client.post("/servicePrincipals", {"appId": app.app_id}).body
    assert (["api://one", app.app_id], ["https://a"], "app") == (
        made["servicePrincipalNames"],
        made["replyUrls"],
        made["displayName"],
    )


def test_confined_creator_owns_it(tenant: Tenant) -> None:
    """As with applications."""
    broker = tenant.client(OWNED)
    made = broker.post("/servicePrincipals", {"appId": tenant.application(owners=(broker.object_id,)).app_id}).body
    assert [broker.object_id] == ids(broker.get(f"/servicePrincipals/{made['id']}/owners"))


def test_needs_an_application(client: Client) -> None:
    """400 with the finer code, when there is none."""
    reply = client.post("/servicePrincipals", {"appId": ABSENT})
    assert ((400, "Request_BadRequest"), "NoBackingApplicationObject") == (
        error(reply),
        reply.body["error"]["details"][0]["code"],
    )


def test_application_has_one(tenant: Tenant, client: Client) -> None:
    """A second is refused with 409."""
    app = tenant.application().app_id
    assert 201 == client.post("/servicePrincipals", {"appId": app}).status
    assert (409, "Request_MultipleObjectsWithSameKeyValue") == error(client.post("/servicePrincipals", {"appId": app}))


def test_upsert_by_client_id_makes_it_once(tenant: Tenant, client: Client) -> None:
    """201, then 204."""
    url = f"/servicePrincipals(appId='{tenant.application().app_id}')"
    assert [201, 204] == [client.patch(url, {"tags": ["t"]}, prefer="create-if-missing").status for _ in "ab"]


def test_can_be_made_anew_after_deletion(tenant: Tenant, client: Client) -> None:
    """The one in the recycle bin is in nobody's way, and cannot be restored beside the new one."""
    old = tenant.principal()
    client.delete(f"/servicePrincipals/{old.id}")
    assert 201 == client.post("/servicePrincipals", {"appId": old.app_id}).status
    assert 409 == client.post(f"/directory/deletedItems/{old.id}/restore").status


def test_managed_identity_names_its_resource(tenant: Tenant, client: Client) -> None:
    """That is how a directory reader learns what it is the identity of."""
    resource = "/subscriptions/s/resourceGroups/app/providers/Microsoft.Compute/virtualMachines/web"
    shown = resource.replace("resourceGroups", "resourcegroups")
    for system, explicit in ((True, "isExplicit=False"), (False, "isExplicit=True")):
        made = provision.managed_identity(tenant.world, "web", resource, system_assigned=system)
        body = client.get(f"/servicePrincipals/{made.id}").body
        assert ([explicit, shown], "ManagedIdentity") == (body["alternativeNames"], body["servicePrincipalType"])


def test_managed_identity_is_azures_alone_to_change(tenant: Tenant, client: Client) -> None:
    """Not even the widest permission reaches it."""
    made = provision.managed_identity(tenant.world, "web", "/subscriptions/s", system_assigned=True)
    assert [403, 403] == [
        client.post(f"/servicePrincipals/{made.id}/addPassword").status,
        client.delete(f"/servicePrincipals/{made.id}").status,
    ]


def _graph(tenant: Tenant) -> str:
    found = tenant.world.directory.principal_of(first_party.GRAPH)
    assert found is not None
    return found.id


def _role(tenant: Tenant, principal_id: str, role: str = "User.Read.All") -> dict[str, str]:
    return {"principalId": principal_id, "resourceId": _graph(tenant), "appRoleId": first_party.GRAPH_ROLES[role]}


@pytest.mark.parametrize("relation", ["appRoleAssignments", "appRoleAssignedTo"])
def test_permission_is_given_from_either_side(tenant: Tenant, client: Client, relation: str) -> None:
    """What is given on one side is listed on both, and holds by its value."""
    principal = tenant.principal()
    of = principal.id if relation == "appRoleAssignments" else _graph(tenant)
    made = client.post(f"/servicePrincipals/{of}/{relation}", _role(tenant, principal.id))
    assert (201, "User.Read.All") == (made.status, principal.app_roles[0].value)
    lists = (f"{principal.id}/appRoleAssignments", f"{_graph(tenant)}/appRoleAssignedTo")
    assert [[made.body["id"]]] * 2 == [ids(client.get(f"/servicePrincipals/{url}")) for url in lists]


def test_permission_is_given_once(tenant: Tenant, client: Client) -> None:
    """The second time is refused."""
    principal = tenant.principal().id
    url = f"/servicePrincipals/{principal}/appRoleAssignments"
    assert [201, 400] == [client.post(url, _role(tenant, principal)).status for _ in "ab"]


def test_permission_that_the_resource_does_not_have_is_refused(tenant: Tenant, client: Client) -> None:
    """400."""
    principal = tenant.principal().id
    body = _role(tenant, principal) | {"appRoleId": ABSENT}
    assert 400 == client.post(f"/servicePrincipals/{principal}/appRoleAssignments", body).status


def test_permission_can_be_taken_away(tenant: Tenant, client: Client) -> None:
    """From the resource's side; then it is gone."""
    principal = tenant.principal()
    made = client.post(f"/servicePrincipals/{principal.id}/appRoleAssignments", _role(tenant, principal.id)).body["id"]
    url = f"/servicePrincipals/{_graph(tenant)}/appRoleAssignedTo/{made}"
    assert ([204, 404], []) == ([client.delete(url).status for _ in "ab"], principal.app_roles)


def test_permission_for_a_user(tenant: Tenant, client: Client) -> None:
    """Only roles that are meant for people can be given to one."""
    api, user = tenant.principal(), tenant.user()
    app = tenant.world.directory.application_of(api.app_id)
    assert app is not None
    app.properties["appRoles"] = [{"id": ABSENT, "value": "Admin", "allowedMemberTypes": ["User"], "isEnabled": True}]
    body = {"principalId": user.id, "resourceId": api.id, "appRoleId": ABSENT}
    made = client.post(f"/servicePrincipals/{api.id}/appRoleAssignedTo", body)
    assert (201, "User", "Admin") == (made.status, made.body["principalType"], user.app_roles[0].value)
    assert 400 == client.post(f"/users/{user.id}/appRoleAssignments", _role(tenant, user.id)).status


def test_lists_what_it_owns(tenant: Tenant) -> None:
    """Applications, service principals and groups."""
    broker = tenant.client(OWNED)
    owned = {tenant.application(owners=(broker.object_id,)).id, tenant.principal(owners=(broker.object_id,)).id}
    found = set(ids(broker.get(f"/servicePrincipals/{broker.object_id}/ownedObjects")))
    assert owned < found


def test_microsofts_own_name_themselves_and_no_time(client: Client) -> None:
    """Every tenant has them: nobody has made them there."""
    (shown,) = client.get("/servicePrincipals?$filter=appId eq '00000003-0000-0000-c000-000000000000'").body["value"]
    assert ("Microsoft Graph", None) == (shown["appDisplayName"], shown["createdDateTime"])
    assert "00000003-0000-0000-c000-000000000000" == shown["servicePrincipalNames"][-1]


def test_a_secret_of_its_own_has_no_hint(tenant: Tenant, client: Client) -> None:
    """An application's shows three letters."""
    app = tenant.application()
    principal = client.post("/servicePrincipals", {"appId": app.app_id}).body["id"]
    made = client.post(f"/servicePrincipals/{principal}/addPassword").body
    (shown,) = client.get(f"/servicePrincipals/{principal}").body["passwordCredentials"]
    assert (None, None) == (made["hint"], shown["hint"])
    of_app = client.post(f"/applications/{app.id}/addPassword").body
    assert of_app["secretText"][:3] == of_app["hint"]

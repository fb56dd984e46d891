"""The recycle bin of the local Microsoft Graph."""

from __future__ import annotations

import pytest

from tests.local.graph.calls import Client, Tenant, ids

BIN = "/directory/deletedItems"
DAYS = 86_400.0


@pytest.fixture
def tenant() -> Tenant:
    """A fresh tenant."""
    return Tenant()


@pytest.fixture
def client(tenant: Tenant) -> Client:
    """An application that may manage applications, groups and users."""
    return tenant.client("Group.ReadWrite.All", "User.ReadWrite.All", "Application.ReadWrite.All")


def test_lists_what_was_deleted_by_type(tenant: Tenant, client: Client) -> None:
    """Each type by itself, with the day of its deletion."""
    deleted = {
        "application": ("/applications", tenant.application().id),
        "servicePrincipal": ("/servicePrincipals", tenant.principal().id),
        "group": ("/groups", tenant.group().id),
        "user": ("/users", tenant.user().id),
    }
    for kind, (url, object_id) in deleted.items():
        assert 204 == client.delete(f"{url}/{object_id}").status
        assert [object_id] == ids(client.get(f"{BIN}/microsoft.graph.{kind}"))
    assert "2027-01-15T08:00:00Z" == client.get(f"{BIN}/{deleted['group'][1]}").body["deletedDateTime"]


def test_purge_is_for_good(tenant: Tenant, client: Client) -> None:
    """204, and 404 afterwards."""
    app = tenant.application().id
    client.delete(f"/applications/{app}")
    statuses = [client.delete(f"{BIN}/{app}").status, client.delete(f"{BIN}/{app}").status, client.get(f"{BIN}/{app}").status]
    assert [204, 404, 404] == statuses


def test_living_object_is_not_in_the_bin(tenant: Tenant, client: Client) -> None:
    """It can be purged only after its deletion."""
    app = tenant.application().id
    assert [404, 200] == [client.delete(f"{BIN}/{app}").status, client.get(f"/applications/{app}").status]


def test_purge_of_an_application_leaves_its_service_principal_in_the_bin(tenant: Tenant, client: Client) -> None:
    """With its name; that has to be purged by itself."""
    principal = tenant.principal()
    app = tenant.world.directory.application_of(principal.app_id)
    assert app is not None
    client.delete(f"/applications/{app.id}")
    client.delete(f"{BIN}/{app.id}")
    listed = client.get(f"{BIN}/microsoft.graph.servicePrincipal")
    assert [principal.id] == ids(listed)
    assert [app.properties["displayName"]] == [each["displayName"] for each in listed.body["value"]]
    assert [400, 204] == [client.post(f"{BIN}/{principal.id}/restore").status, client.delete(f"{BIN}/{principal.id}").status]


def test_restored_application_is_as_it_was(tenant: Tenant, client: Client) -> None:
    """With its secrets; its service principal is restored by itself."""
    principal = tenant.principal()
    app = tenant.world.directory.application_of(principal.app_id)
    assert app is not None
    client.post(f"/applications/{app.id}/addPassword")
    client.delete(f"/applications/{app.id}")
    assert [200, 404] == [
        client.post(f"{BIN}/{app.id}/restore").status,
        client.get(f"/servicePrincipals/{principal.id}").status,
    ]
    assert 200 == client.post(f"{BIN}/{principal.id}/restore").status
    assert 1 == len(client.get(f"/applications/{app.id}").body["passwordCredentials"])


def test_empties_itself_after_thirty_days(tenant: Tenant, client: Client) -> None:
    """A day earlier it is still there."""
    app = tenant.application().id
    client.delete(f"/applications/{app}")
    client.token = None
    for days, expected in ((29, [app]), (1, [])):
        tenant.clock.at += days * DAYS
        client.token = tenant.client("Application.Read.All").token
        assert expected == ids(client.get(f"{BIN}/microsoft.graph.application"))


def test_what_is_purged_leaves_no_membership(tenant: Tenant, client: Client) -> None:
    """Neither as a member nor as an owner."""
    user = tenant.user().id
    group = tenant.group(members=(user,))
    client.delete(f"/users/{user}")
    client.delete(f"{BIN}/{user}")
    assert [] == group.members

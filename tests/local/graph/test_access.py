"""Authentication, and what each permission allows, in the local Microsoft Graph."""

from __future__ import annotations

import pytest

from tests.local.graph.calls import ABSENT, Client, Tenant, error, ids

OWNED = "Application.ReadWrite.OwnedBy"
EVERY = "Application.ReadWrite.All"
DENIED = (403, "Authorization_RequestDenied")


@pytest.fixture
def tenant() -> Tenant:
    """A fresh tenant."""
    return Tenant()


def test_call_without_a_token_is_refused(tenant: Tenant) -> None:
    """401 with a challenge, and no cost."""
    reply = Client(tenant.world, tenant.graph, None, "").get("/applications")
    assert (401, "InvalidAuthenticationToken") == error(reply)
    assert "Access token is empty." == reply.body["error"]["message"]
    assert reply.headers["WWW-Authenticate"].startswith("Bearer ")
    assert "x-ms-resource-unit" not in reply.headers


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"aud": "https://management.azure.com"}, "Access token validation failure. Invalid audience."),
        ({"exp": 1_700_000_000}, "Lifetime validation failed, the token is expired."),
        ({"iss": "https://sts.windows.net/someone/"}, "Access token validation failure. Invalid issuer."),
    ],
)
def test_token_that_does_not_hold_is_refused(tenant: Tenant, claims: dict[str, object], message: str) -> None:
    """401, saying what is wrong with it."""
    reply = tenant.client(EVERY, **claims).get("/applications")
    assert (401, message) == (reply.status, reply.body["error"]["message"])


def test_forged_token_is_refused(tenant: Tenant) -> None:
    """A changed signature is no signature."""
    client = tenant.client(EVERY)
    assert client.token is not None
    client.token = client.token[:-8] + "AAAAAAAA"
    assert (401, "InvalidAuthenticationToken") == error(client.get("/applications"))


@pytest.mark.parametrize(
    "audience", ["https://graph.microsoft.com", "https://graph.microsoft.com/", "00000003-0000-0000-c000-000000000000"]
)
def test_every_name_of_graph_is_its_audience(tenant: Tenant, audience: str) -> None:
    """With and without a slash, and by its client id."""
    assert 200 == tenant.client("Application.Read.All", aud=audience).get("/applications").status


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("GET", "/applications"),
        ("POST", "/applications"),
        ("GET", f"/applications/{ABSENT}"),
        ("PATCH", f"/applications/{ABSENT}"),
        ("DELETE", f"/applications/{ABSENT}"),
        ("POST", f"/applications/{ABSENT}/addPassword"),
        ("POST", f"/applications/{ABSENT}/removePassword"),
        ("GET", f"/applications/{ABSENT}/federatedIdentityCredentials"),
        ("POST", f"/applications/{ABSENT}/federatedIdentityCredentials"),
        ("GET", "/servicePrincipals"),
        ("POST", "/servicePrincipals"),
        ("DELETE", f"/servicePrincipals/{ABSENT}"),
        ("POST", f"/servicePrincipals/{ABSENT}/appRoleAssignedTo"),
        ("GET", "/groups"),
        ("POST", "/groups"),
        ("POST", f"/groups/{ABSENT}/members/$ref"),
        ("DELETE", f"/groups/{ABSENT}/members/{ABSENT}/$ref"),
        ("GET", "/users"),
        ("POST", "/users"),
        ("POST", "/directoryObjects/getByIds"),
        ("GET", "/directory/deletedItems/microsoft.graph.application"),
        ("DELETE", f"/directory/deletedItems/{ABSENT}"),
        ("GET", "/organization"),
    ],
)
def test_caller_without_permissions_may_do_nothing(tenant: Tenant, method: str, url: str) -> None:
    """403 before anything is looked at, as recorded."""
    assert DENIED == error(tenant.client()(method, url, {}))


def test_owned_by_changes_what_it_owns(tenant: Tenant) -> None:
    """Secrets, properties, deletion, and the copy in the recycle bin."""
    client = tenant.client(OWNED)
    own = tenant.application(owners=(client.object_id,)).id
    statuses = [
        client.patch(f"/applications/{own}", {"notes": "mine"}).status,
        client.post(f"/applications/{own}/addPassword").status,
        client.delete(f"/applications/{own}").status,
        client.delete(f"/directory/deletedItems/{own}").status,
    ]
    assert [204, 200, 204, 204] == statuses


def test_owned_by_changes_nothing_of_others(tenant: Tenant) -> None:
    """403 for each of these, and nothing happens."""
    client, other = tenant.client(OWNED), tenant.application().id
    gone = tenant.application().id
    tenant.world.directory.applications[gone].deleted = tenant.clock.at
    refused = [
        client.patch(f"/applications/{other}", {"notes": "mine"}),
        client.post(f"/applications/{other}/addPassword"),
        client.delete(f"/applications/{other}"),
        client.delete(f"/directory/deletedItems/{gone}"),
    ]
    assert [DENIED] * 4 == [error(reply) for reply in refused]
    stored = tenant.world.directory.applications[other]
    assert ({}, None) == (stored.passwords, stored.deleted)


def test_owned_by_reads_every_application(tenant: Tenant) -> None:
    """Reading is not confined to what is owned."""
    other = tenant.application()
    assert other.id in ids(tenant.client(OWNED).get("/applications"))


def test_owned_by_reads_who_owns_an_application(tenant: Tenant) -> None:
    """Anybody's; of people no more than their ids, as of members whose type a caller may not read."""
    client, person = tenant.client(OWNED), tenant.person("User.Read")
    other = tenant.application(owners=(person.object_id, client.object_id)).id
    shown = client.get(f"/applications/{other}/owners?$select=id,appId&$top=999").body["value"]
    known = tenant.world.directory.service_principals[client.object_id].app_id
    assert {person.object_id: None, client.object_id: known} == {each["id"]: each.get("appId") for each in shown}
    whole = {each["id"]: each for each in client.get(f"/applications/{other}/owners").body["value"]}
    assert {"@odata.type", "id"} == {name for name, value in whole[person.object_id].items() if value is not None}


def test_owned_by_learns_nothing_of_others_secrets_by_removing_what_is_not_there(tenant: Tenant) -> None:
    """Who may not change an application is told so first, be there such a secret or not."""
    client = tenant.client(OWNED)
    own, other = tenant.application(owners=(client.object_id,)).id, tenant.application().id
    answers = [client.post(f"/applications/{each}/removePassword", {"keyId": ABSENT}) for each in (own, other)]
    assert [(400, "Request_BadRequest"), DENIED] == [error(reply) for reply in answers]


def test_owned_by_makes_service_principals_of_its_own_applications_only(tenant: Tenant) -> None:
    """The application behind a new service principal must be the caller's."""
    client = tenant.client(OWNED)
    own, other = tenant.application(owners=(client.object_id,)), tenant.application()
    replies = [client.post("/servicePrincipals", {"appId": app.app_id}).status for app in (own, other)]
    assert [201, 403] == replies


def test_adding_an_owner_takes_reading_the_directory_too(tenant: Tenant) -> None:
    """OwnedBy alone is not enough to name another owner."""
    person = {"@odata.id": f"https://graph.microsoft.com/v1.0/directoryObjects/{tenant.user().id}"}
    confined, reader = tenant.client(OWNED), tenant.client(OWNED, "Directory.Read.All")
    urls = [f"/applications/{tenant.application(owners=(c.object_id,)).id}/owners/$ref" for c in (confined, reader)]
    assert [403, 204] == [client.post(url, person).status for client, url in zip((confined, reader), urls, strict=True)]


def test_service_principals_join_groups_by_those_who_may_change_both(tenant: Tenant) -> None:
    """Changing members is not enough: the service principal must be within the caller's reach."""
    group = tenant.group().id
    alone, owner, every = (
        tenant.client("GroupMember.ReadWrite.All"),
        tenant.client("GroupMember.ReadWrite.All", OWNED),
        tenant.client("GroupMember.ReadWrite.All", EVERY),
    )
    mine, other = tenant.principal(owners=(owner.object_id,)), tenant.principal()

    def add(client: Client, object_id: str) -> int:
        body = {"@odata.id": f"https://graph.microsoft.com/v1.0/directoryObjects/{object_id}"}
        return client.post(f"/groups/{group}/members/$ref", body).status

    assert [403, 204, 403, 204] == [add(alone, other.id), add(owner, mine.id), add(owner, other.id), add(every, other.id)]


def test_members_of_types_that_the_caller_cannot_read_show_their_ids_only(tenant: Tenant) -> None:
    """Limited information: everything but id and type is null."""
    group = tenant.group(members=(tenant.principal().id,)).id
    (shown,) = tenant.client("GroupMember.Read.All").get(f"/groups/{group}/members").body["value"]
    assert {"@odata.type", "id"} == {name for name, value in shown.items() if value is not None}


def test_changing_a_role_assignable_group_takes_role_management(tenant: Tenant) -> None:
    """GroupMember.ReadWrite.All does not reach groups that may hold directory roles."""
    group, person = tenant.group(), tenant.user().id
    group.properties["isAssignableToRole"] = True
    body = {"@odata.id": f"https://graph.microsoft.com/v1.0/users/{person}"}
    clients = [tenant.client("GroupMember.ReadWrite.All", *more) for more in ((), ("RoleManagement.ReadWrite.Directory",))]
    assert [403, 204] == [client.post(f"/groups/{group.id}/members/$ref", body).status for client in clients]


def test_user_without_a_role_changes_only_what_it_owns(tenant: Tenant) -> None:
    """A delegated permission reaches no further than the person."""
    person = tenant.person("Application.ReadWrite.All")
    own, other = tenant.application(owners=(person.object_id,)).id, tenant.application().id
    assert [204, 403] == [person.patch(f"/applications/{app}", {"notes": "x"}).status for app in (own, other)]


def test_administrator_changes_everything(tenant: Tenant) -> None:
    """A directory role lifts the confinement."""
    other = tenant.application().id
    person = tenant.person("Application.ReadWrite.All", administrator=True)
    assert 204 == person.patch(f"/applications/{other}", {"notes": "x"}).status


def test_me_is_for_people(tenant: Tenant) -> None:
    """An application has no me."""
    person = tenant.person("User.Read")
    assert person.object_id == person.get("/me").body["id"]
    assert (400, "BadRequest") == error(tenant.client("User.Read.All").get("/me"))

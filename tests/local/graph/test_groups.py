"""Groups, memberships and users in the local Microsoft Graph."""

from __future__ import annotations

from typing import Any

import pytest

from tests.local.graph.calls import ABSENT, Client, Tenant, error, ids

NEW = {"displayName": "team", "mailNickname": "team", "mailEnabled": False, "securityEnabled": True}


@pytest.fixture
def tenant() -> Tenant:
    """A fresh tenant."""
    return Tenant()


@pytest.fixture
def client(tenant: Tenant) -> Client:
    """An application that may manage applications, groups and users."""
    return tenant.client("Group.ReadWrite.All", "User.ReadWrite.All", "Application.ReadWrite.All")


def _named(object_id: str) -> dict[str, str]:
    return {"@odata.id": f"https://graph.microsoft.com/v1.0/directoryObjects/{object_id}"}


def test_begins_with_the_members_it_is_given(tenant: Tenant, client: Client) -> None:
    """``members@odata.bind``."""
    user = tenant.user().id
    made = client.post("/groups", NEW | {"members@odata.bind": [_named(user)["@odata.id"]]}).body
    assert [user] == ids(client.get(f"/groups/{made['id']}/members"))


@pytest.mark.parametrize("change", [{"displayName": None}, {"mailNickname": None}, {"securityEnabled": None}])
def test_needs_its_properties(client: Client, change: dict[str, Any]) -> None:
    """400 without them."""
    assert (400, "Request_BadRequest") == error(client.post("/groups", NEW | change))


def test_groups_of_other_kinds_are_not_implemented(client: Client) -> None:
    """501 in Graph's shape."""
    assert (501, "NotImplemented") == error(client.post("/groups", NEW | {"mailEnabled": True}))


@pytest.mark.parametrize(
    ("kind", "refusal"),
    [
        (
            {"groupTypes": ["DynamicMembership"], "membershipRule": "user.department -eq 'x'"},
            (403, "Authorization_RequestDenied"),
        ),
        ({"groupTypes": ["Unified"], "mailEnabled": True}, (400, "Request_BadRequest")),
    ],
)
def test_a_group_with_other_rules_takes_no_service_principal(
    tenant: Tenant, client: Client, kind: dict[str, Any], refusal: tuple[int, str]
) -> None:
    """A rule decides about the members of a dynamic group; those of a Microsoft 365 group are users."""
    group = client.post("/groups", NEW | kind).body["id"]
    principal = tenant.client("User.Read.All").object_id
    assert refusal == error(client.post(f"/groups/{group}/members/$ref", _named(principal)))
    assert [] == ids(client.get(f"/groups/{group}/members"))


@pytest.mark.parametrize(
    "kind", [{"groupTypes": ["DynamicMembership"]}, {"groupTypes": ["Unified"]}, {"groupTypes": ["Other"]}]
)
def test_a_kind_comes_with_what_it_needs(client: Client, kind: dict[str, Any]) -> None:
    """A rule, or mail."""
    assert (400, "Request_BadRequest") == error(client.post("/groups", NEW | kind))


def test_member_is_added_once(tenant: Tenant, client: Client) -> None:
    """The second time is 400, with the sentence that clients look for."""
    group, user = tenant.group().id, tenant.user().id
    first, second = (client.post(f"/groups/{group}/members/$ref", _named(user)) for _ in "ab")
    assert (204, (400, "Request_BadRequest")) == (first.status, error(second))
    assert second.body["error"]["message"].startswith("One or more added object references already exist")


def test_member_must_exist(tenant: Tenant, client: Client) -> None:
    """404 names the object that is missing."""
    reply = client.post(f"/groups/{tenant.group().id}/members/$ref", _named(ABSENT))
    assert ((404, "Request_ResourceNotFound"), True) == (error(reply), ABSENT in reply.body["error"]["message"])


@pytest.mark.parametrize("body", [{}, {"@odata.id": "one"}, {"@odata.id": 1}])
def test_reference_must_be_one(tenant: Tenant, client: Client, body: dict[str, Any]) -> None:
    """400 for anything else."""
    assert 400 == client.post(f"/groups/{tenant.group().id}/members/$ref", body).status


def test_member_is_removed_once(tenant: Tenant, client: Client) -> None:
    """204, then 404."""
    user = tenant.user().id
    url = f"/groups/{tenant.group(members=(user,)).id}/members/{user}/$ref"
    assert [204, 404] == [client.delete(url).status for _ in "ab"]


def test_several_members_are_added_all_or_none(tenant: Tenant, client: Client) -> None:
    """A single one that is missing, or a member already, stops them all."""
    there, new = tenant.user().id, tenant.user("other").id
    group = tenant.group(members=(there,))

    def bind(*members: str) -> int:
        return client.patch(f"/groups/{group.id}", {"members@odata.bind": [_named(m)["@odata.id"] for m in members]}).status

    assert [404, 400, 204] == [bind(new, ABSENT), bind(new, there), bind(new)]
    assert [there, new] == group.members


def test_deleted_member_is_no_member(tenant: Tenant, client: Client) -> None:
    """A list shows those that live."""
    user = tenant.user()
    group = tenant.group(members=(user.id,)).id
    client.delete(f"/users/{user.id}")
    assert [] == ids(client.get(f"/groups/{group}/members"))


def test_membership_reaches_through_groups(tenant: Tenant, client: Client) -> None:
    """Directly in the inner group, transitively in the outer one, even if they hold each other."""
    principal = tenant.principal().id
    inner = tenant.group("inner", (principal,))
    outer = tenant.group("outer", (inner.id,))
    inner.members.append(outer.id)
    url = f"/servicePrincipals/{principal}"
    nested = client.post(f"{url}/getMemberGroups", {"securityEnabledOnly": True}).body["value"]
    asked = client.post(f"/directoryObjects/{principal}/checkMemberGroups", {"groupIds": [outer.id, ABSENT]}).body["value"]
    assert [inner.id] == ids(client.get(f"{url}/memberOf"))
    assert {inner.id, outer.id} == set(nested) == set(ids(client.get(f"{url}/transitiveMemberOf/microsoft.graph.group")))
    assert [outer.id] == asked
    assert {inner.id, outer.id, principal} == set(ids(client.get(f"/groups/{outer.id}/transitiveMembers")))


def test_at_most_twenty_groups_are_checked_at_once(tenant: Tenant, client: Client) -> None:
    """400 for more."""
    url = f"/servicePrincipals/{tenant.principal().id}/checkMemberGroups"
    assert [200, 400] == [client.post(url, {"groupIds": [ABSENT] * count}).status for count in (20, 21)]


def test_user_is_found_by_id_and_name(tenant: Tenant, client: Client) -> None:
    """Names are compared without case."""
    user = tenant.user("Ada")
    name = user.properties["userPrincipalName"]
    assert [user.id] * 3 == [client.get(f"/users/{key}").body["id"] for key in (user.id, name, name.upper())]


def test_user_shows_more_when_asked(tenant: Tenant, client: Client) -> None:
    """What is not among the eleven default properties has to be selected."""
    user = tenant.user()
    assert "accountEnabled" not in client.get(f"/users/{user.id}").body
    assert client.get(f"/users/{user.id}?$select=accountEnabled").body["accountEnabled"]


def test_user_name_is_taken_once(client: Client) -> None:
    """400 for a second account."""
    new = {
        "displayName": "Ada",
        "mailNickname": "ada",
        "userPrincipalName": "ada@example.com",
        "accountEnabled": True,
        "passwordProfile": {"password": "x"},
    }
    assert [201, 400] == [client.post("/users", new).status for _ in "ab"]


def test_objects_of_any_type_are_read_by_id(tenant: Tenant, client: Client) -> None:
    """A read by ids leaves out what does not exist and what was not asked for."""
    user, group = tenant.user().id, tenant.group().id
    both = client.post("/directoryObjects/getByIds", {"ids": [user, ABSENT, group]})
    users = client.post("/directoryObjects/getByIds", {"ids": [user, group], "types": ["user"]})
    assert ([user, group], [user]) == (ids(both), ids(users))
    assert "#microsoft.graph.group" == client.get(f"/directoryObjects/{group}").body["@odata.type"]


@pytest.mark.parametrize(
    ("kind", "permissions", "status"),
    [
        ("servicePrincipals", ["Application.Read.All"], 200),
        ("servicePrincipals", ["Directory.Read.All"], 200),
        ("servicePrincipals", ["Application.ReadWrite.OwnedBy"], 403),
        ("servicePrincipals", ["GroupMember.Read.All"], 403),
        ("users", ["User.ReadBasic.All", "GroupMember.Read.All"], 200),
        ("users", ["User.Read.All", "Group.Read.All"], 200),
        ("users", ["Directory.Read.All"], 200),
        ("users", ["User.ReadBasic.All"], 403),
        ("users", ["GroupMember.Read.All"], 403),
        ("groups", ["GroupMember.Read.All"], 200),
        ("groups", ["User.Read.All"], 403),
    ],
)
def test_listing_somebodys_groups_takes_what_is_documented(
    tenant: Tenant, kind: str, permissions: list[str], status: int
) -> None:
    """For each type of object another set of permissions."""
    ids = {"servicePrincipals": tenant.principal().id, "users": tenant.user().id, "groups": tenant.group("inner").id}
    asked = ids[kind]
    tenant.group("outer", (asked,))

    reply = tenant.client(*permissions).post(f"/{kind}/{asked}/getMemberGroups", {"securityEnabledOnly": True})

    assert (status, 1 if status == 200 else 0) == (reply.status, len(reply.body.get("value", [])))

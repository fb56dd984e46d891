"""Application permissions given over Graph: tokens state them later, and for a while after they were taken away."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from tests.local.entra.calls import App, aadsts, claims, grant, post, register
from tests.local.graph.calls import Client, Tenant
from tests.local.ticking import Ticking

READ_USERS = "df021288-bdef-4463-88db-98f22de89214"


@dataclass
class Lease:
    """An application, and somebody who may give permissions."""

    profile: str
    clock: Ticking = field(default_factory=Ticking)
    tenant: Tenant = field(init=False)
    app: App = field(init=False)
    admin: Client = field(init=False)
    graph: str = field(init=False)

    def __post_init__(self) -> None:
        self.tenant = Tenant(self.clock)
        self.app = register(self.tenant.world)
        self.admin = self.tenant.client("AppRoleAssignment.ReadWrite.All", "Application.Read.All")
        principal = self.tenant.world.directory.principal_of("00000003-0000-0000-c000-000000000000")
        assert principal is not None
        self.graph = principal.id
        self.tenant.world.consistency.configure(self.profile, seed=1)

    def give(self) -> str:
        """The permission; the assignment's id."""
        body = {"principalId": self.app.object_id, "resourceId": self.graph, "appRoleId": READ_USERS}
        made = self.admin.post(f"/servicePrincipals/{self.graph}/appRoleAssignedTo", body)
        assert 201 == made.status
        return str(made.body["id"])

    def take(self, assignment: str) -> None:
        """Takes it away."""
        assert 204 == self.admin.delete(f"/servicePrincipals/{self.graph}/appRoleAssignedTo/{assignment}").status

    def roles(self) -> list[str]:
        """What a fresh token states."""
        stated: list[str] = claims(post(self.tenant.world, grant(self.app))).get("roles", [])
        return stated


def test_a_token_states_what_was_given_at_once_under_profile_none() -> None:
    """And no more what was taken away."""
    lease = Lease("none")
    before, given = lease.roles(), lease.give()
    after = lease.roles()
    lease.take(given)
    assert ([], ["User.Read.All"], []) == (before, after, lease.roles())


@pytest.mark.parametrize("profile", ["typical", "scattered", "typical_regions"])
def test_tokens_state_a_permission_late(profile: str) -> None:
    """Within two minutes, by each replica in its own time."""
    lease = Lease(profile)
    lease.give()
    stated = [lease.roles()]
    for _ in range(200):
        lease.clock.at += 0.7
        stated.append(lease.roles())
    assert ([], ["User.Read.All"]) == (stated[0], stated[-1])
    assert [] in stated[stated.index(["User.Read.All"]) :]


def test_tokens_state_what_was_taken_away_for_a_while() -> None:
    """A role of a principal that is leased no more."""
    lease = Lease("none")
    given = lease.give()
    lease.tenant.world.consistency.configure("typical", seed=1)
    lease.take(given)
    early = lease.roles()
    lease.clock.at += 121
    assert (["User.Read.All"], []) == (early, lease.roles())


@pytest.mark.parametrize(
    "held", [("AppRoleAssignment.ReadWrite.All",), ("Application.Read.All",), ("Application.ReadWrite.OwnedBy",)]
)
def test_giving_takes_two_permissions(held: tuple[str, ...]) -> None:
    """One to give, one to read: https://learn.microsoft.com/graph/api/serviceprincipal-post-approleassignedto."""
    lease = Lease("none")
    body = {"principalId": lease.app.object_id, "resourceId": lease.graph, "appRoleId": READ_USERS}
    refused = lease.tenant.client(*held).post(f"/servicePrincipals/{lease.graph}/appRoleAssignedTo", body)
    assert (403, "Authorization_RequestDenied") == (refused.status, refused.body["error"]["code"])
    assert [] == lease.roles()


def test_what_is_given_twice_is_refused() -> None:
    """With a code that other mistakes have as well."""
    lease = Lease("none")
    lease.give()
    body = {"principalId": lease.app.object_id, "resourceId": lease.graph, "appRoleId": READ_USERS}
    again = lease.admin.post(f"/servicePrincipals/{lease.graph}/appRoleAssignedTo", body)
    error = again.body["error"]
    assert (400, "Request_BadRequest") == (again.status, error["code"])
    assert "Permission being assigned already exists on the object" == error["message"]


def test_a_fresh_principal_is_no_valid_reference_for_a_while() -> None:
    """As a replica says that has not seen it; of nobody at all, Graph says that there is none."""
    lease = Lease("scattered")
    fresh = register(lease.tenant.world)
    body = {"principalId": fresh.object_id, "resourceId": lease.graph, "appRoleId": READ_USERS}
    lease.tenant.world.consistency.wrote("principal", fresh.object_id)
    path = f"/servicePrincipals/{lease.graph}/appRoleAssignedTo"
    early = lease.admin.post(path, body)
    nobody = lease.admin.post(path, body | {"principalId": "11111111-2222-3333-4444-555555555555"})
    lease.clock.at += 601
    late = lease.admin.post(path, body)
    assert (400, "Not a valid reference update") == (early.status, early.body["error"]["message"])
    assert [404, 201] == [nobody.status, late.status]


def test_an_api_that_wants_a_role_refuses_until_it_is_known() -> None:
    """501051 meanwhile."""
    lease = Lease("typical")
    principal = lease.tenant.world.directory.service_principals[lease.graph]
    principal.properties["appRoleAssignmentRequired"] = True
    lease.give()
    early = aadsts(post(lease.tenant.world, grant(lease.app)))[2]
    lease.clock.at += 121
    assert ([501051], ["User.Read.All"]) == (early, lease.roles())

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


def test_an_api_that_wants_a_role_refuses_until_it_is_known() -> None:
    """501051 meanwhile."""
    lease = Lease("typical")
    principal = lease.tenant.world.directory.service_principals[lease.graph]
    principal.properties["appRoleAssignmentRequired"] = True
    lease.give()
    early = aadsts(post(lease.tenant.world, grant(lease.app)))[2]
    lease.clock.at += 121
    assert ([501051], ["User.Read.All"]) == (early, lease.roles())

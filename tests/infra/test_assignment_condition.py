from __future__ import annotations

import re

import pytest

from local.snapshots import INFRA, read
from local.snapshots import PRINCIPAL as BROKER_PRINCIPAL
from tests.local.arm.calls import (
    ACCESS_ADMIN,
    BLOB_READER,
    CONTRIBUTOR,
    GROUP,
    OWNER,
    RBAC_ADMIN,
    READER,
    ROOT,
    STORE,
    VAULT_ADMIN,
    Azure,
    assignment,
    outcome,
)

SERVICE_PRINCIPAL = {"principalType": "ServicePrincipal"}
CONDITION_LIMIT = 8 * 1024
"""Characters: https://learn.microsoft.com/azure/role-based-access-control/conditions-troubleshoot."""


@pytest.fixture
def azure() -> Azure:
    """A subscription in which the broker has what the template gives it, over the group ``app``."""
    made = Azure()
    made.principal(BROKER_PRINCIPAL)
    _grant(made, "grants")
    return made


def _grant(azure: Azure, snapshot: str) -> None:
    azure.grant(BROKER_PRINCIPAL, RBAC_ADMIN, GROUP, str(read(snapshot).outputs["condition"]))


def _status(azure: Azure, role: str, **properties: str) -> int:
    return azure.assign(azure.principal(), role, by=BROKER_PRINCIPAL, properties={**SERVICE_PRINCIPAL, **properties}).status


@pytest.mark.parametrize("role", [READER, BLOB_READER])
def test_lets_the_broker_assign_a_listed_role(azure: Azure, role: str) -> None:
    """Each of the list."""
    assert 201 == _status(azure, role)


def test_lets_the_broker_assign_on_a_resource_of_the_group(azure: Azure) -> None:
    """The grant holds below its scope."""
    reply = azure.assign(azure.principal(), READER, STORE, by=BROKER_PRINCIPAL, properties=SERVICE_PRINCIPAL)

    assert 201 == reply.status


def test_lets_the_broker_assign_before_the_directory_has_replicated(azure: Azure) -> None:
    """The principal is unknown to Resource Manager: its type is what the request says."""
    unknown = azure.world.guid()

    assert 201 == azure.assign(unknown, READER, by=BROKER_PRINCIPAL, properties=SERVICE_PRINCIPAL).status


@pytest.mark.parametrize("role", [OWNER, ACCESS_ADMIN, RBAC_ADMIN, CONTRIBUTOR])
def test_refuses_a_role_that_is_not_listed(azure: Azure, role: str) -> None:
    """Be it harmless or the keys to everything."""
    assert 403 == _status(azure, role)


@pytest.mark.parametrize("role", [OWNER, ACCESS_ADMIN, RBAC_ADMIN, VAULT_ADMIN])
def test_refuses_roles_that_give_roles_even_when_listed(role: str) -> None:
    """A mistake in the parameters does not make the broker an owner."""
    azure = Azure()
    azure.principal(BROKER_PRINCIPAL)
    assert role in read("grants-widest").outputs["condition"].partition("GuidEquals {")[2].partition("}")[0]
    _grant(azure, "grants-widest")

    assert 403 == _status(azure, role)


def test_refuses_a_user(azure: Azure) -> None:
    """Leases are held by service principals alone."""
    assert 403 == _status(azure, READER, principalType="User")


@pytest.fixture
def to_users() -> Azure:
    """The same with ``grantToUsers``."""
    made = Azure()
    made.principal(BROKER_PRINCIPAL)
    _grant(made, "grants-widest")
    return made


@pytest.mark.parametrize(("kind", "status"), [("User", 201), ("ServicePrincipal", 201), ("Group", 403)])
def test_lets_the_broker_assign_to_users_where_the_template_says_so(to_users: Azure, kind: str, status: int) -> None:
    """And to service principals as before; to no group."""
    reply = to_users.assign(to_users.world.guid(), READER, by=BROKER_PRINCIPAL, properties={"principalType": kind})
    assert status == reply.status


@pytest.mark.parametrize(("kind", "status"), [("User", 200), ("ServicePrincipal", 200), ("Group", 403)])
def test_lets_the_broker_take_from_users_what_it_may_give_them(to_users: Azure, kind: str, status: int) -> None:
    """So that such a lease ends."""
    assert status == _deletion(to_users, to_users.world.guid(), READER, kind)


@pytest.mark.parametrize("role", [OWNER, CONTRIBUTOR])
def test_gives_users_no_role_that_it_gives_nobody(to_users: Azure, role: str) -> None:
    """The list of roles is the same, and those that give roles stay out."""
    properties = {"principalType": "User"}
    assert 403 == to_users.assign(to_users.world.guid(), role, by=BROKER_PRINCIPAL, properties=properties).status


def test_refuses_a_group(azure: Azure) -> None:
    """Its members would outlast the lease."""
    assert 403 == _status(azure, READER, principalType="Group")


def test_refuses_a_principal_of_no_known_type(azure: Azure) -> None:
    """What the request does not say, and the directory does not know, is not taken for granted."""
    assert 403 == azure.assign(azure.world.guid(), READER, by=BROKER_PRINCIPAL).status


def test_refuses_the_brokers_own_identity(azure: Azure) -> None:
    """It cannot add to its own rights."""
    reply = azure.assign(BROKER_PRINCIPAL, READER, by=BROKER_PRINCIPAL, properties=SERVICE_PRINCIPAL)

    assert 403 == reply.status


def test_refuses_another_scope(azure: Azure) -> None:
    """The grant is over the group, not over the subscription that holds it."""
    reply = azure.assign(azure.principal(), READER, ROOT, by=BROKER_PRINCIPAL, properties=SERVICE_PRINCIPAL)

    assert (403, "AuthorizationFailed") == outcome(reply)


def _deletion(azure: Azure, principal: str, role: str, principal_type: str = "ServicePrincipal") -> int:
    name = azure.grant(principal, role, GROUP)
    azure.world.tree.role_assignments[name].principal_type = principal_type
    return azure.call("DELETE", assignment(GROUP, name), by=BROKER_PRINCIPAL).status


def test_lets_the_broker_delete_an_assignment_of_a_listed_role(azure: Azure) -> None:
    """That is how a lease ends."""
    assert 200 == _deletion(azure, azure.principal(), READER)


def test_refuses_to_delete_an_assignment_of_another_role(azure: Azure) -> None:
    """The broker takes nobody's Owner away."""
    assert 403 == _deletion(azure, azure.principal(), OWNER)


def test_refuses_to_delete_a_users_assignment(azure: Azure) -> None:
    """Of a listed role even."""
    assert 403 == _deletion(azure, azure.world.guid(), READER, "User")


def test_refuses_to_delete_the_brokers_own_assignment(azure: Azure) -> None:
    """Whoever holds its token cannot break it for good."""
    assert 403 == _deletion(azure, BROKER_PRINCIPAL, READER)


def test_lets_the_broker_read_role_definitions(azure: Azure) -> None:
    """Roles are written with names, which it looks up."""
    reply = azure.call("GET", f"{GROUP}/providers/Microsoft.Authorization/roleDefinitions", by=BROKER_PRINCIPAL)

    assert 200 == reply.status


def test_deleting_what_is_gone_is_refused_and_not_forbidden_for_ever(azure: Azure) -> None:
    """Nothing is there whose attributes could meet the condition. The broker looks whether it is gone when it sees this."""
    path = assignment(GROUP, azure.world.guid())

    assert 403 == azure.call("DELETE", path, by=BROKER_PRINCIPAL).status


def test_stays_short_enough_with_as_many_roles_as_the_template_takes() -> None:
    """Azure takes so many characters and no more."""
    most = re.search(r"@maxLength\((\d+)\)\nparam assignableRoles", (INFRA / "main.bicep").read_text())
    condition = str(read("grants-widest").outputs["condition"])
    listed = condition.partition("GuidEquals {")[2].partition("}")[0].split(", ")

    assert most is not None
    assert len(listed) == int(most[1])
    assert len(condition) < CONDITION_LIMIT

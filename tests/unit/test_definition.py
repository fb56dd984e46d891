from __future__ import annotations

import pytest

from local.cloud.rbac import builtin_roles
from local.cloud.tenant.resources import RoleDefinition
from shared.core.definition import ASSIGN, GIVING_ROLES, Definition, Permission, Powers, allows, read_at
from shared.core.names import Scope

S = "/subscriptions/11111111-2222-3333-4444-555555555555"
GIVE_ROLES = {
    "Owner",
    "User Access Administrator",
    "Role Based Access Control Administrator",
    "Key Vault Data Access Administrator",
}
"""Of the built-in roles that the local cloud has, those that Azure's documents say to grant access."""


def powers(*permissions: Permission) -> Powers:
    """Of a definition with these entries."""
    return Definition(f"{S}/providers/Microsoft.Authorization/roleDefinitions/x", "x", permissions).powers


def of_local(role: RoleDefinition) -> Powers:
    """As the product reads it."""
    fields = ("actions", "notActions", "dataActions", "notDataActions")
    return powers(*(Permission(*(tuple(entry[name]) for name in fields)) for entry in role.permissions))


@pytest.mark.parametrize("role", builtin_roles.ALL, ids=lambda role: role.role_name)
def test_every_built_in_role_is_told_by_what_it_gives_away(role: RoleDefinition) -> None:
    """The four that give roles, and no other."""
    assert (role.role_name in GIVE_ROLES) is bool(of_local(role).gives_roles)


def test_the_local_cloud_has_every_role_that_gives_roles() -> None:
    """Else the table above proves nothing."""
    assert GIVE_ROLES <= {role.role_name for role in builtin_roles.ALL}


@pytest.mark.parametrize(
    ("permission", "expected"),
    [
        (Permission(("*",)), GIVING_ROLES),
        (Permission(("*/write",)), tuple(action for action in GIVING_ROLES if action.endswith("/write"))),
        (Permission(("microsoft.AUTHORIZATION/ROLEassignments/Write",)), (ASSIGN,)),
        (Permission(("Microsoft.Authorization/roleAssignments/*",)), (ASSIGN,)),
        (Permission(("Microsoft.*/roleAssignments/w*",)), (ASSIGN,)),
        (Permission(("*",), ("microsoft.authorization/*/WRITE", "Microsoft.Authorization/elevateAccess/Action")), ()),
        (Permission(("*",), ("Microsoft.Authorization/roleAssignments/write",)), GIVING_ROLES[1:]),
        (Permission(("*",), ("Microsoft.Authorization/*",)), ()),
        (Permission(("Microsoft.Authorization/roleAssignments/read",)), ()),
        (Permission(("Microsoft.Authorization/roleAssignments",)), ()),
        (Permission(("Microsoft.Storage/*/write",)), ()),
        (Permission(data_actions=("*",)), ()),
    ],
)
def test_a_custom_role_gives_roles_by_what_is_left_of_its_actions(permission: Permission, expected: tuple[str, ...]) -> None:
    """Wildcards span segments, no case counts, and what is taken back is gone."""
    assert expected == powers(permission).gives_roles


def test_what_one_entry_takes_back_another_gives() -> None:
    """Each entry counts by itself."""
    stored = (Permission(("*",), ("Microsoft.Authorization/*",)), Permission((ASSIGN,)))
    assert (ASSIGN,) == powers(*stored).gives_roles
    assert not allows(stored[:1], ASSIGN)


@pytest.mark.parametrize(
    ("name", "expected"), [("Contributor", True), ("Owner", True), ("Managed Identity Operator", True), ("Reader", False)]
)
def test_who_can_put_an_identity_on_a_resource_is_told(name: str, *, expected: bool) -> None:
    """The holder can then act as it."""
    (role,) = [each for each in builtin_roles.ALL if each.role_name == name]
    assert of_local(role).assigns_identities is expected


@pytest.mark.parametrize(
    ("permission", "expected"),
    [
        (Permission(("*/read",)), True),
        (Permission(("*/Read", "Microsoft.Web/sites/read")), True),
        (Permission(("*/read", "Microsoft.Storage/storageAccounts/listKeys/action")), False),
        (Permission(("*",), ("*/write",)), False),
        (Permission(("*/read",), data_actions=("Microsoft.Storage/*/read",)), False),
    ],
)
def test_a_definition_only_reads_when_it_has_nothing_else(permission: Permission, *, expected: bool) -> None:
    """Listing keys is no reading, and data are no settings."""
    assert expected is powers(permission).only_reads


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *(("Reader", False), ("Storage Blob Data Reader", False), ("Key Vault Secrets User", False)),
        *(("Contributor", True), ("Storage Blob Data Contributor", True), ("Owner", True)),
    ],
)
def test_who_can_change_something_is_told(name: str, *, expected: bool) -> None:
    """To read a secret's value is an action of its own, ``getSecret/action``, and so is to make the key of a signature."""
    (role,) = [each for each in builtin_roles.ALL if each.role_name == name]
    assert of_local(role).changes is expected


@pytest.mark.parametrize(
    ("permission", "expected"),
    [
        (Permission(("*/read",), data_actions=("Microsoft.Storage/*/read",)), False),
        (Permission(("*/read", "Microsoft.Storage/storageAccounts/listKeys/action")), True),
        (Permission(("*",), ("*/write", "*/delete", "*/action")), True),
        (Permission(data_actions=("Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write",)), True),
        (Permission(), False),
    ],
)
def test_a_definition_changes_nothing_when_it_only_reads(permission: Permission, *, expected: bool) -> None:
    """What is taken back again counts all the same: doubt says that it changes something."""
    assert expected is powers(permission).changes


@pytest.mark.parametrize(
    ("assignable", "expected"),
    [
        ("/", True),
        (S, True),
        (f"{S.upper()}/RESOURCEGROUPS/App", True),
        (f"{S}/resourceGroups/ap", False),
        (f"{S[:-1]}6", False),
    ],
)
def test_a_custom_role_is_assignable_within_its_scopes(assignable: str, *, expected: bool) -> None:
    """By whole segments, in any case."""
    found = Definition("x", "x", (), (assignable,))
    assert expected is found.is_assignable_at(Scope.parse(f"{S}/resourceGroups/app"))


def test_a_definition_is_read_at_the_scope_where_it_is_assigned() -> None:
    """The broker may have no right over the subscription that its id begins with; another subscription's stays where it is."""
    group = Scope("/subscriptions/00000002-0000-4000-8000-000000000000/resourceGroups/app")
    tail = "/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7"
    other = f"/subscriptions/00000009-0000-4000-8000-000000000000{tail}"

    for place in ("", "/subscriptions/00000002-0000-4000-8000-000000000000", group, group.upper()):
        assert f"{group}{tail}" == read_at(f"{place}{tail}", group)
    assert other == read_at(other, group)

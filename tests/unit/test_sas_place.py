"""What a SAS is signed for: one container of one account, with the letters that the definitions give."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from local.cloud.rbac import builtin_roles
from shared.core.azure_role import AzureRole
from shared.core.definition import Definition, Permission
from shared.core.errors import Malformed
from shared.core.graph_app_roles import GraphAppRole
from shared.core.names import Scope
from shared.core.parameters.holes import template_scope
from shared.issuers.service_principal.sas_place import SasPlace, needs_within, place_of, require_signable, unsignable
from shared.issuers.service_principal.target import ServicePrincipalTarget
from shared.kinds.kept_roles import keep_azure_roles, kept_azure_roles
from tests.fakes.world import ACCOUNT, CONTAINER, GROUPS, SCOPES, principal_target, sas_target
from tests.support.kinds import SCHEMAS

OTHER = Scope(f"{ACCOUNT}2")
RAW = Scope(f"{ACCOUNT}/blobServices/default/containers/raw")
SCHEMA = SCHEMAS.of(sas_target()).schema
_BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/"


def built_in(name: str) -> Definition:
    """One of Azure's own, as the local Azure has it."""
    found = next(each for each in builtin_roles.BY_NAME.values() if each.role_name == name)
    permissions = tuple(
        Permission(*(tuple(each.get(field, ())) for field in ("actions", "notActions", "dataActions", "notDataActions")))
        for each in found.permissions
    )
    return Definition(f"/providers/Microsoft.Authorization/roleDefinitions/{found.name}", name, permissions)


def target(*pairs: tuple[str, Scope], **more: Any) -> ServicePrincipalTarget:
    """Of a role with these of Azure's own at these scopes."""
    roles = tuple(
        AzureRole(scope, name, definition_id=built_in(name).id, powers=built_in(name).powers) for name, scope in pairs
    )
    return replace(sas_target(), azure_roles=roles, **more)


def paths(of: ServicePrincipalTarget) -> list[str]:
    """Where the faults of a role are."""
    return [fault.path for fault in unsignable(of)]


def refusal(of: ServicePrincipalTarget, wanted: str | None = None) -> list[str]:
    """Where the faults of an ask are."""
    with pytest.raises(Malformed) as caught:
        place_of(of, wanted)
    assert "not_signable" == caught.value.stable_code
    return [fault.path for fault in caught.value.faults]


@pytest.mark.parametrize(
    "below", ["/queueServices/default/queues/q", "/blobServices/default/containers/c/blobs/one", "/providers/X.Y/z/a"]
)
@pytest.mark.parametrize("account", [ACCOUNT, Scope(f"{SCOPES[0]}/providers/Microsoft.Web/sites/shop")])
def test_an_ask_within_something_else_is_told_so_there(account: Scope, below: str) -> None:
    """It is no storage account, and no container of blobs. The role has no parameters that could be at fault."""
    of = target(("Storage Blob Data Contributor", Scope(f"{account}{below}")))
    with pytest.raises(Malformed) as caught:
        place_of(of, "reports")
    (fault,) = caught.value.faults
    assert ("within", True) == (fault.path, fault.message.startswith("expected a storage account, or a container"))


@pytest.mark.parametrize(
    ("name", "letters", "delegates"),
    [
        ("Storage Blob Data Reader", "rl", True),
        ("Storage Blob Data Contributor", "racwdl", True),
        ("Storage Blob Data Owner", "racwdxylt", True),
        ("Storage Blob Delegator", "", True),
        ("Storage Account Contributor", "", True),
        ("Contributor", "", True),
        ("Reader", "", False),
        ("Storage Queue Data Contributor", "", False),
        ("Key Vault Secrets User", "", False),
    ],
)
def test_what_azures_own_definitions_give(name: str, letters: str, *, delegates: bool) -> None:
    """The letters that their data actions are for, and whether they get a key."""
    powers = built_in(name).powers
    assert (letters, delegates) == (powers.blobs, powers.delegates)


@pytest.mark.parametrize(
    ("data_actions", "letters"),
    [
        (("read",), "rl"),
        (("write",), "acw"),
        (("add/action",), "ac"),
        (("delete",), "d"),
        (("deleteBlobVersion/action",), "x"),
        (("permanentDelete/action",), "y"),
        (("tags/read",), "t"),
        (("tags/write",), "t"),
        (("tags/*", "READ"), "rlt"),
        (("move/action", "filter/action"), ""),
    ],
)
def test_each_letter_follows_from_data_actions(data_actions: tuple[str, ...], letters: str) -> None:
    """In Azure's order, whatever the case."""
    permission = Permission(data_actions=tuple(_BLOBS + each for each in data_actions))
    assert letters == Definition("x", "x", (permission,)).powers.blobs


def test_what_a_definition_takes_back_gives_no_letter() -> None:
    """All but deletion."""
    permission = Permission(data_actions=("*",), not_data_actions=(_BLOBS + "delete",))
    assert "racwxylt" == Definition("x", "x", (permission,)).powers.blobs


def test_what_is_known_of_definitions_is_stored_and_read_back() -> None:
    """Of one that gives nothing of blobs, nothing is stored."""
    roles = sas_target().azure_roles
    stored = keep_azure_roles(roles)
    assert [each.powers for each in roles] == [each.powers for each in kept_azure_roles(roles, stored)]
    assert [{"delegates"}, {"blobs"}] == [{"blobs", "delegates"} & {*each} for each in stored["powers"]]
    assert not {"blobs", "delegates"} & {*keep_azure_roles(principal_target(1, 0).azure_roles)["powers"][0]}


# Where it is signed


@pytest.mark.parametrize(
    ("of", "wanted", "expected"),
    [
        (sas_target(), None, SasPlace("acme", "reports", "racwdl")),
        (sas_target(), "reports", SasPlace("acme", "reports", "racwdl")),
        (sas_target(ACCOUNT), "any-one", SasPlace("acme", "any-one", "racwdl")),
        (sas_target(CONTAINER, RAW), "raw", SasPlace("acme", "raw", "racwdl")),
        (sas_target(Scope(f"{ACCOUNT}/blobServices/default")), "raw", SasPlace("acme", "raw", "racwdl")),
        (
            target(("Storage Blob Data Reader", ACCOUNT), ("Storage Blob Data Contributor", CONTAINER)),
            "raw",
            SasPlace("acme", "raw", "rl"),
        ),
        (
            target(("Storage Blob Data Reader", ACCOUNT), ("Storage Blob Data Contributor", CONTAINER)),
            "reports",
            SasPlace("acme", "reports", "racwdl"),
        ),
        (sas_target(Scope(f"{ACCOUNT}/blobServices/default/containers/$web")), None, SasPlace("acme", "$web", "racwdl")),
    ],
)
def test_signs_for_one_container_what_the_role_gives_there(
    of: ServicePrincipalTarget, wanted: str | None, expected: SasPlace
) -> None:
    """The one that is asked for, or the only one."""
    assert [] == paths(of)
    assert expected == place_of(of, wanted)


@pytest.mark.parametrize(
    ("of", "wanted"),
    [
        (sas_target(ACCOUNT), None),
        (sas_target(CONTAINER, RAW), None),
        (sas_target(CONTAINER), "raw"),
        (sas_target(ACCOUNT), "Raw"),
        (sas_target(ACCOUNT), "$root"),
        (sas_target(ACCOUNT), "raw/one.txt"),
        (sas_target(ACCOUNT), ""),
        (sas_target(ACCOUNT), "raw?sig=x"),
        (target(("Storage Blob Data Reader", ACCOUNT), ("Storage Blob Data Contributor", CONTAINER)), None),
    ],
)
def test_an_ask_names_one_container_that_the_role_is_for(of: ServicePrincipalTarget, wanted: str | None) -> None:
    """A SAS is never for a whole account; and a name is no path."""
    assert ["container"] == refusal(of, wanted)


def test_a_role_above_accounts_needs_a_narrower_ask() -> None:
    """It is warned of; and what is narrowed to an account is signed for it."""
    of = target(("Storage Blob Data Contributor", SCOPES[0]))
    assert [] == paths(of)
    assert [("azure_roles[0].scope", "needs_within")] == [(each.path, each.code) for each in needs_within(of)]
    assert ["within"] == refusal(of, "raw")
    assert SasPlace("acme", "raw", "racwdl") == place_of(SCHEMA.narrow(of, ACCOUNT), "raw")


def test_an_ask_below_the_account_has_no_key() -> None:
    """The container is named in a field of its own."""
    of = target(("Storage Blob Data Contributor", ACCOUNT))
    assert ["within"] == refusal(SCHEMA.narrow(of, CONTAINER), None)
    assert "reports" == place_of(of, "reports").container


def test_values_may_lead_to_one_account_only() -> None:
    """That of two parameters may be two."""
    of = target(("Storage Blob Delegator", ACCOUNT), ("Storage Blob Data Reader", OTHER))
    assert ["parameters"] == refusal(of, "raw")


# Roles


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (target(("Storage Blob Data Reader", ACCOUNT), ("Storage Blob Data Reader", OTHER)), ["azure_roles[1].scope"]),
        (target(("Storage Blob Data Reader", SCOPES[0]), is_narrowable=False), ["azure_roles[0].scope"]),
        (target(("Reader", Scope(f"{SCOPES[0]}/providers/Microsoft.KeyVault/vaults/v"))), ["azure_roles[0].scope"]),
        (target(("Reader", Scope(f"{ACCOUNT}/queueServices/default/queues/q"))), ["azure_roles[0].scope"]),
        (target(("Reader", Scope(f"{CONTAINER}/blobs/one"))), ["azure_roles[0].scope"]),
        (target(("Storage Blob Data Contributor", CONTAINER)), ["azure_roles"]),
        (target(("Storage Blob Data Contributor", Scope(f"{ACCOUNT}/blobServices/default"))), ["azure_roles"]),
        (target(("Storage Blob Delegator", ACCOUNT)), ["azure_roles"]),
        (target(("Reader", ACCOUNT)), ["azure_roles", "azure_roles"]),
        (sas_target(azure_groups=GROUPS[:1]), ["azure_groups"]),
        (sas_target(graph_app_roles=(GraphAppRole("User.Read.All"),)), ["graph_app_roles"]),
        (sas_target(azure_roles=()), ["azure_roles"]),
    ],
)
def test_a_role_of_which_nothing_could_be_signed_is_refused(of: ServicePrincipalTarget, expected: list[str]) -> None:
    """When it is written; and nothing is issued from a stored one."""
    assert expected == paths(of)
    with pytest.raises(Malformed) as caught:
        require_signable(of)
    assert "not_signable" == caught.value.stable_code
    assert {*expected} <= {fault.path for fault in SCHEMA.unresolved(of)}


@pytest.mark.parametrize("name", ["secret", "token", "federated", "certificate"])
def test_a_role_that_hands_out_something_else_is_not_judged(name: Any) -> None:
    """It may be for whatever it likes."""
    of = target(("Reader", SCOPES[0]))
    other = replace(of, credential=replace(of.credential, name=name))
    assert ((), []) == (unsignable(other), [*needs_within(other)])


def test_holes_are_judged_by_where_they_stand() -> None:
    """An account, and a container of it, whatever their names."""
    account = template_scope(f"{SCOPES[0]}/providers/Microsoft.Storage/storageAccounts/{{account}}")
    container = template_scope(f"{account}/blobServices/default/containers/{{container}}")
    of = target(("Storage Blob Delegator", account), ("Storage Blob Data Reader", container))
    assert [] == paths(of)
    assert ["azure_roles"] == paths(target(("Storage Blob Data Reader", container)))


def test_a_definition_that_was_never_read_is_not_judged() -> None:
    """That is told apart."""
    (role, *_) = sas_target().azure_roles
    assert [] == paths(sas_target(azure_roles=(replace(role, powers=None),)))

"""Application permissions of Microsoft Graph: which no role has, what a role says of them, what the operator allows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.core.errors import Malformed, Misconfigured
from shared.core.graph_app_roles import GraphAppRole, is_forbidden
from shared.core.parameters.errors import NotNarrowable
from shared.core.pool import Pool
from shared.core.protection import Protected
from shared.issuers.service_principal.resources import TokenResources
from shared.issuers.service_principal.schema import ServicePrincipalSchema
from shared.issuers.service_principal.target import ServicePrincipalFootprint, ServicePrincipalTarget
from shared.settings import load
from tests.fakes.app_roles import ALL_GROUPS, GRAPH, OFFERED, USERS
from tests.fakes.world import SCOPES, WEB, principal_target, role
from tests.support.kinds import SCHEMAS, digest_of, read_role, restore_role, store_role, write_role
from tests.unit.test_role_document import DOCUMENT
from tests.unit.test_settings import LEAST

SCHEMA = SCHEMAS.of(principal_target()).schema
BOTH = (USERS, ALL_GROUPS)
ALONE = {"type": "service_principal", "graph_app_roles": ["User.Read.All"]}


def faults(document: dict[str, Any]) -> list[str]:
    """The paths of what is wrong."""
    with pytest.raises(Malformed) as caught:
        read_role(WEB, document)
    return [fault.path for fault in caught.value.faults]


@pytest.mark.parametrize(
    "name",
    [
        *("RoleManagement.ReadWrite.Directory", "RoleManagement.Read.All", "AppRoleAssignment.ReadWrite.All"),
        *("Application.ReadWrite.All", "Application.ReadWrite.OwnedBy", "application.readwrite.ownedby"),
        *("Directory.ReadWrite.All", "Policy.ReadWrite.ConditionalAccess", "Directory.AccessAsUser.All", "full_access_as_app"),
        *("Anything.AccessAsUser.All", "PrivilegedAccess.ReadWrite.AzureAD", "RoleManagementPolicy.ReadWrite.Directory"),
        *("RoleAssignmentSchedule.ReadWrite.Directory", "RoleEligibilitySchedule.Remove.Directory"),
        *("PrivilegedAssignmentSchedule.ReadWrite.AzureADGroup", "PrivilegedEligibilitySchedule.Remove.AzureADGroup"),
    ],
)
def test_no_role_may_have_what_gives_everything(name: str) -> None:
    """In whatever case it is written; and a setting that names it is a mistake."""
    assert is_forbidden(name)
    with pytest.raises(Misconfigured, match=f"LEASEHOLD_GRAPH_APP_ROLES: {name} may never stand here"):
        load({**LEAST, "LEASEHOLD_GRAPH_APP_ROLES": f"User.Read.All, {name}"})


@pytest.mark.parametrize(
    "name",
    ["User.Read.All", "Application.Read.All", "Directory.Read.All", "Policy.Read.All", "Mail.Send", "Group.ReadWrite.All"],
)
def test_a_role_may_have_the_others(name: str) -> None:
    """If the operator allows it."""
    assert not is_forbidden(name)
    assert {name} == load({**LEAST, "LEASEHOLD_GRAPH_APP_ROLES": name}).tokens.graph_app_roles


def test_the_operator_allows_none_unless_told() -> None:
    """It is off by default."""
    assert frozenset() == load(LEAST).tokens.graph_app_roles


@pytest.mark.parametrize("text", ["*", "User.*", "User Read", ".", "User.", "1.Read", "https://graph.microsoft.com/.default"])
def test_a_setting_that_names_no_permission_is_refused(text: str) -> None:
    """There are no patterns."""
    with pytest.raises(Misconfigured, match="LEASEHOLD_GRAPH_APP_ROLES"):
        load({**LEAST, "LEASEHOLD_GRAPH_APP_ROLES": text})


# The document


@pytest.mark.parametrize("document", [ALONE, DOCUMENT | {"graph_app_roles": ["User.Read.All", "Group.Read.All"]}])
def test_what_is_written_is_read_back(document: dict[str, Any]) -> None:
    """Alone, or beside the rest."""
    made = read_role(WEB, document)
    assert document["graph_app_roles"] == write_role(made)["graph_app_roles"]
    assert made == read_role(WEB, write_role(made))


def test_what_was_looked_up_is_kept() -> None:
    """By names: the ids come back, strictly and leniently read."""
    made = role(principal_target(graph_app_roles=BOTH))
    stored = store_role(made)
    assert {"resource": GRAPH, "ids": {each.name: each.id for each in BOTH}} == stored["resolved"]["graph_app_roles"]
    target = restore_role(WEB, stored, "").target
    assert isinstance(target, ServicePrincipalTarget)
    assert BOTH == target.graph_app_roles == SCHEMA.kept(SCHEMA.restore(stored), stored["resolved"]).graph_app_roles


def test_a_role_without_them_is_stored_and_digested_as_before() -> None:
    """What older versions have stored means the same."""
    bare = principal_target()
    stored = store_role(role(bare))
    assert "graph_app_roles" not in {*stored, *stored["resolved"], *SCHEMA.granted(bare)}
    assert "graph_app_roles" not in SCHEMA.write_footprint(ServicePrincipalFootprint("x"))


def test_a_lease_of_other_permissions_is_another() -> None:
    """The order does not count."""
    digests = [digest_of(principal_target(graph_app_roles=each)) for each in ((), (USERS,), BOTH, BOTH[::-1])]
    assert 3 == len({*digests})
    assert digests[2] == digests[3]


def test_a_footprint_knows_the_names() -> None:
    """So that the lease shows them."""
    footprint = ServicePrincipalFootprint("x", graph_app_roles=("User.Read.All",))
    assert footprint == SCHEMA.read_footprint(SCHEMA.write_footprint(footprint))
    assert ("User.Read.All",) == SCHEMA.places_of(footprint).graph_app_roles


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ([], "graph_app_roles"),
        ("User.Read.All", "graph_app_roles"),
        (["User.Read.All", 7], "graph_app_roles[1]"),
        (["User.*"], "graph_app_roles[0]"),
        (["User.Read.All", "Mail.Send", "User.Read.All"], "graph_app_roles[2]"),
        ([f"A{each}.Read.All" for each in range(17)], "graph_app_roles"),
    ],
)
def test_faults_stand_at_their_places(given: Any, path: str) -> None:
    """No empty list, no pattern, none twice, sixteen at most."""
    assert [path] == faults(DOCUMENT | {"graph_app_roles": given})


def test_a_role_that_gives_nothing_is_refused() -> None:
    """It names one of the three fields."""
    assert ["azure_roles"] == faults({"type": "service_principal"})


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"graph_app_roles": ["RoleManagement.ReadWrite.Directory"]}, "graph_app_roles[0]"),
        ({"resolved": {}}, "graph_app_roles[0]"),
        ({"resolved": {"graph_app_roles": {"resource": "x", "ids": {"User.Read.All": USERS.id}}}}, "graph_app_roles[0]"),
        ({"resolved": {"graph_app_roles": {"resource": GRAPH, "ids": {}}}}, "graph_app_roles[0]"),
    ],
)
def test_a_stored_role_that_is_not_whole_must_be_written_again(change: dict[str, Any], path: str) -> None:
    """Never looked up, damaged, or by now on the list of those that no role may have."""
    stored = store_role(role(replace(principal_target(0, 0), graph_app_roles=(USERS,)))) | change
    assert path in [fault.path for fault in restore_role(WEB, stored, "").outdated]


def test_a_stored_role_whose_names_cannot_be_read_mints_nothing() -> None:
    """A target is read as a whole or not at all."""
    stored = store_role(role(principal_target(graph_app_roles=(USERS,))))
    for damaged in ("User.Read.All", [7], ["User.*"]):
        assert SCHEMA.restore(stored | {"graph_app_roles": damaged}) is None


# What a role with them may do


def test_it_cannot_be_narrowed() -> None:
    """What they give lies at no scope."""
    with pytest.raises(NotNarrowable) as caught:
        SCHEMA.narrow(principal_target(1, 0, graph_app_roles=(USERS,)), SCOPES[0])
    assert "permissions of Microsoft Graph" in caught.value.detail


def test_its_author_is_told_that_parameters_do_not_confine_them() -> None:
    """As of groups."""
    document = {
        "type": "service_principal",
        "parameters": {"group": {"kind": "resource_group", "allowed": ["rg0"]}},
        "azure_roles": [{"role_name": "Reader", "scope": f"{SCOPES[0].rpartition('/')[0]}/{{group}}"}],
    }
    plain, with_them = (read_role(WEB, document | more).target for more in ({}, {"graph_app_roles": ["User.Read.All"]}))
    found = [[(each.path, each.code) for each in SCHEMA.warnings(each, Protected())] for each in (plain, with_them)]
    assert ("graph_app_roles", "not_confined") not in found[0]
    assert ("graph_app_roles", "not_confined") in found[1]


def test_they_can_be_seen_alone() -> None:
    """By the claim of a token: no probe is asked for."""
    alone = replace(principal_target(0, 0), graph_app_roles=(USERS,), ready="access")
    assert [] == [*SCHEMA.unresolved(alone)]


# Tokens for Graph


@pytest.mark.parametrize(
    ("authority", "host"),
    [
        ("https://login.microsoftonline.com", "graph.microsoft.com"),
        ("https://login.microsoftonline.us", "graph.microsoft.us"),
        ("https://login.microsoftonline.us", "dod-graph.microsoft.us"),
        ("https://login.partner.microsoftonline.cn", "microsoftgraph.chinacloudapi.cn"),
    ],
)
def test_tokens_for_graph_take_a_role_with_permissions_there(authority: str, host: str) -> None:
    """By cloud, and by exactly this address."""
    settings = load({**LEAST, "LEASEHOLD_AUTHORITY": authority})
    never = (*settings.callers.audiences, settings.azure.graph_endpoint)
    made = TokenResources.of(settings.tokens.hosts, settings.tokens.resources, never=never, graph=settings.tokens.graph)
    scope = f"https://{host}/.default"
    assert "" == made.refusal(scope, with_graph=True)
    assert "graph_app_roles" in made.refusal(scope)
    for other in (
        f"https://{host}//.default",
        f"https://x.{host}/.default",
        "https://graph.windows.net/.default",
        scope.upper(),
    ):
        assert made.refusal(other, with_graph=True)


def test_another_clouds_graph_is_no_resource() -> None:
    """Its tokens are of another directory."""
    tokens = load(LEAST).tokens
    made = TokenResources.of(tokens.hosts, tokens.resources, never=(), graph=tokens.graph)
    assert made.refusal("https://graph.microsoft.us/.default", with_graph=True)


def test_the_names_offered_here_are_well_formed() -> None:
    """So that a role may have them."""
    document = {"type": "service_principal", "graph_app_roles": [*OFFERED]}
    target = read_role(WEB, document).target
    assert isinstance(target, ServicePrincipalTarget)
    assert tuple(GraphAppRole(name) for name in OFFERED) == target.graph_app_roles


# In a pool


def test_a_pools_principals_have_none_unless_the_role_says_so() -> None:
    """Nobody has asked for such a right yet; a role that says so is told."""
    read_only = principal_target(1, 0, pool=Pool(size=1))
    with_them = replace(read_only, graph_app_roles=(USERS,))
    on_purpose = replace(with_them, pool=Pool(size=1, assigned=True))
    assert [True, False, True] == [each.assigns_in_pool for each in (read_only, with_them, on_purpose)]
    found = [[each.code for each in SCHEMA.warnings(target, Protected())] for target in (with_them, on_purpose)]
    assert ["pool_holds_writes" in codes for codes in found] == [False, True]


def test_another_permission_is_another_pool() -> None:
    """What was made for the former one is not handed out."""
    one, other = (principal_target(1, 0, pool=Pool(size=1), graph_app_roles=each) for each in ((USERS,), BOTH))
    assert ServicePrincipalSchema().pooled(one) != ServicePrincipalSchema().pooled(other)

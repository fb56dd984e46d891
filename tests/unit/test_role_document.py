from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shared.core.access.bounds import Bounds
from shared.core.azure_role import AzureRole, common_subscription
from shared.core.errors import Fault, Malformed
from shared.core.names import ObjectId, RoleName, Scope
from shared.core.plain_text import is_plain
from shared.core.role import MAX_TTL, MIN_TTL, Role, Target
from shared.issuers.application_secret.schema import ApplicationSecretTarget
from shared.issuers.service_principal.schema import ServicePrincipalTarget
from tests.fakes.world import DEFINITION, EXISTING, GROUPS, SCOPES, WEB, guid
from tests.support.kinds import read_role, restore_role, store_role, write_role

DOCUMENT: dict[str, Any] = {"type": "service_principal", "azure_roles": [{"role_name": "Reader", "scope": SCOPES[0]}]}
SECRET: dict[str, Any] = {"type": "application_secret", "application_object_id": EXISTING}

_LITERAL = {ord("'"): "''", ord("\\"): "/"}
identities = some.uuids().map(lambda value: ObjectId(str(value)))
words = some.text(some.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=40).filter(is_plain)
names = words.filter(lambda word: "*" not in word)
azure_roles = some.builds(
    AzureRole,
    some.sampled_from(SCOPES),
    some.just("Reader"),
    some.none(),
    some.none() | words.map(lambda word: f"@Resource[Contoso.A/b:c] StringEquals '{word.translate(_LITERAL)}'"),
    definition_id=some.just(DEFINITION),
) | some.builds(AzureRole, some.sampled_from(SCOPES), some.none(), some.just(DEFINITION), definition_id=some.just(DEFINITION))
principals = some.builds(
    ServicePrincipalTarget,
    some.lists(azure_roles, min_size=1, max_size=5).map(tuple),
    some.lists(identities, unique=True, max_size=5).map(tuple),
    some.lists(words, max_size=5, unique_by=str.casefold).map(tuple),
    some.sampled_from(["AzureADMyOrg", "AzureADMultipleOrgs"]),
    some.booleans(),
    some.sampled_from(["none", "token"]),
)
secrets = some.builds(
    ApplicationSecretTarget,
    identities,
    some.sampled_from(["none", "token"]),
    identities,
    some.none() | identities,
)
targets: some.SearchStrategy[Target] = some.one_of(principals, secrets)


@some.composite
def roles(draw: some.DrawFn) -> Role:
    """Any role that could have been written."""
    most = draw(some.integers(MIN_TTL, MAX_TTL))
    identity_sets = some.frozensets(identities, max_size=4)
    return Role(
        name=WEB,
        target=draw(targets),
        bounds=Bounds(draw(identity_sets), draw(identity_sets), draw(some.frozensets(names, max_size=4))),
        ttl=draw(some.integers(MIN_TTL, most)),
        max_ttl=most,
        renewable=draw(some.booleans()),
        max_leases=draw(some.none() | some.integers(1, 1000)),
        max_leases_per_caller=draw(some.none() | some.integers(1, 1000)),
    )


def faults(document: Any) -> list[str]:
    """The paths of all that is wrong with a document."""
    with pytest.raises(Malformed) as caught:
        read_role(WEB, document)
    return [fault.path for fault in caught.value.faults]


@given(roles())
def test_what_is_stored_is_restored(role: Role) -> None:
    """Storing and restoring loses nothing."""
    assert replace(role, version="v7") == restore_role(WEB, store_role(role), "v7")


@given(roles())
def test_what_is_written_is_read(role: Role) -> None:
    """The public document reads back as the role, but for what was looked up in Azure."""
    read = read_role(WEB, write_role(role))
    assert write_role(role) == write_role(read)
    assert "resolved" not in write_role(role)


def test_defaults_are_a_quarter_of_an_hour_and_four_hours() -> None:
    """A role that says nothing about time."""
    role = read_role(WEB, DOCUMENT)
    assert (900, 14400, True, None) == (role.ttl, role.max_ttl, role.renewable, role.max_leases)


def test_a_long_ttl_draws_the_default_max_ttl_along() -> None:
    """So that a ttl alone is never a fault."""
    assert 86400 == read_role(WEB, DOCUMENT | {"ttl": "1d"}).max_ttl


def test_a_short_max_ttl_draws_the_default_ttl_along() -> None:
    """So that a max_ttl alone is never a fault."""
    assert 300 == read_role(WEB, DOCUMENT | {"max_ttl": "5m"}).ttl


def test_a_ttl_longer_than_max_ttl_is_refused() -> None:
    """Said of the ttl."""
    assert ["ttl"] == faults(DOCUMENT | {"ttl": "2h", "max_ttl": "1h"})


def test_a_document_with_five_faults_reports_five() -> None:
    """All at once, each with its path."""
    wrong = {
        "type": "service_principal",
        "ttl": "soon",
        "renewable": "yes",
        "azure_roles": [{"role_name": "Reader"}, {"scope": SCOPES[0]}],
        "surprise": 1,
    }
    assert ["azure_roles[0].scope", "azure_roles[1]", "ttl", "renewable", "surprise"] == faults(wrong)


@pytest.mark.parametrize(("bounds", "path"), [({"bound_group_ids": ["x"]}, "bound_group_ids[0]"), ({}, "bound_tenant_ids")])
def test_bounds_are_judged_together_when_each_can_be_read(bounds: dict[str, Any], path: str) -> None:
    """The groups that a fault hides are the callers of the tenant."""
    with pytest.raises(Malformed) as caught:
        read_role(WEB, DOCUMENT | {"bound_tenant_ids": [guid(7)]} | bounds)
    assert [path] == [fault.path for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"type": "vault"}, "type"),
        ({"ttl": MIN_TTL - 1}, "ttl"),
        ({"max_ttl": MAX_TTL + 1}, "max_ttl"),
        ({"max_leases": 0}, "max_leases"),
        ({"max_leases_per_caller": 0}, "max_leases_per_caller"),
        ({"max_leases_per_caller": 1_000_001}, "max_leases_per_caller"),
        ({"max_leases_per_caller": True}, "max_leases_per_caller"),
        ({"credential": "passkey"}, "credential"),
        ({"pool": {"size": -1}}, "pool.size"),
        ({"pool": {"size": 51}}, "pool.size"),
        ({"pool": {"size": True}}, "pool.size"),
        ({"pool": {"size": 1, "max_age": 59}}, "pool.max_age"),
        ({"pool": {"size": 1, "max_age": "31d"}}, "pool.max_age"),
        ({"pool": {"size": 1, "assigned": "no"}}, "pool.assigned"),
        ({"pool": {"count": 0}}, "pool.count"),
        ({"pool": 1}, "pool"),
        ({"tags": ["leasehold"]}, "tags[0]"),
        ({"tags": ["a", "b", "A"]}, "tags[2]"),
        ({"azure_roles": [{"role_name": "R", "scope": SCOPES[0], "condition": " "}]}, "azure_roles[0].condition"),
        ({"azure_roles": [{"role_name": "R", "scope": SCOPES[0], "condition": "x eq 1"}]}, "azure_roles[0].condition"),
        ({"tags": ["a b"]}, "tags[0]"),
        ({"tags": ["a\u200bb"]}, "tags[0]"),
        ({"bound_app_roles": ["Leasehold.\u202eAdmin"]}, "bound_app_roles[0]"),
        ({"tags": ["x"] * 17}, "tags"),
        ({"sign_in_audience": "everybody"}, "sign_in_audience"),
        ({"permanently_delete": 1}, "permanently_delete"),
        ({"ready": "soon"}, "ready"),
        ({"azure_groups": [{"object_id": GROUPS[0]}, {"object_id": GROUPS[0]}]}, "azure_groups"),
        ({"azure_groups": []}, "azure_groups"),
        ({"azure_groups": [{"object_id": "x"}]}, "azure_groups[0].object_id"),
        ({"azure_groups": [{"object_id": GROUPS[0], "name": "x"}]}, "azure_groups[0].name"),
        ({"azure_roles": []}, "azure_roles"),
        ({"azure_roles": [{"role_name": "Reader", "scope": SCOPES[0]}] * 33}, "azure_roles"),
        ({"azure_roles": [{"role_name": "R", "role_id": DEFINITION, "scope": SCOPES[0]}]}, "azure_roles[0]"),
        ({"azure_roles": [{"scope": SCOPES[0]}]}, "azure_roles[0]"),
        ({"azure_roles": [{"role_id": "Reader", "scope": SCOPES[0]}]}, "azure_roles[0].role_id"),
        (
            {"azure_roles": [{"role_id": f"/subscriptions/x?y={DEFINITION}", "scope": SCOPES[0]}]},
            "azure_roles[0].role_id",
        ),
        ({"azure_roles": [{"role_name": "R", "scope": "/"}]}, "azure_roles[0].scope"),
        ({"azure_roles": [{"role_name": "R", "scope": SCOPES[0], "condition": "x" * 8193}]}, "azure_roles[0].condition"),
        ({"azure_roles": [{"role_name": "R", "scope": SCOPES[0], "name": "x"}]}, "azure_roles[0].name"),
        ({"bound_service_principal_ids": []}, "bound_service_principal_ids"),
        ({"bound_service_principal_ids": ["*"]}, "bound_service_principal_ids[0]"),
        ({"bound_application_ids": [1]}, "bound_application_ids[0]"),
        ({"bound_app_roles": [" x"]}, "bound_app_roles[0]"),
        ({"bound_app_roles": ["Readers", "*"]}, "bound_app_roles[1]"),
        ({"bound_app_roles": ["Leasehold.*"]}, "bound_app_roles[0]"),
        ({"resolved": {}}, "resolved"),
        ({"version": "1"}, "version"),
        ({"application_object_id": EXISTING}, "application_object_id"),
    ],
)
def test_a_fault_is_told_by_its_path(change: dict[str, Any], path: str) -> None:
    """Every rule of the document, one at a time."""
    assert [path] == faults(DOCUMENT | change)


def test_a_pool_is_read_and_written() -> None:
    """A pool of none is what there is without the field, and a document says nothing of it."""
    document = {"type": "service_principal", "azure_groups": [{"object_id": GROUPS[0]}]}
    assert read_role(WEB, document) == read_role(WEB, document | {"pool": {"size": 0}})
    assert "pool" not in write_role(read_role(WEB, document))
    read = read_role(WEB, document | {"pool": {"size": 3, "max_age": "2h", "assigned": False}})
    assert {"size": 3, "max_age": 7200, "assigned": False} == write_role(read)["pool"]
    assert read == read_role(WEB, write_role(read))


@pytest.mark.parametrize("kind", ["application_secret", "role_grant"])
def test_other_kinds_have_no_pool(kind: str) -> None:
    """What they give cannot be made before somebody asks."""
    document = {"type": kind, **({"application_object_id": guid(1)} if kind == "application_secret" else {})}
    with pytest.raises(Malformed) as caught:
        read_role(WEB, document | {"pool": {"size": 1}})
    assert "pool" in {fault.path for fault in caught.value.faults}


def test_a_service_principal_without_roles_and_groups_is_refused() -> None:
    """It could do nothing."""
    assert ["azure_roles"] == faults({"type": "service_principal"})


def test_a_document_without_type_is_refused() -> None:
    """Kinds are never guessed."""
    assert "type" in faults({"azure_groups": [{"object_id": GROUPS[0]}]})


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"application_object_id": "x"}, "application_object_id"),
        ({"azure_groups": [{"object_id": GROUPS[0]}]}, "azure_groups"),
        ({"ready": True}, "ready"),
    ],
)
def test_a_fault_of_an_application_secret_is_told_by_its_path(change: dict[str, Any], path: str) -> None:
    """The other kind of role has other fields."""
    assert [path] == faults(SECRET | change)


def test_an_application_secret_names_its_application() -> None:
    """It is the one field that it cannot be without."""
    assert ["application_object_id"] == faults({"type": "application_secret"})


@pytest.mark.parametrize("prefix", ["", f"/subscriptions/{guid(2)}", "/providers/Microsoft.Management/managementGroups/root"])
def test_a_role_definition_may_be_named_at_any_root(prefix: str) -> None:
    """Built-in definitions have an id with and without a subscription."""
    role_id = f"{prefix}/providers/Microsoft.Authorization/roleDefinitions/{guid(7)}"
    document = {"type": "service_principal", "azure_roles": [{"role_id": role_id, "scope": SCOPES[0]}]}
    target = read_role(WEB, document).target
    assert isinstance(target, ServicePrincipalTarget)
    assert role_id == target.azure_roles[0].role_id


def test_a_target_knows_its_subscription_only_when_there_is_one() -> None:
    """One for all scopes, or none."""
    other = Scope.parse(f"/subscriptions/{guid(9)}")
    one, two = AzureRole(SCOPES[0], "Reader"), AzureRole(other, "Reader")
    found = [common_subscription(role.scope for role in wanted) for wanted in ((one, one), (one, two), ())]
    assert [guid(2), None, None] == found


def test_a_role_tells_its_type() -> None:
    """By the target's class."""
    names = [read_role(RoleName("r"), document).type for document in (DOCUMENT, SECRET)]
    assert ["service_principal", "application_secret"] == names


TWO_LINES = "(\r\n\t@Resource[Contoso.A/b:c] StringEquals 'x'\n)"


def test_a_condition_may_have_lines_and_nothing_else_that_does_not_show() -> None:
    """As Azure's portal writes them."""
    wanted = {"role_name": "Reader", "scope": SCOPES[0], "condition": TWO_LINES}
    target = read_role(WEB, {**DOCUMENT, "azure_roles": [wanted]}).target
    assert isinstance(target, ServicePrincipalTarget)
    assert TWO_LINES == target.azure_roles[0].condition
    for field in ("role_name", "condition"):
        hiding = {**wanted, field: "a\u200fb"}
        with pytest.raises(Malformed) as caught:
            read_role(WEB, {**DOCUMENT, "azure_roles": [hiding]})
        assert [f"azure_roles[0].{field}"] == [fault.path for fault in caught.value.faults]


@pytest.mark.parametrize("audience", ["AzureADandPersonalMicrosoftAccount", "PersonalMicrosoftAccount"])
def test_a_role_for_personal_accounts_has_a_name_that_fits_a_display_name(audience: str) -> None:
    """Graph takes 90 characters of it there, and reconciliation needs it whole."""
    document = {**DOCUMENT, "sign_in_audience": audience}
    assert "r" * 53 == read_role(RoleName("r" * 53), document).name
    with pytest.raises(Malformed) as caught:
        read_role(RoleName("r" * 54), document)
    assert ["sign_in_audience"] == [fault.path for fault in caught.value.faults]
    read_role(RoleName("r" * 63), {**DOCUMENT, "sign_in_audience": "AzureADMultipleOrgs"})


def test_what_is_no_definition_s_id_is_told_as_that() -> None:
    """Also where it is a GUID; a group without an id is told to need one."""
    for wrong in ("Reader", guid(7)):
        with pytest.raises(Malformed) as caught:
            read_role(WEB, {"type": "service_principal", "azure_roles": [{"role_id": wrong, "scope": SCOPES[0]}]})
        message = "expected a role definition's id, .../providers/Microsoft.Authorization/roleDefinitions/{guid}"
        assert [("azure_roles[0].role_id", message)] == [(fault.path, fault.message) for fault in caught.value.faults]
    with pytest.raises(Malformed) as caught:
        read_role(WEB, {"type": "service_principal", "azure_groups": [{}]})
    assert ["azure_groups[0].object_id"] == [fault.path for fault in caught.value.faults]


def test_what_is_malformed_says_so_in_one_line() -> None:
    """For the log, each fault with its path where it has one."""
    assert "a.b: is wrong; the body is not JSON" == str(Malformed(Fault("a.b", "is wrong"), Fault("", "the body is not JSON")))


@pytest.mark.parametrize("name", ["x", "", "Reader"])
def test_a_definition_s_id_ends_in_a_guid(name: str) -> None:
    """Whatever is before it."""
    role_id = f"/providers/Microsoft.Authorization/roleDefinitions/{name}"
    document = {"type": "service_principal", "azure_roles": [{"role_id": role_id, "scope": SCOPES[0]}]}
    assert ["azure_roles[0].role_id"] == faults(document)

"""By what an assignment is seen to count: every built-in definition that the local Azure knows, at every kind of place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import pytest

from local.cloud.rbac.builtin_roles import ALL
from shared.core.azure_role import AzureRole
from shared.core.definition import LIST_SECRETS, READ_PERMISSIONS, STORAGE_DATA, VAULT_DATA, Definition, Permission, Powers
from shared.core.names import ObjectId, Scope
from shared.core.parameters.kinds import RESOURCE_GROUP
from shared.core.parameters.parameter import Parameter
from shared.core.readiness.observability import (
    PermissionsLook,
    ProbeLook,
    covered_by,
    hole_faults,
    looks_of,
    shows_itself,
    unseen,
    with_holes,
)
from shared.core.readiness.probes import DataHosts, HostKind, ReadyProbe
from tests.fakes.world import GROUPS, SCOPES

GROUP = SCOPES[0]
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/Acct"
BLOBS = f"{ACCOUNT}/blobServices/default"
CONTAINER = f"{BLOBS}/containers/c"
VAULT = f"{GROUP}/providers/Microsoft.KeyVault/vaults/kv"
SECRET = f"{VAULT}/secrets/s"
PLACES = {"group": GROUP, "account": ACCOUNT, "container": CONTAINER, "vault": VAULT, "secret": SECRET}
EVERYWHERE = (*PLACES,)
IN_STORAGE, IN_VAULTS, NOWHERE = ("account", "container"), ("vault", "secret"), ()
OBSERVED: dict[tuple[str, ...], set[str]] = {
    EVERYWHERE: {
        *("Owner", "Contributor", "Reader", "User Access Administrator", "Role Based Access Control Administrator"),
        *("Key Vault Data Access Administrator", "Storage Account Contributor", "Key Vault Contributor"),
        *("Key Vault Administrator", "Key Vault Reader", "Key Vault Secrets Officer"),
        *("Managed Identity Operator", "Managed Identity Contributor", "Virtual Machine Contributor"),
        *("Website Contributor", "Network Contributor", "DNS Zone Contributor", "Monitoring Reader", "Log Analytics Reader"),
        "EventGrid Data Sender",
    },
    IN_STORAGE: {"Storage Blob Data Reader", "Storage Blob Data Contributor", "Storage Blob Data Owner"},
    IN_VAULTS: {"Key Vault Secrets User"},
    NOWHERE: {
        *("Storage Blob Delegator", "Storage Account Key Operator Service Role", "AcrPull", "AcrPush"),
        *("Azure Kubernetes Service Cluster User Role", "Azure Kubernetes Service Cluster Admin Role"),
        *("Virtual Machine User Login", "App Configuration Data Owner", "App Configuration Data Reader"),
        *("Monitoring Metrics Publisher", "Azure Service Bus Data Owner", "Azure Service Bus Data Sender"),
        *("Azure Service Bus Data Receiver", "Azure Event Hubs Data Owner", "Azure Event Hubs Data Sender"),
        *("Azure Event Hubs Data Receiver", "Storage Queue Data Contributor", "Storage Queue Data Reader"),
        *("Storage Queue Data Message Sender", "Storage Queue Data Message Processor"),
        *("Storage Table Data Contributor", "Storage Table Data Reader"),
    },
}
"""Where each is seen without a declared probe."""
FIELDS = ("actions", "notActions", "dataActions", "notDataActions")


def powers_of(name: str) -> Powers:
    """What the broker stores of a built-in definition."""
    found = next(each for each in ALL if each.role_name == name)
    entries = (Permission(*(tuple(entry[key]) for key in FIELDS)) for entry in found.permissions)
    return Definition(f"/x/{found.name}", name, tuple(entries)).powers


def assigned(name: str, scope: str, condition: str | None = None) -> AzureRole:
    """An assignment of a built-in role."""
    return AzureRole(Scope.parse(scope), name, condition=condition, powers=powers_of(name))


@dataclass(frozen=True)
class Wanted:
    """A target."""

    azure_roles: tuple[AzureRole, ...] = ()
    azure_groups: tuple[ObjectId, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    ready_probes: tuple[ReadyProbe, ...] = ()


@pytest.mark.parametrize("name", sorted(each.role_name for each in ALL))
def test_every_built_in_role_is_seen_where_it_shows_itself(name: str) -> None:
    """And nowhere else."""
    expected = next(places for places, names in OBSERVED.items() if name in names)
    found = tuple(place for place, scope in PLACES.items() if shows_itself(assigned(name, scope)))
    assert expected == found


def test_the_table_has_no_role_that_the_local_azure_does_not_know() -> None:
    """Nor one twice."""
    names = [name for some in OBSERVED.values() for name in some]
    assert sorted(names) == sorted(each.role_name for each in ALL)


@pytest.mark.parametrize(
    ("name", "scope", "expected"),
    [
        ("Storage Blob Data Reader", ACCOUNT, "https://acct.blob.core.windows.net/?comp=list&maxresults=1"),
        ("Storage Blob Data Reader", BLOBS, "https://acct.blob.core.windows.net/?comp=list&maxresults=1"),
        (
            "Storage Blob Data Owner",
            CONTAINER,
            "https://acct.blob.core.windows.net/c?restype=container&comp=list&maxresults=1",
        ),
        (
            "Storage Blob Data Reader",
            f"{BLOBS}/containers/$web",
            "https://acct.blob.core.windows.net/$web?restype=container&comp=list&maxresults=1",
        ),
        ("Key Vault Secrets User", VAULT, "https://kv.vault.azure.net/secrets?api-version=7.4&maxresults=1"),
        ("Key Vault Secrets User", SECRET, "https://kv.vault.azure.net/secrets/s/versions?api-version=7.4&maxresults=1"),
    ],
)
def test_a_derived_probe_reads_at_the_scope(name: str, scope: str, expected: str) -> None:
    """The secret itself is never read."""
    (look,) = looks_of(Wanted((assigned(name, scope),)), DataHosts())
    resource = "https://storage.azure.com" if "blob" in expected else "https://vault.azure.net"
    assert ProbeLook(expected, resource) == look


@pytest.mark.parametrize(
    "scope",
    [
        f"{ACCOUNT}/queueServices/default/queues/q",
        f"{CONTAINER}/blobs/b",
        f"{ACCOUNT}/fileServices/default",
        GROUP,
        f"{GROUP}/providers/Microsoft.Web/sites/s",
    ],
)
def test_a_role_for_blobs_shows_itself_nowhere_else(scope: str) -> None:
    """No address follows from such a scope."""
    assert not shows_itself(assigned("Storage Blob Data Reader", scope))


@pytest.mark.parametrize("scope", [f"{VAULT}/keys/k", f"{SECRET}/versions/v", GROUP])
def test_a_role_for_secrets_shows_itself_nowhere_else(scope: str) -> None:
    """Nor from such a one."""
    assert not shows_itself(assigned("Key Vault Secrets User", scope))


@pytest.mark.parametrize(
    ("name", "scope", "expected"),
    [
        ("Storage Blob Data Reader", ACCOUNT, True),
        ("Storage Blob Data Reader", CONTAINER, False),
        ("Key Vault Secrets User", VAULT, False),
        ("Reader", GROUP, True),
    ],
)
def test_a_condition_may_hide_what_would_show_it(name: str, scope: str, *, expected: bool) -> None:
    """But not the list of an account's containers, of which no condition speaks."""
    assert expected is shows_itself(assigned(name, scope, "@Resource[x] StringEquals 'y'"))


def test_who_reads_blobs_and_may_not_list_containers_is_not_seen_at_an_account() -> None:
    """A custom role, for example."""
    reads = Permission(data_actions=("Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read",))
    powers = Definition("x", "x", (reads,)).powers
    at_account, at_container = (AzureRole(Scope.parse(scope), powers=powers) for scope in (ACCOUNT, CONTAINER))
    assert [False, True] == [shows_itself(at_account), shows_itself(at_container)]


def test_one_scope_is_looked_at_once_for_all_that_is_assigned_there() -> None:
    """Each definition's entries must be shown, and data are looked at beside that."""
    reader, vaults = assigned("Reader", VAULT), assigned("Key Vault Administrator", VAULT.upper().replace("/SUBS", "/subs"))
    first, second = looks_of(Wanted((reader, vaults)), DataHosts())
    assert reader.powers is not None
    assert vaults.powers is not None
    assert PermissionsLook(Scope(VAULT), frozenset({*reader.powers.entries, *vaults.powers.entries})) == first
    assert "probe:kv.vault.azure.net" == second.name
    assert f"arm:{VAULT}" == first.name


def test_declared_probes_are_looked_at_as_well() -> None:
    """Each address once."""
    probe = ReadyProbe("https://a.queue.core.windows.net/?comp=list", "https://storage.azure.com", (200, 404))
    looks = looks_of(Wanted(ready_probes=(probe, probe)), DataHosts())
    assert (ProbeLook(probe.url, probe.resource, (200, 404)),) == looks


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        *((kind, (0, 3)) for kind in (HostKind.BLOB, HostKind.QUEUE, HostKind.TABLE, HostKind.DFS)),
        (HostKind.VAULT, (1, 3)),
        (HostKind.RESOURCE_MANAGER, (2,)),
    ],
)
def test_a_probe_covers_what_its_service_has_data_of(kind: HostKind, expected: tuple[int, ...]) -> None:
    """One of Resource Manager covers the others. Whoever may read all data may read both."""
    everything = replace(assigned("Reader", GROUP), powers=Definition("x", "x", (Permission(data_actions=("*",)),)).powers)
    roles = (
        assigned("Storage Queue Data Reader", GROUP),
        assigned("Key Vault Secrets User", GROUP),
        assigned("AcrPull", GROUP),
    )
    probe = ReadyProbe("https://x.y/", "https://x")
    wanted = Wanted((*roles, everything))
    assert expected == covered_by(probe, wanted, kind)
    assert (1,) == covered_by(replace(probe, covers=(1,)), wanted, kind)


def group_parameter(name: str) -> Parameter:
    """One that takes any group."""
    return Parameter(name, RESOURCE_GROUP, any=True)


def test_a_probe_covers_nothing_with_holes() -> None:
    """What fills them is not known when the role is written."""
    template = f"/subscriptions/{SCOPES[0].split('/')[2]}/resourceGroups/{{g}}"
    queues = powers_of("Storage Queue Data Reader")
    in_scope, constant = AzureRole(Scope(template), powers=queues), AzureRole(GROUP, powers=queues)
    varied = replace(constant, condition="@Resource[x] StringEquals '{g}'")
    wanted = Wanted((in_scope, constant, varied), parameters=(group_parameter("g"),))
    probe = ReadyProbe("https://x.y/", "https://x")
    assert {0, 2} == with_holes(wanted)
    assert (1,) == covered_by(probe, wanted, HostKind.QUEUE)
    assert frozenset() == with_holes(replace(wanted, parameters=()))
    named = replace(wanted, ready_probes=(replace(probe, covers=(1,)), replace(probe, covers=(0, 1, 2))))
    assert ["ready_probes[1].covers"] * 2 == [fault.path for fault in hole_faults(named)]


def test_a_condition_that_cannot_be_read_may_have_holes() -> None:
    """A stored one, for example."""
    broken = AzureRole(GROUP, condition="'{")
    assert {0} == with_holes(Wanted((broken,), parameters=(group_parameter("g"),)))


def paths(wanted: Wanted) -> Iterable[str]:
    """Of what nothing shows."""
    return [fault.path for fault in unseen(wanted)]


def test_each_assignment_that_nothing_shows_is_named() -> None:
    """By its path."""
    roles = (assigned("AcrPull", GROUP), assigned("Reader", GROUP), assigned("Storage Queue Data Reader", GROUP))
    probe = ReadyProbe("https://x.y/", "https://x", covered=(2,))
    assert ["azure_roles[0]", "azure_roles[2]"] == paths(Wanted(roles))
    assert ["azure_roles[0]"] == paths(Wanted(roles, ready_probes=(probe,)))
    assert [] == paths(Wanted(roles, ready_probes=(replace(probe, covered=(0, 2)),)))


def test_groups_alone_need_a_probe() -> None:
    """Beside roles they are not looked at."""
    probe = ReadyProbe("https://x.y/", "https://x")
    assert ["ready_probes"] == paths(Wanted(azure_groups=GROUPS[:1]))
    assert [] == paths(Wanted(azure_groups=GROUPS[:1], ready_probes=(probe,)))
    assert [] == paths(Wanted((assigned("Reader", GROUP),), azure_groups=GROUPS[:1]))


def test_what_was_never_read_shows_nothing() -> None:
    """An older version has stored such roles."""
    assert not shows_itself(AzureRole(GROUP, "Reader"))
    assert () == looks_of(Wanted((AzureRole(GROUP, "Reader"),)), DataHosts())


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (Permission(("a/*", "B/read")), Permission(("b/read", "A/*", "a/*")), True),
        (Permission(("a",)), Permission(("a",), ("b",)), False),
        (Permission(("a",)), Permission(data_actions=("a",)), False),
        (Permission(), Permission(), True),
    ],
)
def test_entries_are_the_same_whatever_their_order_and_case(one: Permission, other: Permission, *, expected: bool) -> None:
    """As Azure compares actions."""
    assert expected is (one.digest == other.digest)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*", {STORAGE_DATA, VAULT_DATA}),
        ("Microsoft.*", {STORAGE_DATA, VAULT_DATA}),
        ("microsoft.storage/*", {STORAGE_DATA}),
        ("Microsoft.KeyVault/vaults/certificates/read", {VAULT_DATA}),
        ("Microsoft.StorageSync/x/read", set()),
        ("*/read", {STORAGE_DATA, VAULT_DATA}),
        ("Microsoft.Web/*", set()),
    ],
)
def test_data_actions_belong_to_a_service(pattern: str, expected: set[str]) -> None:
    """Stars included."""
    found = Definition("x", "x", (Permission(data_actions=(pattern,)),)).powers
    assert expected == {*found.sees} & {STORAGE_DATA, VAULT_DATA}


def test_what_an_entry_takes_back_does_not_show_it() -> None:
    """Of actions and of data actions."""
    some = Permission(("*",), ("Microsoft.Authorization/*",), ("*",), (LIST_SECRETS,))
    assert {READ_PERMISSIONS, LIST_SECRETS}.isdisjoint(Definition("x", "x", (some,)).powers.sees)


def test_powers_are_judged_alike_whatever_shows_them() -> None:
    """An older version has stored less."""
    known = powers_of("Key Vault Secrets User")
    assert known.judged_like(replace(known, sees=(), entries=()))
    assert not known.judged_like(replace(known, assigns_identities=True))

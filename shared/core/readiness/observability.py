"""Whether the broker can see that an assignment counts, and by what. Pure.

An assignment shows itself in two ways, each of which is looked at if it is there:

* The definition allows ``Microsoft.Authorization/permissions/read``: then Resource Manager lists the definition's entries to
  the new principal. That proves nothing about data (https://github.com/Azure/azure-sdk-for-net/issues/17384).
* It reads blobs, and is assigned at a storage account or below; or it reads secrets, and is assigned at a vault or below. From
  the scope follows an address to read: a *derived* probe.

What shows itself in neither way needs a declared probe.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol
from urllib.parse import quote

from shared.core.azure_role import AzureRole
from shared.core.definition import LIST_CONTAINERS, LIST_SECRETS, READ_BLOBS, READ_PERMISSIONS, STORAGE_DATA, VAULT_DATA
from shared.core.errors import Fault
from shared.core.names import ObjectId, Scope, Unparsable
from shared.core.parameters.holes import holes_of_condition, holes_of_scope
from shared.core.parameters.parameter import Parameter
from shared.core.readiness.probes import DataHosts, HostKind, ReadyProbe

PROBES = "ready_probes"
_ACCOUNTS = ("microsoft.storage", "storageaccounts")
_VAULTS = ("microsoft.keyvault", "vaults")
_SECRETS_API = "7.4"
"""https://learn.microsoft.com/rest/api/keyvault/secrets/get-secrets/get-secrets"""


@dataclass(frozen=True, slots=True)
class PermissionsLook:
    """Resource Manager's list of permissions at a scope must show these entries (``Permission.digest``)."""

    scope: Scope
    entries: frozenset[str]

    @property
    def name(self) -> str:
        """In ``Readiness``."""
        return f"arm:{self.scope}"


@dataclass(frozen=True, slots=True)
class ProbeLook:
    """A GET of the address, with a token for the resource, must be answered with one of these statuses."""

    url: str
    resource: str
    expect: tuple[int, ...] = (200,)

    @property
    def name(self) -> str:
        """In ``Readiness``."""
        return f"probe:{self.url.removeprefix('https://').partition('/')[0]}"


@dataclass(frozen=True, slots=True)
class AppRolesLook:
    """Access tokens for Microsoft Graph must carry all of these application permissions."""

    wanted: frozenset[str]
    name: ClassVar[str] = "graph_app_roles"
    """In ``Readiness``."""


type Look = PermissionsLook | ProbeLook | AppRolesLook


class Observed(Protocol):
    """What a role gives at scopes and by groups, and the probes that it declares."""

    @property
    def azure_roles(self) -> tuple[AzureRole, ...]: ...  # noqa: D102 - as in a target

    @property
    def azure_groups(self) -> tuple[ObjectId, ...]: ...  # noqa: D102

    @property
    def parameters(self) -> tuple[Parameter, ...]: ...  # noqa: D102

    @property
    def ready_probes(self) -> tuple[ReadyProbe, ...]: ...  # noqa: D102


def shows_itself(role: AzureRole) -> bool:
    """Returns whether the assignment needs no declared probe. A scope with holes is judged by its form."""
    return _may(role, READ_PERMISSIONS) or _address_of(role) is not None


def looks_of(target: Observed, hosts: DataHosts) -> tuple[Look, ...]:
    """Returns all that must be seen of a filled target: a look for each scope, for each derived and each declared probe."""
    entries: dict[str, set[str]] = {}
    scopes: dict[str, Scope] = {}
    probes: dict[ProbeLook, None] = {}
    for role in target.azure_roles:
        if _may(role, READ_PERMISSIONS) and role.powers is not None:
            scopes.setdefault(role.scope.key, role.scope)
            entries.setdefault(role.scope.key, set()).update(role.powers.entries)
        if (address := _address_of(role)) is not None:
            probes[_derived(address, hosts)] = None
    for each in target.ready_probes:
        probes[ProbeLook(each.url, each.resource, each.expect)] = None
    return (*(PermissionsLook(scopes[key], frozenset(entries[key])) for key in scopes), *probes)


def covered_by(probe: ReadyProbe, target: Observed, kind: HostKind) -> tuple[int, ...]:
    """Returns the places of the assignments that the probe covers, given the service of its host.

    Without ``covers``: a probe of Azure Storage covers what has data actions there, one of a vault those of vaults, and one of
    Resource Manager all others. It never covers an assignment with holes: what fills them is not known yet.
    """
    if probe.covers is not None:
        return probe.covers

    def is_of(role: AzureRole) -> bool:
        of_storage, of_vaults = _may(role, STORAGE_DATA), _may(role, VAULT_DATA)
        if kind.is_storage:
            return of_storage
        return of_vaults if kind is HostKind.VAULT else not of_storage and not of_vaults

    holes = with_holes(target)
    return tuple(index for index, role in enumerate(target.azure_roles) if is_of(role) and index not in holes)


def with_holes(target: Observed) -> frozenset[int]:
    """Returns the places of the assignments whose scope or condition has holes. Without parameters, none has."""
    if not target.parameters:
        return frozenset()
    return frozenset(index for index, role in enumerate(target.azure_roles) if holes_of_scope(role.scope) or _varies(role))


def _varies(role: AzureRole) -> bool:
    try:
        return bool(holes_of_condition(role.condition or ""))
    except Unparsable:
        return True


def unseen(target: Observed) -> tuple[Fault, ...]:
    """Returns a fault for each assignment of which nothing would show that it counts. The probes' ``covered`` are known."""
    covered = {index for probe in target.ready_probes for index in probe.covered}
    if target.azure_groups and not target.azure_roles and not target.ready_probes:
        message = "groups show at no scope: with azure_groups alone, `ready: access` needs a probe"
        return (Fault(PROBES, message),)
    return tuple(
        Fault(f"azure_roles[{index}]", _NOT_SEEN)
        for index, role in enumerate(target.azure_roles)
        if index not in covered and not shows_itself(role)
    )


_NOT_SEEN = (
    "the broker cannot see whether this assignment counts: the definition allows neither"
    " Microsoft.Authorization/permissions/read, nor reading blobs at a storage account or below, nor listing secrets at a vault"
    " or below; add an entry of ready_probes that covers it, or ask for `ready: token`"
)


def hole_faults(target: Observed) -> tuple[Fault, ...]:
    """Returns a fault for each probe that names an assignment with holes: it would prove another target than the filled one."""
    holes = with_holes(target)
    return tuple(
        Fault(f"{PROBES}[{place}].covers", f"azure_roles[{index}] has holes, and a probe has one address")
        for place, probe in enumerate(target.ready_probes)
        for index in probe.covers or ()
        if index in holes
    )


@dataclass(frozen=True, slots=True)
class _Address:
    """The host's service, the account or vault, and the path with its query."""

    kind: HostKind
    name: str
    path: str


def _derived(address: _Address, hosts: DataHosts) -> ProbeLook:
    host = hosts.vault(address.name) if address.kind is HostKind.VAULT else hosts.blob(address.name)
    return ProbeLook(f"https://{host}{address.path}", hosts.resource_of(address.kind))


def _address_of(role: AzureRole) -> _Address | None:
    """Returns what to read for an assignment at a storage account or a vault, or below. ``None`` if nothing shows it.

    A condition may keep the holder from reading a container or a vault as a whole. No condition speaks of the list of an
    account's containers: that is no data action.
    """
    provider, kind, name, below = _resource(role.scope)
    if (provider, kind) == _ACCOUNTS and _may(role, READ_BLOBS):
        return _blob_address(role, name, below)
    if (provider, kind) == _VAULTS and _may(role, LIST_SECRETS) and role.condition is None:
        if not below:
            return _Address(HostKind.VAULT, name, f"/secrets?api-version={_SECRETS_API}&maxresults=1")
        if [each.lower() for each in below[:-1]] == ["secrets"]:
            # The list of versions, and never the secret: the broker has no use for what it holds.
            path = f"/secrets/{quote(below[-1], safe='')}/versions?api-version={_SECRETS_API}&maxresults=1"
            return _Address(HostKind.VAULT, name, path)
    return None


def _blob_address(role: AzureRole, name: str, below: Sequence[str]) -> _Address | None:
    words = [each.lower() for each in below]
    if words in ([], ["blobservices", "default"]):
        return _Address(HostKind.BLOB, name, "/?comp=list&maxresults=1") if _may(role, LIST_CONTAINERS) else None
    if words[:-1] == ["blobservices", "default", "containers"] and role.condition is None:
        path = f"/{quote(below[-1], safe='$')}?restype=container&comp=list&maxresults=1"
        return _Address(HostKind.BLOB, name, path)
    return None


def _resource(scope: Scope) -> tuple[str, str, str, Sequence[str]]:
    """Returns provider, type and name of the top resource that the scope lies in, and the segments below it."""
    segments = scope.split("/")
    words = [each.lower() for each in segments]
    at = words.index("providers") if "providers" in words else len(words)
    if len(segments) < at + 4:
        return "", "", "", ()
    return words[at + 1], words[at + 2], segments[at + 3], segments[at + 4 :]


def _may(role: AzureRole, sight: str) -> bool:
    return role.powers is not None and sight in role.powers.sees

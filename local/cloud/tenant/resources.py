"""The tenant's Azure resources and what is granted on them, as data. Only Azure Resource Manager knows the wire's shapes.

Instants are POSIX seconds on the local cloud's own clock. Resource ids are kept as written and compared without case.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(slots=True)
class RoleDefinition:
    """An Azure role. ``name`` is its GUID, ``scope`` where it was defined (``/`` for a built-in one)."""

    name: str
    role_name: str
    description: str
    kind: Literal["BuiltInRole", "CustomRole"]
    permissions: list[dict[str, Any]]
    assignable_scopes: list[str]
    scope: str = "/"
    created: float = 0.0
    updated: float = 0.0
    created_by: str | None = None
    updated_by: str | None = None


@dataclass(slots=True)
class RoleAssignment:
    """An Azure role on a scope for a principal."""

    name: str
    scope: str
    role_definition_id: str
    """The full id as it was sent: ``/subscriptions/{s}/providers/Microsoft.Authorization/roleDefinitions/{guid}``."""
    principal_id: str
    principal_type: str
    created: float
    updated: float
    created_by: str
    updated_by: str
    condition: str | None = None
    condition_version: str | None = None
    description: str | None = None
    delegated_managed_identity: str | None = None


class RoleAssignments(MutableMapping[str, RoleAssignment]):
    """Role assignments by name, also found by principal: every authorization decision asks for one principal's."""

    def __init__(self) -> None:
        self._by_name: dict[str, RoleAssignment] = {}
        self._by_principal: dict[str, dict[str, RoleAssignment]] = {}

    def __getitem__(self, name: str) -> RoleAssignment:
        """The assignment with this name."""
        return self._by_name[name]

    def __setitem__(self, name: str, assignment: RoleAssignment) -> None:
        """Adds or replaces one."""
        if name in self._by_name:
            del self[name]
        self._by_name[name] = assignment
        self._by_principal.setdefault(assignment.principal_id.lower(), {})[name] = assignment

    def __delitem__(self, name: str) -> None:
        """Removes one."""
        assignment = self._by_name.pop(name)
        of_principal = self._by_principal[assignment.principal_id.lower()]
        del of_principal[name]
        if not of_principal:
            del self._by_principal[assignment.principal_id.lower()]

    def __iter__(self) -> Iterator[str]:
        """The names, in the order of creation."""
        return iter(self._by_name)

    def __len__(self) -> int:
        """How many there are, in the whole tenant."""
        return len(self._by_name)

    def of(self, principal_id: str) -> tuple[RoleAssignment, ...]:
        """What is assigned to this principal itself, at any scope."""
        return tuple(self._by_principal.get(principal_id.lower(), {}).values())


@dataclass(slots=True)
class Blob:
    """What one blob holds, and since when."""

    content: bytes
    content_type: str
    modified: float


@dataclass(slots=True)
class Container:
    """A container of a storage account, with its blobs by name."""

    modified: float
    blobs: dict[str, Blob] = field(default_factory=dict)


@dataclass(slots=True)
class Resource:
    """A subscription, resource group or resource: enough of one to be read, locked and assigned roles on."""

    id: str
    type: str
    location: str
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)
    containers: dict[str, Container] = field(default_factory=dict)
    """Of a storage account: its containers by name. They go when it goes."""
    principal_id: str | None = None
    """Object id of its system-assigned managed identity."""
    user_assigned: list[str] = field(default_factory=list)
    """Ids of the user-assigned managed identities that are attached to it."""
    further: dict[str, Any] = field(default_factory=dict)
    """What else stands at the top of it: ``kind``, ``sku``."""


@dataclass(slots=True)
class Lock:
    """A management lock (``CanNotDelete`` or ``ReadOnly``) on a scope."""

    name: str
    scope: str
    level: Literal["CanNotDelete", "ReadOnly"]
    notes: str | None = None


@dataclass(slots=True)
class ResourceTree:
    """Everything on the side of Azure Resource Manager."""

    resources: dict[str, Resource] = field(default_factory=dict)
    """By id, in lower case."""
    locks: dict[str, Lock] = field(default_factory=dict)
    """By id, in lower case."""
    role_definitions: dict[str, RoleDefinition] = field(default_factory=dict)
    """By GUID."""
    role_assignments: RoleAssignments = field(default_factory=RoleAssignments)
    """By GUID."""

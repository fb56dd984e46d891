"""Scopes: where in the tree of management groups, subscriptions, groups and resources something applies."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.cloud.local_azure import LocalAzure

ROOT = "/"
_MANAGEMENT_GROUPS = "/providers/microsoft.management/managementgroups/"
_RESOURCE = re.compile(
    r"^/subscriptions/(?P<subscription>[^/]+)(?:/resourcegroups/(?P<group>[^/]+))?/providers/(?P<rest>.+)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Scope:
    """A scope as it was written, without a slash at its end; ``/`` is the whole tenant."""

    path: str

    @classmethod
    def of(cls, text: str) -> Scope:
        """The scope that this text names, with or without slashes at its ends."""
        return cls("/" + text.strip("/"))

    @property
    def key(self) -> str:
        """The scope for comparison: ids are alike in any case."""
        return self.path.casefold()

    @property
    def prefix(self) -> str:
        """What stands before ``/providers/...`` in the id of something at this scope: nothing for the tenant."""
        return "" if self.path == ROOT else self.path

    @property
    def subscription(self) -> str | None:
        """The subscription that this scope is or lies in."""
        parts = self.path.split("/")
        return parts[2] if len(parts) > 2 and parts[1].lower() == "subscriptions" else None  # noqa: PLR2004 (/x/y has 3)

    @property
    def group(self) -> str | None:
        """The resource group that this scope is or lies in."""
        parts = self.path.split("/")
        return parts[4] if len(parts) > 4 and parts[3].lower() == "resourcegroups" else None  # noqa: PLR2004 (/a/b/c/d has 5)

    @property
    def management_group(self) -> str | None:
        """The management group that this scope is."""
        return self.path.rsplit("/", 1)[1] if self.key.startswith(_MANAGEMENT_GROUPS) else None

    @property
    def resource(self) -> Resourced | None:
        """What the resource at this scope is, when it is one."""
        match = _RESOURCE.match(self.path)
        return Resourced.of(match["rest"]) if match else None

    def contains(self, other: Scope) -> bool:
        """Whether ``other`` is this scope or lies below it by its id (management groups apart)."""
        return self.path == ROOT or other.key == self.key or other.key.startswith(self.key + "/")


@dataclass(frozen=True, slots=True)
class Resourced:
    """The type and name in a resource's id; a nested resource's have several parts."""

    type: str
    name: str
    root: str
    """Namespace, type and name of the resource at the top: ``Microsoft.Network/virtualNetworks/one``."""
    nesting: int
    """How many segments of the id follow the top resource."""

    @classmethod
    def of(cls, rest: str) -> Resourced | None:
        """Parses what follows ``/providers/``; ``None`` when it is not an id (``Microsoft.Web`` alone)."""
        namespace, *steps = re.split(r"/providers/", rest, flags=re.IGNORECASE)[-1].split("/")
        top = rest.split("/")
        if len(steps) < 2 or len(steps) % 2:  # noqa: PLR2004 (types and names alternate)
            return None
        return cls("/".join([namespace, *steps[0::2]]), "/".join(steps[1::2]), "/".join(top[:3]), len(top) - 3)


def lineage(world: LocalAzure, scope: Scope) -> Iterator[str]:
    """The keys of this scope and of all above it, up to the tenant's root.

    A subscription names its management group in ``properties["managementGroup"]``, a management group its parent in
    ``properties["parent"]``; the topmost one is named like the tenant.
    """
    key = scope.key
    while key and key != ROOT:
        yield key
        key = _above(world, key)
    yield ROOT


def _above(world: LocalAzure, key: str) -> str:
    if key.startswith(_MANAGEMENT_GROUPS):
        return _group_above(world, key, "parent")
    parts = key.split("/")
    if len(parts) == 3:  # noqa: PLR2004 (/subscriptions/id)
        return _group_above(world, key, "managementGroup")
    parts = parts[:-2]
    if len(parts) > 2 and parts[-2] == "providers":  # noqa: PLR2004 (the namespace goes with its first resource)
        parts = parts[:-2]
    return "/".join(parts)


def _group_above(world: LocalAzure, key: str, naming: str) -> str:
    at_top = key == _MANAGEMENT_GROUPS + world.tenant_id
    resource = world.tree.resources.get(key)
    name = resource.properties.get(naming) if resource else None
    return ROOT if at_top else _MANAGEMENT_GROUPS + str(name or world.tenant_id).casefold()

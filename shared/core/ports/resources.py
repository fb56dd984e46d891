"""The port to resources in Azure: whether the subject of an event is there, and whose identity it has."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from shared.core.events.subject import SubjectPattern
from shared.core.names import ObjectId, Scope


class ResourceState(Enum):
    """What Resource Manager says of a resource."""

    THERE = "there"
    GONE = "gone"
    """404, with a code that names what is gone: the resource, what it lies in, or its group."""
    REFUSED = "refused"
    """403: the broker may not read it. Nobody knows whether it is there."""


@dataclass(frozen=True, slots=True)
class Look:
    """A resource as it was seen. ``system`` is the service principal of its system-assigned identity."""

    state: ResourceState
    system: ObjectId | None = None
    assigned: tuple[ObjectId, ...] = ()
    """Of its user-assigned identities."""

    @property
    def identity(self) -> ObjectId | None:
        """The identity that it acts with: the system-assigned one, or else its only user-assigned one."""
        if self.system is not None:
            return self.system
        return self.assigned[0] if len(self.assigned) == 1 else None

    @property
    def principals(self) -> frozenset[ObjectId]:
        """All identities that it may act with."""
        return frozenset((*self.assigned, *((self.system,) if self.system is not None else ())))


@dataclass(frozen=True, slots=True)
class FoundResources:
    """The ids of resources. ``is_complete``: there are no more than these."""

    resource_ids: tuple[str, ...] = ()
    is_complete: bool = True


class Resources(Protocol):
    """Reads resources in Azure. Every method may raise ``Upstream``."""

    async def see(self, resource: Scope) -> Look:
        """Returns what is there now. An answer is remembered for five seconds: many events of one subject make one call."""
        ...

    async def may_read(self, pattern: SubjectPattern) -> bool:
        """Returns whether the broker may read resources of the pattern, by its rights at their resource group."""
        ...

    async def matching(self, pattern: SubjectPattern, most_pages: int) -> FoundResources:
        """Returns the resources of the pattern that are there, among those on so many pages of their group's list."""
        ...

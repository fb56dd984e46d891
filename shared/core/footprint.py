"""What must vanish when a lease ends: every Azure object that the lease has made or may have made.

A footprint is written before the first effect, and every later version of the broker reads it. So fields are added, and never
renamed or given another meaning. Undo uses the footprint and nothing else. Each kind decides what its footprints hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from shared.core.names import Scope


class Footprint(Protocol):
    """The footprint of one lease, of its kind's own class: frozen, and compared by value. Only the kind looks into it."""

    @property
    def type(self) -> str:
        """The name of the kind."""
        ...


@dataclass(frozen=True, slots=True)
class Assignment:
    """A role assignment, by its scope and the GUID that the broker chose for it."""

    scope: Scope
    name: str

    @property
    def resource_id(self) -> str:
        """Its id in Resource Manager."""
        return f"{self.scope}/providers/Microsoft.Authorization/roleAssignments/{self.name}"

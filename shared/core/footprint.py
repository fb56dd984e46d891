"""What must vanish when a lease ends: every Azure object that it has made or may have made.

A footprint is written before the first effect, and every later version of the broker reads it: fields are added, never renamed
or given another meaning. Undo uses what stands here and nothing else. What a footprint holds is its kind's own affair.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from shared.core.names import Scope


class Footprint(Protocol):
    """Of one lease, as its kind of credential says it: frozen, and compared by value. Only the kind looks into it."""

    @property
    def type(self) -> str:
        """The name of the kind."""
        ...


@dataclass(frozen=True, slots=True)
class Assignment:
    """A role assignment, by its scope and the GUID that the broker chose for it."""

    scope: Scope
    name: str

"""What Azure Resource Manager has done to resources, told to whoever listens: Event Grid's system topics do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Requested:
    """The request that made a change."""

    method: str
    url: str
    client_request_id: str
    client_address: str


@dataclass(frozen=True, slots=True)
class Change:
    """One operation on one resource, carried out or refused by its provider."""

    operation: Literal["Write", "Delete"]
    succeeded: bool
    action: str
    """Such as ``Microsoft.Web/sites/write``."""
    resource_id: str
    """As the caller wrote it."""
    claims: Mapping[str, Any]
    """Of the caller's token."""
    evidence: Mapping[str, str]
    """The role assignment that allowed it, as Azure Resource Manager tells it; empty when none is left."""
    requested: Requested | None
    """``None`` for what makes a new resource: of that Azure does not tell."""
    correlation_id: str


@dataclass(slots=True)
class Activity:
    """Who listens. Nothing is told, nor even put together, as long as nobody does."""

    listeners: list[Callable[[Change], None]] = field(default_factory=list)

    def tell(self, change: Change) -> None:
        """Tells it to everybody, in the order in which they began to listen."""
        for listener in self.listeners:
            listener(change)

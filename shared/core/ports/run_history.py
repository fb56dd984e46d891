"""The port to the history of runs: when the sweep and the reconciliation last ran, and what they counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.core.lease import State
from shared.core.names import LeaseId, RoleName


@dataclass(frozen=True, slots=True)
class Count:
    """The numbers of leases at that instant, by role and state, and at most a hundred leases that could not be read."""

    at: datetime
    leases: Mapping[tuple[RoleName, State], int]
    unreadable: tuple[LeaseId, ...] = ()

    def live(self, role: RoleName) -> int:
        """Returns the number of the role's leases that had not ended, without pooled ones."""
        return sum(count for (name, state), count in self.leases.items() if name == role and state.is_somebodys)


type Run = tuple[datetime, Mapping[str, int]]
"""The instant at which a run finished, and its counts."""


@dataclass(frozen=True, slots=True)
class Publishing:
    """How publishing events went. ``last_error`` is the code of the last failure; empty since events were published again.

    ``dropped`` counts the events that were never published, since the store was made.
    """

    last_error: str = ""
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Noted:
    """The whole history. ``overdue``: leases that the last sweep has left and that had been due for long."""

    sweep: Run | None = None
    reconciliation: Run | None = None
    count: Count | None = None
    overdue: tuple[LeaseId, ...] = ()
    publishing: Publishing = Publishing()


class RunHistory(Protocol):
    """The last runs of the sweep and of the reconciliation, and the last count."""

    async def noted(self) -> Noted:
        """Returns the whole history."""
        ...

    async def swept(self, at: datetime, summary: Mapping[str, int], overdue: Sequence[LeaseId] = ()) -> None:
        """Notes that a sweep has finished, and the leases that are overdue: a hundred at most."""
        ...

    async def last_sweep(self) -> Run | None:
        """Returns the last sweep."""
        ...

    async def reconciled(self, at: datetime, summary: Mapping[str, int]) -> None:
        """Notes that a reconciliation has finished."""
        ...

    async def last_reconciliation(self) -> Run | None:
        """Returns the last reconciliation."""
        ...

    async def counted(self, count: Count) -> None:
        """Notes the numbers of leases."""
        ...

    async def published(self, at: datetime, *, last_error: str, dropped: int) -> None:
        """Notes that events were to be published, why that failed, and how many more were dropped.

        If there is nothing new to note, writes nothing.
        """
        ...

    async def last_count(self) -> Count | None:
        """Returns the last count."""
        ...

    async def reachable(self) -> bool:
        """Returns whether storage answers."""
        ...

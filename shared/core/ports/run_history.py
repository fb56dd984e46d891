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
    """How many leases there were at that instant, by role and state; and a hundred at most that could not be read."""

    at: datetime
    leases: Mapping[tuple[RoleName, State], int]
    unreadable: tuple[LeaseId, ...] = ()

    def live(self, role: RoleName) -> int:
        """Those of the role that had not ended, but for pooled ones."""
        return sum(count for (name, state), count in self.leases.items() if name == role and state.is_somebodys)


type Run = tuple[datetime, Mapping[str, int]]
"""When something last finished, and with what result."""


@dataclass(frozen=True, slots=True)
class Noted:
    """What stands in the journal. ``overdue``: leases that the last sweep has left and that had been due for long."""

    sweep: Run | None = None
    reconciliation: Run | None = None
    count: Count | None = None
    overdue: tuple[LeaseId, ...] = ()


class RunHistory(Protocol):
    """When the sweep and the reconciliation last ran, and what was counted then."""

    async def noted(self) -> Noted:
        """All of it."""
        ...

    async def swept(self, at: datetime, summary: Mapping[str, int], overdue: Sequence[LeaseId] = ()) -> None:
        """Notes that a sweep has finished, and which leases are overdue: a hundred at most."""
        ...

    async def last_sweep(self) -> Run | None:
        """When one last did."""
        ...

    async def reconciled(self, at: datetime, summary: Mapping[str, int]) -> None:
        """Notes that a reconciliation has finished."""
        ...

    async def last_reconciliation(self) -> Run | None:
        """When one last did."""
        ...

    async def counted(self, count: Count) -> None:
        """Notes how many leases there are."""
        ...

    async def last_count(self) -> Count | None:
        """The last such note."""
        ...

    async def reachable(self) -> bool:
        """Whether storage answers."""
        ...

"""The port to the table of pools: hints at the leases that stand ready, and how filling goes.

Nothing here is the truth. A hint may be lost, late, or of a lease that is gone: the lease's own row decides, and every filling
mends the hints of its role.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from shared.core.names import RoleName
from shared.core.pool import Filling, Hint


class Pools(Protocol):
    """Raises ``Throttled``, ``Unavailable`` or ``Unreachable`` if storage fails. Every write may be repeated."""

    async def note(self, hint: Hint) -> None:
        """Stores a hint, in place of a former one of the same lease and instant."""
        ...

    async def forget(self, hint: Hint) -> None:
        """Deletes a hint. Absence is no error."""
        ...

    async def oldest(self, role: RoleName, most: int) -> Sequence[Hint]:
        """Returns so many hints of the role, those that have been ready longest first. Reads no more than these."""
        ...

    async def hints(self) -> Mapping[RoleName, Sequence[Hint]]:
        """Returns all hints, by role, the oldest first."""
        ...

    async def fillings(self) -> Mapping[RoleName, Filling]:
        """Returns how the filling goes of each role of which something is noted."""
        ...

    async def change_filling(self, role: RoleName, change: Callable[[Filling], Filling | None]) -> Filling | None:
        """Stores what ``change`` makes of how filling goes, in place of exactly that. Returns what is stored.

        If ``change`` returns ``None``, nothing is stored, and the result is ``None``. If another worker stores something in
        between, ``change`` is called again. If that happens again and again, raises ``LostRace``.
        """
        ...

    async def forget_filling(self, role: RoleName) -> None:
        """Forgets it, for a role that has no pool any more. Absence is no error."""
        ...

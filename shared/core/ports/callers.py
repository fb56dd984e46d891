"""The port to the store of what is counted for each caller."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, Self

from shared.core.ask_window import AskWindow
from shared.core.caller import Caller
from shared.core.lease import Holder
from shared.core.names import LeaseId, ObjectId


@dataclass(frozen=True, slots=True)
class CallerKey:
    """Who is counted: an object id means something within its tenant alone."""

    tenant_id: ObjectId
    object_id: ObjectId

    @classmethod
    def of(cls, who: Caller | Holder) -> Self:
        """Returns the key of a caller, or of the caller that holds a lease."""
        return cls(who.tenant_id, who.object_id)


@dataclass(frozen=True, slots=True)
class CallerAdmissions:
    """The leases that were admitted to a caller, and have not been seen active or ended since. ``version`` is the row's ETag.

    ``provisional`` are those that their roles' ``max_leases`` may still refuse.
    """

    leases: frozenset[LeaseId] = frozenset()
    provisional: frozenset[LeaseId] = frozenset()
    version: str = ""


class CallerRecords(Protocol):
    """What is counted for each caller. Each record is read and replaced as a whole."""

    def now(self) -> datetime:
        """Returns the store's own instant, as far as its last answers tell: the same to all workers, to about a second."""
        ...

    async def window(self, caller: CallerKey) -> AskWindow:
        """Returns the caller's asks of late. A row that cannot be read counts as empty, and is replaced by the next write."""
        ...

    async def note(self, caller: CallerKey, window: AskWindow) -> AskWindow:
        """Replaces the version of the window. Returns it with its new version. Raises ``LostRace`` if the row has changed."""
        ...

    async def admissions(self, caller: CallerKey) -> CallerAdmissions:
        """Returns the caller's leases that are admitted and being made. Raises ``Unreadable``."""
        ...

    async def admit(self, caller: CallerKey, admissions: CallerAdmissions) -> None:
        """Replaces the version of the admissions. Raises ``LostRace`` if the row has changed."""
        ...

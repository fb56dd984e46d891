"""Every call received, in order: what tests count requests with."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST = 1_000_000
"""Entries kept; the oldest go first."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One call and what became of it."""

    service: str
    method: str
    template: str
    """The route's path with its ``{names}``; the path itself when no route took the call."""
    path: str
    status: int | Literal["dropped"]
    """``dropped``: the connection was closed, or the client gave up, without an answer."""
    principal: str | None = None
    """Object id in the call's token, when that token is signed by the tenant."""
    client_id: str | None = None
    at: float = 0.0
    """POSIX seconds on the local cloud's clock, when the call was answered."""
    batched: bool = False
    """It came within a ``$batch``, which is a call as well."""
    host: str = ""
    """The name that was called, in lower case and without a port."""

    def as_json(self) -> dict[str, Any]:
        """The entry as the control API lists it."""
        return {
            "service": self.service,
            "method": self.method,
            "template": self.template,
            "path": self.path,
            "status": self.status,
            "principal": self.principal,
            "client_id": self.client_id,
            "at": self.at,
            "batched": self.batched,
            "host": self.host,
        }


@dataclass(slots=True)
class Ledger:
    """The calls received since the start, or since ``clear``."""

    _entries: deque[Entry] = field(default_factory=lambda: deque(maxlen=MOST))

    def record(self, entry: Entry) -> None:
        """Adds a call that has been answered or dropped."""
        self._entries.append(entry)

    def clear(self) -> None:
        """Forgets every call."""
        self._entries.clear()

    def __iter__(self) -> Iterator[Entry]:
        """The calls, oldest first."""
        return iter(self._entries)

    def __len__(self) -> int:
        """How many calls are kept."""
        return len(self._entries)

"""What the clients of a soak saw: statuses, codes, latencies, and every lease that they were given."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

NO_ANSWER = 0
"""In place of a status: the host died, or was not up again yet."""


@dataclass(slots=True)
class Held:
    """One lease as its holder knows it. ``credential`` is as the broker gave it."""

    lease_id: str
    role: str
    credential: Mapping[str, Any]
    expires_at: datetime

    def renewed(self, lease: Mapping[str, Any]) -> None:
        """Lasts as long as the broker has answered."""
        self.expires_at = datetime.fromisoformat(lease["expires_at"])


@dataclass(slots=True)
class Seen:
    """Everything, of all clients together."""

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    """By verb and status."""
    codes: Counter[str] = field(default_factory=Counter)
    """Of problem documents; ``""`` for an error that was none."""
    latencies: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """In milliseconds, by verb, of the successes."""
    given: dict[str, Held] = field(default_factory=dict)
    """By lease id."""
    asked_back: set[str] = field(default_factory=set)
    """Leases of which somebody has asked the end, whether an answer came or not."""
    early: list[str] = field(default_factory=list)
    """What a holder found ended before its time."""
    sweeps: Counter[str] = field(default_factory=Counter)
    """What sweeps on demand did."""
    kills: int = 0

    def answered(self, verb: str, status: int, document: Any, milliseconds: float) -> None:
        """Counts one answer."""
        self.statuses[verb, status] += 1
        if 200 <= status < 300:
            self.latencies[verb].append(milliseconds)
        else:
            self.codes[str(document.get("code", "")) if isinstance(document, dict) else ""] += 1

    def unanswered(self, verb: str) -> None:
        """Counts a call to which nothing came back."""
        self.statuses[verb, NO_ANSWER] += 1

    def took(self, made: Mapping[str, Any]) -> Held:
        """Keeps what an issue has answered."""
        lease = made["lease"]
        held = Held(lease["id"], lease["role"], made["credential"], datetime.fromisoformat(lease["expires_at"]))
        self.given[held.lease_id] = held
        return held

"""Limits on callers and lifetimes that hold whatever a role says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from shared.core.limits import POOL_ASSIGNMENTS
from shared.core.names import Unparsable
from shared.core.parsing import as_seconds
from shared.core.role import MAX_LIVE, MAX_TTL, MIN_TTL
from shared.settings.reader import Reader

_MOST_ASSIGNMENTS = 4000
"""A subscription takes so many: https://learn.microsoft.com/azure/role-based-access-control/troubleshoot-limits."""
_PER_MINUTE, _MOST_PER_MINUTE = 120, 1000


@dataclass(frozen=True, slots=True)
class Limits:
    """``shared.core.limits.Limits`` explains each."""

    max_leases_per_caller: int | None
    issues_per_minute: int
    max_ttl: int
    pool_assignments: int

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Reads the section."""
        return cls(
            max_leases_per_caller=reader.whole("MAX_LEASES_PER_CALLER", None, least=1, most=MAX_LIVE),
            issues_per_minute=reader.whole("ISSUES_PER_MINUTE", _PER_MINUTE, least=0, most=_MOST_PER_MINUTE),
            max_ttl=reader.optional("MAX_TTL", _ttl) or MAX_TTL,
            pool_assignments=reader.whole("POOL_ASSIGNMENTS", POOL_ASSIGNMENTS, least=0, most=_MOST_ASSIGNMENTS),
        )


def _ttl(text: str) -> int:
    seconds = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(MAX_TTL)) else as_seconds(text)
    if seconds is None or not MIN_TTL <= seconds <= MAX_TTL:
        raise Unparsable(f"expected {MIN_TTL} to {MAX_TTL} seconds, or a text such as 8h or 30d")
    return seconds

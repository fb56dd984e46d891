"""Limits that an operator sets for the whole broker."""

from __future__ import annotations

from dataclasses import dataclass

from shared.core.role import MAX_TTL

POOL_ASSIGNMENTS = 400
"""A tenth of what a subscription takes: https://learn.microsoft.com/azure/role-based-access-control/troubleshoot-limits."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Each limit holds for all workers together. Without settings, nothing is limited but the lifetime of a lease."""

    max_leases_per_caller: int | None = None
    """The live leases that one caller may hold, over all roles; ``None`` for any number."""
    issues_per_minute: int = 0
    """The leases that one caller may ask for in 60 seconds, and the refusals that it may get. 0 for any number."""
    pool_assignments: int = POOL_ASSIGNMENTS
    """So many role assignments may stand in all pools together when they are full."""
    max_ttl: int = MAX_TTL
    """Seconds. No role may name a longer lifetime, and no lease is issued for longer."""

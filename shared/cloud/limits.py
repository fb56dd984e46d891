"""The rate limiters of one worker, one for each limit of Azure's that calls count against.

Azure counts the calls of an application (Graph), or of an identity in a subscription (Resource Manager). So all instances of
the broker share the limits. No instance knows of the others: each starts at the whole limit, and lowers its rate when Azure
throttles it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from shared.core.ports.system import Clock
from shared.resilience.outages import Outages
from shared.resilience.rate_limit import Limit, RateLimiter

GRAPH_WRITES = Limit(3000, 20)
"""3,000 writes of an application in a tenant in 150 seconds, by a token bucket. Each request in a batch counts.
https://learn.microsoft.com/graph/throttling-limits#identity-and-access-service-limits"""
GRAPH_READS = Limit(3500, 350)
"""3,500 resource units in 10 seconds, in the smallest tenants (same source). Nearly every read of the broker's costs one unit.
Writes cost units too, but reach their own limit long before this one."""
ARM_WRITES = Limit(200, 10)
"""A token bucket for each subscription and identity. Deletions have another bucket of the same size.
https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling"""
ARM_READS = Limit(250, 25)
"""The same for reads (same source)."""
_SUBSCRIPTION = re.compile(r"/subscriptions/([^/?]+)", re.IGNORECASE)
_READING = "GET"
"""The method of all the broker's reads."""


@dataclass(frozen=True, slots=True)
class RateLimiters:
    """Makes each rate limiter when it is first needed."""

    clock: Clock
    outages: Outages = field(default_factory=Outages)
    """The adapters note each call's outcome here."""
    _made: dict[str, RateLimiter] = field(default_factory=dict)

    def of_graph(self, method: str) -> RateLimiter:
        """Returns the rate limiter of a call to Graph."""
        if method == _READING:
            return self._named("Graph's reads", GRAPH_READS)
        return self._named("Graph's writes", GRAPH_WRITES)

    def of_arm(self, method: str, path: str) -> RateLimiter:
        """Returns the rate limiter of a call to Resource Manager: that of the subscription in its path, or of the tenant."""
        found = _SUBSCRIPTION.search(path)
        where = f"subscription {found[1].lower()}" if found else "the tenant"
        if method == _READING:
            return self._named(f"Resource Manager's reads in {where}", ARM_READS)
        kind = "deletions" if method == "DELETE" else "writes"
        return self._named(f"Resource Manager's {kind} in {where}", ARM_WRITES)

    def _named(self, name: str, limit: Limit) -> RateLimiter:
        if name not in self._made:
            self._made[name] = RateLimiter(name, limit, self.clock)
        return self._made[name]

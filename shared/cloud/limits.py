"""The budgets of one worker: which limit of Azure's a call counts against, and what that limit is.

Azure counts for the application (Graph) or for the identity in a subscription (Resource Manager), so all instances of the
broker share its limits. No instance knows of the others: each starts at the whole limit and is lowered when it is told.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from shared.core.ports.system import Clock
from shared.resilience.outages import Outages
from shared.resilience.rate_limit import Limit, RateLimiter

GRAPH_WRITES = Limit(3000, 20)
"""3,000 writes of an application in a tenant in 150 seconds, by a token bucket; each request of a batch counts.
https://learn.microsoft.com/graph/throttling-limits#identity-and-access-service-limits"""
GRAPH_READS = Limit(3500, 350)
"""3,500 resource units in 10 seconds, in the smallest tenants (same source). The broker's reads cost one each, but for a rare
one; where its writes come near their own limit they do not matter here."""
ARM_WRITES = Limit(200, 10)
"""A token bucket for each subscription and identity, and another one for deletions.
https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling"""
ARM_READS = Limit(250, 25)
"""The same for reads (same source)."""
_SUBSCRIPTION = re.compile(r"/subscriptions/([^/?]+)", re.IGNORECASE)
_READING = "GET"
"""The broker reads in no other way."""


@dataclass(frozen=True, slots=True)
class RateLimiters:
    """All of them, each made when it is first needed."""

    clock: Clock
    outages: Outages = field(default_factory=Outages)
    """Told of each call's outcome by the adapters."""
    _made: dict[str, RateLimiter] = field(default_factory=dict)

    def of_graph(self, method: str) -> RateLimiter:
        """What a call to Graph counts against."""
        if method == _READING:
            return self._named("Graph's reads", GRAPH_READS)
        return self._named("Graph's writes", GRAPH_WRITES)

    def of_arm(self, method: str, path: str) -> RateLimiter:
        """What a call to Resource Manager counts against: by the subscription in its path, or the tenant."""
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

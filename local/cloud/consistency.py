"""Eventual consistency: a write is seen at once by whoever made it last, and later by the others.

A *fact* is a key such as ``("application", id)``, ``("principal", id)``, ``("secret", key_id)``, ``("certificate",
key_id)``, ``("assignment", name)``, ``("federated", id)``, ``("group", id)`` or ``("member", group_id, object_id)``; an
*observer* is ``graph`` (reads by other replicas), ``entra`` (token requests) or ``arm`` (the principal lookup when a
role is assigned, and the evaluation of assignments). An observer with several replicas answers from one of them, drawn
anew for each request (``turn``): so a success may be followed by a failure until the last replica has the write.
"""

from __future__ import annotations

import heapq
import math
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from local.cloud.wire import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

type Observer = Literal["graph", "entra", "arm"]
type Fact = tuple[str, ...]

REPLICAS: Mapping[Observer, int] = {"graph": 3, "entra": 3, "arm": 1}
"""How many copies answer. Azure publishes no number; three is the least that shows flapping more than once."""

_NORMAL_P90 = 1.2815515655446004
_NORMAL_P99 = 2.3263478740408408


@dataclass(frozen=True, slots=True)
class Delay:
    """Seconds until one replica has a write: a lognormal with this median and 90th percentile, never above ``most``."""

    median: float
    p90: float
    most: float


@dataclass(frozen=True, slots=True)
class Profile:
    """Delays for each kind of fact and observer, and each service's latency as (median, p99) seconds."""

    name: str
    delays: Mapping[tuple[str, Observer], Delay]
    latency: Mapping[str, tuple[float, float]]


NONE = Profile("none", {}, {})

TYPICAL = Profile(
    "typical",
    {
        # Measured over 281 recorded retry chains of role assignments sent without principalType: PrincipalNotFound
        # lasted 15 s in the median, 33 s at the 90th percentile, 121 s at most. Polling intervals are included.
        ("principal", "arm"): Delay(15, 33, 121),
        # A token for a fresh registration is refused with AADSTS700016 or 7000215 for some tens of seconds:
        # https://github.com/AzureAD/microsoft-authentication-library-for-dotnet/issues/3706 shows the former *after* a
        # success. No distribution is published; these are of the order that clients' own retries allow for.
        ("application", "entra"): Delay(8, 30, 120),
        ("principal", "entra"): Delay(8, 30, 120),
        ("secret", "entra"): Delay(5, 20, 120),
        ("certificate", "entra"): Delay(5, 20, 120),
        # "Takes time to propagate", minutes:
        # https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations
        ("federated", "entra"): Delay(15, 60, 300),
        # Group membership reaches ARM's evaluation like assignments do.
        ("member", "arm"): Delay(20, 90, 600),
        # "up to 10 minutes": https://learn.microsoft.com/azure/role-based-access-control/troubleshooting
        ("assignment", "arm"): Delay(10, 60, 600),
        # Reads by other replicas of the directory: a few seconds.
        ("application", "graph"): Delay(1, 5, 30),
        ("principal", "graph"): Delay(1, 5, 30),
        ("secret", "graph"): Delay(1, 5, 30),
        ("certificate", "graph"): Delay(1, 5, 30),
        ("federated", "graph"): Delay(1, 5, 30),
        ("group", "graph"): Delay(1, 5, 30),
        ("member", "graph"): Delay(1, 5, 30),
    },
    # Azure publishes no latency objective for these planes: the usual order of magnitude from the same region.
    {"entra": (0.12, 0.8), "graph": (0.25, 1.5), "arm": (0.35, 2.0), "key_vault": (0.05, 0.4), "imds": (0.02, 0.2)},
)

PROFILES: Mapping[str, Profile] = {profile.name: profile for profile in (NONE, TYPICAL)}


@dataclass(slots=True)
class Consistency:
    """Who sees what, when. Under profile ``none`` everybody sees everything at once."""

    now: Callable[[], float]
    chance: random.Random
    profile: Profile = NONE
    speed: float = 1.0
    _seen_from: dict[Fact, dict[Observer, tuple[float, ...]]] = field(default_factory=dict)
    _settled: list[tuple[float, Fact]] = field(default_factory=list)
    _replica: float = 0.0

    def configure(self, profile: str, *, seed: int | None = None, speed: float = 1.0) -> None:
        """Changes the profile for writes from now on, and forgets what is under way.

        Raises ``InputError`` for an unknown profile or a ``speed`` that is not positive.
        """
        if profile not in PROFILES:
            raise InputError(f"profile must be one of {', '.join(PROFILES)}")
        if not (math.isfinite(speed) and speed > 0):
            raise InputError("speed must be a positive number")
        self.profile, self.speed = PROFILES[profile], speed
        if seed is not None:
            self.chance = random.Random(seed)
        self._seen_from.clear()
        self._settled.clear()

    def turn(self) -> None:
        """A new request arrives: draws the replica that will answer it."""
        if self._seen_from:
            self._replica = self.chance.random()

    def wrote(self, *fact: str) -> None:
        """Records that a fact has just come true: draws, for each observer, when its replicas will see it."""
        delays = self.profile.delays
        if not delays:
            return
        now = self.now()
        self._forget(now)
        seen = {observer: self._arrivals(now, observer, delay) for (kind, observer), delay in delays.items() if kind == fact[0]}
        if seen:
            self._seen_from[fact] = seen
            heapq.heappush(self._settled, (max(max(times) for times in seen.values()), fact))

    def sees(self, observer: Observer, *fact: str) -> bool:
        """Whether this observer knows the fact by now. A fact never recorded was always there."""
        seen = self._seen_from.get(fact)
        if seen is None or observer not in seen:
            return True
        times = seen[observer]
        return self.now() >= times[int(self._replica * len(times))]

    def latency(self, service: str) -> float:
        """Seconds that the next call of this service takes before it has its effect."""
        if service not in self.profile.latency:
            return 0.0
        median, p99 = self.profile.latency[service]
        return self.chance.lognormvariate(math.log(median), math.log(p99 / median) / _NORMAL_P99) / self.speed

    def _arrivals(self, now: float, observer: Observer, delay: Delay) -> tuple[float, ...]:
        mu, sigma = math.log(delay.median), math.log(delay.p90 / delay.median) / _NORMAL_P90
        draws = (self.chance.lognormvariate(mu, sigma) for _ in range(REPLICAS[observer]))
        return tuple(now + min(draw, delay.most) / self.speed for draw in draws)

    def _forget(self, now: float) -> None:
        """Drops the facts that every replica has: rewritten facts are kept until their latest write has arrived."""
        while self._settled and self._settled[0][0] <= now:
            _, fact = heapq.heappop(self._settled)
            seen = self._seen_from.get(fact)
            if seen is not None and max(max(times) for times in seen.values()) <= now:
                del self._seen_from[fact]

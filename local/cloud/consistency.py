"""Eventual consistency: a write is seen at once by whoever made it last, and later by the others.

A *fact* is a key such as ``("application", id)``, ``("principal", id)``, ``("secret", key_id)``, ``("assignment", name)``,
``("federated", id)`` or ``("member", group_id, object_id)``; an *observer* is ``graph`` (reads by other replicas), ``entra``
(token requests) or ``arm`` (the principal lookup when a role is assigned, and the evaluation of assignments).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

type Observer = Literal["graph", "entra", "arm"]
type Fact = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """Delays in seconds: for each kind of fact and observer a (median, p90) pair, and latency a service as (median, p99)."""

    name: str
    delays: Mapping[tuple[str, Observer], tuple[float, float]]
    latency: Mapping[str, tuple[float, float]]


NONE = Profile("none", {}, {})


@dataclass(slots=True)
class Consistency:
    """Who sees what, when. Under profile ``none`` everybody sees everything at once."""

    now: Callable[[], float]
    chance: random.Random
    profile: Profile = NONE
    speed: float = 1.0
    _seen_from: dict[tuple[Fact, Observer], float] = field(default_factory=dict)

    def wrote(self, *fact: str) -> None:
        """Records that a fact has just come true: draws, for each observer, when it will see it."""
        raise NotImplementedError

    def sees(self, observer: Observer, *fact: str) -> bool:
        """Whether this observer knows the fact by now. A fact never recorded was always there."""
        raise NotImplementedError

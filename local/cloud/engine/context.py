"""What the engine needs of the world that it runs over: time, what goes wrong, who calls, and where calls are recorded."""

from __future__ import annotations

from typing import Protocol

from local.cloud.engine.clock import Clock
from local.cloud.engine.effects import Effect
from local.cloud.engine.ledger import Ledger
from local.cloud.engine.tokens import Tokens


class Faults(Protocol):
    """What decides which calls go wrong."""

    def strike(self, service: str, method: str, path: str) -> Effect | None:
        """The effect that this call meets, if any; using it counts."""
        ...


class Replication(Protocol):
    """What decides how late a service answers and which of its replicas does."""

    def turn(self) -> None:
        """A new request arrives."""
        ...

    def latency(self, service: str) -> float:
        """Seconds that the next call of this service takes before it has its effect."""
        ...


class Context(Protocol):
    """A world, as far as the engine knows it."""

    @property
    def clock(self) -> Clock:
        """Time."""
        ...

    @property
    def faults(self) -> Faults:
        """Faults on demand."""
        ...

    @property
    def consistency(self) -> Replication:
        """Latency and replicas."""
        ...

    @property
    def tokens(self) -> Tokens:
        """The tenant's tokens, which say who calls."""
        ...

    @property
    def ledger(self) -> Ledger:
        """Where calls are recorded."""
        ...

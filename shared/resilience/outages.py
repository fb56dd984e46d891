"""Which of Azure's services did not answer this worker's last call to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum


class Service(StrEnum):
    """What taking a lease back asks."""

    GRAPH = "Graph"
    RESOURCE_MANAGER = "Resource Manager"


@dataclass(slots=True)
class Outages:
    """What one worker knows. A service of which it knows nothing is taken for being there."""

    recovered: Callable[[], None] = lambda: None
    """Called when one answers again."""
    _down: set[Service] = field(default_factory=set)

    def note(self, service: Service, *, answered: bool) -> None:
        """A call's outcome: any answer below 500 is one, a refusal or a request to wait as well."""
        if not answered:
            self._down.add(service)
        elif service in self._down:
            self._down.remove(service)
            self.recovered()

    @property
    def known(self) -> bool:
        """Whether there is any."""
        return bool(self._down)

    def concern(self, services: Iterable[Service]) -> bool:
        """Whether one of these services is known not to answer."""
        return not self._down.isdisjoint(services)

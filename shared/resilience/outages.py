"""The services of Azure's that did not answer this worker's last call to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum


class Service(StrEnum):
    """The services that undoing a lease calls."""

    GRAPH = "Graph"
    RESOURCE_MANAGER = "Resource Manager"


@dataclass(slots=True)
class Outages:
    """What one worker knows of outages. It assumes that a service answers until a call was not answered."""

    recovered: Callable[[], None] = lambda: None
    """Called when a service answers again."""
    _down: set[Service] = field(default_factory=set)

    def note(self, service: Service, *, answered: bool) -> None:
        """Takes in a call's outcome. Any answer below 500 is an answer, also a refusal or a request to wait."""
        if not answered:
            self._down.add(service)
        elif service in self._down:
            self._down.remove(service)
            self.recovered()

    @property
    def known(self) -> bool:
        """Returns whether any service is known not to answer."""
        return bool(self._down)

    def concern(self, services: Iterable[Service]) -> bool:
        """Returns whether one of these services is known not to answer."""
        return not self._down.isdisjoint(services)

"""The port to the counts of events from outside."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol


class Counted(StrEnum):
    """What is counted of events, for the operator."""

    DROPPED = "dropped"
    """They could not be read."""
    DELAYED = "delayed"
    """It was not yet their time, and they were put back."""
    OWN = "own"
    """The broker's own work, or a leased principal's, has made them."""
    POISON = "given_up"
    """They have failed too often, or waited for too long."""


class EventCounts(Protocol):
    """Counts that only grow. They are for people, and nothing is decided by them."""

    async def add(self, what: Counted, number: int = 1) -> None:
        """Adds to a count. If storage fails, the number is lost, and nothing is raised."""
        ...

    async def read(self) -> Mapping[Counted, int]:
        """Returns all counts. What cannot be read counts as nothing. Raises ``Upstream``."""
        ...

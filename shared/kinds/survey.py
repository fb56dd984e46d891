"""What a kind's issuer has found in Azure that leases may have left. The broker judges it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from shared.core.errors import Upstream
from shared.core.footprint import Footprint
from shared.core.lease import Lease
from shared.core.names import LeaseId
from shared.core.role import Role

log = logging.getLogger(__name__)


class Candidate(Protocol):
    """An object in Azure that is named after a lease. ``name`` is made of Azure's own ids."""

    @property
    def type(self) -> str:
        """What the object is, in one word of the kind's: ``application``, ``assignment``."""
        ...

    @property
    def lease(self) -> LeaseId:
        """The lease that it is named after."""
        ...

    @property
    def name(self) -> str:
        """Where an operator finds it."""
        ...

    @property
    def since(self) -> datetime | None:
        """When it was made; ``None`` if Azure does not say."""
        ...

    @property
    def is_proof(self) -> bool:
        """Whether its marks prove that this broker has made it. If not, it is the broker's only if its lease is known."""
        ...

    @property
    def goes_with(self) -> str:
        """The name of an earlier candidate whose footprint includes this one; empty if there is none."""
        ...

    @property
    def is_whole(self) -> bool:
        """Whether its footprint stands for all of its lease. If so, undoing it also looks for what its names lead to."""
        ...

    async def footprint(self, lease: Lease | None, role: Role | None) -> Footprint | None:
        """Returns the footprint to undo, or ``None`` if the object is to stay. The lease and the role may be missing."""
        ...


class Survey(Protocol):
    """One survey. Nothing is read before ``run``."""

    @property
    def reading(self) -> Reading:
        """Knows the places that could not be read this time."""
        ...

    async def run(self) -> Mapping[str, Sequence[Candidate]]:
        """Returns what was found, by place, in the order in which to judge it. Raises ``Upstream`` if nothing can be read."""
        ...

    def shows(self, lease_id: LeaseId, *, with_credential: bool) -> bool:
        """Returns whether all that the lease's credential needs was found, and the credential if the lease has one."""
        ...


def note_unread(unread: list[str], place: str, failure: Upstream) -> None:
    """Adds a place that could not be read to those that are told, each once, and logs why."""
    log.warning("%s could not be read: %s", place, failure)
    if place.casefold() not in {each.casefold() for each in unread}:
        unread.append(place)


@dataclass(slots=True)
class Reading:
    """Reads places one after the other. If one cannot be read now, the others are read all the same."""

    unread: list[str] = field(default_factory=list)

    async def try_to(self, place: str, reading: Awaitable[None]) -> None:
        """Reads a place, or notes that it could not be read."""
        try:
            await reading
        except Upstream as failure:
            note_unread(self.unread, place, failure)

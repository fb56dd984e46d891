"""What a kind's issuer has seen in Azure that may be of leases: the broker judges it."""

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
    """Something that is called after a lease. ``name`` says in Azure's own ids what it is."""

    @property
    def type(self) -> str:
        """What it is, in one word of the kind's: ``application``, ``assignment``."""
        ...

    @property
    def lease(self) -> LeaseId:
        """The lease that it is called after."""
        ...

    @property
    def name(self) -> str:
        """Where an operator finds it."""
        ...

    @property
    def since(self) -> datetime | None:
        """When it was made; ``None`` if Azure does not tell."""
        ...

    @property
    def is_proof(self) -> bool:
        """Whether its marks prove that this broker has made it. If not, its lease must be one that the records know."""
        ...

    @property
    def goes_with(self) -> str:
        """The name of another candidate, seen before, whose footprint takes this one along; empty if none does."""
        ...

    @property
    def is_whole(self) -> bool:
        """Whether its footprint stands for all of its lease, so that what its names lead to goes as well."""
        ...

    async def footprint(self, lease: Lease | None, role: Role | None) -> Footprint | None:
        """How it is undone, given the lease's record and its role, as far as they are there; ``None`` if it is to stay."""
        ...


class Survey(Protocol):
    """One look around. Nothing is read before ``run``."""

    @property
    def unread(self) -> Sequence[str]:
        """Places that could not be read this time."""
        ...

    async def run(self) -> Mapping[str, Sequence[Candidate]]:
        """What was seen, by place, in the order in which it is to be judged. Raises ``Upstream`` if nothing can be told."""
        ...

    def shows(self, lease_id: LeaseId, *, with_credential: bool) -> bool:
        """Whether what was seen has all that the lease's credential needs, and the credential itself if the lease has one."""
        ...


@dataclass(slots=True)
class Reading:
    """Places that are read one after the other: one that cannot be read now does not keep the others waiting."""

    unread: list[str] = field(default_factory=list)

    async def try_to(self, place: str, reading: Awaitable[None]) -> None:
        """Reads a place, or notes that it could not be read."""
        try:
            await reading
        except Upstream as failure:
            log.warning("%s could not be read: %s", place, failure)
            self.unread.append(place)

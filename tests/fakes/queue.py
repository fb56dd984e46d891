"""The queues, and who waits in the one of leases to be ended, in memory."""

from __future__ import annotations

from datetime import datetime, timedelta

from shared.core.message import (
    Batch,
    Message,
    Recall,
    Succession,
    read_message,
    read_preparation,
    write_message,
    write_preparation,
    write_refill,
    write_succession,
)
from shared.core.names import LeaseId, RoleName
from tests.fakes.calls import Calls


class MemoryRevocations:
    """Satisfies ``Revocations``. Keeps texts, as the real queue does; a test delivers them, or not, or twice."""

    def __init__(self, calls: Calls) -> None:
        self.texts: list[str] = []
        self._calls = calls

    async def send(self, message: Message) -> None:
        """See the port."""
        await self._calls.through("revocations.send", lambda: self.texts.append(write_message(message)), message)

    def messages(self) -> list[Batch]:
        """The batches that have been sent, in order."""
        return [message for text in self.texts if isinstance(message := read_message(text), Batch)]

    def recalls(self) -> list[Recall]:
        """The recalls that have been sent, in order."""
        return [message for text in self.texts if isinstance(message := read_message(text), Recall)]


class MemoryPreparations:
    """Satisfies ``Preparations``. Keeps texts, as above, with the time for which each lives."""

    name = "preparations"

    def __init__(self, calls: Calls) -> None:
        self.texts: list[str] = []
        self.lives: list[timedelta] = []
        self._calls = calls

    async def send(self, lease_id: LeaseId, *, lives: timedelta) -> None:
        """See the port."""

        def send() -> None:
            self.texts.append(write_preparation(lease_id))
            self.lives.append(lives)

        await self._calls.through(f"{self.name}.send", send, lease_id)

    def messages(self) -> list[LeaseId | RoleName | Succession]:
        """The messages that have been sent, in order."""
        return [read_preparation(text) for text in self.texts]

    def take(self) -> list[LeaseId | RoleName | Succession]:
        """The messages that have been sent since the last time, in order."""
        taken, self.texts, self.lives = self.messages(), [], []
        return taken

    def leases(self) -> list[LeaseId]:
        """The leases of the messages that have been sent, in order."""
        return [each for each in self.messages() if isinstance(each, LeaseId)]


class MemoryFillings(MemoryPreparations):
    """Satisfies ``Fillings``."""

    name = "fillings"

    async def refill(self, role: RoleName) -> None:
        """See the port."""

        def send() -> None:
            self.texts.append(write_refill(role))
            self.lives.append(timedelta(seconds=60))

        await self._calls.through("fillings.refill", send, role)

    async def succeed(self, lease_id: LeaseId, *, lives: timedelta) -> None:
        """See the port."""

        def send() -> None:
            self.texts.append(write_succession(lease_id))
            self.lives.append(lives)

        await self._calls.through("fillings.succeed", send, lease_id)

    def successions(self) -> list[LeaseId]:
        """The leases for whose successors was asked, in order."""
        return [each.lease for each in self.messages() if isinstance(each, Succession)]


class MemoryQueuedMarkers:
    """Satisfies ``QueuedMarkers``."""

    def __init__(self, calls: Calls) -> None:
        self.kept: dict[str, tuple[frozenset[LeaseId], datetime]] = {}
        self._calls = calls

    async def note(self, batch: Batch, until: datetime) -> None:
        """See the port."""
        await self._calls.through(
            "queued_markers.note", lambda: self.kept.setdefault(batch.id, (frozenset(batch.leases), until)), batch
        )

    async def waiting(self, now: datetime) -> frozenset[LeaseId]:
        """See the port."""
        return await self._calls.through("queued_markers.waiting", lambda: self._waiting(now))

    async def forget(self, batch_id: str) -> None:
        """See the port."""
        await self._calls.through("queued_markers.forget", lambda: self.kept.pop(batch_id, None), batch_id)

    def _waiting(self, now: datetime) -> frozenset[LeaseId]:
        self.kept = {batch_id: ticket for batch_id, ticket in self.kept.items() if ticket[1] > now}
        return frozenset().union(*(leases for leases, _ in self.kept.values()))

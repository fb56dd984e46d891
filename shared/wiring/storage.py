"""The connections to Table Storage and to the queue."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from shared.core.ports.queue import EventsQueue, Fillings, Preparations, Revocations
from shared.settings import Settings
from shared.wiring.azure import AzureParts

if TYPE_CHECKING:
    from azure.data.tables.aio import TableServiceClient
    from azure.storage.queue.aio import QueueClient

    from shared.cloud.entra.identity import HeldTokens

# ruff: noqa: PLC0415 - see the package


@dataclass(eq=False)
class StorageParts:
    """The connections to storage. Each is made at most once."""

    settings: Settings
    azure: AzureParts

    @cached_property
    def tables(self) -> TableServiceClient:
        """The connection to Table Storage."""
        from shared.cloud.storage.tables import connect

        storage = self.settings.storage
        if storage.connection_string is not None:
            return connect(storage.connection_string.reveal())
        return connect(endpoint=storage.table_endpoint, credential=self.credential)

    @cached_property
    def revocations(self) -> Revocations:
        """The connection to the queue of leases to be ended."""
        from shared.cloud.storage.queues import StorageRevocations

        return StorageRevocations(self._queue(StorageRevocations.queue))

    @cached_property
    def preparations(self) -> Preparations:
        """The connection to the queue of leases to prepare."""
        from shared.cloud.storage.queues import StoragePreparations

        return StoragePreparations(self._queue(StoragePreparations.queue))

    @cached_property
    def fillings(self) -> Fillings:
        """The connection to the queue of pools."""
        from shared.cloud.storage.queues import StorageFillings

        return StorageFillings(self._queue(StorageFillings.queue))

    @cached_property
    def events(self) -> EventsQueue:
        """The connections to the queues of events from outside."""
        from shared.cloud.storage.queues import StorageEvents

        return StorageEvents(self._queue(StorageEvents.queue), self._queue(StorageEvents.aside))

    def _queue(self, name: str) -> QueueClient:
        from shared.cloud.storage.queues import connect

        storage, transport = self.settings.storage, self.azure.transport
        if storage.connection_string is not None:
            return connect(storage.connection_string.reveal(), queue=name, transport=transport)
        endpoint, credential = storage.queue_endpoint, self.credential
        return connect(endpoint=endpoint, queue=name, credential=credential, transport=transport)

    @cached_property
    def credential(self) -> HeldTokens:
        """The identity for storage: the broker's own, unless the host's settings name another."""
        client_id = self.settings.storage.client_id
        if client_id is None or client_id == self.settings.azure.client_id:
            return self.azure.credential
        return self.azure.identity(client_id)

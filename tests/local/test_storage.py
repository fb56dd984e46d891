from __future__ import annotations

from pathlib import Path

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables.aio import TableServiceClient
from azure.storage.queue.aio import QueueClient

from local.children import listens
from local.storage.storage import Azurite

ROW = {"PartitionKey": "p", "RowKey": "r", "text": "kept"}


async def test_tables_and_queues_answer_through_azures_own_clients(storage_connection: str) -> None:
    """One connection string serves both."""
    async with (
        TableServiceClient.from_connection_string(storage_connection) as tables,
        QueueClient.from_connection_string(storage_connection, "messages") as queue,
    ):
        await (await tables.create_table("rows")).create_entity(ROW)
        await queue.create_queue()
        await queue.send_message("hello")
        found = [entity["text"] async for entity in tables.get_table_client("rows").list_entities()]
        assert (["kept"], ["hello"]) == (found, [message.content async for message in queue.receive_messages()])


async def test_an_account_sees_nothing_of_another(azurite: Azurite, storage_connection: str) -> None:
    """Tests share the emulator, not what is in it."""
    async with (
        TableServiceClient.from_connection_string(storage_connection) as own,
        TableServiceClient.from_connection_string(azurite.connection_string) as other,
    ):
        await own.create_table("mine")
        assert ["mine"] == [table.name async for table in own.list_tables()]
        with pytest.raises(ResourceNotFoundError):
            await other.get_table_client("mine").get_entity("p", "r")


async def test_a_folder_keeps_what_was_acknowledged_before_an_orderly_end(tmp_path: Path) -> None:
    """Stopping flushes: a second start on the folder finds the row."""
    async with Azurite(tmp_path) as first, TableServiceClient.from_connection_string(first.connection_string) as tables:
        await (await tables.create_table("rows")).create_entity(ROW)
    async with Azurite(tmp_path) as second, TableServiceClient.from_connection_string(second.connection_string) as tables:
        assert (await tables.get_table_client("rows").get_entity("p", "r"))["text"] == "kept"


async def test_stopping_leaves_nothing_that_listens() -> None:
    """Both ports are free again, and the process ended in order."""
    async with Azurite() as emulator:
        ports = (emulator.table_port, emulator.queue_port)
        before = [await listens(port) for port in ports]
    after = [await listens(port) for port in ports]
    assert ([True, True], [False, False], 0) == (before, after, emulator.child.process.returncode)

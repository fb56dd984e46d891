"""Fixtures: Azure Storage for tests, one emulator a run and an account of its own for each test."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator

import pytest

from local.storage.storage import Azurite

_ACCOUNTS = 1000
"""All of them go to the emulator in one environment variable, of at most 128 KiB."""
_numbers = itertools.count()


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """The emulator, in memory, for as long as the run lasts. Tests take ``storage_connection`` instead."""
    with asyncio.Runner() as runner:
        emulator = Azurite(spare_accounts=_ACCOUNTS)
        runner.run(emulator.start())
        yield emulator
        runner.run(emulator.stop())


@pytest.fixture
def storage_connection(azurite: Azurite) -> str:
    """The connection string of an empty account that no other test uses: tables and queues."""
    return new_account(azurite)


def new_account(azurite: Azurite) -> str:
    """The connection string of an account that was not given out before, for fixtures that span several tests."""
    number = next(_numbers)
    assert number < _ACCOUNTS, "the emulator has no account left for this test"
    return azurite.connect(f"spare{number}")

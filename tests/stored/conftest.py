from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.stored.kept_store import Scene, on_the_store


@pytest.fixture
async def scene(storage_connection: str) -> AsyncIterator[Scene]:
    """Today's broker on the store from before."""
    async with on_the_store(storage_connection) as made:
        yield made

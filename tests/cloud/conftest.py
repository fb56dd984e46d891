"""The local cloud, and the product's adapters pointed at it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.cloud.stage import Stage, staged
from tests.local.conftest import Cloud, _running, cloud

__all__ = ["_running", "cloud"]


@pytest.fixture
async def stage(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """As the broker's managed identity."""
    identity = cloud.identity("leasehold")
    monkeypatch.setenv("IDENTITY_ENDPOINT", identity["identity_endpoint"])
    monkeypatch.setenv("IDENTITY_HEADER", identity["identity_header"])
    async with staged(cloud) as opened:
        yield opened

"""Hosts over the sample app beside this file, for the host's own tests."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from local.host.process import FunctionHost

APP = Path(__file__).parent / "app"
QUEUE = "jobs"
DEADLINE = 20.0
"""Seconds within which anything that a test waits for has to happen."""


@contextlib.asynccontextmanager
async def hosting(connection: str = "UseDevelopmentStorage=true", **settings: str) -> AsyncIterator[FunctionHost]:
    """A host over the sample app, with these app settings."""
    environment = {"TICK_SCHEDULE": "0 0 0 1 1 *", "QUEUE": QUEUE, "AzureWebJobsStorage": connection} | settings
    async with FunctionHost(APP, environment, grace=5) as host:
        yield host


async def said(host: FunctionHost, count: int) -> list[dict[str, Any]]:
    """The first ``count`` things that the app's timer and queue functions said."""
    lines = await host.child.lines_with("said ", count=count, within=DEADLINE)
    return [json.loads(line.removeprefix("said ")) for line in lines]


async def wrote(host: FunctionHost, text: str) -> None:
    """Waits until the host has written a line with this text."""
    await host.child.lines_with(text, within=DEADLINE)


def client(host: FunctionHost) -> httpx.AsyncClient:
    """An HTTP client of the host."""
    return httpx.AsyncClient(base_url=host.url, timeout=DEADLINE)

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.fakes.loop import StillLoop


async def _for_ever() -> None:
    await asyncio.get_running_loop().create_future()


def test_what_is_left_under_way_ends_with_the_work() -> None:
    """As a worker's tasks end with the worker."""
    left: list[asyncio.Task[None]] = []

    async def work() -> int:
        left.append(asyncio.ensure_future(_for_ever()))
        await asyncio.sleep(0)
        return 7

    loop = StillLoop()
    assert 7 == loop.complete(work())
    assert [True] == [each.cancelled() for each in left]
    assert loop.is_closed()


def test_a_failure_of_what_was_left_is_told() -> None:
    """A task that breaks when it is cancelled breaks nobody else."""
    heard: list[dict[str, Any]] = []

    async def breaks() -> None:
        try:
            await _for_ever()
        finally:
            raise ValueError("broke")

    async def work() -> asyncio.Task[None]:
        breaking = asyncio.ensure_future(breaks())
        await asyncio.sleep(0)
        return breaking

    loop = StillLoop()
    loop.set_exception_handler(lambda _, result: heard.append(result))
    loop.complete(work())
    assert ["broke"] == [str(each["exception"]) for each in heard]


def test_a_failure_of_the_work_comes_out() -> None:
    """And the loop is closed all the same."""

    async def work() -> None:
        raise ValueError("broke")

    loop = StillLoop()
    with pytest.raises(ValueError, match="broke"):
        loop.complete(work())
    assert loop.is_closed()


def test_a_list_that_is_read_half_way_is_closed() -> None:
    """What stands in its ``finally`` has run before the loop is gone."""
    ended: list[bool] = []
    reading: list[AsyncIterator[int]] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            ended.append(True)

    async def work() -> None:
        reading.append(numbers())
        await anext(reading[0])

    StillLoop().complete(work())
    assert [True] == ended


def test_waiting_for_what_cannot_come_is_an_error() -> None:
    """Another loop would wait for ever."""
    with pytest.raises(RuntimeError, match="nothing can come"):
        StillLoop().complete(_for_ever())

"""Tasks that run side by side and end together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable


async def both[A, B](one: Awaitable[A], other: Awaitable[B]) -> tuple[A, B]:
    """``all_of`` for two awaitables of different types."""
    first, second = await asyncio.gather(one, other, return_exceptions=True)
    if isinstance(first, BaseException):
        raise first
    if isinstance(second, BaseException):
        raise second
    return first, second


async def all_of[T](*work: Awaitable[T]) -> list[T]:
    """Runs everything side by side, and waits for the end of all. Then raises the first failure: nothing is left under way."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]


async def all_or_none[T](*work: Awaitable[T]) -> list[T]:
    """Runs everything side by side. At the first failure, cancels the rest, waits until it has ended, and raises that failure.

    For work that only looks: what is cancelled half-way leaves nothing behind.
    """
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        for ended in asyncio.as_completed(tasks):
            await ended
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return [task.result() for task in tasks]


async def to_its_end[T](work: Awaitable[T]) -> T:
    """Returns the result of the work. If the caller is cancelled meanwhile, it is cancelled only when the work has ended."""
    working = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.gather(working, return_exceptions=True)
        raise


async def stop(work: asyncio.Task[None], log: logging.Logger, what: str) -> None:
    """Cancels work that nobody awaits, and waits until it has ended. If it broke before, the log says so of ``what``."""
    work.cancel()
    # ``gather`` tells the two apart: the end of the work, and a cancellation of the task that waits here.
    (result,) = await asyncio.gather(work, return_exceptions=True)
    if isinstance(result, Exception):
        log.error("%s broke", what, exc_info=result)

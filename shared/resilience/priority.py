"""The priority of the work under way: whether a caller waits for it, and until when it may wait for Azure's limits.

A context variable carries the priority, and every task inherits it from the task that has started it. So a verb sets it, a
rate limiter asks for it, and issuers, retry and adapters in between need not hand it on.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Priority:
    """The priority of some work. Deadlines are on the monotonic clock."""

    background: bool = False
    """No caller waits for the work. Interactive work goes first."""
    deadline: float = math.inf
    """A wait for Azure's limits that would end later is not begun."""
    answer_deadline: float = math.inf
    """A call waits for its answer until then, or a moment longer."""


_current: ContextVar[Priority] = ContextVar("urgency")


def current() -> Priority:
    """Returns the priority of the work that asks. By default a caller waits, and waits for as long as Azure asks."""
    return _current.get(Priority())


@contextmanager
def in_background() -> Iterator[None]:
    """Work within goes last. A deadline that was set outside does not hold within."""
    with _set(Priority(background=True)):
        yield


@contextmanager
def for_everybody() -> Iterator[None]:
    """Work within is done for several callers: no caller's deadline or background priority holds within."""
    with _set(Priority()):
        yield


@contextmanager
def limit_deadline(instant: float) -> Iterator[None]:
    """Work within waits for Azure's limits until this instant at most. If an earlier deadline holds already, it stays."""
    now = current()
    with _set(replace(now, deadline=min(now.deadline, instant))):
        yield


@contextmanager
def answer_deadline(instant: float) -> Iterator[None]:
    """A call within waits for its answer until this instant, or a moment longer. An earlier deadline stays."""
    now = current()
    with _set(replace(now, answer_deadline=min(now.answer_deadline, instant))):
        yield


@contextmanager
def _set(priority: Priority) -> Iterator[None]:
    token = _current.set(priority)
    try:
        yield
    finally:
        _current.reset(token)

"""How urgent the work under way is: whether somebody waits for it, and until when it may wait for Azure's limits.

It is carried by a context variable, which every task inherits from the one that started it: what lies between the verb that
knows and the budget that asks (issuers, patience, adapters) need not hand it on.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Priority:
    """``deadline``: on the monotonic clock; a wait for Azure's limits that would end later is not begun."""

    background: bool = False
    """Nobody waits for it: whatever somebody waits for goes first."""
    deadline: float = math.inf
    answer_deadline: float = math.inf
    """On the monotonic clock; what was not answered by then is not waited for much longer."""


_current: ContextVar[Priority] = ContextVar("urgency")


def current() -> Priority:
    """Of the work that asks. By default somebody waits, and waits for as long as Azure says."""
    return _current.get(Priority())


@contextmanager
def in_background() -> Iterator[None]:
    """What is done within goes last. A caller's own bound is no concern of it."""
    with _set(Priority(background=True)):
        yield


@contextmanager
def for_everybody() -> Iterator[None]:
    """What is done within is not only its first caller's: nobody's bound is a concern of it."""
    with _set(Priority()):
        yield


@contextmanager
def limit_deadline(instant: float) -> Iterator[None]:
    """What is done within waits for Azure's limits up to this instant at most; an earlier one that holds already stays."""
    now = current()
    with _set(replace(now, deadline=min(now.deadline, instant))):
        yield


@contextmanager
def answer_deadline(instant: float) -> Iterator[None]:
    """A call that is made within waits for its answer up to this instant, or a moment; an earlier one that holds stays."""
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

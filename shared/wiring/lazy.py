"""Stands for a part that is made when it is first needed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, cast


class _Lazy:
    """Passes every attribute on to the part."""

    __slots__ = ("_part",)

    def __init__(self, make: Callable[[], object]) -> None:
        self._part = cache(make)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._part(), name)


def lazy[T](make: Callable[[], T]) -> T:
    """Returns an object that stands for what ``make`` returns: one of the broker's protocols, with methods alone.

    Calls ``make`` once, when a method is first asked for. If ``make`` raises, the next method calls it again.
    """
    return cast("T", _Lazy(make))

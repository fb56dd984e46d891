"""Stands for a part that is made late."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, cast


class _Lazy:
    """Answers whatever it is asked with what the part answers."""

    __slots__ = ("_part",)

    def __init__(self, make: Callable[[], object]) -> None:
        self._part = cache(make)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._part(), name)


def lazy[T](make: Callable[[], T]) -> T:
    """Stands for what ``make`` returns: one of the broker's protocols, of which only methods are asked.

    Calls ``make`` when a method is first asked for, and once; again only where it raised.
    """
    return cast("T", _Lazy(make))

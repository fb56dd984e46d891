"""The versions of stored rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable


class Versions:
    """Each row counts its own, also while it is gone: the order in which others are written makes no difference to it."""

    def __init__(self) -> None:
        self._written = Counter[Hashable]()

    def following(self, row: Hashable) -> str:
        """That of a write that is made now."""
        self._written[row] += 1
        return f'"{self._written[row]}"'

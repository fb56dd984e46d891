"""A part of a listing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Page[T]:
    """A part of a listing. ``cursor`` asks for the next part; ``None`` at the end."""

    items: tuple[T, ...]
    cursor: str | None = None

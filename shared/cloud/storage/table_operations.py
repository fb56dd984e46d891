"""What can be done to one row of Table Storage: an operation of a transaction, or a write of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

type Row = Mapping[str, Any]

ANY: Final = "*"
"""As ETag: whatever version there is, as long as there is one."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One row's. ``method`` is the one of its request; ``etag`` the version that must stand, empty where it may be missing."""

    method: Literal["POST", "PUT", "DELETE"]
    row: Row
    etag: str = ""


def create(row: Row) -> Operation:
    """The row, which must not be there."""
    return Operation("POST", row)


def put(row: Row) -> Operation:
    """The row, whether it is there or not. Its former properties go."""
    return Operation("PUT", row)


def update(row: Row, etag: str) -> Operation:
    """The row instead of that version of it; where that is empty, the row, which must not be there."""
    return Operation("PUT", row, etag) if etag else create(row)


def delete(key: Row, etag: str = ANY) -> Operation:
    """No row instead of that version of it, or of any."""
    return Operation("DELETE", key, etag)

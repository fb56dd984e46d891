"""Operations on one row of Table Storage: each is a part of a transaction, or a write of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

type Row = Mapping[str, Any]

ANY: Final = "*"
"""As an ETag: any version, as long as the row is there."""


@dataclass(frozen=True, slots=True)
class Operation:
    """``method`` is that of the HTTP request. ``etag`` is the version that must be stored; empty, the row may be missing."""

    method: Literal["POST", "PUT", "DELETE"]
    row: Row
    etag: str = ""


def create(row: Row) -> Operation:
    """Inserts the row, which must not be there."""
    return Operation("POST", row)


def put(row: Row) -> Operation:
    """Writes the row, whether it is there or not. Its former properties go."""
    return Operation("PUT", row)


def update(row: Row, etag: str) -> Operation:
    """Replaces that version of the row. If ``etag`` is empty, inserts the row, which must not be there."""
    return Operation("PUT", row, etag) if etag else create(row)


def delete(key: Row, etag: str = ANY) -> Operation:
    """Deletes that version of the row, or any."""
    return Operation("DELETE", key, etag)

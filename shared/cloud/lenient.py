"""Reads rows of which some may be unreadable: one bad row does not keep the others from being read."""

from __future__ import annotations

import logging
from collections.abc import Callable

from shared.cloud.storage.table_operations import Row
from shared.core.errors import Unreadable

log = logging.getLogger(__name__)


def readable[T](read: Callable[[Row], T], row: Row) -> T | None:
    """Returns what ``read`` makes of the row. If that raises ``Unreadable``, writes a log line and returns ``None``."""
    try:
        return read(row)
    except Unreadable as unreadable:
        log.error("%s", unreadable)  # noqa: TRY400 - its frames say no more
        return None

"""The record of a lock on an application."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.core.names import ObjectId


@dataclass(frozen=True, slots=True)
class LockRecord:
    """``holder`` may change the application now. ``version`` is the stored row's ETag; empty before it is stored."""

    application_id: ObjectId
    holder: str
    until: datetime
    version: str = ""

"""A turn at changing an application, as the store keeps it and issuers speak of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.core.names import ObjectId


@dataclass(frozen=True, slots=True)
class LockRecord:
    """That ``holder`` changes the application now. ``version`` is the stored row's ETag, empty before it is stored."""

    application_id: ObjectId
    holder: str
    until: datetime
    version: str = ""

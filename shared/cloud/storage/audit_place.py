"""The place at which a reading of the audit trail goes on: a day, and a place in that day. As a text it is the cursor."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from shared.cloud.storage.table_operations import Row
from shared.core.errors import Fault, Malformed
from shared.core.ports.audit import AuditQuery

_CURSOR = re.compile(r"(?P<day>[0-9]{8})(?:\.(?P<key>[0-9A-Za-z_]{0,64})|:(?P<token>[A-Za-z0-9_-]{1,900}={0,2}))")
NO_CURSOR = Fault("cursor", "is not a cursor of this listing")
_DRIFT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the partition of ``day``: after the row ``key``, or at storage's own ``token``."""

    day: date
    key: str = ""
    token: Mapping[str, str] | None = None

    def __str__(self) -> str:
        """Returns the cursor."""
        if self.token is None:
            return f"{partition(self.day)}.{self.key}"
        return f"{partition(self.day)}:{urlsafe_b64encode(json.dumps(dict(self.token)).encode()).decode()}"


def partition(day: date) -> str:
    """Returns the partition of a day's events."""
    return f"{day.year:04d}{day.month:02d}{day.day:02d}"


def after(row: Row) -> str:
    """Returns the cursor of the place after a row."""
    return f"{row['PartitionKey']}.{row['RowKey']}"


def start(query: AuditQuery) -> Place:
    """Returns the place to begin at. Raises ``Malformed`` if the cursor is none, or if it lies outside the query's span.

    A span that is counted from now has moved on since the page before, by at most a day.
    """
    since, until = query.since.date(), query.until.date()
    if not query.cursor:
        return Place(since)
    place = _read(query.cursor)
    if place is None or place.day > until or (since - place.day) > _DRIFT:
        raise Malformed(NO_CURSOR)
    return place if place.day >= since else Place(since)


def _read(cursor: str) -> Place | None:
    found = _CURSOR.fullmatch(cursor)
    try:
        if found is None:
            return None
        return Place(date.fromisoformat(found["day"]), found["key"] or "", _token(found["token"]))
    except ValueError:
        return None


def _token(text: str | None) -> Mapping[str, str] | None:
    """Returns storage's own token, which may lack the row. Raises ``ValueError`` for another document."""
    if text is None:
        return None
    token = json.loads(urlsafe_b64decode(text))
    if not isinstance(token, dict) or not {"PartitionKey"} <= set(token) <= {"PartitionKey", "RowKey"}:
        raise ValueError("not a token")
    if not all(isinstance(each, str) for each in token.values()):
        raise ValueError("not the keys of a row")
    return token

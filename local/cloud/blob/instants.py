"""Instants and entity tags as blob storage writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import formatdate

_YEAR_ONE = 62_135_596_800
"""Seconds from the first day of year 1 to that of 1970."""


def http_date(seconds: float) -> str:
    """``Fri, 20 Dec 2019 17:14:15 GMT``."""
    return formatdate(seconds, usegmt=True)


def etag(seconds: float) -> str:
    """The entity tag of what was written then, without its quotation marks: the tenths of microseconds since year 1."""
    return f"0x{(round(seconds * 10_000_000) + _YEAR_ONE * 10_000_000):X}"


def precise(seconds: float) -> str:
    """``2019-07-25T09:24:38.2773882Z``."""
    whole, fraction = divmod(round(seconds * 10_000_000), 10_000_000)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:07d}Z"

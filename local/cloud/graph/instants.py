"""Graph's instants: RFC 3339 in UTC, with as many fraction digits as there are."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from local.cloud.graph import errors


def written(instant: float | None, *, precise: bool = True) -> str | None:
    """POSIX seconds as Graph writes them; ``precise=False`` drops the fraction, as reads of ``createdDateTime`` do."""
    if instant is None:
        return None
    moment = datetime.fromtimestamp(instant if precise else math.floor(instant), UTC)
    fraction = f"{moment.microsecond:06d}".rstrip("0")
    return f"{moment:%Y-%m-%dT%H:%M:%S}" + (f".{fraction}" if fraction else "") + "Z"


def read(value: object, name: str, resource: str) -> float:
    """POSIX seconds of an RFC 3339 text; refuses anything else, naming the property."""
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        message = f"Invalid value specified for property '{name}' of resource '{resource}'."
        raise errors.invalid(message, "InvalidValue", name) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def years_later(instant: float, years: int) -> float:
    """The same day and time of day in a later year; the 29th of February becomes the 28th."""
    moment = datetime.fromtimestamp(instant, UTC)
    day = 28 if (moment.month, moment.day) == (2, 29) else moment.day
    return moment.replace(year=moment.year + years, day=day).timestamp()

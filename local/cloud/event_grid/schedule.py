"""When a delivery that failed is tried again, and when it is given up.

https://learn.microsoft.com/azure/event-grid/delivery-and-retry. Its delays are those since the last attempt here; the small
randomization of Azure's is left out, and so is the delay of whole endpoints that keep failing.
"""

from __future__ import annotations

from http import HTTPStatus

_DELAYS = (10.0, 30.0, 60.0, 300.0, 600.0, 1800.0, 3600.0, 10800.0, 21600.0, 43200.0)
"""Seconds after the first, second ... attempt; the last for all that follow."""
_LEAST = {401: 300.0, 403: 300.0, 404: 300.0, 408: 120.0, 503: 30.0}
"""Seconds that a failure with this status takes at least."""
_HOPELESS = (400, 413)
LIFETIME = 86400.0
"""Seconds for which an event is tried, unless the subscription says otherwise, which none here does."""
ATTEMPTS = 30
ANSWERS_WITHIN = 30.0
"""Seconds that a destination has to answer."""
_SUCCESSES = range(200, 205)
_OLDER_WORDS = {413: "RequestEntityTooLarge"}


def succeeded(status: int | None) -> bool:
    """Whether the destination has taken what it was sent; ``None`` is no answer."""
    return status in _SUCCESSES


def hopeless(status: int | None) -> bool:
    """Whether no further attempt is made."""
    return status in _HOPELESS


def delay(attempts: int, status: int | None) -> float:
    """Seconds until the next attempt, after so many; ``None`` is no answer."""
    usual = _DELAYS[min(attempts, len(_DELAYS)) - 1]
    return max(usual, _LEAST.get(status or 0, 0.0))


def outcome(status: int | None) -> str:
    """What a dead letter says of its last attempt: ``NotFound``."""
    if status is None:
        return "TimedOut"
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = f"Status {status}"
    return _OLDER_WORDS.get(status, phrase.title().replace(" ", "").replace("-", ""))

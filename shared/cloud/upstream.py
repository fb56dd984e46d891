"""Turns Azure's refusals into the broker's own errors. Status and error code decide, never the text of the message."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from shared.core.azure_codes import NOT_FOUND_IS_ABSENT, Codes, Statuses, meaning
from shared.core.errors import Throttled, Unavailable, Upstream

_LONGEST_TEXT = 500
_LONGEST_WAIT = 3600.0
"""Seconds. Azure asks for some minutes at most. A mistake of Azure's must not stop the broker for days."""
_SECONDS = re.compile(r"\s*-?\d{1,9}(\.\d+)?\s*(,\s*-?\d{1,9}(\.\d+)?\s*)*", re.ASCII)
_UNAVAILABLE = 503


def parsed(text: str | bytes) -> Any:
    """Returns the JSON document in an answer's body, or ``None`` if there is none: in a proxy's page, for example."""
    try:
        return json.loads(text)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Refusal:
    """The content of an answer without success. ``finer`` are the codes within ``details``. ``text`` is for the log alone."""

    status: int
    code: str = ""
    text: str = ""
    finer: tuple[str, ...] = ()
    retry_after: float | None = None
    request_id: str = ""

    @classmethod
    def read(cls, status: int, headers: Mapping[str, str], body: Any) -> Refusal:
        """Reads an answer. ``body`` is the parsed body, if possible in the shape that Graph and Resource Manager share."""
        error = body.get("error") if isinstance(body, dict) else None
        error = error if isinstance(error, dict) else {}
        details = error.get("details")
        return cls(
            status,
            _text(error.get("code")),
            _text(error.get("message")),
            tuple(_text(each.get("code")) for each in details if isinstance(each, dict)) if isinstance(details, list) else (),
            seconds_to_wait(headers),
            _text(headers.get("request-id") or headers.get("x-ms-request-id")),
        )

    def as_error(self, known: Codes, statuses: Statuses = NOT_FOUND_IS_ABSENT) -> Upstream:
        """Returns the error to raise. ``known`` and ``statuses`` are the service's tables in ``shared.core.azure_codes``."""
        kind = meaning(self.status, (self.code, *self.finer), known, statuses)
        postponed = kind is Unavailable and self.status == _UNAVAILABLE and self.retry_after is not None
        if kind is Throttled or postponed:
            return Throttled(self._cause(), status=self.status, azure_code=self.code, retry_after=self.retry_after)
        return self.as_a(kind)

    def as_a[E: Upstream](self, error: type[E]) -> E:
        """Returns an error of this kind with the status and the code, and with the text for the log."""
        return error(self._cause(), status=self.status, azure_code=self.code)

    def _cause(self) -> str:
        finer = f" [{', '.join(self.finer)}]" if self.finer else ""
        request = f" (request {self.request_id})" if self.request_id else ""
        return f"{self.text}{finer}{request}".strip()


def seconds_to_wait(headers: Mapping[str, str]) -> float | None:
    """Returns the seconds in ``Retry-After``, an hour at most. A date (RFC 9110, 10.2.3) counts from the answer's ``Date``.

    Graph also sends fractions of seconds (https://github.com/microsoftgraph/microsoft-graph-docs/issues/3877) and lists
    (https://github.com/microsoftgraph/msgraph-sdk-python/issues/1159). Of a list, the longest time counts.
    """
    value = headers.get("retry-after") or headers.get("Retry-After") or ""
    if _SECONDS.fullmatch(value):
        return _bounded(max(float(each) for each in value.split(",")))
    then, now = _date(value), _date(headers.get("date") or headers.get("Date") or "")
    return _bounded((then - now).total_seconds()) if then and now else None


def _bounded(seconds: float) -> float:
    return min(max(0.0, seconds), _LONGEST_WAIT)


def _date(value: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(value)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _text(value: Any) -> str:
    return value[:_LONGEST_TEXT] if isinstance(value, str) else ""

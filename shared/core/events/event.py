"""One event, reduced to the few fields that the broker reads. What else it says is neither kept nor logged."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.core.names import ObjectId, Unparsable
from shared.core.plain_text import is_plain

FORM = 1
MAX_OCTETS = 8 * 1024
"""Of one event in the queue."""
OWN_FORM = "v"
"""The field that tells the broker's own form from the others."""
WRITTEN, DELETED = "microsoft.resources.resourcewritesuccess", "microsoft.resources.resourcedeletesuccess"
"""Folded. https://learn.microsoft.com/azure/event-grid/event-schema-resource-groups"""
_LONGEST = {
    "id": 256,
    "source": 1024,
    "type": 256,
    "subject": 2048,
    "operation": 256,
    "resource_uri": 2048,
    "correlation_id": 128,
}
FIRST_WAIT, LONGEST_WAIT, GIVEN_UP = timedelta(seconds=15), timedelta(minutes=15), timedelta(hours=24)
_MOST_DOUBLINGS = 6
_LONGEST_INSTANT = 64
_OLDEST, _AHEAD = timedelta(days=30), timedelta(minutes=5)
"""An event lies for a week in the queue, and for another one where it is set aside. Clocks of two workers may differ."""
_MOST_ATTEMPTS = 1_000_000
_MOST_DONE, _LONGEST_NAME = 500, 63
"""Rules that one event may name, and characters of a rule's name: a message has room for 64 KiB."""
_OBJECT_ID = "http://schemas.microsoft.com/identity/claims/objectidentifier"
_APP_ID = "appid"
"""Claims of the caller that has made the change, as Resource Manager tells them in an event."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event. A text is empty if there is none. ``actor`` and ``actor_app`` are who made the change, by its token's claims.

    ``attempt``: how often it was put back because it was not yet its time. ``first_seen``: when the broker first read it.
    ``done``: the names of the rules that have nothing left to do for it. When it comes again, it is for the others.
    """

    id: str
    source: str
    type: str
    subject: str
    time: str
    first_seen: datetime
    operation: str = ""
    resource_uri: str = ""
    correlation_id: str = ""
    actor: ObjectId | None = None
    actor_app: ObjectId | None = None
    attempt: int = 0
    done: tuple[str, ...] = ()

    def again(self) -> Event:
        """Returns the event as it is put back."""
        return replace(self, attempt=self.attempt + 1)

    def with_done(self, rules: Iterable[str]) -> Event:
        """Returns the event, for which these rules have nothing left to do either."""
        return replace(self, done=tuple(sorted({*self.done, *rules})[:_MOST_DONE]))

    def anew(self, now: datetime) -> Event:
        """Returns the event as if it were first seen now: nobody has waited for it yet."""
        return replace(self, attempt=0, first_seen=now)

    @property
    def waits(self) -> timedelta:
        """For how long it is put back, if it is not yet its time: 15 s, doubling to 15 minutes."""
        return min(FIRST_WAIT * (1 << min(self.attempt, _MOST_DOUBLINGS)), LONGEST_WAIT)

    def is_overdue(self, now: datetime) -> bool:
        """Returns whether it has waited for so long that nobody waits for it any more."""
        return now >= self.first_seen + GIVEN_UP


def write_event(event: Event) -> dict[str, Any]:
    """Returns the broker's own form, which stands in the queue."""
    return {
        OWN_FORM: FORM,
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time": event.time,
        "operation": event.operation,
        "resource_uri": event.resource_uri,
        "correlation_id": event.correlation_id,
        "actor": event.actor,
        "actor_app": event.actor_app,
        "attempt": event.attempt,
        "first_seen": event.first_seen.isoformat(),
        **({"done": list(event.done)} if event.done else {}),
    }


def encoded(event: Event) -> str:
    """Returns the event as a message. Raises ``Unparsable`` if it is longer than ``MAX_OCTETS``, not counting ``done``."""
    text = _text_of(event)
    if _octets(text) > MAX_OCTETS and (not event.done or _octets(_text_of(replace(event, done=()))) > MAX_OCTETS):
        raise Unparsable(f"is longer than {MAX_OCTETS} octets")
    return text


def _text_of(event: Event) -> str:
    return json.dumps(write_event(event), ensure_ascii=False, separators=(",", ":"))


def _octets(text: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise Unparsable("holds half a character") from None


def decoded(text: str, now: datetime) -> Event:
    """Reads the text of a message of the queue, whoever has put it there. Raises ``Unparsable``."""
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise Unparsable("expected JSON") from None
    return read_event(document, now)


def read_event(document: Any, now: datetime) -> Event:
    """Reads an event in the broker's own form, as CloudEvents 1.0, or in Event Grid's schema. Raises ``Unparsable``.

    An event that has no room in the queue is unreadable as well.

    https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md,
    https://learn.microsoft.com/azure/event-grid/event-schema
    """
    if not isinstance(document, Mapping):
        raise Unparsable("expected an object")
    # A publisher may give a CloudEvent any attributes, the broker's own among them: so the standard's come first.
    if "specversion" in document:
        found = _cloud_event(document, now)
    elif "eventType" in document:
        found = _of_event_grid(document, now)
    elif OWN_FORM in document:
        found = _own(document, now)
    else:
        raise Unparsable("is neither a CloudEvent nor an event of Event Grid")
    encoded(found)
    return found


def read_published(document: Any, now: datetime) -> Event:
    """Reads a CloudEvent, and nothing else: what comes through the door over HTTP. Raises ``Unparsable``."""
    if not isinstance(document, Mapping) or "specversion" not in document:
        raise Unparsable("is no CloudEvent")
    return read_event(document, now)


def _own(document: Mapping[str, Any], now: datetime) -> Event:
    if document[OWN_FORM] != FORM or isinstance(document[OWN_FORM], bool):
        raise Unparsable(f"expected the form {FORM}")
    attempt = document.get("attempt", 0)
    if isinstance(attempt, bool) or not isinstance(attempt, int) or not 0 <= attempt <= _MOST_ATTEMPTS:
        raise Unparsable("attempt is no whole number")
    first_seen = _utc(document.get("first_seen"))
    if first_seen is None or not now - _OLDEST <= first_seen <= now + _AHEAD:
        raise Unparsable("first_seen is no instant at which the broker can have put it there")
    return Event(
        **_common(document, source="source", kind="type", time="time"),
        **{name: _text(document, name, longest=_LONGEST[name]) for name in ("operation", "resource_uri", "correlation_id")},
        first_seen=first_seen,
        actor=_id(document.get("actor")),
        actor_app=_id(document.get("actor_app")),
        attempt=attempt,
        done=_names(document.get("done", [])),
    )


def _cloud_event(document: Mapping[str, Any], now: datetime) -> Event:
    if document["specversion"] != "1.0":
        raise Unparsable("expected specversion 1.0")
    return Event(**_common(document, source="source", kind="type", time="time"), **_of_data(document), first_seen=now)


def _of_event_grid(document: Mapping[str, Any], now: datetime) -> Event:
    return Event(**_common(document, source="topic", kind="eventType", time="eventTime"), **_of_data(document), first_seen=now)


def _common(document: Mapping[str, Any], *, source: str, kind: str, time: str) -> dict[str, Any]:
    names = {"id": ("id", True), "source": (source, True), "type": (kind, True), "subject": ("subject", False)}
    found = {name: _text(document, field, longest=_LONGEST[name], required=must) for name, (field, must) in names.items()}
    return found | {"time": _instant(document.get(time))}


def _of_data(document: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what is kept of ``data``. Nothing in there is needed, so nothing in there makes an event unreadable."""
    data = document.get("data")
    data = data if isinstance(data, Mapping) else {}
    claims = data.get("claims")
    claims = claims if isinstance(claims, Mapping) else {}
    return {
        "operation": _lenient(data.get("operationName"), _LONGEST["operation"]),
        "resource_uri": _lenient(data.get("resourceUri"), _LONGEST["resource_uri"]),
        "correlation_id": _lenient(data.get("correlationId"), _LONGEST["correlation_id"]),
        "actor": _id(claims.get(_OBJECT_ID)),
        "actor_app": _id(claims.get(_APP_ID)),
    }


def _text(document: Mapping[str, Any], field: str, *, longest: int, required: bool = False) -> str:
    value = document.get(field)
    if value is None and not required:
        return ""
    if not isinstance(value, str) or len(value) > longest or not is_plain(value) or (required and not value):
        raise Unparsable(f"{field} is no text of at most {longest} visible characters")
    return value


def _lenient(value: Any, longest: int) -> str:
    return value if isinstance(value, str) and len(value) <= longest and is_plain(value) else ""


def _instant(value: Any) -> str:
    """Returns the instant in UTC; empty if it is none. Nothing is decided by it."""
    found = _utc(value)
    return found.isoformat() if found is not None else ""


def _utc(value: Any) -> datetime | None:
    """Returns the instant; ``None`` if it is none, has no zone, or lies in a year that UTC has not."""
    if not isinstance(value, str) or len(value) > _LONGEST_INSTANT:
        return None
    try:
        found = datetime.fromisoformat(value)
        return found.astimezone(UTC) if found.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > _MOST_DONE:
        raise Unparsable(f"done is no list of at most {_MOST_DONE} rules")
    return tuple(_text({"done": each}, "done", longest=_LONGEST_NAME, required=True) for each in value)


def _id(value: Any) -> ObjectId | None:
    try:
        return ObjectId.parse(value) if isinstance(value, str) else None
    except Unparsable:
        return None

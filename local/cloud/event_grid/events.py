"""An event, whatever its schema: read from what was published, written as a subscription wants it.

https://learn.microsoft.com/azure/event-grid/event-schema and https://learn.microsoft.com/azure/event-grid/cloud-event-schema
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from local.cloud.engine.errors import InputError
from local.cloud.engine.http import Json

type Schema = Literal["EventGridSchema", "CloudEventSchemaV1_0"]
SCHEMAS: tuple[Schema, ...] = get_args(Schema.__value__)
_CLOUD_NEEDED = ("id", "source", "type", "specversion")
_CLOUD_OWN = {*_CLOUD_NEEDED, "subject", "time", "data"}
_GRID_NEEDED = ("id", "subject", "eventType", "eventTime")
_GRID_OWN = {*_GRID_NEEDED, "topic", "data", "dataVersion", "metadataVersion"}
_SPOKEN: Mapping[Schema, str] = {"EventGridSchema": "EventGridEvent", "CloudEventSchemaV1_0": "CloudEventV10"}
"""As Event Grid calls them in its refusals."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event."""

    id: str
    type: str
    source: str
    """CloudEvents' word: whatever its publisher wrote, or the topic's id where the event was none of CloudEvents."""
    topic: str
    """Event Grid's word: the topic's id, or what a system topic is of."""
    time: str
    data: Mapping[str, Any]
    """``{"data": ...}``, or empty when there is none."""
    subject: str | None = None
    version: str = ""
    """``dataVersion``."""
    further: Json = field(default_factory=dict)
    """What a CloudEvent has beside: ``datacontenttype``, ``dataschema``, ``data_base64``, extensions."""

    def written(self, schema: Schema) -> Json:
        """The event in this schema."""
        return self._as_grid() if schema == "EventGridSchema" else self._as_cloud()

    def _as_cloud(self) -> Json:
        named = {"id": self.id, "source": self.source, "type": self.type, "specversion": "1.0", "time": self.time}
        subject = {} if self.subject is None else {"subject": self.subject}
        return {**named, **subject, **self.further, **self.data}

    def _as_grid(self) -> Json:
        return {
            "id": self.id,
            "topic": self.topic,
            "subject": self.subject,
            "eventType": self.type,
            "eventTime": self.time,
            **self.data,
            "dataVersion": self.version,
            "metadataVersion": "1",
        }


def read_cloud(value: Any, topic: str, now: float) -> Event:
    """One CloudEvent in structured mode; raises ``InputError`` in Event Grid's words."""
    body = _checked(value, _CLOUD_NEEDED, "CloudEventSchemaV1_0")
    if body["specversion"] != "1.0":
        raise InputError(f"The specversion '{body['specversion']}' is not supported. The supported version is '1.0'.")
    return Event(
        id=body["id"],
        type=body["type"],
        source=body["source"],
        topic=topic,
        time=_time(body["time"]) if body.get("time") is not None else instant(now),
        data={"data": body["data"]} if "data" in body else {},
        subject=_text(body, "subject"),
        further={name: found for name, found in body.items() if name not in _CLOUD_OWN},
    )


def read_grid(value: Any, topic: str) -> Event:
    """One event in Event Grid's own schema; raises ``InputError``."""
    body = _checked(value, _GRID_NEEDED, "EventGridSchema")
    if unknown := sorted(body.keys() - _GRID_OWN):
        raise InputError(f"The property '{unknown[0]}' is not one of an event in 'EventGridEvent' schema.")
    if body.get("topic") and str(body["topic"]).casefold() != topic.casefold():
        raise InputError(f"The event's topic is not that of the topic to which it was sent: '{topic}'.")
    return Event(
        id=body["id"],
        type=body["eventType"],
        source=topic,
        topic=topic,
        time=_time(body["eventTime"]),
        data={"data": body["data"]} if "data" in body else {},
        subject=body["subject"],
        version=_text(body, "dataVersion") or "",
    )


def not_conforming(schema: Schema) -> str:
    """What is said of a body that is no event of this schema, nor a list of such."""
    return (
        f"This resource is configured to receive event in '{_SPOKEN[schema]}' schema. "
        "The JSON received does not conform to the expected schema."
    )


def instant(seconds: float) -> str:
    """A time as Event Grid writes it."""
    whole, fraction = divmod(round(seconds * 10_000_000), 10_000_000)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:07d}Z"


def _checked(value: Any, needed: tuple[str, ...], schema: Schema) -> Json:
    if not isinstance(value, dict):
        raise InputError(not_conforming(schema))
    for name in needed:
        if not isinstance(value.get(name), str) or not value[name]:
            raise InputError(
                f"This resource is configured for '{_SPOKEN[schema]}' schema and requires '{name}' property to be set."
            )
    return value


def _text(body: Json, name: str) -> str | None:
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise InputError(f"The property '{name}' must be a text.")
    return value


def _time(value: Any) -> str:
    """Kept as it was written."""
    try:
        datetime.fromisoformat(value)
    except (TypeError, ValueError) as fault:
        raise InputError(f"The time '{value}' is no time of RFC 3339.") from fault
    return str(value)

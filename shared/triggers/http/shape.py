"""How JSON looks on the wire: declared once, and used to read, to write, and to tell of it in the contract.

A ``Record`` writes an answer's object, an ``Entry`` reads a query parameter or a field of a body, and the schemas of both come
from the same lines. Nothing here makes a document: ``make contract`` does. Plain classes, for a cold start makes them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from shared.core.parsing import Reader

type JsonSchema = Mapping[str, Any]


class Shape(Protocol):
    """What a value looks like."""

    def write(self, value: Any, /) -> Any:
        """The value as JSON."""
        ...


def _as_it_is(value: Any) -> Any:
    return value


class Value:
    """Anything but a record: its schema, and how it is written."""

    def __init__(self, schema: JsonSchema, write: Callable[[Any], Any] = _as_it_is) -> None:
        self.schema, self.write = schema, write


class Items:
    """A list of such."""

    def __init__(self, of: Shape) -> None:
        self.of = of

    def write(self, value: Iterable[Any]) -> list[Any]:
        """Each of them."""
        return [self.of.write(each) for each in value]


class Field[T]:
    """One field of a record. An ``optional`` one is left out when it says nothing."""

    def __init__(
        self, name: str, shape: Shape, of: Callable[[T], Any], description: str = "", *, optional: bool = False
    ) -> None:
        self.name, self.shape, self.of, self.description, self.optional = name, shape, of, description, optional


class Record[T]:
    """An object. One with a name is told of by it, among the contract's schemas."""

    def __init__(self, name: str, description: str, *fields: Field[T]) -> None:
        self.name, self.description, self.fields = name, description, fields
        self._steps = [(each.name, each.of, each.shape.write, each.optional) for each in fields]

    def write(self, value: T) -> dict[str, Any]:
        """The object, with its fields in the order of their declaration."""
        document: dict[str, Any] = {}
        for name, of, write, optional in self._steps:
            found = of(value)
            if found or not optional:
                document[name] = found if write is _as_it_is else write(found)
        return document


class Entry[T]:
    """A query parameter, or a field of a body."""

    def __init__(self, name: str, schema: JsonSchema, read: Callable[[Reader, str], T], description: str = "") -> None:
        self.name, self.schema, self.read, self.description = name, schema, read, description

    def of(self, reader: Reader) -> T:
        """What is said; faults stay with the reader."""
        return self.read(reader, self.name)


class Parameter:
    """A name in the path, or a header. ``component``: the name under which several calls refer to it."""

    def __init__(self, name: str, schema: JsonSchema, description: str, component: str = "") -> None:
        self.name, self.schema, self.description, self.component = name, schema, description, component


class Body:
    """What a call takes. ``schema`` where no entries tell it."""

    def __init__(
        self, name: str, description: str, *entries: Entry[Any], schema: JsonSchema | None = None, required: bool = False
    ) -> None:
        self.name, self.description, self.entries, self.schema, self.required = name, description, entries, schema, required


class Answer:
    """One answer that is no problem."""

    def __init__(
        self,
        status: int,
        description: str,
        shape: Shape | None = None,
        headers: Mapping[str, JsonSchema] | None = None,
        content_type: str = "application/json",
    ) -> None:
        self.status, self.description, self.shape, self.content_type = status, description, shape, content_type
        self.headers: Mapping[str, JsonSchema] = headers or {}


def time(instant: datetime) -> str:
    """RFC 3339, in UTC, to the millisecond."""
    return f"{instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


TEXT = Value({"type": "string"})
ID = Value({"type": "string", "format": "uuid"})
INSTANT = Value({"type": "string", "format": "date-time"}, time)
WHOLE = Value({"type": "integer"})
TRUTH = Value({"type": "boolean"})
COUNTS = Value({"type": "object", "additionalProperties": {"type": "integer"}}, dict)
DURATION: JsonSchema = {"oneOf": [{"type": "integer"}, {"type": "string", "pattern": "^[0-9]{1,9}[smhd]$"}]}


def maybe(shape: Value) -> Value:
    """The same, or null."""
    schema = dict(shape.schema)
    return Value(schema | {"type": [schema["type"], "null"]}, lambda it: None if it is None else shape.write(it))


def word(*words: str) -> Value:
    """One of a few texts."""
    return Value({"type": "string", "enum": list(map(str, words))})


def named(schema: str) -> Value:
    """What the contract tells of under this name, and other code writes."""
    return Value({"$ref": f"#/components/schemas/{schema}"})


def parsed[T](name: str, schema: JsonSchema, parse: Callable[[str], T], description: str) -> Entry[T | None]:
    """A text in the form that ``parse`` takes, or nothing."""
    return Entry(name, schema, lambda reader, field: reader.parsed(field, parse), description)


def flag(name: str, description: str) -> Entry[bool]:
    """``true`` or ``false`` in a query, absent for the latter."""

    def read(reader: Reader, field: str) -> bool:
        return reader.choice(field, ("true", "false"), default="false") == "true"

    return Entry(name, {"type": "boolean", "default": False}, read, description)


def text(name: str, description: str, *, longest: int, schema: JsonSchema | None = None) -> Entry[str | None]:
    """A text up to so long."""
    told = schema or {"type": "string", "minLength": 1, "maxLength": longest}
    return Entry(name, told, lambda reader, field: reader.text(field, longest=longest), description)

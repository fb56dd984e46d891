"""Declares JSON once: for reading requests, for writing answers, and for the contract.

A ``Record`` writes the object of an answer, and an ``Entry`` reads a query parameter or a field of a body. Their schemas come
from the same lines. ``make contract`` makes the document, not this module. The classes are plain because a cold start makes
them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from shared.core.parsing import Reader

type JsonSchema = Mapping[str, Any]


class Shape(Protocol):
    """The form of a value."""

    def write(self, value: Any, /) -> Any:
        """Returns the value as JSON."""
        ...


def _as_it_is(value: Any) -> Any:
    return value


class Value:
    """A value that is no record: its schema, and the function that writes it."""

    def __init__(self, schema: JsonSchema, write: Callable[[Any], Any] = _as_it_is) -> None:
        self.schema, self.write = schema, write


class Items:
    """A list of values of one shape."""

    def __init__(self, of: Shape) -> None:
        self.of = of

    def write(self, value: Iterable[Any]) -> list[Any]:
        """Returns the list as JSON."""
        return [self.of.write(each) for each in value]


class Field[T]:
    """One field of a record. If it is ``optional`` and empty, it is left out."""

    def __init__(
        self, name: str, shape: Shape, of: Callable[[T], Any], description: str = "", *, optional: bool = False
    ) -> None:
        self.name, self.shape, self.of, self.description, self.optional = name, shape, of, description, optional


class Record[T]:
    """An object. If it has a name, the contract's schemas have it under this name."""

    def __init__(self, name: str, description: str, *fields: Field[T]) -> None:
        self.name, self.description, self.fields = name, description, fields
        self._steps = [(each.name, each.of, each.shape.write, each.optional) for each in fields]

    def write(self, value: T) -> dict[str, Any]:
        """Returns the object, with its fields in the order of their declaration."""
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
        """Reads the value. Faults stay in the reader."""
        return self.read(reader, self.name)


class Parameter:
    """A parameter in the path, or a header. ``component``: the name by which several calls refer to it."""

    def __init__(self, name: str, schema: JsonSchema, description: str, component: str = "") -> None:
        self.name, self.schema, self.description, self.component = name, schema, description, component


class Body:
    """The body of a call. ``schema`` is for a body without entries. ``must`` are the entries that it must have."""

    def __init__(
        self,
        name: str,
        description: str,
        *entries: Entry[Any],
        schema: JsonSchema | None = None,
        required: bool = False,
        must: Sequence[Entry[Any]] = (),
    ) -> None:
        self.name, self.description, self.entries, self.schema, self.required = name, description, entries, schema, required
        self.must = must


class Answer:
    """One answer without a problem."""

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
    """Returns an instant as RFC 3339 writes it, in UTC, to the millisecond."""
    return f"{instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


TEXT = Value({"type": "string"})
ID = Value({"type": "string", "format": "uuid"})
INSTANT = Value({"type": "string", "format": "date-time"}, time)
WHOLE = Value({"type": "integer"})
TRUTH = Value({"type": "boolean"})
COUNTS = Value({"type": "object", "additionalProperties": {"type": "integer"}}, dict)
DURATION: JsonSchema = {"oneOf": [{"type": "integer", "minimum": 60}, {"type": "string", "pattern": "^[0-9]{1,9}[smhd]$"}]}


def maybe(shape: Value) -> Value:
    """Returns the shape of such a value or null."""
    schema = dict(shape.schema)
    return Value(schema | {"type": [schema["type"], "null"]}, lambda it: None if it is None else shape.write(it))


def word(*words: str) -> Value:
    """Returns the shape of one of a few texts."""
    return Value({"type": "string", "enum": list(map(str, words))})


def named(schema: str) -> Value:
    """Returns a reference to a schema of the contract. Other code writes the value."""
    return Value({"$ref": f"#/components/schemas/{schema}"})


def parsed[T](name: str, schema: JsonSchema, parse: Callable[[str], T], description: str) -> Entry[T | None]:
    """Returns an entry for a text that ``parse`` accepts, or for nothing."""
    return Entry(name, schema, lambda reader, field: reader.parsed(field, parse), description)


def flag(name: str, description: str) -> Entry[bool]:
    """Returns an entry for ``true`` or ``false`` in a query. If it is absent, it is ``false``."""

    def read(reader: Reader, field: str) -> bool:
        return reader.choice(field, ("true", "false"), default="false") == "true"

    return Entry(name, {"type": "boolean", "default": False}, read, description)


def text(name: str, description: str, *, longest: int, schema: JsonSchema | None = None) -> Entry[str | None]:
    """Returns an entry for a text of up to ``longest`` characters."""
    result = schema or {"type": "string", "minLength": 1, "maxLength": longest}
    return Entry(name, result, lambda reader, field: reader.text(field, longest=longest), description)

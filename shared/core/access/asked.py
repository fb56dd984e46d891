"""The parameters of an ask, and which asks a decision is about.

A rule of a policy may name values of parameters. Whether it speaks of an ask then depends on the values that the ask has. A
caller may leave a value out that the role has a default for, or that is a fact about the caller. Whoever decides has put all
of them in.

A decision is about one of three things, each a class here, so that nobody takes one for another:

* ``OneAsk``: these values and no others. Only such a decision lets somebody in.
* ``SomeAsk``: whether there may be any ask that is allowed. The values are not known yet.
* ``EveryAsk``: whether each ask is allowed, whatever its values are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from shared.core.access.wanted import MAX_PARAMETERS, Wanted, is_parameter_name, value_item
from shared.core.parsing import Reader


@dataclass(frozen=True, slots=True)
class AskedValue:
    """The value of a parameter in an ask. ``folds``: an allow compares it without regard to case, for A to Z."""

    text: str
    folds: bool = False


type Asked = Mapping[str, AskedValue]
"""All values of an ask, by the names of the parameters: given ones, defaults, and facts about the caller."""
NO_PARAMETERS: Asked = MappingProxyType({})
"""The values of an ask for a role without parameters."""


class Asks(Protocol):
    """Which asks a decision is about. A rule counts if this holds for each of its parameters."""

    def allowed_by(self, wanted: Wanted, /) -> bool:
        """Returns whether an allow with this parameter speaks of these asks."""
        ...

    def denied_by(self, wanted: Wanted, /) -> bool:
        """Returns whether a deny with this parameter speaks of these asks."""
        ...

    def text_of(self, name: str, /) -> str | None:
        """Returns the value that is shown to an operator; ``None`` if there is none."""
        ...


@dataclass(frozen=True, slots=True)
class OneAsk:
    """The ask that has these values. A parameter that is not among them matches nothing."""

    values: Asked

    def allowed_by(self, wanted: Wanted) -> bool:
        """Compares as the kind of the value does."""
        value = self.values.get(wanted.name)
        return value is not None and wanted.has(value.text, folds=value.folds)

    def denied_by(self, wanted: Wanted) -> bool:
        """Compares without regard to case, for every letter."""
        value = self.values.get(wanted.name)
        return value is not None and wanted.is_like(value.text)

    def text_of(self, name: str) -> str | None:
        """Returns the value of the ask."""
        value = self.values.get(name)
        return value.text if value is not None else None


WITHOUT_PARAMETERS = OneAsk(NO_PARAMETERS)
"""The ask for a role without parameters."""


@dataclass(frozen=True, slots=True)
class SomeAsk:
    """Any ask at all, for a role that has these parameters. ``None``: it is not known which the role has.

    An allow counts if the role has its parameters. A deny does not count: it does not deny all asks.
    """

    names: frozenset[str] | None = None

    def allowed_by(self, wanted: Wanted) -> bool:
        """Returns whether the role has the parameter."""
        return self.names is None or wanted.name in self.names

    def denied_by(self, _: Wanted) -> bool:
        """Returns ``False``."""
        return False

    def text_of(self, _: str) -> str | None:
        """Returns ``None``: no value is known."""
        return None


@dataclass(frozen=True, slots=True)
class EveryAsk:
    """All asks. An allow with parameters does not count: it does not allow all of them. A deny counts: it denies some."""

    def allowed_by(self, _: Wanted) -> bool:
        """Returns ``False``."""
        return False

    def denied_by(self, _: Wanted) -> bool:
        """Returns ``True``."""
        return True

    def text_of(self, _: str) -> str | None:
        """Returns ``None``: no value is meant."""
        return None


def read_given(reader: Reader, field: str) -> dict[str, str]:
    """Reads the parameters of a question about an ask: an object of texts. Notes each fault in the reader."""
    value = reader.take(field)
    if not reader.has(field):
        return {}
    if not isinstance(value, Mapping) or len(value) > MAX_PARAMETERS:
        reader.fault(field, f"expected an object of at most {MAX_PARAMETERS} texts")
        return {}
    found: dict[str, str] = {}
    for name, each in value.items():
        path = f"{reader.at(field)}.{name}"
        if not is_parameter_name(name, path, reader.faults) or (text := value_item(each, path, reader.faults)) is None:
            continue
        if "*" in text:
            reader.fault(f"{field}.{name}", "an ask has a value without stars")
        found[name] = text
    return found


def as_given(given: Mapping[str, str]) -> Asked:
    """Returns the values as they were written, for a role that says nothing of them: an allow compares them exactly."""
    return {name: AskedValue(text) for name, text in given.items()}

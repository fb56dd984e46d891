"""Reads the app settings, strictly: every fault is told, all at once, and a ``LEASEHOLD_`` name that nobody asks for is one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from shared.core.errors import Misconfigured
from shared.core.names import Unparsable
from shared.settings.addresses import endpoint

PREFIX = "LEASEHOLD_"


@dataclass(slots=True)
class Reader:
    """What the sections of the settings ask. Settings are asked for by their names without the prefix.

    A section asks for every setting of its own, whatever the values of the others: so the reader knows which names there are.
    Two sections may ask for the same setting; its fault is told once.
    """

    environment: Mapping[str, str]
    asked: set[str] = field(default_factory=set)
    """The whole names of the settings that were asked for."""
    warnings: list[str] = field(default_factory=list)
    _required: list[str] = field(default_factory=list)
    """Faults of settings without which the broker cannot start."""
    _others: list[str] = field(default_factory=list)

    def required[T](self, name: str, parse: Callable[[str], T], otherwise: T) -> T:
        """The value of a setting that must be there; ``otherwise`` beside a fault."""
        text = self._text(name)
        if not text:
            self.refuse(f"{PREFIX}{name}: is required", required=True)
            return otherwise
        found = self._parsed(name, text, parse, required=True)
        return otherwise if found is None else found

    def optional[T](self, name: str, parse: Callable[[str], T]) -> T | None:
        """The value of a setting; ``None`` when it is not there, and beside a fault."""
        text = self._text(name)
        return self._parsed(name, text, parse) if text else None

    def listed[T](self, name: str, parse: Callable[[str], T], *, required: bool = False) -> tuple[T, ...]:
        """The values of a setting that are separated by commas; at least one where the setting is required."""
        items = [item.strip() for item in self._text(name).split(",") if item.strip()]
        if required and not items:
            self.refuse(f"{PREFIX}{name}: is required", required=True)
        found = [self._parsed(name, item, parse, required=required) for item in items]
        return tuple(each for each in found if each is not None)

    def endpoint(self, name: str, default: str) -> str:
        """The address of a service, without a slash at its end."""
        return self.optional(name, endpoint) or default

    def number(self, name: str, default: float, *, least: float, most: float) -> float:
        """A decimal number within these bounds."""
        return self.optional(name, lambda text: _number(text, least, most)) or default

    def told(self, name: str) -> str:
        """What the platform says under a name without the prefix; empty when it says nothing."""
        return self.environment.get(name, "").strip()

    def refuse(self, fault: str, *, required: bool = False) -> None:
        """Notes a fault. Those of required settings are told before the others."""
        faults = self._required if required else self._others
        if fault not in faults:
            faults.append(fault)

    def finish(self) -> None:
        """Raises ``Misconfigured`` that names every fault, once every section has read itself."""
        given = (name for name in sorted(self.environment) if name.upper().startswith(PREFIX))
        unknown = [f"{name}: is not a known setting" for name in given if name not in self.asked]
        if faults := [*unknown, *self._required, *self._others]:
            raise Misconfigured("; ".join(faults))

    def _text(self, name: str) -> str:
        self.asked.add(PREFIX + name)
        return self.told(PREFIX + name)

    def _parsed[T](self, name: str, text: str, parse: Callable[[str], T], *, required: bool = False) -> T | None:
        try:
            return parse(text)
        except Unparsable as wrong:
            self.refuse(f"{PREFIX}{name}: {wrong}", required=required)
            return None


def _number(text: str, least: float, most: float) -> float:
    if re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?", text) is None or not least <= float(text) <= most:
        raise Unparsable(f"expected a number from {least:g} to {most:g}")
    return float(text)

"""Reads the app settings strictly, and reports all faults at once. A ``LEASEHOLD_`` name that nobody asks for is a fault."""

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
    """The sections ask it for settings, by names without the prefix.

    A section asks for all of its settings, whatever their values: so the reader knows which names there are. If two sections
    ask for the same setting, its fault is reported once.
    """

    environment: Mapping[str, str]
    asked: set[str] = field(default_factory=set)
    """The whole names of the settings that were asked for."""
    warnings: list[str] = field(default_factory=list)
    _required: list[str] = field(default_factory=list)
    """Faults of settings without which the broker cannot start."""
    _others: list[str] = field(default_factory=list)

    def required[T](self, name: str, parse: Callable[[str], T], otherwise: T) -> T:
        """Returns the value of a setting that must be there. If there is a fault, notes it and returns ``otherwise``."""
        text = self._text(name)
        if not text:
            self.refuse(f"{PREFIX}{name}: is required", required=True)
            return otherwise
        found = self._parsed(name, text, parse, required=True)
        return otherwise if found is None else found

    def optional[T](self, name: str, parse: Callable[[str], T]) -> T | None:
        """Returns the value of a setting. If it is not there, or if there is a fault, returns ``None``."""
        text = self._text(name)
        return self._parsed(name, text, parse) if text else None

    def listed[T](self, name: str, parse: Callable[[str], T], *, required: bool = False) -> tuple[T, ...]:
        """Returns the values of a setting, which commas separate. A required setting has at least one."""
        items = [item.strip() for item in self._text(name).split(",") if item.strip()]
        if required and not items:
            self.refuse(f"{PREFIX}{name}: is required", required=True)
        found = [self._parsed(name, item, parse, required=required) for item in items]
        return tuple(each for each in found if each is not None)

    def endpoint(self, name: str, default: str) -> str:
        """Returns the address of a service, without a slash at its end."""
        return self.optional(name, endpoint) or default

    def number(self, name: str, default: float, *, least: float, most: float) -> float:
        """Returns a decimal number within these bounds."""

        def parse(text: str) -> float:
            if re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?", text) is None or not least <= float(text) <= most:
                raise Unparsable(f"expected a number from {least:g} to {most:g}")
            return float(text)

        found = self.optional(name, parse)
        return default if found is None else found

    def whole[D: int | None](self, name: str, default: D, *, least: int, most: int) -> int | D:
        """Returns a whole number within these bounds; ``default`` if the setting is not there, or if there is a fault."""

        def parse(text: str) -> int:
            if re.fullmatch(r"[0-9]{1,7}", text) is None or not least <= int(text) <= most:
                raise Unparsable(f"expected a whole number from {least} to {most}")
            return int(text)

        found = self.optional(name, parse)
        return default if found is None else found

    def told(self, name: str) -> str:
        """Returns the platform's setting of this name, which has no prefix; empty if there is none."""
        return self.environment.get(name, "").strip()

    def refuse(self, fault: str, *, required: bool = False) -> None:
        """Notes a fault. Faults of required settings are reported first."""
        faults = self._required if required else self._others
        if fault not in faults:
            faults.append(fault)

    def finish(self) -> None:
        """Raises ``Misconfigured`` with all faults. To be called when every section has read itself."""
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

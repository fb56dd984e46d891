"""How many calls a vault takes: https://learn.microsoft.com/azure/key-vault/general/service-limits."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from local.cloud.engine.errors import InputError
from local.cloud.key_vault import errors

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(slots=True)
class Limits:
    """The limits in force. ``None`` is no limit."""

    transactions: int | None = 4_000
    """Calls of one vault ..."""
    transactions_seconds: float = 10.0
    """... in this time."""
    _served: dict[str, deque[float]] = field(default_factory=dict)
    """When each vault's last calls were, the oldest first."""

    def take(self, vault: str, now: float) -> None:
        """Counts a call; raises 429, which does not count."""
        if self.transactions is None:
            return
        served = self._served.setdefault(vault, deque())
        # A world whose clock went back starts anew.
        while served and not now - self.transactions_seconds < served[0] <= now:
            served.popleft()
        if len(served) >= self.transactions:
            raise errors.throttled()
        served.append(now)

    def check(self, settings: Mapping[str, Any]) -> None:
        """Raises ``InputError`` for an unknown name or a value that does not fit."""
        for name, value in settings.items():
            if name not in self.as_json():
                raise InputError(f"unknown limit {name}: one of {', '.join(self.as_json())}")
            if not _fits(name, value):
                raise InputError(f"limit {name} cannot be {value!r}")

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Sets limits from JSON; raises ``InputError``, and sets none, as ``check`` does."""
        self.check(settings)
        for name, value in settings.items():
            setattr(self, name, value)
        self._served.clear()

    def as_json(self) -> dict[str, Any]:
        """Every limit by name."""
        return {item.name: getattr(self, item.name) for item in fields(self) if not item.name.startswith("_")}


def _fits(name: str, value: Any) -> bool:
    if value is None:
        return name == "transactions"
    kinds = int if name == "transactions" else int | float
    return isinstance(value, kinds) and not isinstance(value, bool) and value > 0

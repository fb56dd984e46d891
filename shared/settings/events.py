"""Events from outside: whether there is a door over HTTP, and for whom."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from shared.core.access.folding import fold
from shared.core.events.door import EVENT_GRID, EVENT_GRID_GOVERNMENT
from shared.core.names import ObjectId, Unparsable
from shared.settings.reader import Reader

_ORIGIN = re.compile(r"[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})+(?::\d{1,5})?")
_GOVERNMENT = "login.microsoftonline.us"


@dataclass(frozen=True, slots=True)
class Events:
    """``event_grid``: the application as which Event Grid calls. ``origins`` are hosts, in lower case."""

    webhook: bool = False
    event_grid: ObjectId = EVENT_GRID
    origins: frozenset[str] = frozenset()

    @classmethod
    def read(cls, reader: Reader, authority: str) -> Self:
        """Reads the section. ``authority`` is Entra ID's address, which says in which cloud the broker is."""
        usual = EVENT_GRID_GOVERNMENT if authority.removeprefix("https://").startswith(_GOVERNMENT) else EVENT_GRID
        return cls(
            webhook=reader.optional("EVENT_WEBHOOK", _switch) or False,
            event_grid=reader.optional("EVENT_GRID_APP_ID", ObjectId.parse) or usual,
            origins=frozenset(reader.listed("EVENT_ORIGINS", _origin)),
        )


def _switch(text: str) -> bool:
    if text not in {"on", "off"}:
        raise Unparsable("expected on or off")
    return text == "on"


def _origin(text: str) -> str:
    found = fold(text)
    if _ORIGIN.fullmatch(found) is None:
        raise Unparsable("expected a host's name, such as events.example.net")
    return found

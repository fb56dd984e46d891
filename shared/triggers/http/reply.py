"""An answer, before the edge adds its headers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

JSON = "application/json"
HTML = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: status, body, and headers of its own. ``code`` is a problem's code, for the log.

    ``on_beat``: its time must not tell what was read for it (see ``edge``).
    """

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    code: str = ""
    on_beat: bool = False


def of_json(status: int, document: Any, headers: Mapping[str, str] | None = None) -> Reply:
    """Returns an answer with a JSON document."""
    return Reply(status, encoded(document), headers=headers or {})


def encoded(document: Any) -> bytes:
    """Returns JSON without blanks, in ASCII."""
    return json.dumps(document, separators=(",", ":")).encode()

"""An answer, before the edge dresses it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

JSON = "application/json"
HTML = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Reply:
    """Status, body and what is particular to its headers. ``code`` is a problem's, for the log."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    code: str = ""


def of_json(status: int, document: Any, headers: Mapping[str, str] | None = None) -> Reply:
    """A document as JSON."""
    return Reply(status, encoded(document), headers=headers or {})


def encoded(document: Any) -> bytes:
    """JSON without blanks, in ASCII."""
    return json.dumps(document, separators=(",", ":")).encode()

"""A dialect of HTTP: where a request carries its token, and how an error looks in an answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import azure.functions as func

from shared.core.errors import LeaseholdError, Unauthenticated
from shared.triggers.http.problem import problem
from shared.triggers.http.reply import Reply

_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)
_LONGEST_TOKEN = 16 * 1024


class ErrorWriter(Protocol):
    """Turns an error into an answer."""

    def __call__(
        self, error: LeaseholdError, request: func.HttpRequest, /, *, request_id: str, docs_url: str, challenge: str
    ) -> Reply:
        """``docs_url`` explains problems. ``challenge`` is the ``WWW-Authenticate`` of a 401; empty if it is unknown."""
        ...


@dataclass(frozen=True, slots=True)
class Dialect:
    """What the edge needs to know of a dialect. Every group of calls has one."""

    token_from: Callable[[func.HttpRequest], str]
    """Returns the token. Raises ``Unauthenticated`` if the request carries none."""
    error_to: ErrorWriter


def bearer(request: func.HttpRequest) -> str:
    """Returns the token in the ``Authorization`` header. Raises ``Unauthenticated``."""
    header = request.headers.get("authorization")
    if header is None:
        raise Unauthenticated(audit_reason="no token")
    match = _BEARER.fullmatch(header.strip()) if len(header) <= _LONGEST_TOKEN else None
    if match is None:
        raise Unauthenticated(audit_reason="not a bearer token")
    return match[1]


def _as_problem(error: LeaseholdError, request: func.HttpRequest, *, request_id: str, docs_url: str, challenge: str) -> Reply:
    sent = "authorization" in request.headers
    return problem(error, request_id=request_id, docs_url=docs_url, challenge=challenge, token_sent=sent)


NATIVE = Dialect(token_from=bearer, error_to=_as_problem)
"""The broker's own API: a bearer token, and problem details."""

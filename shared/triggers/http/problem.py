"""Errors as problem details (RFC 9457). Nothing else in the broker knows an error's HTTP status."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from shared.core import errors
from shared.core.errors import Fault, LeaseholdError, Malformed, Rejected, Throttled, TooMany, Unauthenticated
from shared.triggers.http.reply import Reply, encoded
from shared.triggers.http.shape import TEXT, WHOLE, Field, Items, Record, Value

CONTENT_TYPE = "application/problem+json"
_MOST_FAULTS = 100


class UnsupportedMedia(Malformed):
    """There is a body, and it is not declared as JSON in UTF-8, or ``compressed``."""

    code = "unsupported_media_type"
    sentence = "A body must be sent as application/json in UTF-8, without Content-Encoding."

    def __init__(self, detail: str = "", *, compressed: bool = False) -> None:
        super().__init__(detail=detail)
        self.compressed = compressed


class NoSuchCall(Rejected):
    """No call has this path."""

    code = "no_such_call"
    sentence = "The API has no such path."


class MethodNotAllowed(Rejected):
    """The path is known, with other methods."""

    code = "method_not_allowed"
    sentence = "The path does not take this method."

    def __init__(self, *allowed: str) -> None:
        super().__init__(f"The path takes {', '.join(allowed)}.")
        self.allowed = allowed


@dataclass(frozen=True, slots=True)
class Meaning:
    """An error's status; ``retry_after`` in seconds when trying again makes sense and the error itself says no time."""

    status: int
    retry_after: int | None = None


MEANINGS: Mapping[type[LeaseholdError], Meaning] = {
    LeaseholdError: Meaning(500),
    Rejected: Meaning(400),
    errors.Malformed: Meaning(400),
    errors.TooLarge: Meaning(413),
    UnsupportedMedia: Meaning(415),
    errors.Unauthenticated: Meaning(401),
    errors.Forbidden: Meaning(403),
    errors.LeasedCaller: Meaning(403),
    errors.NotFound: Meaning(404),
    NoSuchCall: Meaning(404),
    MethodNotAllowed: Meaning(405),
    errors.Gone: Meaning(410),
    errors.Conflict: Meaning(409),
    errors.RoleOutdated: Meaning(409),
    errors.PreconditionFailed: Meaning(412),
    errors.TooMany: Meaning(429),
    errors.Upstream: Meaning(502),
    errors.Throttled: Meaning(503, retry_after=10),
    errors.NotReplicated: Meaning(503, retry_after=15),
    errors.ConcurrentChange: Meaning(503, retry_after=5),
    errors.IdentityRefused: Meaning(503, retry_after=30),
    # A definite no is in no class that callers repeat by themselves: Logic Apps repeat every 5xx.
    errors.Refused: Meaning(409),
    errors.Absent: Meaning(409),
    errors.DefinitionGone: Meaning(409),
    errors.OutOfReach: Meaning(409),
    errors.AlreadyExists: Meaning(409),
    errors.Full: Meaning(409),
    errors.AmbiguousRefusal: Meaning(503, retry_after=15),
    errors.Locked: Meaning(409),
    errors.Uncertain: Meaning(503, retry_after=10),
    errors.Unavailable: Meaning(503, retry_after=10),
    errors.Unreachable: Meaning(504),
    errors.LostRace: Meaning(503, retry_after=1),
    errors.Interrupted: Meaning(503, retry_after=1),
    errors.Pending: Meaning(503, retry_after=5),
    errors.Misconfigured: Meaning(500),
    errors.Unreadable: Meaning(500),
}


def meaning_of(kind: type[LeaseholdError]) -> Meaning:
    """A kind's own meaning, else its nearest ancestor's."""
    return next(MEANINGS[each] for each in kind.__mro__ if each in MEANINGS)


@dataclass(frozen=True, slots=True)
class Problem:
    """An error, and where it is explained."""

    error: LeaseholdError
    request_id: str
    docs_url: str


FAULT = Record[Fault]("", "", Field("path", TEXT, lambda it: it.path[:256]), Field("message", TEXT, lambda it: it.message))
PROBLEM = Record[Problem](
    "Problem",
    "RFC 9457.",
    Field(
        "type",
        Value({"type": "string", "format": "uri-reference"}),
        lambda it: f"{it.docs_url}#{it.error.stable_code}",
        "Leads to an explanation: absolute, unless nobody has told the broker its address.",
    ),
    Field("title", TEXT, lambda it: it.error.sentence, "What kind of problem."),
    Field("status", WHOLE, lambda it: meaning_of(type(it.error)).status, "The HTTP status."),
    Field("code", TEXT, lambda it: it.error.stable_code, "Stable."),
    Field("detail", TEXT, lambda it: _detail(it.error), "This case."),
    Field("request_id", TEXT, lambda it: it.request_id, "For the operator."),
    Field("errors", Items(FAULT), lambda it: _faults(it.error), "Every fault of bad input.", optional=True),
)


def problem(error: LeaseholdError, *, request_id: str, docs_url: str, challenge: str = "", token_sent: bool = False) -> Reply:
    """The answer to a request that ended so. ``challenge`` is what a 401's ``WWW-Authenticate`` says."""
    document = PROBLEM.write(Problem(error, request_id, docs_url))
    headers = _headers(error, challenge, token_sent=token_sent)
    return Reply(document["status"], encoded(document), CONTENT_TYPE, headers, code=error.stable_code)


def _detail(error: LeaseholdError) -> str:
    """Only a refusal was worded for the caller; what failed is worded for the log."""
    if not isinstance(error, Rejected):
        return error.sentence
    return error.sentence if isinstance(error, Malformed) and error.faults else error.detail


def _faults(error: LeaseholdError) -> tuple[Fault, ...]:
    """Those of a refusal, up to a hundred, and how many more there are."""
    faults = error.faults if isinstance(error, Rejected) else ()
    more = len(faults) - _MOST_FAULTS
    return (*faults[:_MOST_FAULTS], *((Fault("", f"and {more} more"),) if more > 0 else ()))


def _headers(error: LeaseholdError, challenge: str, *, token_sent: bool) -> dict[str, str]:
    headers = {}
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = f"{challenge or 'Bearer'}{_ERROR_ATTRIBUTE if token_sent else ''}"
    if isinstance(error, UnsupportedMedia) and error.compressed:
        # RFC 9110, 15.5.16: how it would be taken.
        headers["Accept-Encoding"] = "identity"
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = ", ".join(error.allowed)
    if (seconds := _retry_after(error)) is not None:
        headers["Retry-After"] = str(seconds)
    return headers


_ERROR_ATTRIBUTE = ', error="invalid_token"'
"""RFC 6750, 3.1: said only when a token was sent."""


def _retry_after(error: LeaseholdError) -> int | None:
    if isinstance(error, TooMany):
        return error.retry_after
    if isinstance(error, Throttled) and error.retry_after is not None:
        return max(1, math.ceil(error.retry_after))
    return meaning_of(type(error)).retry_after

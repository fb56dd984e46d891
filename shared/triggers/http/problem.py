"""Errors as problem details (RFC 9457). Nothing else in the broker knows an error's HTTP status."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from shared.core import errors
from shared.core.access import errors as access
from shared.core.errors import Fault, LeaseholdError, Malformed, Rejected, Throttled, TooMany, Unauthenticated
from shared.core.events import errors as events
from shared.core.parameters import errors as parameters
from shared.core.preparing import NotProven, OutOfTime, PreparationFailed, TooManyPreparations
from shared.core.readiness import errors as readiness
from shared.core.tenant_policy import PolicyForbids
from shared.core.vault_errors import VaultLeft
from shared.triggers.http.reply import Reply, encoded
from shared.triggers.http.shape import TEXT, WHOLE, Field, Items, Record, Value

CONTENT_TYPE = "application/problem+json"
_MOST_FAULTS = 100


class UnsupportedMedia(Malformed):
    """The body is not declared as JSON in UTF-8, or is ``compressed``."""

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
    """The path takes other methods."""

    code = "method_not_allowed"
    sentence = "The path does not take this method."

    def __init__(self, *allowed: str) -> None:
        super().__init__(f"The path takes {', '.join(allowed)}.")
        self.allowed = allowed


@dataclass(frozen=True, slots=True)
class Meaning:
    """The HTTP status of an error. ``retry_after`` is in seconds, for errors worth a retry that name no time themselves."""

    status: int
    retry_after: int | None = None


MEANINGS: Mapping[type[LeaseholdError], Meaning] = {
    LeaseholdError: Meaning(500),
    Rejected: Meaning(400),
    errors.Malformed: Meaning(400),
    errors.TooLarge: Meaning(413),
    parameters.Ambiguous: Meaning(400),
    parameters.NotWithin: Meaning(400),
    parameters.NotNarrowable: Meaning(400),
    UnsupportedMedia: Meaning(415),
    errors.Unauthenticated: Meaning(401),
    errors.Forbidden: Meaning(403),
    errors.LeasedCaller: Meaning(403),
    access.Escalation: Meaning(403),
    parameters.ParameterNotAllowed: Meaning(403),
    parameters.FactMissing: Meaning(403),
    errors.NotFound: Meaning(404),
    NoSuchCall: Meaning(404),
    MethodNotAllowed: Meaning(405),
    errors.Gone: Meaning(410),
    errors.Conflict: Meaning(409),
    parameters.TargetMissing: Meaning(409, retry_after=30),
    PreparationFailed: Meaning(409),
    errors.RoleOutdated: Meaning(409),
    access.PolicyInUse: Meaning(409),
    events.RoleInUse: Meaning(409),
    events.RuleInUse: Meaning(409),
    events.EventsNotTaken: Meaning(503, 30),
    access.PolicyTestsFailed: Meaning(409),
    errors.PreconditionFailed: Meaning(412),
    errors.TooMany: Meaning(429),
    errors.TooManyIssues: Meaning(429),
    TooManyPreparations: Meaning(429),
    errors.Upstream: Meaning(502),
    errors.Throttled: Meaning(503, retry_after=10),
    VaultLeft: Meaning(503, retry_after=60),
    errors.NotReplicated: Meaning(503, retry_after=15),
    errors.ConcurrentChange: Meaning(503, retry_after=5),
    errors.IdentityRefused: Meaning(503, retry_after=30),
    # Callers must not repeat a definite refusal by themselves, and Logic Apps repeat every 5xx.
    errors.Refused: Meaning(409),
    errors.Absent: Meaning(409),
    errors.DefinitionGone: Meaning(409),
    readiness.NeverReady: Meaning(409),
    PolicyForbids: Meaning(409),
    errors.OutOfReach: Meaning(409),
    errors.AlreadyExists: Meaning(409),
    errors.Full: Meaning(409),
    errors.AmbiguousRefusal: Meaning(503, retry_after=15),
    errors.Locked: Meaning(409),
    errors.Uncertain: Meaning(503, retry_after=10),
    errors.DirectoryUnavailable: Meaning(503, retry_after=10),
    access.ImportStopped: Meaning(503, retry_after=10),
    errors.Unavailable: Meaning(503, retry_after=10),
    errors.Unreachable: Meaning(504),
    OutOfTime: Meaning(504),
    errors.LostRace: Meaning(503, retry_after=1),
    errors.Interrupted: Meaning(503, retry_after=1),
    NotProven: Meaning(503, retry_after=5),
    errors.Pending: Meaning(503, retry_after=5),
    errors.Misconfigured: Meaning(500),
    errors.Unreadable: Meaning(500),
}


def meaning_of(kind: type[LeaseholdError]) -> Meaning:
    """Returns a class's own meaning, or its nearest ancestor's."""
    return next(MEANINGS[each] for each in kind.__mro__ if each in MEANINGS)


@dataclass(frozen=True, slots=True)
class Problem:
    """An error, and the address of its explanation."""

    error: LeaseholdError
    request_id: str
    docs_url: str


def _more(name: str, problem: Problem) -> Sequence[str]:
    return problem.error.more.get(name, ())


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
    Field(
        "cause",
        TEXT,
        lambda it: it.error.failed_with if isinstance(it.error, PreparationFailed) else "",
        "Of `preparation_failed`: the code of the problem for which the lease could not be made.",
        optional=True,
    ),
    Field("lease", TEXT, lambda it: it.error.lease, "Another lease of yours, which stands in the way.", optional=True),
    Field("errors", Items(FAULT), lambda it: _faults(it.error), "Every fault of bad input.", optional=True),
    *(
        Field[Problem](name, Items(TEXT), partial(_more, name), description, optional=True)
        for name, description in (
            ("used_by", "The auth roles that name the policy."),
            ("applied", "The documents that an import has written or deleted before it stopped."),
            ("left", "The documents that it has not."),
        )
    ),
)


def problem(error: LeaseholdError, *, request_id: str, docs_url: str, challenge: str = "", token_sent: bool = False) -> Reply:
    """Returns the answer to a request that has failed with this error. ``challenge`` is the ``WWW-Authenticate`` of a 401."""
    document = PROBLEM.write(Problem(error, request_id, docs_url))
    headers = _headers(error, challenge, token_sent=token_sent)
    return Reply(document["status"], encoded(document), CONTENT_TYPE, headers, code=error.stable_code)


def _detail(error: LeaseholdError) -> str:
    """Returns a sentence for the caller. Only a refusal's own words are for the caller. Others are for the log."""
    if not isinstance(error, Rejected):
        return error.sentence
    return error.sentence if isinstance(error, Malformed) and error.faults else error.detail


def _faults(error: LeaseholdError) -> tuple[Fault, ...]:
    """Returns up to a hundred faults of a refusal, and then the number of the others."""
    faults = error.faults if isinstance(error, Rejected) else ()
    more = len(faults) - _MOST_FAULTS
    return (*faults[:_MOST_FAULTS], *((Fault("", f"and {more} more"),) if more > 0 else ()))


def _headers(error: LeaseholdError, challenge: str, *, token_sent: bool) -> dict[str, str]:
    headers = {}
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = f"{challenge or 'Bearer'}{_ERROR_ATTRIBUTE if token_sent else ''}"
    if isinstance(error, UnsupportedMedia) and error.compressed:
        # RFC 9110, 15.5.16: the encoding that the broker would accept.
        headers["Accept-Encoding"] = "identity"
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = ", ".join(error.allowed)
    if (seconds := _retry_after(error)) is not None:
        headers["Retry-After"] = str(seconds)
    return headers


_ERROR_ATTRIBUTE = ', error="invalid_token"'
"""RFC 6750, 3.1: for requests that have sent a token."""


def _retry_after(error: LeaseholdError) -> int | None:
    if isinstance(error, TooMany):
        return error.retry_after
    if isinstance(error, Throttled) and error.retry_after is not None:
        return max(1, math.ceil(error.retry_after))
    return meaning_of(type(error)).retry_after

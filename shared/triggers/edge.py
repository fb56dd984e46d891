"""The one edge around every HTTP call: request id, authentication, errors as problems, the audit of refusals, a log line."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import azure.functions as func

from shared.broker.leased_callers import Admission
from shared.broker.outside import Outside, Request
from shared.core.audit import AuditEvent, Outcome
from shared.core.caller import Caller
from shared.core.errors import LeaseholdError, Malformed, Misconfigured, Rejected, Unauthenticated, Upstream
from shared.core.names import LeaseId, RoleName, Unparsable
from shared.core.ports import Clock
from shared.triggers import account, reading
from shared.triggers.problem import problem
from shared.triggers.reply import Reply
from shared.triggers.wired import PROBLEMS, Broker, Wired

log = logging.getLogger(__name__)

_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)
_LONGEST_TOKEN = 16 * 1024
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LONGEST_REASON = 512


@dataclass(frozen=True, slots=True)
class Call:
    """A request by a verified caller."""

    http: func.HttpRequest
    broker: Broker
    asker: Request

    @property
    def outside(self) -> Outside:
        """What the verbs work with."""
        return self.broker.outside

    @property
    def caller(self) -> Caller:
        """Who asks."""
        return self.asker.caller


@dataclass(slots=True)
class Visit:
    """What is known of a request so far. ``operation`` is empty for calls that are not audited."""

    http: func.HttpRequest
    route: str
    operation: str
    request_id: str
    client_request_id: str = ""
    """The caller's own id for the request, for the caller to find it by: anybody may send any."""
    broker: Broker | None = None
    caller: Caller | None = None


type Handler = Callable[[Visit], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Edge:
    """See the module."""

    wired: Wired
    clock: Clock = field(repr=False)

    async def answer(self, visit: Visit, handle: Handler) -> func.HttpResponse:
        """Whatever happens, an answer. Each refused or failed request that names an operation leaves one audit event."""
        began = self.clock.monotonic()
        reply = await self._reply(visit, handle)
        milliseconds = (self.clock.monotonic() - began) * 1000
        caller = visit.caller.object_id if visit.caller else "-"
        log.info(
            "%s %d%s %.0f ms caller=%s request=%s",
            *(visit.route, reply.status, f" {reply.code}" if reply.code else "", milliseconds, caller, visit.request_id),
        )
        return _dressed(reply, visit)

    async def _reply(self, visit: Visit, handle: Handler) -> Reply:
        try:
            return await handle(visit)
        except LeaseholdError as error:
            return await self._refused(visit, error)
        except Exception as error:  # noqa: BLE001 - the last resort: whatever it is must not reach the host's own log
            return await self._refused(visit, error)

    async def _refused(self, visit: Visit, error: Exception) -> Reply:
        told = error if isinstance(error, LeaseholdError) else LeaseholdError(audit_reason=type(error).__name__)
        _log(visit, error)
        await self._audit(visit, told)
        return problem(
            told,
            request_id=visit.request_id,
            docs_url=await self._docs_url(visit),
            challenge=visit.broker.challenge if visit.broker else "",
            token_sent="authorization" in visit.http.headers,
        )

    async def _docs_url(self, visit: Visit) -> str:
        """Where problems are explained; by its path alone as long as the broker cannot be built."""
        try:
            broker = visit.broker or await self.wired()
        except Exception:  # noqa: BLE001 - whatever it is has been told, or will be when a call needs the broker
            return PROBLEMS
        return broker.explained_at()

    async def _audit(self, visit: Visit, error: LeaseholdError) -> None:
        if not visit.operation or visit.broker is None:
            return
        try:
            await visit.broker.outside.audit.record(_event(visit, error, visit.broker.outside))
        except Exception as failure:  # noqa: BLE001 - a refusal stands, whether or not it could be written down
            log.error("request %s: its refusal could not be audited: %s", visit.request_id, account.of(failure))  # noqa: TRY400 - a traceback's text is not known to be free of secrets


async def authenticated(
    edge: Edge, visit: Visit, handle: Callable[[Call], Awaitable[Reply]], query: tuple[str, ...], *, beside: bool
) -> Reply:
    """Verifies the caller, admits it, looks at the query's names, and hands over.

    A call that only reads, or reads first and waits for the admission there (``beside``), begins meanwhile. Whatever comes of
    it, whoever is not admitted is told that alone.
    """
    broker = visit.broker = await edge.wired()
    visit.caller = await broker.verifier.verify(bearer(visit.http))
    admission = Admission(broker.outside.leased, visit.caller)
    asker = Request(visit.caller, visit.request_id, visit.client_request_id)
    try:
        if not beside:
            await admission.granted()
        reading.known_query(visit.http, query)
        outside = replace(broker.outside, admitted=admission.granted)
        return await handle(Call(visit.http, replace(broker, outside=outside), asker))
    finally:
        await admission.granted()


def bearer(request: func.HttpRequest) -> str:
    """The token that was sent. Raises ``Unauthenticated``."""
    header = request.headers.get("authorization")
    if header is None:
        raise Unauthenticated(audit_reason="no token")
    match = _BEARER.fullmatch(header.strip()) if len(header) <= _LONGEST_TOKEN else None
    if match is None:
        raise Unauthenticated(audit_reason="not a bearer token")
    return match[1]


def client_request_id(request: func.HttpRequest) -> str:
    """What the caller calls the request, if it is a sane id; else empty."""
    given = request.headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else ""


def _dressed(reply: Reply, visit: Visit) -> func.HttpResponse:
    headers = {
        "Content-Type": reply.content_type,
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "x-request-id": visit.request_id,
        **({"x-client-request-id": visit.client_request_id} if visit.client_request_id else {}),
        **reply.headers,
    }
    if visit.http.method == "HEAD":
        # As GET, its length too, without the content: RFC 9110, 9.3.2.
        headers["Content-Length"] = str(len(reply.body))
        return func.HttpResponse(b"", status_code=reply.status, headers=headers)
    return func.HttpResponse(reply.body, status_code=reply.status, headers=headers)


def _event(visit: Visit, error: LeaseholdError, outside: Outside) -> AuditEvent:
    # Whoever has not shown who it is may write any name into a path: its refusal tells of no lease and of no role.
    lease = _named(visit, "id", LeaseId.parse) if visit.caller else None
    role = (_named(visit, "role", RoleName.parse) if visit.caller else None) or (lease.role if lease else None)
    return AuditEvent(
        at=outside.now(),
        operation=visit.operation,
        outcome=Outcome.REFUSED if isinstance(error, Rejected) else Outcome.FAILED,
        request_id=visit.request_id,
        client_request_id=visit.client_request_id,
        code=error.stable_code,
        reason=_reason(error),
        caller=visit.caller,
        role=role or "",
        lease=lease or "",
    )


def _reason(error: LeaseholdError) -> str:
    # A caller may have put anything into the names of its fields.
    if isinstance(error, Malformed) and error.faults:
        return "; ".join(fault.message for fault in error.faults)[:_LONGEST_REASON]
    return error.brief() if isinstance(error, Upstream) else error.audit_reason[:_LONGEST_REASON]


def _named[T](visit: Visit, parameter: str, parse: Callable[[str], T]) -> T | None:
    try:
        return parse(visit.http.route_params.get(parameter, ""))
    except Unparsable:
        return None


def _log(visit: Visit, error: Exception) -> None:
    """A refusal is in the log line and the audit trail; what failed is told with its causes."""
    if isinstance(error, Rejected):
        return
    if isinstance(error, LeaseholdError) and not isinstance(error, Misconfigured):
        log.warning("request %s: %s", visit.request_id, account.of(error))
        return
    log.error("request %s: %s", visit.request_id, account.with_frames(error))

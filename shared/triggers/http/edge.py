"""The one edge around every HTTP call: it verifies the caller, asks the gate, answers errors, audits refusals, and logs."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import azure.functions as func

from shared.broker.access import require
from shared.broker.leased_callers import Admission
from shared.broker.ports import Actor, Ports
from shared.core.access.decide import Decision
from shared.core.access.policy import Capability
from shared.core.audit import AuditEvent, Outcome
from shared.core.caller import Caller
from shared.core.errors import LeaseholdError, Malformed, Misconfigured, Rejected, Upstream
from shared.core.names import LeaseId, RoleName, Unparsable
from shared.core.ports.system import Clock
from shared.triggers import safe_log
from shared.triggers.broker import PROBLEMS, Broker, GetBroker
from shared.triggers.http import requests
from shared.triggers.http.dialect import NATIVE, Dialect
from shared.triggers.http.reply import Reply

log = logging.getLogger(__name__)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LONGEST_REASON = 512
_TELL_NOTHING = {403, 404, 429}
"""The answers that read alike for what is not there and for what the caller may not use: both are refused, and in the end too
often."""
_BEAT = 0.02
"""Seconds. Such an answer leaves at the next multiple of this after its request has come. That a row was sent and read takes a
fraction of a millisecond, and is hidden while both answers fall between the same two multiples. Where latencies spread over
several of them, a small difference of the mean stays (ADR 19)."""


@dataclass(frozen=True, slots=True)
class VerifiedRequest:
    """A request by a verified caller."""

    http: func.HttpRequest
    broker: Broker
    actor: Actor

    @property
    def ports(self) -> Ports:
        """The ports for the verbs."""
        return self.broker.ports

    @property
    def caller(self) -> Caller:
        """The caller."""
        return self.actor.caller


@dataclass(slots=True)
class UnverifiedRequest:
    """A request whose caller is not verified yet. ``operation`` is empty if the call is not audited."""

    http: func.HttpRequest
    route: str
    operation: str
    request_id: str
    client_request_id: str = ""
    """The caller's own id for the request. Anybody may send any id."""
    path: str = ""
    """The path for which the gate is asked, before names take the places of ``{role}`` and ``{name}``."""
    broker: Broker | None = None
    caller: Caller | None = None
    dialect: Dialect = NATIVE
    vary: str = ""
    """The names of the headers on which every answer of the call depends; empty if none is named."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a route declares, and the edge enforces before the handler runs.

    ``needs``: a path and the capability that the caller must have there; ``None`` if any verified caller may make the call.
    ``exception``: the gate's refusal is not final, because the verb admits other callers as well: a lease's holder, the callers
    that a role's bounds name, or those that have the capability on ``each`` of some leases. ``beside``: the handler's first
    read may begin while the caller's admission is looked up.
    """

    needs: tuple[str, Capability] | None = None
    exception: Literal["holder", "bounds", "each"] | None = None
    query: tuple[str, ...] = ()
    beside: bool = False

    async def require(self, ports: Ports, caller: Caller, names: Mapping[str, str]) -> Decision | None:
        """Returns the gate's decision if it is final. ``names`` are those in the path. Raises as
        ``shared.broker.access.require``.
        """
        if self.needs is None or self.exception is not None:
            return None
        path, capability = self.needs
        return await require(ports, caller, path.format_map(names), capability)


FOR_ANYBODY = Rules()
"""For calls without a caller."""

type Handler = Callable[[UnverifiedRequest], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Edge:
    """See the module."""

    get_broker: GetBroker
    clock: Clock = field(repr=False)

    async def answer(self, unverified: UnverifiedRequest, handle: Handler) -> func.HttpResponse:
        """Returns an answer, whatever happens. Audits each refused or failed request that has an operation, once."""
        began = self.clock.monotonic()
        try:
            reply = await handle(unverified)
        except Exception as error:  # noqa: BLE001 - the last resort: whatever it is must not reach the host's own log
            reply = await self._refused(unverified, error)
        if reply.on_beat or reply.status in _TELL_NOTHING:
            await self.clock.sleep(_BEAT - (self.clock.monotonic() - began) % _BEAT)
        milliseconds = (self.clock.monotonic() - began) * 1000
        caller = unverified.caller.object_id if unverified.caller else "-"
        log.info(
            "%s %d%s %.0f ms caller=%s request=%s",
            *(
                unverified.route,
                reply.status,
                f" {reply.code}" if reply.code else "",
                milliseconds,
                caller,
                unverified.request_id,
            ),
        )
        return _dressed(reply, unverified)

    async def _refused(self, unverified: UnverifiedRequest, error: Exception) -> Reply:
        result = error if isinstance(error, LeaseholdError) else LeaseholdError(audit_reason=type(error).__name__)
        _log(unverified, error)
        await self._audit(unverified, result)
        return unverified.dialect.error_to(
            result,
            unverified.http,
            request_id=unverified.request_id,
            docs_url=await self._docs_url(unverified),
            challenge=unverified.broker.challenge if unverified.broker else "",
        )

    async def _docs_url(self, unverified: UnverifiedRequest) -> str:
        """Returns the address of the page that explains problems. While the broker cannot be built, returns its path alone."""
        try:
            broker = unverified.broker or await self.get_broker()
        except Exception:  # noqa: BLE001 - the failure was logged, or will be when a call needs the broker
            return PROBLEMS
        return broker.explained_at()

    async def _audit(self, unverified: UnverifiedRequest, error: LeaseholdError) -> None:
        if not unverified.operation or unverified.broker is None:
            return
        try:
            await unverified.broker.ports.audit.record(_event(unverified, error, unverified.broker.ports))
        except Exception as failure:  # noqa: BLE001 - a refusal stands, whether or not it could be written down
            log.error("request %s: its refusal could not be audited: %s", unverified.request_id, safe_log.of(failure))  # noqa: TRY400 - a traceback's text is not known to be free of secrets


async def authenticated(
    edge: Edge,
    unverified: UnverifiedRequest,
    handle: Callable[[VerifiedRequest], Awaitable[Reply]],
    rules: Rules,
) -> Reply:
    """Verifies the caller, admits it, asks the gate, checks the query's names, and runs the handler.

    If ``rules.beside``, the handler runs while the admission is looked up, and its first read waits for the admission. Whatever
    the handler does, a caller that is not admitted gets that refusal.
    """
    broker = unverified.broker = await edge.get_broker()
    unverified.path = rules.needs[0] if rules.needs is not None else ""
    unverified.caller = await broker.verifier.verify(unverified.dialect.token_from(unverified.http))
    admission = Admission(broker.ports.leased, unverified.caller)
    try:
        if not rules.beside:
            await admission.granted()
        decision = await rules.require(broker.ports, unverified.caller, unverified.http.route_params)
        requests.known_query(unverified.http, rules.query)
        ports = replace(broker.ports, admitted=admission.granted)
        actor = Actor(unverified.caller, unverified.request_id, unverified.client_request_id, decision)
        return await handle(VerifiedRequest(unverified.http, replace(broker, ports=ports), actor))
    finally:
        await admission.granted()


def client_request_id(request: func.HttpRequest) -> str:
    """Returns the caller's own id for the request; empty if it is not well formed."""
    given = request.headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else ""


def _dressed(reply: Reply, unverified: UnverifiedRequest) -> func.HttpResponse:
    headers = {
        "Content-Type": reply.content_type,
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "x-request-id": unverified.request_id,
        **({"Vary": unverified.vary} if unverified.vary else {}),
        **({"x-client-request-id": unverified.client_request_id} if unverified.client_request_id else {}),
        **reply.headers,
    }
    if unverified.http.method == "HEAD":
        # As for GET, with its length, but without the content: RFC 9110, 9.3.2.
        headers["Content-Length"] = str(len(reply.body))
        return func.HttpResponse(b"", status_code=reply.status, headers=headers)
    return func.HttpResponse(reply.body, status_code=reply.status, headers=headers)


def _event(unverified: UnverifiedRequest, error: LeaseholdError, ports: Ports) -> AuditEvent:
    # A caller that is not verified may write any name into a path: its refusal names no lease and no role.
    lease = _named(unverified, "id", LeaseId.parse) if unverified.caller else None
    role = (_named(unverified, "role", RoleName.parse) if unverified.caller else None) or (lease.role if lease else None)
    return AuditEvent(
        at=ports.now(),
        operation=unverified.operation,
        outcome=Outcome.REFUSED if isinstance(error, Rejected) else Outcome.FAILED,
        request_id=unverified.request_id,
        client_request_id=unverified.client_request_id,
        code=error.stable_code,
        reason=_reason(error),
        caller=unverified.caller,
        role=role or "",
        lease=lease or "",
        document=_document(unverified),
    )


def _document(unverified: UnverifiedRequest) -> str:
    """Returns the path of the document that the call is about, if it is about one."""
    for parameter in ("role", "name"):
        if unverified.path.endswith(f"/{{{parameter}}}") and unverified.caller:
            name = _named(unverified, parameter, RoleName.parse)
            return unverified.path.replace(f"{{{parameter}}}", name) if name is not None else ""
    return ""


def _reason(error: LeaseholdError) -> str:
    # The names of fields may be anything that the caller has written.
    if isinstance(error, Malformed) and error.faults:
        return "; ".join(fault.message for fault in error.faults)[:_LONGEST_REASON]
    return error.brief() if isinstance(error, Upstream) else error.audit_reason[:_LONGEST_REASON]


def _named[T](unverified: UnverifiedRequest, parameter: str, parse: Callable[[str], T]) -> T | None:
    try:
        return parse(unverified.http.route_params.get(parameter, ""))
    except Unparsable:
        return None


def _log(unverified: UnverifiedRequest, error: Exception) -> None:
    """Logs a failure with its causes. A refusal is in the log line and the audit trail already."""
    if isinstance(error, Rejected):
        return
    if isinstance(error, LeaseholdError) and not isinstance(error, Misconfigured):
        log.warning("request %s: %s", unverified.request_id, safe_log.of(error))
        return
    log.error("request %s: %s", unverified.request_id, safe_log.with_frames(error))

"""The calls for operators, auditors and probes."""

from __future__ import annotations

from dataclasses import asdict

from shared.broker import inspect
from shared.broker.ending.sweep import sweep
from shared.broker.reconcile.reconcile import reconcile
from shared.core.errors import LeaseholdError
from shared.triggers import safe_log
from shared.triggers.http import requests, responses
from shared.triggers.http.edge import Edge, UnverifiedRequest, VerifiedRequest, log
from shared.triggers.http.reply import Reply, of_json
from shared.triggers.http.routes import Api

api = Api()


@api.open("GET", "health")
async def health(edge: Edge, unverified: UnverifiedRequest) -> Reply:
    """Whether the broker works, without a word about why not."""
    try:
        well = await inspect.health((await edge.get_broker()).ports)
    except LeaseholdError as error:
        log.error("request %s: %s", unverified.request_id, safe_log.of(error))
        well = False
    return of_json(200, {"status": "ok"}) if well else of_json(503, {"status": "unavailable"})


@api.call("GET", "status", needs=("status", "read"), operation="status")
async def status(request: VerifiedRequest) -> Reply:
    """Counts, the sweep's lag, what is stuck and what is overdue."""
    return of_json(200, responses.status(await inspect.status(request.ports, request.actor)))


@api.call("GET", "whoami", needs=None, operation="whoami", query=("role",))
async def whoami(request: VerifiedRequest) -> Reply:
    """The caller as verified, and what it may issue; or whether it may issue from one role."""
    name = requests.asked_role(request.http)
    if name is None:
        return of_json(200, responses.whoami(request.caller, await inspect.may_issue(request.ports, request.actor)))
    role = await inspect.role_if_issuable(request.ports, request.actor, name)
    return of_json(200, responses.whoami_of_role(request.caller, name, role))


@api.call(
    "GET",
    "audit",
    needs=("audit", "read"),
    operation="audit",
    query=("from", "to", "caller", "role", "lease", "limit", "cursor"),
)
async def read_audit(request: VerifiedRequest) -> Reply:
    """What happened, in the order of time."""
    query = requests.audit_query(request.http, request.ports.now())
    return of_json(200, responses.events(await inspect.read_audit(request.ports, query)))


@api.call("POST", "sweep", needs=("sweep", "write"), operation="sweep")
async def run_sweep(request: VerifiedRequest) -> Reply:
    """One sweep, now."""
    requests.nothing(request.http)
    summary = await sweep(request.ports, request.actor.id)
    counts = ", ".join(f"{name} {count}" for name, count in asdict(summary).items())
    await request.ports.audit.record(request.actor.done(request.ports, "sweep", reason=counts))
    return of_json(200, responses.swept(summary))


@api.call("POST", "reconcile", needs=("reconcile", "write"), operation="reconcile", query=("dry_run",))
async def run_reconciliation(request: VerifiedRequest) -> Reply:
    """One reconciliation, now; with ``dry_run`` only what it would do."""
    dry_run = requests.flag(request.http, "dry_run")
    requests.nothing(request.http)
    done = await reconcile(request.ports, request.actor.id, actor=request.actor, dry_run=dry_run)
    return of_json(200, responses.reconciled(done, dry_run=dry_run))

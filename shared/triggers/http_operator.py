"""The calls for operators, auditors and probes."""

from __future__ import annotations

from dataclasses import asdict

from shared.broker import inspect
from shared.broker.access import require_admin
from shared.broker.reconcile import reconcile
from shared.broker.sweep import sweep
from shared.core.errors import LeaseholdError
from shared.triggers import account, reading, wire
from shared.triggers.api import Api
from shared.triggers.edge import Call, Edge, Visit, log
from shared.triggers.reply import Reply, of_json

api = Api()


@api.open("GET", "health")
async def health(edge: Edge, visit: Visit) -> Reply:
    """Whether the broker works, without a word about why not."""
    try:
        well = await inspect.health((await edge.wired()).outside)
    except LeaseholdError as error:
        log.error("request %s: %s", visit.request_id, account.of(error))
        well = False
    return of_json(200, {"status": "ok"}) if well else of_json(503, {"status": "unavailable"})


@api.call("GET", "status", operation="status")
async def status(call: Call) -> Reply:
    """Counts, the sweep's lag, what is stuck and what is overdue."""
    return of_json(200, wire.status(await inspect.status(call.outside, call.asker)))


@api.call("GET", "whoami", operation="whoami", query=("role",))
async def whoami(call: Call) -> Reply:
    """The caller as verified, and what it may issue; or whether it may issue from one role."""
    name = reading.asked_role(call.http)
    if name is None:
        return of_json(200, wire.whoami(call.caller, await inspect.may_issue(call.outside, call.asker)))
    role = await inspect.role_if_issuable(call.outside, call.asker, name)
    return of_json(200, wire.whoami_of_role(call.caller, name, role))


@api.call("GET", "audit", operation="audit", query=("from", "to", "caller", "role", "lease", "limit", "cursor"))
async def read_audit(call: Call) -> Reply:
    """What happened, in the order of time."""
    query = reading.audit_query(call.http, call.outside.now())
    return of_json(200, wire.events(await inspect.read_audit(call.outside, call.asker, query)))


@api.call("POST", "sweep", operation="sweep")
async def run_sweep(call: Call) -> Reply:
    """One sweep, now."""
    require_admin(call.caller)
    reading.nothing(call.http)
    summary = await sweep(call.outside, call.asker.id)
    counts = ", ".join(f"{name} {count}" for name, count in asdict(summary).items())
    await call.outside.audit.record(call.asker.done(call.outside, "sweep", reason=counts))
    return of_json(200, wire.swept(summary))


@api.call("POST", "reconcile", operation="reconcile", query=("dry_run",))
async def run_reconciliation(call: Call) -> Reply:
    """One reconciliation, now; with ``dry_run`` only what it would do."""
    require_admin(call.caller)
    dry_run = reading.flag(call.http, "dry_run")
    reading.nothing(call.http)
    done = await reconcile(call.outside, call.asker.id, asker=call.asker, dry_run=dry_run)
    return of_json(200, wire.reconciled(done, dry_run=dry_run))

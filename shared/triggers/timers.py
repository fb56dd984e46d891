"""The timers: one sweeps, one reconciles, and one fills pools. The host reads their schedules from the app settings."""

from __future__ import annotations

import logging

import azure.functions as func

from shared.broker.ending.sweep import sweep_on_time
from shared.broker.pool.fill import fill
from shared.broker.reconcile.reconcile import reconcile
from shared.triggers import safe_log
from shared.triggers.broker import GetPorts

log = logging.getLogger(__name__)


class SweepFailed(Exception):
    """Marks the invocation of a sweep as failed, for the platform's own metrics. The log has the cause."""


class ReconcileFailed(Exception):
    """Marks the invocation of a reconciliation as failed. The log has the cause."""


class FillFailed(Exception):
    """Marks the invocation of a filling as failed. The log has the cause."""


def blueprint(get_ports: GetPorts) -> func.Blueprint:
    """Returns the functions of the timers."""
    functions = func.Blueprint()  # type: ignore[no-untyped-call]  # the library leaves its constructor untyped

    @functions.function_name("sweep")
    @functions.timer_trigger(arg_name="timer", schedule="%LEASEHOLD_SWEEP_SCHEDULE%", run_on_startup=False, use_monitor=True)
    async def sweep_now(timer: func.TimerRequest, context: func.Context) -> None:
        await run_sweep(get_ports, context.invocation_id, late=timer.past_due)

    @functions.function_name("reconcile")
    @functions.timer_trigger(
        arg_name="timer", schedule="%LEASEHOLD_RECONCILE_SCHEDULE%", run_on_startup=False, use_monitor=True
    )
    async def reconcile_now(timer: func.TimerRequest, context: func.Context) -> None:
        await run_reconciliation(get_ports, context.invocation_id, late=timer.past_due)

    @functions.function_name("fill")
    @functions.timer_trigger(arg_name="timer", schedule="%LEASEHOLD_FILL_SCHEDULE%", run_on_startup=False, use_monitor=True)
    async def fill_now(timer: func.TimerRequest, context: func.Context) -> None:
        await run_fill(get_ports, context.invocation_id, late=timer.past_due)

    return functions


async def run_sweep(get_ports: GetPorts, request_id: str, *, late: bool = False) -> None:
    """Sweeps once, under an id of its own. Raises ``SweepFailed``."""
    with safe_log.failing_as(SweepFailed, log, f"sweep {request_id}"):
        summary = await sweep_on_time(await get_ports(), request_id)
    log.info(
        "sweep %s%s: ended=%d undone=%d stuck=%d remaining=%d pruned=%d",
        *(request_id, " (late)" if late else ""),
        *(summary.ended, summary.undone, summary.stuck, summary.remaining, summary.pruned),
    )


async def run_reconciliation(get_ports: GetPorts, request_id: str, *, late: bool = False) -> None:
    """Reconciles once, under an id of its own. Raises ``ReconcileFailed``."""
    with safe_log.failing_as(ReconcileFailed, log, f"reconciliation {request_id}"):
        done = await reconcile(await get_ports(), request_id)
    counts = " ".join(f"{name}={count}" for name, count in done.counts.items())
    log.info("reconciliation %s%s: %s", request_id, " (late)" if late else "", counts)


async def run_fill(get_ports: GetPorts, request_id: str, *, late: bool = False) -> None:
    """Fills all pools once, under an id of its own. Raises ``FillFailed``."""
    with safe_log.failing_as(FillFailed, log, f"filling {request_id}"):
        done = await fill(await get_ports(), request_id)
    log.info(
        "filling %s%s: opened=%d drained=%d looked_at=%d tampered=%d",
        *(request_id, " (late)" if late else ""),
        *(done.opened, done.drained, done.looked_at, done.tampered),
    )

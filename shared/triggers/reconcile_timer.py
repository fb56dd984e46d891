"""The timer that reconciles."""

from __future__ import annotations

import logging

import azure.functions as func

from shared.broker.reconcile.reconcile import reconcile
from shared.triggers import safe_log
from shared.triggers.broker import GetPorts

log = logging.getLogger(__name__)


class ReconcileFailed(Exception):
    """Marks the invocation as failed, for the platform's own metrics. The cause is in the log before it."""


def blueprint(get_ports: GetPorts) -> func.Blueprint:
    """One function; its schedule is an app setting, read by the host."""
    functions = func.Blueprint()  # type: ignore[no-untyped-call]  # the library leaves its constructor untyped

    @functions.function_name("reconcile")
    @functions.timer_trigger(
        arg_name="timer", schedule="%LEASEHOLD_RECONCILE_SCHEDULE%", run_on_startup=False, use_monitor=True
    )
    async def reconcile_on_time(timer: func.TimerRequest, context: func.Context) -> None:
        await run(get_ports, context.invocation_id, late=timer.past_due)

    return functions


async def run(get_ports: GetPorts, request_id: str, *, late: bool = False) -> None:
    """One reconciliation, under an id of its own. Raises ``ReconcileFailed``."""
    with safe_log.failing_as(ReconcileFailed, log, f"reconciliation {request_id}"):
        done = await reconcile(await get_ports(), request_id)
    counts = " ".join(f"{name}={count}" for name, count in done.counts.items())
    log.info("reconciliation %s%s: %s", request_id, " (late)" if late else "", counts)

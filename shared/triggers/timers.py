"""The timer that sweeps."""

from __future__ import annotations

import logging

import azure.functions as func

from shared.broker.ending.sweep import sweep_on_time
from shared.triggers import safe_log
from shared.triggers.broker import GetPorts

log = logging.getLogger(__name__)


class SweepFailed(Exception):
    """Marks the invocation as failed, for the platform's own metrics. The cause is in the log before it."""


def blueprint(get_ports: GetPorts) -> func.Blueprint:
    """One function; its schedule is an app setting, read by the host."""
    functions = func.Blueprint()  # type: ignore[no-untyped-call]  # the library leaves its constructor untyped

    @functions.function_name("sweep")
    @functions.timer_trigger(arg_name="timer", schedule="%LEASEHOLD_SWEEP_SCHEDULE%", run_on_startup=False, use_monitor=True)
    async def on_time(timer: func.TimerRequest, context: func.Context) -> None:
        await run(get_ports, context.invocation_id, late=timer.past_due)

    return functions


async def run(get_ports: GetPorts, request_id: str, *, late: bool = False) -> None:
    """One sweep, under an id of its own. Raises ``SweepFailed``."""
    with safe_log.failing_as(SweepFailed, log, f"sweep {request_id}"):
        summary = await sweep_on_time(await get_ports(), request_id)
    log.info(
        "sweep %s%s: ended=%d undone=%d stuck=%d remaining=%d pruned=%d",
        *(request_id, " (late)" if late else ""),
        *(summary.ended, summary.undone, summary.stuck, summary.remaining, summary.pruned),
    )

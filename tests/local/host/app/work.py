"""Timer and queue functions: each says on standard output what it was given."""

from __future__ import annotations

import json
import sys

import azure.functions as func

work = func.Blueprint()  # type: ignore[no-untyped-call]  # azure.functions leaves it untyped


def _say(**what: object) -> None:
    # In one piece: functions run in threads, and print writes the end of the line by itself.
    sys.stdout.write(f"said {json.dumps(what)}\n")
    sys.stdout.flush()


@work.timer_trigger(arg_name="timer", schedule="%TICK_SCHEDULE%", run_on_startup=True, use_monitor=False)
async def tick(timer: func.TimerRequest) -> None:
    """Says that it ran."""
    _say(tick=timer.past_due)


@work.queue_trigger(arg_name="message", queue_name="%QUEUE%", connection="AzureWebJobsStorage")
def take(message: func.QueueMessage) -> None:
    """Says what it was given; fails on what asks for it."""
    body = message.get_body().decode()
    _say(
        took=body,
        id=message.id,
        attempt=message.dequeue_count,
        dated=message.insertion_time is not None,
        receipt=bool(message.pop_receipt),
    )
    if body == "fail":
        raise RuntimeError("asked to fail")

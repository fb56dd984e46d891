"""The queue of events from outside: its messages, and those that failed too often.

An event that cannot be acted on now is put back by the verb, and is no failure. A message fails if storage does: then the host
delivers it again, as often as host.json says.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import azure.functions as func

from shared.broker.events.receive import poisoned, receive
from shared.broker.ports import Ports
from shared.core.message import EVENTS, EVENTS_POISON, text_of
from shared.resilience.priority import in_background
from shared.triggers import safe_log
from shared.triggers.broker import GetPorts

log = logging.getLogger(__name__)

_STORAGE = "AzureWebJobsStorage"
"""The connection. The broker uses the host's own storage."""

type Work = Callable[[Ports, str, str, str], Awaitable[None]]


class EventFailed(Exception):
    """Marks the invocation as failed: the host delivers the message again. The log has the cause."""


def blueprint(get_ports: GetPorts) -> func.Blueprint:
    """Returns the two functions of the queue."""
    functions = func.Blueprint()  # type: ignore[no-untyped-call]  # the library leaves its constructor untyped

    @functions.function_name("events")
    @functions.queue_trigger(arg_name="message", queue_name=EVENTS, connection=_STORAGE)
    async def events(message: func.QueueMessage, context: func.Context) -> None:
        await run(get_ports, message, context.invocation_id, receive)

    @functions.function_name("events_poison")
    @functions.queue_trigger(arg_name="message", queue_name=EVENTS_POISON, connection=_STORAGE)
    async def events_poison(message: func.QueueMessage, context: func.Context) -> None:
        await run(get_ports, message, context.invocation_id, poisoned)

    return functions


async def run(get_ports: GetPorts, message: func.QueueMessage, request_id: str, work: Work) -> None:
    """Handles one message under an id of its own. Raises ``EventFailed``."""
    text = text_of(message.get_body())
    with safe_log.failing_as(EventFailed, log, f"event {message.id} ({request_id})"), in_background():
        await work(await get_ports(), request_id, text, str(message.id))

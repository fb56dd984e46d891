"""The queue of leases to be ended: its messages, and the messages that failed too often. The queue of leases to prepare,
and the queue of pools to fill: the host takes from each as if there were no other, so neither waits for the other.

A message about leases to be ended fails only if nothing could be done for any of its leases. Then the host delivers it again,
as often as host.json says. A message about a lease to prepare never fails: the sweep sends it again while there is time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import azure.functions as func

from shared.broker.ending.poison import poison
from shared.broker.ending.recall import recall
from shared.broker.ending.sweep import end_due
from shared.broker.events.succeed import succeed
from shared.broker.issue.prepare import prepare
from shared.broker.pool.fill import refill
from shared.broker.ports import Ports
from shared.core.errors import LeaseholdError
from shared.core.message import (
    FILLINGS,
    POISON,
    PREPARATIONS,
    QUEUE,
    Message,
    Recall,
    Succession,
    read_message,
    read_preparation,
    text_of,
)
from shared.core.names import LeaseId, RoleName, Unparsable
from shared.triggers import safe_log
from shared.triggers.broker import GetPorts

log = logging.getLogger(__name__)

_STORAGE = "AzureWebJobsStorage"
"""The connection. The broker uses the host's own storage."""

_AT_ONCE = 5
"""Messages of one of these queues that a worker works on. host.json lets it take nine of each queue, for the sake of events,
which are small. The rest waits, for less than the five minutes that a function has: a message is worked on for two at most.
"""

type Work = Callable[[Ports, str, Message], Awaitable[None]]


class RevocationsFailed(Exception):
    """Marks the invocation as failed: the host delivers the message again. The log has the cause."""


def blueprint(get_ports: GetPorts) -> func.Blueprint:
    """Returns the functions of the queues."""
    functions = func.Blueprint()  # type: ignore[no-untyped-call]  # the library leaves its constructor untyped
    room, room_to_prepare = asyncio.Semaphore(_AT_ONCE), asyncio.Semaphore(_AT_ONCE)

    @functions.function_name("revocations")
    @functions.queue_trigger(arg_name="message", queue_name=QUEUE, connection=_STORAGE)
    async def revocations(message: func.QueueMessage, context: func.Context) -> None:
        async with room:
            await run(get_ports, message, context.invocation_id, end)

    @functions.function_name("revocations_poison")
    @functions.queue_trigger(arg_name="message", queue_name=POISON, connection=_STORAGE)
    async def revocations_poison(message: func.QueueMessage, context: func.Context) -> None:
        await run(get_ports, message, context.invocation_id, give_up)

    @functions.function_name("preparations")
    @functions.queue_trigger(arg_name="message", queue_name=PREPARATIONS, connection=_STORAGE)
    async def preparations(message: func.QueueMessage, context: func.Context) -> None:
        async with room_to_prepare:
            await run_preparation(get_ports, message, context.invocation_id)

    @functions.function_name("fillings")
    @functions.queue_trigger(arg_name="message", queue_name=FILLINGS, connection=_STORAGE)
    async def fillings(message: func.QueueMessage, context: func.Context) -> None:
        await run_preparation(get_ports, message, context.invocation_id)

    return functions


async def run_preparation(get_ports: GetPorts, message: func.QueueMessage, request_id: str) -> None:
    """Prepares the lease of one message, fills a role's pool, or issues a lease's successor, under an id of its own.

    Raises nothing that is foreseen.
    """
    lease_id = _read(message, read_preparation)
    if lease_id is None:
        return
    if isinstance(lease_id, Succession):
        await _succeed(get_ports, lease_id.lease, request_id)
        return
    if not isinstance(lease_id, LeaseId):
        await _refill(get_ports, lease_id, request_id)
        return
    try:
        lease = await prepare(await get_ports(), request_id, lease_id)
    except LeaseholdError as failure:
        log.warning("preparation of %s (%s) is left to the sweep: %s", lease_id, request_id, safe_log.of(failure))
        return
    log.info("preparation of %s (%s): %s", lease_id, request_id, lease.state if lease is not None else "nobody waits for it")


async def _refill(get_ports: GetPorts, role: RoleName, request_id: str) -> None:
    try:
        done = await refill(await get_ports(), request_id, role)
    except LeaseholdError as failure:
        log.warning("the pool of role %s (%s) is left to the timer: %s", role, request_id, safe_log.of(failure))
        return
    log.info("the pool of role %s (%s): opened=%d", role, request_id, done.opened)


async def _succeed(get_ports: GetPorts, lease_id: LeaseId, request_id: str) -> None:
    try:
        outcome = await succeed(await get_ports(), request_id, lease_id)
    except LeaseholdError as failure:
        log.warning("the successor of lease %s (%s) is left to the sweep: %s", lease_id, request_id, safe_log.of(failure))
        return
    log.info("the successor of lease %s (%s): %s", lease_id, request_id, outcome)


async def run(get_ports: GetPorts, message: func.QueueMessage, request_id: str, work: Work) -> None:
    """Handles one message under an id of its own. Raises ``RevocationsFailed``."""
    text = _read(message, read_message)
    if text is None:
        return
    with safe_log.failing_as(RevocationsFailed, log, f"message {text.id} ({request_id})"):
        await work(await get_ports(), request_id, text)


async def end(ports: Ports, request_id: str, message: Message) -> None:
    """Ends a message's leases, or begins to end a revoked role's."""
    if isinstance(message, Recall):
        count = await recall(ports, request_id, message)
        log.info("recall of role %s (%s): found=%d", message.role, request_id, count)
        return
    summary = await end_due(ports, request_id, message)
    log.info(
        "batch %s (%s) of %d: ended=%d undone=%d stuck=%d remaining=%d pruned=%d",
        *(message.id, request_id, len(message.leases)),
        *(summary.ended, summary.undone, summary.stuck, summary.remaining, summary.pruned),
    )


async def give_up(ports: Ports, request_id: str, message: Message) -> None:
    """Shows a poisoned message's leases to the operator. A revoked role's are found by the next sweep."""
    if isinstance(message, Recall):
        log.error("the recall of role %s (%s) failed too often: it is left to the sweep", message.role, request_id)
        return
    count = await poison(ports, request_id, message)
    log.error("batch %s (%s) of %d failed too often: %d leases are stuck", message.id, request_id, len(message.leases), count)


def _read[T](message: func.QueueMessage, read: Callable[[str], T]) -> T | None:
    """Reads a message. If it cannot be read, logs that and returns ``None``: no lease depends on the message."""
    try:
        return read(text_of(message.get_body()))
    except Unparsable:
        # Its text is not logged: nobody knows who wrote it.
        log.error("message %s cannot be read, and is dropped", message.id)  # noqa: TRY400 - the error's frames say no more
        return None

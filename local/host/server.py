"""One host over one app: what its functions' triggers become, and how it starts and ends."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import signal
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import uvicorn

from local.host import queues, routes, timers, worker
from local.host.front import BODY_LIMIT, ByHand, Front
from local.host.invocations import Invocations
from local.host.options import AppSettings, HostOptions, UnusableAppError
from local.upgrades import Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from local.host.queues import Queue
    from local.host.timers import Timer
    from local.host.worker import Function

_log = logging.getLogger("local.host")


@dataclass(frozen=True, slots=True)
class Listening:
    """Where and how long."""

    address: str = "127.0.0.1"
    port: int = 0
    grace: float = 10.0
    """Seconds that running functions get when the host is asked to end."""
    tethered: bool = False
    """Whether the end of standard input is such a request: a child's way to end with its parent."""


@dataclass(slots=True)
class Host:
    """An app's functions, each with its trigger."""

    options: HostOptions
    front: Front
    timers: list[Timer]
    queues: list[Queue]
    invocations: Invocations

    @classmethod
    def of(cls, functions: list[Function], options: HostOptions, settings: AppSettings) -> Host:
        """Raises ``UnusableAppError``, naming the function, when a trigger is one that is not offered here."""
        invocations = Invocations(options.function_timeout)
        for function in functions:
            _refuse_unknown(function)
        http = [_route(function, options) for function in functions if _kind(function) == "httptrigger"]
        clocks = [timers.timer(f, settings, invocations.run, _now) for f in functions if _kind(f) == "timertrigger"]
        taken = [queues.queue(f, settings, options.queues, invocations) for f in functions if _kind(f) == "queuetrigger"]
        front = Front(routes.Router(http), invocations, _by_hand(clocks, taken, invocations), _body_limit(settings))
        return cls(options, front, clocks, taken, invocations)

    async def serve(self, listening: Listening) -> None:
        """Runs until SIGTERM, SIGINT or the end of the tether; then lets what runs finish, within the grace."""
        over = asyncio.Event()
        await _watch(over, tethered=listening.tethered)
        listener = _listener(listening.address, listening.port)
        server = _Server(_config(self.front, listening.grace))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        triggers = [asyncio.create_task(timer.serve()) for timer in self.timers]
        triggers += [asyncio.create_task(queue.serve()) for queue in self.queues]
        await self._until(over, serving, triggers)
        await self._end(server, serving, triggers, listening.grace)

    async def _until(self, over: asyncio.Event, *running: Any) -> None:
        """Waits for the order to end. A trigger's own death is a fault of this host, and ends it."""
        serving, triggers = running
        ordered = asyncio.create_task(over.wait())
        await asyncio.wait({ordered, serving, *triggers}, return_when=asyncio.FIRST_COMPLETED)
        ordered.cancel()

    async def _end(
        self, server: uvicorn.Server, serving: asyncio.Task[None], triggers: list[asyncio.Task[None]], grace: float
    ) -> None:
        dead = [task for task in triggers if task.done()]
        for task in triggers:
            task.cancel()
        server.should_exit = True
        await asyncio.gather(serving, *triggers, return_exceptions=True)
        if late := await self.invocations.drain(grace):
            _log.error("%d functions were still running after %g s and were ended", late, grace)
        for each in self.queues:
            await each.close()
        worker.close()
        for task in dead:
            task.result()


class _Server(uvicorn.Server):
    """Says when it answers, and leaves signals to ``Host``."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Prints the one line that a parent process waits for."""
        await super().startup(sockets)
        for listener in sockets or ():
            address, port = listener.getsockname()[:2]
            print(f"ready http://{address}:{port}", flush=True)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield


def load(app: Path, settings: AppSettings) -> Host:
    """Indexes the app in ``app`` and reads what it says about running it. Raises ``UnusableAppError``."""
    options = HostOptions.read(app)
    logging.getLogger().setLevel(options.log_level)
    return Host.of(worker.index(app), options, settings)


def _body_limit(settings: AppSettings) -> int:
    """The setting's; the real host passes over one that is no number."""
    try:
        return int(settings.values.get("FUNCTIONS_REQUEST_BODY_SIZE_LIMIT", BODY_LIMIT))
    except ValueError:
        return BODY_LIMIT


def _kind(function: Function) -> str:
    return str(function.trigger["type"]).lower()


def _refuse_unknown(function: Function) -> None:
    if _kind(function) not in {"httptrigger", "timertrigger", "queuetrigger"}:
        raise UnusableAppError(f"function {function.name}: {function.trigger['type']} is not offered here")
    for binding in function.outputs:
        if (binding["type"], binding["name"]) != ("http", "$return"):
            raise UnusableAppError(f"function {function.name}: the binding {binding['type']} is not offered here")


def _route(function: Function, options: HostOptions) -> routes.Route[Function]:
    level = function.trigger.get("authLevel", "function")
    if level.lower() != "anonymous":
        raise UnusableAppError(f"function {function.name}: authLevel {level!r}; only anonymous is offered here")
    template = function.trigger.get("route") or function.name
    try:
        return routes.compile_route(options.route_prefix, template, function.trigger.get("methods", ()), function)
    except routes.RouteError as error:
        raise UnusableAppError(f"function {function.name}: {error}") from error


def _by_hand(clocks: list[Timer], taken: list[Queue], invocations: Invocations) -> dict[str, ByHand]:
    def fire(timer: Timer) -> ByHand:
        return lambda _: invocations.track(timer.fire(past_due=False))

    def deliver(queue: Queue) -> ByHand:
        return lambda given: invocations.start(queue.function, *queues.trial(given))

    return {timer.function.name: fire(timer) for timer in clocks} | {queue.function.name: deliver(queue) for queue in taken}


def _listener(address: str, port: int) -> socket.socket:
    listener = socket.create_server((address, port), backlog=1024)
    # An answer is two writes: without this, the second waits some 40 ms for the first to be acknowledged.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


async def _watch(over: asyncio.Event, *, tethered: bool) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    if tethered:
        await loop.connect_read_pipe(lambda: _Tether(over), sys.stdin)


class _Tether(asyncio.Protocol):
    """Notices that the other end of standard input is gone."""

    def __init__(self, over: asyncio.Event) -> None:
        self._over = over

    def connection_lost(self, exc: Exception | None) -> None:
        """Orders the end."""
        self._over.set()


def _config(application: Front, grace: float) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        http=Protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=120,
        timeout_graceful_shutdown=int(grace),
        backlog=1024,
    )

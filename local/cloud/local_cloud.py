"""The local cloud as a process or a thread: its services on their ports, and how it starts and stops."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self, cast

import uvicorn

from local.cloud import services
from local.cloud.control import first_party
from local.cloud.control.sample import furnish
from local.cloud.control.service import Control
from local.cloud.engine import hosts
from local.cloud.engine.certificates import trust
from local.cloud.engine.dispatch import Port
from local.cloud.engine.http import HttpRequest
from local.cloud.engine.server import HOST, Server, configured, listener
from local.cloud.engine.service import Service, Works
from local.cloud.local_azure import LocalAzure, new_world
from local.cloud.tenant.first_party import GRAPH

if TYPE_CHECKING:
    import ssl


@dataclass(frozen=True, slots=True)
class Settings:
    """How to start. A port of 0 means any free one; no state folder means a temporary one."""

    control_port: int = 0
    tls_port: int = 0
    service_ports: Mapping[str, int] = field(default_factory=dict)
    state_dir: Path | None = None
    function_host: str = "http://127.0.0.1:7071"
    seed: int = 0
    furnish: Callable[[LocalAzure], None] = furnish


class LocalCloud:
    """Every service on its port, over one world."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.world = new_world(self.settings.seed)
        self.endpoints: dict[str, str] = {}
        self.ca_bundle = Path()
        self.services: dict[str, Service[LocalAzure]] = {}
        """By name, the control API among them."""
        self._working: set[asyncio.Task[None]] = set()
        """What services do by themselves."""
        self._listening: list[tuple[uvicorn.Server, asyncio.Task[None]]] = []
        self._temporary: tempfile.TemporaryDirectory[str] | None = None

    @property
    def control_url(self) -> str:
        """Where the control API is."""
        return f"{self.endpoints['control']}/_control"

    @property
    def function_host(self) -> str:
        """Where the broker is, as the settings say."""
        return self.settings.function_host

    async def __aenter__(self) -> Self:
        """Starts it."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stops it."""
        await self.stop()

    async def start(self) -> None:
        """Opens the ports, makes what the sample holds, and returns when every port answers.

        Raises ``OSError`` when a port is taken; nothing stays open then.
        """
        try:
            await self._open()
        except BaseException:
            await self.stop()
            raise

    async def _open(self) -> None:
        trusted = trust(self._folder(), services.names())
        self.ca_bundle = trusted.bundle
        self.restore()
        plain, secure = self._named(tls=False), self._named(tls=True)
        await self._listen("control", self.settings.control_port, plain, None)
        self.endpoints |= dict.fromkeys(plain, self.endpoints["control"])
        for name in secure:
            await self._listen(name, self.settings.service_ports.get(name, 0), [name], trusted.context)
        await self._listen("all_tls", self.settings.tls_port, secure, trusted.context)
        self._name_origins()

    async def stop(self) -> None:
        """Ends what services do, closes the ports and every connection."""
        await self._end_work()
        for server, _ in self._listening:
            server.should_exit = True
        await asyncio.gather(*(task for _, task in self._listening))
        self._listening.clear()
        if self._temporary is not None:
            self._temporary.cleanup()

    def restore(self) -> None:
        """Brings back the state right after set-up."""
        self.world.reset()
        first_party.settle(self.world)
        self.settings.furnish(self.world)
        made = [service() for service in services.AZURE]
        self.services = {service.name: service for service in (*made, Control(self))}
        self._begin_work()

    def _begin_work(self) -> None:
        """The services of before a reset end theirs when the loop comes to it."""
        for task in self._working:
            task.cancel()
        for service in self.services.values():
            if isinstance(service, Works):
                task = asyncio.create_task(service.work(self.world))
                self._working.add(task)
                task.add_done_callback(self._working.discard)

    async def _end_work(self) -> None:
        ending = list(self._working)
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    def _folder(self) -> Path:
        if self.settings.state_dir is not None:
            return self.settings.state_dir
        self._temporary = tempfile.TemporaryDirectory(prefix="local-cloud-")
        return Path(self._temporary.name)

    def _named(self, *, tls: bool) -> list[str]:
        """The services with a TLS port of their own, or those on the plain one."""
        return [name for name, service in self.services.items() if service.endpoint.tls is tls]

    def _among(self, names: Iterable[str]) -> Callable[[HttpRequest], Service[LocalAzure]]:
        """Which of these a call is for. They are looked up at each call: a reset makes new ones."""
        return lambda call: hosts.choose({name: self.services[name] for name in names}, call)

    def _name_origins(self) -> None:
        """Tokens may be asked for by the local origins, too: azure-cli names Graph by its endpoint."""
        audiences = {name: service.endpoint.audience for name, service in self.services.items()} | {"all_tls": GRAPH}
        self.world.origins = {self.endpoints[name]: audience for name, audience in audiences.items() if audience}

    async def _listen(self, name: str, port: int, names: list[str], context: ssl.SSLContext | None) -> None:
        opened = listener(port)
        scheme = "https" if context else "http"
        self.endpoints[name] = f"{scheme}://{HOST}:{opened.getsockname()[1]}"
        server = Server(configured(Port(self.world, self._among(names), scheme), context))
        task = asyncio.create_task(server.serve(sockets=[opened]))
        self._listening.append((server, task))
        await server.listening.wait()


@contextlib.contextmanager
def running(settings: Settings | None = None) -> Iterator[LocalCloud]:
    """A local cloud in a thread of its own, for callers without an event loop. Stops it on the way out."""
    cloud = LocalCloud(settings)
    started = threading.Event()
    failure: list[BaseException] = []
    stop: list[Callable[[], None]] = []

    async def live() -> None:
        over = asyncio.Event()
        loop = asyncio.get_running_loop()
        stop.append(lambda: cast("None", loop.call_soon_threadsafe(over.set)))
        async with cloud:
            started.set()
            await over.wait()

    def run() -> None:
        try:
            asyncio.run(live())
        except BaseException as fault:  # noqa: BLE001 - it is raised again in the caller's thread
            failure.append(fault)
        finally:
            started.set()

    thread = threading.Thread(target=run, name="local cloud", daemon=True)
    thread.start()
    started.wait()
    try:
        if failure:
            raise failure[0]
        yield cloud
    finally:
        if not failure:
            stop[0]()
        thread.join()
    if failure:
        raise failure[0]

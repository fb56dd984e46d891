"""The local cloud as a process or a thread: its ports, and how it starts and stops."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import uvicorn

from local.cloud import first_party, hosts
from local.cloud.arm.service import Arm
from local.cloud.certificates import trust
from local.cloud.control import Control
from local.cloud.dispatch import Port
from local.cloud.entra.service import Entra
from local.cloud.graph.service import Graph
from local.cloud.identity.service import ManagedIdentity
from local.cloud.protocol import Protocol
from local.cloud.sample import furnish
from local.cloud.wire import Call, Service
from local.cloud.world import World, new_world

if TYPE_CHECKING:
    import ssl

HOST = "127.0.0.1"
SERVICES = ("entra", "graph", "arm", "key_vault")


@dataclass(frozen=True, slots=True)
class Settings:
    """How to start. A port of 0 means any free one; no state folder means a temporary one."""

    control_port: int = 0
    tls_port: int = 0
    service_ports: Mapping[str, int] = field(default_factory=dict)
    state_dir: Path | None = None
    function_host: str = "http://127.0.0.1:7071"
    seed: int = 0
    furnish: Callable[[World], None] = furnish


class LocalCloud:
    """Every service on its port, over one world."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.world = new_world(self.settings.seed)
        self.endpoints: dict[str, str] = {}
        self.ca_bundle = Path()
        self.graph, self.arm = Graph(), Arm()
        self.services: dict[str, Service] = {}
        self._listening: list[tuple[uvicorn.Server, asyncio.Task[None]]] = []
        self._temporary: tempfile.TemporaryDirectory[str] | None = None

    @property
    def control_url(self) -> str:
        """Where the control API is."""
        return f"{self.endpoints['control']}/_control"

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
        trusted = trust(self._folder())
        self.ca_bundle = trusted.bundle
        self.restore()
        await self._listen("control", self.settings.control_port, self._choose_plain, None)
        self.endpoints["imds"] = self.endpoints["control"]
        for name in SERVICES:
            port = self.settings.service_ports.get(name, 0)
            await self._listen(name, port, self._only(name), trusted.context)
        await self._listen("all_tls", self.settings.tls_port, self._choose_named, trusted.context)
        self._name_origins()

    async def stop(self) -> None:
        """Closes the ports and every connection."""
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
        self.graph, self.arm = Graph(), Arm()
        services: list[Service] = [Entra(), self.graph, self.arm, hosts.KeyVault(), ManagedIdentity(), Control(self)]
        self.services = {service.name: service for service in services}

    def _folder(self) -> Path:
        if self.settings.state_dir is not None:
            return self.settings.state_dir
        self._temporary = tempfile.TemporaryDirectory(prefix="local-cloud-")
        return Path(self._temporary.name)

    def _only(self, name: str) -> Callable[[Call], Service]:
        return lambda _: self.services[name]

    def _choose_named(self, call: Call) -> Service:
        return hosts.choose(self.services, call)

    def _choose_plain(self, call: Call) -> Service:
        return self.services["control" if call.path.startswith("/_control") else "imds"]

    def _name_origins(self) -> None:
        """Tokens may be asked for by the local origins, too: azure-cli names Graph by its endpoint."""
        graph, arm = first_party.GRAPH, first_party.ARM
        self.world.origins = {
            self.endpoints["graph"]: graph,
            self.endpoints["all_tls"]: graph,
            self.endpoints["arm"]: arm,
        }

    async def _listen(self, name: str, port: int, choose: Callable[[Call], Service], context: ssl.SSLContext | None) -> None:
        listener = _listener(port)
        scheme = "https" if context else "http"
        self.endpoints[name] = f"{scheme}://{HOST}:{listener.getsockname()[1]}"
        server = _Server(_config(Port(self.world, choose, scheme), context))
        task = asyncio.create_task(server.serve(sockets=[listener]))
        self._listening.append((server, task))
        await server.listening.wait()


def _listener(port: int) -> socket.socket:
    # asyncio turns Nagle's algorithm off only on sockets whose protocol says TCP; create_server leaves it at 0, and every
    # answer would then wait some 40 ms for the client's delayed acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as fault:
        listener.close()
        raise OSError(fault.errno, f"{fault.strerror}: {HOST}:{port}") from fault
    listener.listen(1024)
    listener.setblocking(False)
    return listener


class _Server(uvicorn.Server):
    """Says when it listens, and leaves signals to whoever runs the loop."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Closes the port and every connection at once: a client that keeps one open must not delay the end."""
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await super().shutdown(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Opens the port."""
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield


def _config(application: Any, context: ssl.SSLContext | None) -> uvicorn.Config:
    config = uvicorn.Config(
        application,
        http=Protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,  # replies go by the local cloud's own clock
        # Longer than any client keeps an idle connection, so that none is closed under a request.
        timeout_keep_alive=300,
        timeout_graceful_shutdown=1,
        backlog=1024,
    )
    config.load()
    config.ssl = context
    return config


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

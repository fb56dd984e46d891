"""HTTP servers on loopback ports: how one listens, and how it ends at once."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import uvicorn

from local.cloud.engine.protocol import Protocol

if TYPE_CHECKING:
    import ssl

HOST = "127.0.0.1"


def listener(port: int) -> socket.socket:
    """A socket that listens on this port; 0 is any free one. Raises ``OSError`` when it is taken."""
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


class Server(uvicorn.Server):
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


def configured(application: Any, context: ssl.SSLContext | None) -> uvicorn.Config:
    """How this ASGI application is served: over TLS with a context."""
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

"""A proxy that leads every TLS connection, whatever its name, to one port here: a hosts file for one process."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator


class _Tunnel(socketserver.StreamRequestHandler):
    """``CONNECT name:443``, answered by a connection to the one port."""

    def handle(self) -> None:
        """Passes octets on, both ways, until either end closes."""
        while self.rfile.readline().strip():
            pass
        assert isinstance(self.server, _Proxy)
        with socket.create_connection(("127.0.0.1", self.server.leads_to)) as there:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pass_on, args=(there, self.connection))
            back.start()
            _pass_on(self.connection, there)
            back.join()


class _Proxy(socketserver.ThreadingTCPServer):
    daemon_threads = True
    leads_to = 0


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while octets := source.recv(65536):
            target.sendall(octets)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def tunnel(port: int) -> Iterator[str]:
    """The proxy's address."""
    with _Proxy(("127.0.0.1", 0), _Tunnel) as proxy:
        proxy.leads_to = port
        serving = threading.Thread(target=proxy.serve_forever, daemon=True)
        serving.start()
        yield f"http://127.0.0.1:{proxy.server_address[1]}"
        proxy.shutdown()
        serving.join()

"""Azure's Queue storage for a sample that signs in with its identity: TLS and a token here, Azurite with a key behind it.

Azurite checks no signature of a token, and takes only Azure's own issuer. So the door looks at the token itself.
"""

from __future__ import annotations

import base64
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from azure.storage.queue import AccountSasPermissions, ResourceTypes, generate_account_sas

from local.cloud.engine.certificates import trust
from local.stack import Stack
from local.storage.storage import ACCOUNT, KEY

_AUDIENCES = ("https://storage.azure.com", "https://storage.azure.com/")
_PASSED_ON = ("content-type", "content-length", "x-ms-version", "x-ms-date", "accept")


class _Door(ThreadingHTTPServer):
    """``leads_to`` is Azurite; ``callers`` are the object ids that have come with a token for storage."""

    daemon_threads = True
    leads_to = ""
    signature = ""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Caller)
        self.callers: set[str] = set()


class _Caller(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _pass_on(self) -> None:
        assert isinstance(self.server, _Door)
        claims = _claims(self.headers.get("authorization", ""))
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if claims.get("aud") not in _AUDIENCES:
            self._answer(401, {"www-authenticate": "Bearer"}, b"")
            return
        self.server.callers.add(str(claims["oid"]))
        joint = "&" if "?" in self.path else "?"
        address = f"{self.server.leads_to}{self.path}{joint}{self.server.signature}"
        headers = {name: value for name, value in self.headers.items() if name.lower() in _PASSED_ON}
        asked = urllib.request.Request(address, data=body or None, headers=headers, method=self.command)
        try:
            with urllib.request.urlopen(asked) as answer:
                self._answer(answer.status, dict(answer.headers), answer.read())
        except urllib.error.HTTPError as refused:
            self._answer(refused.code, dict(refused.headers), refused.read())

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in {"content-length", "transfer-encoding", "connection", "server", "date"}:
                self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = do_POST = do_DELETE = _pass_on  # noqa: N815 - http.server's names

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


def _claims(header: str) -> dict[str, Any]:
    """What the token says; nothing without one."""
    parts = header.removeprefix("Bearer ").split(".")
    if len(parts) != 3:
        return {}
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(parts[1] + "=="))
    return found


@contextmanager
def queue_door(stack: Stack) -> Iterator[tuple[str, set[str]]]:
    """The address of the account's queues, and who has come with a token for storage."""
    door = _Door()
    door.leads_to = f"http://127.0.0.1:{stack.storage.queue_port}"
    door.signature = generate_account_sas(
        ACCOUNT,
        KEY,
        ResourceTypes(service=True, container=True, object=True),
        AccountSasPermissions(read=True, write=True, delete=True, list=True, add=True, update=True, process=True),
        datetime.now(UTC) + timedelta(hours=1),
    )
    door.socket = trust(Path(stack.ca_bundle).parent).context.wrap_socket(door.socket, server_side=True)
    serving = threading.Thread(target=door.serve_forever, daemon=True)
    serving.start()
    yield f"https://127.0.0.1:{door.server_address[1]}/{ACCOUNT}", door.callers
    door.shutdown()
    serving.join()
    door.server_close()

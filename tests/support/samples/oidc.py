"""An issuer of workloads' own tokens, such as GitHub's or a cluster's: a key that the local Entra ID is told of."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from jwt.algorithms import RSAAlgorithm

from local.visitor import Visitor
from tests.support.certificates import key_pair

EXCHANGE = "api://AzureADTokenExchange"
_KID = "workloads"


@dataclass(frozen=True, slots=True)
class Issuer:
    """It signs what it is asked to."""

    address: str

    async def publish(self, visitor: Visitor) -> None:
        """Tells the local Entra ID its keys, in place of serving them."""
        key = RSAAlgorithm.to_jwk(key_pair().public_key(), as_dict=True) | {"kid": _KID}
        await visitor.control("POST", "issuers", {"issuer": self.address, "jwks": [key]})

    def token(self, subject: str, audience: str = EXCHANGE) -> str:
        """A token of this workload, for five minutes."""
        now = int(time.time())
        claims = {"iss": self.address, "sub": subject, "aud": audience, "iat": now, "nbf": now, "exp": now + 300}
        return jwt.encode(claims, key_pair(), algorithm="RS256", headers={"kid": _KID})


class _Handler(BaseHTTPRequestHandler):
    """``GET ...&audience=``, with the job's own bearer token."""

    issuer: Issuer
    subject: str
    bearer: str

    def do_GET(self) -> None:
        """The token, as GitHub hands it out: ``{"value": ...}``."""
        audience = parse_qs(urlsplit(self.path).query).get("audience", [EXCHANGE])[0]
        known = self.headers.get("Authorization") == f"bearer {self.bearer}"
        body: dict[str, Any] = {"value": self.issuer.token(self.subject, audience)} if known else {}
        self.send_response(HTTPStatus.OK if known else HTTPStatus.UNAUTHORIZED)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        """It says nothing."""


@contextmanager
def served(issuer: Issuer, subject: str) -> Iterator[dict[str, str]]:
    """What a job of GitHub's with ``id-token: write`` finds in its environment."""
    bearer = "of-this-job-alone"
    handler = type("_OfOneJob", (_Handler,), {"issuer": issuer, "subject": subject, "bearer": bearer})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        url = f"http://127.0.0.1:{server.server_address[1]}/?api-version=2.0"
        yield {"ACTIONS_ID_TOKEN_REQUEST_URL": url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": bearer}
        server.shutdown()
        serving.join()

"""Entra ID as a service: its routes, its error shape, and the headers on each of its replies."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace

from local.cloud.engine.effects import INJECTED
from local.cloud.engine.http import HttpRequest, Reply, Route
from local.cloud.engine.service import REST, Endpoint
from local.cloud.entra import discovery, errors, token
from local.cloud.local_azure import LocalAzure

_ENDPOINT = Endpoint(
    hosts=("login.microsoftonline.com", "login.microsoft.com", "login.windows.net", "sts.windows.net"),
    paths=(REST,),
)


@dataclass(frozen=True, slots=True)
class Entra:
    """``login.microsoftonline.com``."""

    name: str = "entra"
    endpoint: Endpoint = _ENDPOINT
    routes: tuple[Route[LocalAzure], ...] = (
        Route("POST", "/{tenant}/oauth2/v2.0/token", token.version_2),
        Route("POST", "/{tenant}/oauth2/token", token.version_1),
        Route("GET", "/common/discovery/instance", discovery.instance),
        Route("GET", "/{tenant}/v2.0/.well-known/openid-configuration", discovery.configuration_2),
        Route("GET", "/{tenant}/.well-known/openid-configuration", discovery.configuration_1),
        Route("GET", "/{tenant}/discovery/v2.0/keys", discovery.keys),
        Route("GET", "/{tenant}/discovery/keys", discovery.keys),
    )

    def error(self, status: int, code: str, message: str) -> Reply:
        """OAuth's shape."""
        return Reply(status, {"error": code, "error_description": message})

    def numbered(self, world: LocalAzure, call: HttpRequest, status: int, code: str, number: int) -> Reply:
        """A refusal with an AADSTS code."""
        return errors.refuse(world, call, status, code, number, INJECTED).reply

    def finish(self, world: LocalAzure, call: HttpRequest, reply: Reply) -> Reply:
        """Adds the request ids and what the front end adds to everything."""
        headers = {
            "x-ms-request-id": str(uuid.uuid4()),
            "x-ms-ests-server": "2.1.0.0 - LOCAL ProdSlices",
            "strict-transport-security": "max-age=31536000; includeSubDomains",
            "x-content-type-options": "nosniff",
            "cache-control": "no-store, no-cache",
            "set-cookie": "x-ms-gateway-slice=estsfd; path=/; secure; samesite=none; httponly",
            **reply.headers,
        }
        if "client-request-id" in call.headers:
            headers["client-request-id"] = call.headers["client-request-id"]
        if "x-client-current-telemetry" in call.headers:
            headers["x-ms-clitelem"] = f"1,{_code(reply)},0,,"
        return replace(reply, headers=headers, client_id=reply.client_id or _client_id(call))


def _code(reply: Reply) -> int:
    """The AADSTS code of a refusal, as MSAL's telemetry wants it back; 0 for a success."""
    codes = reply.body.get("error_codes") if isinstance(reply.body, dict) else None
    return codes[0] if codes else 0


def _client_id(call: HttpRequest) -> str | None:
    return call.form().get("client_id") if call.method == "POST" else None

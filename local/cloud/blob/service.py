"""Blob storage as the server sees it: its names, its operations, and what every reply carries."""

from __future__ import annotations

import random
import uuid
from dataclasses import replace

from local.cloud.blob import blobs, delegation, errors, lists, shared_access
from local.cloud.blob.authentication import authenticate
from local.cloud.blob.instants import precise
from local.cloud.blob.requests import DOMAIN, BlobRequest, Operation, Target, find_account, query
from local.cloud.engine.http import HttpRequest, Json, Reply, Route
from local.cloud.engine.service import Endpoint
from local.cloud.local_azure import LocalAzure

_SERVER = "Microsoft-HTTPAPI/2.0"
_QUERY = {"comp", "restype", "prefix", "delimiter", "marker", "maxresults", "include", "timeout"}
_OPERATIONS: dict[tuple[str, str, str, str], Operation] = {
    ("POST", "account", "service", "userdelegationkey"): delegation.user_delegation_key,
    ("GET", "account", "", "list"): lists.containers,
    ("GET", "container", "container", "list"): lists.blobs,
    ("GET", "container", "container", ""): blobs.container_properties,
    ("HEAD", "container", "container", ""): blobs.container_properties,
    ("GET", "blob", "", ""): blobs.get,
    ("HEAD", "blob", "", ""): blobs.get,
    ("PUT", "blob", "", ""): blobs.put,
    ("DELETE", "blob", "", ""): blobs.delete,
}
"""By method, what the address names, and the query's ``restype`` and ``comp``."""


class Blobs:
    """``*.blob.core.windows.net``, and on a port of its own ``/{account}``."""

    name = "blob"
    endpoint = Endpoint(hosts=(f"*{DOMAIN}",))

    def __init__(self) -> None:
        # The world's own chance is for object ids: reads must not change which are drawn.
        self._chance = random.Random(0)
        self.routes = tuple(Route(method, "{path:path}", _handle) for method in ("GET", "HEAD", "PUT", "DELETE", "POST"))

    def state(self, world: LocalAzure) -> Json:
        """The containers, with their blobs' names."""
        held = [
            {"account": account.id, "name": name, "blobs": sorted(container.blobs)}
            for account in world.tree.resources.values()
            for name, container in account.containers.items()
        ]
        return {"blob_containers": held}

    def error(self, status: int, code: str, message: str) -> Reply:
        """An error in blob storage's shape."""
        return errors.error(status, code, message)

    def finish(self, world: LocalAzure, call: HttpRequest, reply: Reply) -> Reply:
        """Adds request id, version and server, and writes an error as XML."""
        request_id = str(uuid.UUID(int=self._chance.getrandbits(128)))
        # Whoever is not known is answered in front of the service, as recorded: by another server, without a version.
        at_front = reply.status == 401  # noqa: PLR2004 - Unauthorized
        headers = {"server": _SERVER if at_front else f"Windows-Azure-Blob/1.0 {_SERVER}", "x-ms-request-id": request_id}
        for name in ("x-ms-client-request-id", *(() if at_front else ("x-ms-version",))):
            if name in call.headers:
                headers[name] = call.headers[name]
        body = reply.body
        if isinstance(body, dict):
            body = errors.render(body, request_id, precise(world.clock.now()))
            headers["content-type"] = "application/xml"
        return Reply(reply.status, body, {**headers, **reply.headers})


def _handle(world: LocalAzure, call: HttpRequest) -> Reply:
    target = Target.of(call)
    named = "blob" if target.blob else "container" if target.container else "account"
    operation = _OPERATIONS.get((call.method, named, query(call, "restype"), query(call, "comp")))
    is_shared = "sig" in call.query and "authorization" not in call.headers
    known = _QUERY | shared_access.PARAMETERS if is_shared else _QUERY
    unknown = call.query.keys() - known or {name for name in ("include",) if query(call, name)}
    if operation is None or unknown:
        asked = f" with {', '.join(sorted(unknown))}" if unknown else ""
        raise errors.not_implemented(f"{call.method} of this {named}{asked}")
    if not is_shared:
        caller = authenticate(world, call, target.account)
        return operation(BlobRequest(world, call, caller, target, find_account(world, target.account)))
    shared = shared_access.SharedAccess.verified(world, call, target.account, target.container, target.blob)
    account = find_account(world, target.account)
    reply = operation(BlobRequest(world, call, shared.principal, target, account, shared))
    return replace(reply, principal=shared.principal)

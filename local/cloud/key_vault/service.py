"""Key Vault as the server sees it: its names, its operations, and what every reply carries."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from dataclasses import replace

from local.cloud.disturbances.profiles import HOME
from local.cloud.engine.http import HttpRequest, Json, Reply, Route
from local.cloud.engine.service import Endpoint
from local.cloud.key_vault import backups, deletion, errors, paging, secrets
from local.cloud.key_vault.authentication import authenticate
from local.cloud.key_vault.limits import Limits
from local.cloud.key_vault.requests import Operation, SecretRequest
from local.cloud.key_vault.store import Secret, Store
from local.cloud.key_vault.vaults import DOMAIN, TYPE, addressed, find
from local.cloud.local_azure import LocalAzure

_ENDPOINT = Endpoint(hosts=(f"*{DOMAIN}",))
_METHODS = ("GET", "PUT", "POST", "PATCH", "DELETE")
_API_VERSION = re.compile(r"(\d{4}-\d\d-\d\d|7\.\d+)(-preview(\.\d+)?)?")
_HERE = "127.0.0.1"
"""Where every caller is."""

_OPERATIONS: dict[tuple[str, str], Operation] = {
    ("GET", "secrets"): secrets.listed,
    ("PUT", "secrets/{name}"): secrets.put,
    ("GET", "secrets/{name}"): secrets.get,
    ("GET", "secrets/{name}/{version}"): secrets.get,
    ("PATCH", "secrets/{name}"): secrets.patch,
    ("PATCH", "secrets/{name}/{version}"): secrets.patch,
    ("GET", "secrets/{name}/versions"): secrets.versions,
    ("DELETE", "secrets/{name}"): deletion.delete,
    ("POST", "secrets/{name}/backup"): backups.backup,
    ("POST", "secrets/restore"): backups.restore,
    ("GET", "deletedsecrets"): deletion.listed,
    ("GET", "deletedsecrets/{name}"): deletion.get,
    ("POST", "deletedsecrets/{name}/recover"): deletion.recover,
    ("DELETE", "deletedsecrets/{name}"): deletion.purge,
}
_LISTS = {secrets.listed, secrets.versions, deletion.listed}
_WORDS = {"versions", "backup", "recover"}
"""Third segments that are no version."""


class KeyVault:
    """``*.vault.azure.net``, and on a port of its own ``/{vault}``."""

    name = "key_vault"
    endpoint = _ENDPOINT

    def __init__(self) -> None:
        self.limits = Limits()
        self.routes = tuple(Route(method, "{path:path}", self._handle) for method in _METHODS)

    def error(self, status: int, code: str, message: str) -> Reply:
        """Key Vault's shape; a fault may ask for a finer code, such as ``ObjectIsBeingDeleted``."""
        return errors.named(status, code, message)

    def finish(self, world: LocalAzure, call: HttpRequest, reply: Reply) -> Reply:
        """Adds the headers that were recorded on every reply."""
        content = {} if reply.body is None else {"content-type": "application/json; charset=utf-8"}
        headers = {
            "cache-control": "no-cache",
            **content,
            "strict-transport-security": "max-age=31536000;includeSubDomains",
            "x-content-type-options": "nosniff",
            "x-ms-keyvault-network-info": f"conn_type=Ipv4;addr={_HERE};act_addr_fam=InterNetwork;",
            "x-ms-keyvault-region": HOME,
            "x-ms-keyvault-service-version": "1.9.2064.1",
            "x-ms-request-id": str(uuid.uuid4()),
            **reply.headers,
        }
        return replace(reply, headers=headers)

    def state(self, world: LocalAzure) -> Json:
        """One entry a version, of every secret of which there is anything left; no values."""
        vaults = [found for found in world.tree.resources.values() if found.type.casefold() == TYPE.casefold()]
        held = ((vault.id, secret) for vault in vaults for secret in world.of(Store).held(world, vault).values())
        return {"vault_secrets": [entry for vault_id, secret in held for entry in _entries(vault_id, secret)]}

    def _handle(self, world: LocalAzure, call: HttpRequest) -> Reply:
        """Any call: first who it is, then whether the vault lets anybody in, then what it asks for."""
        name, path = addressed(call)
        vault = find(world, name)
        caller = authenticate(world, call, vault.tenant_id)
        if vault.closed:
            raise errors.outside(caller.text, _HERE, vault.place)
        self.limits.take(vault.resource.id.casefold(), world.clock.now())
        operation, secret, version = _asked(call, path)
        _check_query(call, operation)
        request = SecretRequest(world, call, caller, vault, secret, version)
        reply = operation(request)
        let_in_by = (request.let_in_by or "").replace("-", "")
        return replace(reply, headers={**reply.headers, "x-ms-keyvault-rbac-assignment-id": let_in_by})


def _asked(call: HttpRequest, path: str) -> tuple[Operation, str, str]:
    """The operation, and the secret and the version that it names; raises 501."""
    first, *rest = path.rstrip("/").split("/")
    name, version = ([*rest, "", ""])[:2]
    steps = [first.lower()]
    if name:
        steps.append("restore" if (call.method, name.lower(), version) == ("POST", "restore", "") else "{name}")
    if version:
        steps.append(version.lower() if version.lower() in _WORDS else "{version}")
    operation = _OPERATIONS.get((call.method, "/".join([*steps, *rest[2:]])))
    if operation is None:
        raise errors.not_implemented(f"{call.method} of this")
    return operation, name if "{name}" in steps else "", version if "{version}" in steps else ""


def _check_query(call: HttpRequest, operation: Operation) -> None:
    version = call.query.get("api-version")
    if not version:
        raise errors.bad_parameter("api-version must be specified")
    if not _API_VERSION.fullmatch(version):
        raise errors.bad_parameter(f"api-version {version} is not one that Key Vault has")
    known = paging.QUERY if operation in _LISTS else {"api-version"}
    if unknown := sorted(call.query.keys() - known):
        raise errors.not_implemented(f"the query option {unknown[0]} here")


def _entries(vault_id: str, secret: Secret) -> Iterator[Json]:
    for version in secret.versions.values():
        yield {
            "vault": vault_id,
            "name": secret.name,
            "version": version.id,
            "state": secret.phase.value,
            "enabled": version.enabled,
            "nbf": version.not_before,
            "exp": version.expires,
            "content_type": version.content_type,
            "tags": version.tags or {},
            "created": version.created,
            "updated": version.updated,
        }

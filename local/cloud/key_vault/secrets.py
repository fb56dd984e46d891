"""Secrets that are live: set, read, listed, changed, deleted.

Rights: https://learn.microsoft.com/azure/key-vault/general/rbac-guide; operations:
https://learn.microsoft.com/rest/api/keyvault/secrets/operation-groups
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.cloud.engine.http import Reply
from local.cloud.key_vault import bodies, errors, inputs, paging
from local.cloud.key_vault.store import Phase, Secret, Version

if TYPE_CHECKING:
    from local.cloud.engine.http import Json
    from local.cloud.key_vault.requests import SecretRequest

METADATA = "readMetadata/action"


def put(request: SecretRequest) -> Reply:
    """``PUT /secrets/{name}``: a version more. The answer has the value, whether or not the caller may read it later."""
    request.require("setSecret/action")
    request.check_name()
    body = request.body()
    value, given = inputs.value(body), inputs.properties(body, beside=frozenset({"value"}))
    secret = _writable(request)
    now = request.now
    made = Version(request.store.fresh_id(), value, now, now)
    given.apply(made)
    secret.add(made)
    return Reply(200, bodies.bundle(request.vault, secret, made, request.api_version, value=True))


def get(request: SecretRequest) -> Reply:
    """``GET /secrets/{name}[/{version}]``: the value. ``nbf`` and ``exp`` keep nobody from reading it, ``enabled`` does."""
    request.require("getSecret/action")
    request.check_name()
    secret, version = request.found_version()
    if not version.enabled:
        raise errors.disabled()
    return Reply(200, bodies.bundle(request.vault, secret, version, request.api_version, value=True))


def patch(request: SecretRequest) -> Reply:
    """``PATCH /secrets/{name}[/{version}]``: attributes, content type and tags of a version."""
    request.require("update/action")
    request.check_name()
    given = inputs.properties(request.body())
    secret, version = request.found_version()
    given.apply(version)
    version.updated = request.now
    return Reply(200, bodies.bundle(request.vault, secret, version, request.api_version, value=False))


def listed(request: SecretRequest) -> Reply:
    """``GET /secrets``: what is live, without values."""
    request.require(METADATA)

    def show(secret: Secret) -> Json | None:
        return bodies.item(request.vault, secret, request.api_version) if secret.phase is Phase.LIVE else None

    return paging.page(request, request.held, show)


def versions(request: SecretRequest) -> Reply:
    """``GET /secrets/{name}/versions``: by their ids, without values. A name that nobody has has none."""
    request.require(METADATA)
    request.check_name()
    secret = request.named()
    if secret is None or secret.phase is not Phase.LIVE:
        return Reply(200, {"value": [], "nextLink": None})
    rows = {version.id.upper(): version for version in secret.versions.values()}

    def show(version: Version) -> Json:
        return bodies.bundle(request.vault, secret, version, request.api_version, value=False)

    return paging.page(request, rows, show, f"{request.name.upper()}/")


def _writable(request: SecretRequest) -> Secret:
    """The secret that takes a version more, made if its name is free; raises 409."""
    secret = request.named()
    if secret is None:
        return request.store.keep(request.vault.resource, Secret(request.name))
    if secret.phase in (Phase.DELETING, Phase.PURGING):
        raise errors.not_to_be_made_yet(request.name)
    if secret.phase is Phase.DELETED:
        raise errors.recoverable(request.name)
    if secret.phase is Phase.RECOVERING:
        raise errors.being_recovered(request.name)
    return secret

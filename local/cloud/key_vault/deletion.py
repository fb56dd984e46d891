"""Secrets on their way out and back: deleted, read and listed when they are, recovered, purged.

How long each of these is under way is in the consistency profile. https://learn.microsoft.com/azure/key-vault/general/soft-delete-overview
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.cloud.engine.http import Reply
from local.cloud.key_vault import bodies, errors, paging
from local.cloud.key_vault.secrets import METADATA
from local.cloud.key_vault.store import Phase, Secret

if TYPE_CHECKING:
    from local.cloud.engine.http import Json
    from local.cloud.key_vault.requests import SecretRequest


def delete(request: SecretRequest) -> Reply:
    """``DELETE /secrets/{name}``: all versions. Deleted, it is read no more at once, and is among the deleted ones later."""
    request.require("delete")
    request.check_name()
    held = request.named()
    if held is not None and held.phase is Phase.DELETING:
        raise errors.being_deleted(request.name)
    secret, vault = request.found(), request.vault
    if vault.soft_delete:
        secret.delete(request.now, request.world.consistency.takes("vault_delete"), vault.days)
    else:
        request.store.drop(vault.resource, secret)
    return Reply(200, _bundle(request, secret, vanished=True))


def get(request: SecretRequest) -> Reply:
    """``GET /deletedsecrets/{name}``: without a value, and not at all if its newest version was disabled."""
    request.require(METADATA)
    secret = _deleted(request)
    if not secret.current.enabled:
        raise errors.disabled()
    return Reply(200, _bundle(request, secret, vanished=True))


def listed(request: SecretRequest) -> Reply:
    """``GET /deletedsecrets``."""
    request.require(METADATA)

    def show(secret: Secret) -> Json | None:
        if secret.phase is not Phase.DELETED:
            return None
        return bodies.deleted(request.vault, secret, bodies.item(request.vault, secret, request.api_version))

    return paging.page(request, request.held, show)


def recover(request: SecretRequest) -> Reply:
    """``POST /deletedsecrets/{name}/recover``: it can be read again a while later."""
    request.require("recover/action")
    held = request.named()
    refusals = {
        Phase.LIVE: errors.not_deleted,
        Phase.DELETING: errors.being_deleted,
        Phase.RECOVERING: errors.being_recovered,
    }
    if held is not None and held.phase in refusals:
        raise refusals[held.phase](request.name)
    secret = _deleted(request)
    secret.move(Phase.RECOVERING, request.now + request.world.consistency.takes("vault_recover"))
    return Reply(200, _bundle(request, secret, vanished=False))


def purge(request: SecretRequest) -> Reply:
    """``DELETE /deletedsecrets/{name}``: for good. Its name is free a while later."""
    request.require("purge/action")
    held = request.named()
    if held is not None and held.phase is Phase.DELETING:
        raise errors.purge_too_early()
    secret = _deleted(request)
    if request.vault.purge_protection:
        raise errors.purge_protected(request.vault.place)
    secret.move(Phase.PURGING, request.now + request.world.consistency.takes("vault_purge"))
    return Reply(204)


def _deleted(request: SecretRequest) -> Secret:
    """The deleted secret of this name; raises 404."""
    request.check_name()
    secret = request.named()
    if secret is None or secret.phase is not Phase.DELETED:
        raise errors.deleted_not_found(request.name)
    return secret


def _bundle(request: SecretRequest, secret: Secret, *, vanished: bool) -> Json:
    body = bodies.bundle(request.vault, secret, secret.current, request.api_version, value=False)
    return bodies.deleted(request.vault, secret, body) if vanished else body

"""Backups of secrets: all versions in a text that Azure alone can read, and back from there.

Here the text only stands for what this world keeps of the secret: a value is never in it.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

from local.cloud.engine.http import Reply
from local.cloud.key_vault import bodies, errors, inputs

if TYPE_CHECKING:
    from local.cloud.key_vault.requests import SecretRequest


def backup(request: SecretRequest) -> Reply:
    """``POST /secrets/{name}/backup``: https://learn.microsoft.com/rest/api/keyvault/secrets/backup-secret."""
    request.require("backup/action")
    request.check_name()
    secret = request.found()
    text = request.store.fresh_id()
    request.store.backups[text] = deepcopy(secret)
    return Reply(200, {"value": text})


def restore(request: SecretRequest) -> Reply:
    """``POST /secrets/restore``: https://learn.microsoft.com/rest/api/keyvault/secrets/restore-secret."""
    request.require("restore/action")
    saved = request.store.backups.get(inputs.value(request.body()))
    if saved is None:
        raise errors.bad_parameter("Backup blob is not one that was made here.")
    secret, vault = deepcopy(saved), request.vault
    if request.store.find(request.world, vault.resource, secret.name) is not None:
        raise errors.restore_conflict(f"{vault.uri}/secrets/{secret.name}/{secret.current.id}")
    request.store.keep(vault.resource, secret)
    return Reply(200, bodies.bundle(vault, secret, secret.current, request.api_version, value=False))

"""What Key Vault answers with: secrets with and without their values, deleted ones, and lists of either.

Since api-version 7.1 an answer says for how many days a deleted secret is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from local.cloud.engine.http import Json
    from local.cloud.key_vault.store import Secret, Version
    from local.cloud.key_vault.vaults import Vault

_WITHOUT_DAYS = {"2015-06-01", "2016-10-01", "7.0-preview", "7.0"}


def bundle(vault: Vault, secret: Secret, version: Version, api_version: str, *, value: bool) -> Json:
    """One version, as it is answered when it is set, read, changed."""
    shown = {"value": version.value} if value else {}
    return {**shown, **_described(vault, version, api_version), "id": f"{_id(vault, secret)}/{version.id}"}


def item(vault: Vault, secret: Secret, api_version: str) -> Json:
    """A secret in a list: as its current version is, and without that version's id."""
    return {**_described(vault, secret.current, api_version), "id": _id(vault, secret)}


def deleted(vault: Vault, secret: Secret, body: Json) -> Json:
    """The same of a deleted secret: until when it is kept, and where. A vault without soft deletion keeps nothing."""
    if not vault.soft_delete:
        return body
    deletion = {
        "recoveryId": f"{vault.uri}/deletedsecrets/{secret.name}",
        "deletedDate": int(secret.deleted_at),
        "scheduledPurgeDate": int(secret.purge_at),
    }
    return {**deletion, **body}


def _id(vault: Vault, secret: Secret) -> str:
    return f"{vault.uri}/secrets/{secret.name}"


def _described(vault: Vault, version: Version, api_version: str) -> Json:
    """All that stands beside id and value. What was never given does not appear."""
    attributes: dict[str, Any] = {
        "enabled": version.enabled,
        "nbf": version.not_before,
        "exp": version.expires,
        "created": int(version.created),
        "updated": int(version.updated),
        "recoveryLevel": vault.recovery_level,
        "recoverableDays": None if api_version in _WITHOUT_DAYS else vault.days if vault.soft_delete else 0,
    }
    given = {"contentType": version.content_type, "attributes": _present(attributes), "tags": version.tags}
    return _present(given)


def _present(fields: Json) -> Json:
    return {name: value for name, value in fields.items() if value is not None}

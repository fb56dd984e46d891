"""The text that is put into a vault. Beside ``shared.triggers.http.responses``, the one place that reveals a secret."""

from __future__ import annotations

import json
import re

from shared.core.credential import CredentialField
from shared.core.errors import Conflict
from shared.core.secret import Secret
from shared.kinds.delivering import Content

CONTENT_TYPES = {
    "json": "application/vnd.leasehold.credential+json",
    "env": "text/plain; charset=utf-8",
    "value": "text/plain",
}
_ENV = {"AZURE_TENANT_ID": "tenant_id", "AZURE_CLIENT_ID": "client_id", "AZURE_CLIENT_SECRET": "client_secret"}
"""What azure-identity's ``EnvironmentCredential`` reads:
https://learn.microsoft.com/python/api/azure-identity/azure.identity.environmentcredential"""
_UNQUOTED = re.compile(r"[A-Za-z0-9._~-]+", re.ASCII)
"""What every reader of dotenv files reads as it stands."""


def text_of(content: Content) -> str:
    """Returns the secret's value. Raises ``Conflict`` if the form cannot hold this credential."""
    fields = {name: _revealed(value) for name, value in content.fields.items()}
    match content.format:
        case "json":
            return json.dumps({"type": content.type, **fields})
        case "env":
            return "".join(f"{name}={_unquoted(fields.get(field))}\n" for name, field in _ENV.items())
        case "value":
            (only,) = (value.reveal() for value in content.fields.values() if isinstance(value, Secret))
            return only


def _revealed(value: CredentialField) -> object:
    return value.reveal() if isinstance(value, Secret) else value


def _unquoted(value: object) -> str:
    if not isinstance(value, str) or _UNQUOTED.fullmatch(value) is None:
        raise Conflict(
            "A dotenv file would have to quote the credential. Ask again.",
            code="delivery_format_unsuitable",
        )
    return value

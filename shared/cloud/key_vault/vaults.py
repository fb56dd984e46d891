"""Key Vault as the courier needs it, over azure-keyvault-secrets. Reads no value of any secret.

The client asks the vault once for its challenge, and remembers it. It never repeats a call: what a lost answer means is for the
courier to find out (``PUT`` adds another version each time).
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from azure.core.exceptions import (
    AzureError,
    DeserializationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.core.rest import HttpRequest
from azure.keyvault.secrets.aio import SecretClient

from shared.cloud.connections import PlainRequest
from shared.cloud.key_vault.content import CONTENT_TYPES, text_of
from shared.cloud.repeating import Repeating
from shared.cloud.upstream import Refusal, parsed
from shared.core.azure_codes import KEY_VAULT
from shared.core.errors import Absent, Refused, Unavailable, Unreachable, Upstream
from shared.core.names import ObjectId, Unparsable
from shared.kinds.delivering import Content, NamedSecret, SecretVersion

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.keyvault.secrets import SecretProperties

    from shared.cloud.azure_connections import InTime

API_VERSION = "7.4"
FOREIGN = "VaultForeign"
"""Not a code of Azure's: the vault belongs to another tenant, and gets no token of ours."""
_PURGEABLE = "Purgeable"
"""What a ``recoveryLevel`` has if the secret can be purged: ``Recoverable+Purgeable``.
https://learn.microsoft.com/rest/api/keyvault/secrets/set-secret/set-secret#deletionrecoverylevel"""
_DISABLED = "SecretDisabled"
_BAD_REQUEST = 400
_UNAUTHORIZED = 401
_AUTHORITY = re.compile(r'authorization(?:_uri)?="https://[^/"]+/([0-9A-Fa-f-]{36})"')


class KeyVault:
    """Satisfies ``Vaults``. ``suffix`` is the cloud's, such as ``vault.azure.net``: tokens are for its own resource."""

    def __init__(self, credential: AsyncTokenCredential, transport: InTime, suffix: str, home: ObjectId) -> None:
        self._scope = f"https://{suffix}/.default"
        self._credential = _OfHome(credential, home)
        self._transport = transport
        self._repeating = Repeating(credential, self._scope).over(transport)
        self._clients: dict[str, SecretClient] = {}

    async def tenant_of(self, vault: str) -> ObjectId | None:
        """See ``Vaults``. One request without a token."""
        with _upstream():
            request = PlainRequest("GET", f"{vault}/secrets?api-version={API_VERSION}&maxresults=1", {})
            answer = await self._transport.send(request)
        if answer.status_code != _UNAUTHORIZED:
            raise Refusal(answer.status_code, text="no challenge").as_error(KEY_VAULT)
        found = _AUTHORITY.search(answer.headers.get("www-authenticate", ""))
        try:
            return ObjectId.parse(found[1]) if found else None
        except Unparsable:
            return None

    async def set_secret(
        self, vault: str, name: str, content: Content, *, tags: Mapping[str, str], begins: datetime, expires: datetime
    ) -> SecretVersion:
        """See ``Vaults``. Raises ``Conflict`` if the form cannot hold the credential."""
        value, content_type = text_of(content), CONTENT_TYPES[content.format]
        with _upstream():
            made = await self._client(vault).set_secret(
                name, value, content_type=content_type, tags=dict(tags), not_before=begins, expires_on=expires
            )
        return _version(made.properties)

    async def versions(self, vault: str, name: str) -> Sequence[SecretVersion]:
        """See ``Vaults``."""
        return [_version(each) async for each in _listed(self._client(vault).list_properties_of_secret_versions(name))]

    async def update(
        self,
        vault: str,
        name: str,
        version: str,
        *,
        tags: Mapping[str, str] | None = None,
        expires: datetime | None = None,
        is_enabled: bool | None = None,
    ) -> None:
        """See ``Vaults``."""
        with _upstream():
            await self._client(vault).update_secret_properties(
                name, version, enabled=is_enabled, tags=dict(tags) if tags is not None else None, expires_on=expires
            )

    async def delete(self, vault: str, name: str) -> bool:
        """See ``Vaults``. The client's own method would wait until the secret is deleted, and ask again and again."""
        answer = await self._send("DELETE", vault, f"/secrets/{name}")
        attributes = answer.get("attributes")
        level = attributes.get("recoveryLevel", "") if isinstance(attributes, dict) else ""
        return _PURGEABLE in str(level)

    async def purge(self, vault: str, name: str) -> None:
        """See ``Vaults``."""
        with _upstream():
            await self._client(vault).purge_deleted_secret(name)

    async def is_deleted(self, vault: str, name: str) -> bool:
        """See ``Vaults``. A deleted secret whose newest version is disabled is not shown, and is there."""
        try:
            await self._send("GET", vault, f"/deletedsecrets/{name}")
        except Absent:
            return False
        except Refused as refused:
            if refused.azure_code != _DISABLED:
                raise
        return True

    async def secrets(self, vault: str) -> Sequence[NamedSecret]:
        """See ``Vaults``."""
        found = _listed(self._client(vault).list_properties_of_secrets())
        return [NamedSecret(each.name or "", each.tags or {}, each.created_on) async for each in found]

    async def try_to_list(self, vault: str) -> None:
        """See ``Vaults``."""
        await self._send("GET", vault, "/secrets?maxresults=1")

    async def _send(self, method: str, vault: str, path: str) -> Mapping[str, Any]:
        with _upstream():
            answer = await self._client(vault).send_request(HttpRequest(method, path))
            answer.raise_for_status()
        body = parsed(answer.text())
        return body if isinstance(body, dict) else {}

    def _client(self, vault: str) -> SecretClient:
        if vault not in self._clients:
            self._clients[vault] = SecretClient(
                vault,
                self._credential,
                api_version=API_VERSION,
                transport=self._repeating,
                retry_total=0,
                permit_redirects=False,
            )
        return self._clients[vault]


class _OfHome:
    """An ``AsyncTokenCredential`` that gives no token to a vault of another tenant, whatever its challenge says."""

    def __init__(self, credential: AsyncTokenCredential, home: ObjectId) -> None:
        self._credential = credential
        self._home = home

    async def get_token(self, *scopes: str, tenant_id: str | None = None, **more: Any) -> AccessToken:
        """Returns the other credential's token. Raises ``Refused``."""
        if tenant_id is not None and tenant_id.lower() != self._home:
            raise Refused("the vault belongs to another tenant", status=_UNAUTHORIZED, azure_code=FOREIGN)
        return await self._credential.get_token(*scopes, **more)

    async def close(self) -> None:
        """The owner of the other credential closes it."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """See ``close``."""


async def _listed(pages: AsyncIterator[SecretProperties]) -> AsyncIterator[SecretProperties]:
    with _upstream():
        async for each in pages:
            yield each


def _version(found: SecretProperties) -> SecretVersion:
    level = found.recovery_level
    return SecretVersion(
        found.version or "",
        found.enabled is not False,
        found.tags or {},
        found.created_on,
        found.content_type,
        None if level is None else _PURGEABLE in level,
    )


@contextmanager
def _upstream() -> Iterator[None]:
    """Turns the SDK's errors into the broker's."""
    try:
        yield
    except HttpResponseError as answered:
        raise _failure(answered) from answered
    except (ServiceRequestError, ServiceResponseError) as silence:
        raise Unreachable(f"{type(silence).__name__} from Key Vault") from silence
    except (AzureError, DeserializationError) as unreadable:
        raise Unavailable(f"{type(unreadable).__name__} from Key Vault") from unreadable


def _failure(error: HttpResponseError) -> Upstream:
    answer, status = error.response, error.status_code
    if answer is None or status is None or status < _BAD_REQUEST:
        return Unavailable(f"{type(error).__name__} from Key Vault", status=status)
    headers: Mapping[str, str] = getattr(answer, "headers", {})
    return _refusal(status, headers, parsed(answer.text())).as_error(KEY_VAULT)


def _refusal(status: int, headers: Mapping[str, str], body: Any) -> Refusal:
    """Returns the content of a refusal. Key Vault says more in ``innererror``, and that code is the one to tell."""
    found = Refusal.read(status, headers, body)
    error = body.get("error") if isinstance(body, dict) else None
    inner = error.get("innererror") if isinstance(error, dict) else None
    code = inner.get("code") if isinstance(inner, dict) else None
    if not isinstance(code, str) or not code:
        return found
    return Refusal(status, code[:100], found.text, (found.code,), found.retry_after, found.request_id)

"""Looks whether a fresh credential already works where its role says: in Resource Manager, storage accounts, vaults, Graph.

Each look is two rounds of ten reads. Each read has a fresh token, because Azure keeps what it has answered to an old one
(https://learn.microsoft.com/azure/role-based-access-control/troubleshooting), and a connection of its own. A token goes to the
cloud's own hosts and nowhere else: no redirect is followed. Neither tokens nor bodies are logged or kept.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import httpx

from shared.cloud.entra.app_roles_claim import carries
from shared.cloud.entra.lease_sign_in import AssertionSignIn
from shared.cloud.entra.probe import is_settled
from shared.cloud.entra.sign_in import Verdict as SignIn
from shared.cloud.limits import RateLimiters
from shared.cloud.upstream import parsed, seconds_to_wait
from shared.core.definition import Permission
from shared.core.errors import Throttled
from shared.core.names import ObjectId, Scope, on_the_wire
from shared.core.ports.system import Clock
from shared.core.readiness.observability import AppRolesLook, Look, PermissionsLook, ProbeLook
from shared.core.readiness.probes import DataHosts, HostKind, host_of
from shared.core.readiness.verdicts import Verdict, Word, of_permissions, of_probe
from shared.core.secret import Secret
from shared.resilience.priority import in_background
from shared.resilience.rounds import Rounds

_PERMISSIONS = "2022-04-01"
_STORAGE_VERSION = "2023-11-03"
"""Azure Storage takes tokens with a version only:
https://learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory#call-storage-operations-with-oauth-tokens"""
_JSON = "application/json"
"""Without it, tables are answered as Atom, which they refuse with 415 under such a version:
https://learn.microsoft.com/rest/api/storageservices/payload-format-for-table-service-operations"""
_MOST_BYTES = 1 << 20
"""Of a body. The list of permissions is shorter, and a probe may name a blob of any size."""
_MOST_PAGES = 10
_OK = 200
_SUCCESS = range(200, 300)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What is known of one answer. ``body`` is the parsed JSON, if there is any."""

    status: int
    code: str
    body: Any
    retry_after: float


@dataclass(frozen=True, slots=True)
class AccessProbe:
    """Satisfies ``Access``. ``arm_endpoint`` is Resource Manager's address. ``client`` keeps no connections.

    ``own`` signs in with the broker's assertions, and knows Entra's token endpoint.

    ``gateway``: where connections to the hosts of data go instead, on a machine that stands for Azure; empty elsewhere. The
    host's name and the name in TLS stay.
    """

    client: httpx.AsyncClient
    own: AssertionSignIn
    clock: Clock
    limiters: RateLimiters
    arm_endpoint: str
    hosts: DataHosts = field(default_factory=DataHosts)
    gateway: str = ""

    async def sees(
        self, client_id: ObjectId, secret: Secret | None, look: Look, *, deadline: float, since: datetime | None = None
    ) -> bool:
        """Returns whether two whole rounds of ten reads show it before ``deadline``, on the monotonic clock.

        ``secret`` is ``None`` if the application trusts the broker. ``since``: when application and principal were made, if
        that is known. Raises ``NeverReady`` if waiting does not help; without a secret, ``Misconfigured`` if the broker has no
        identity.
        """

        async def sign_in(resource: str) -> SignIn:
            scope = f"{resource}/.default"
            if secret is None:
                return await self.own.attempt(client_id, scope)
            return await self.own.entra.sign_in(client_id, {"client_secret": secret.reveal()}, scope)

        async def attempt() -> Verdict:
            return await self._attempt(sign_in, look, deadline, since)

        return await Rounds(self.clock, attempt, deadline, f"{look.name} for {client_id}").pass_all()

    async def _attempt(
        self, sign_in: Callable[[str], Awaitable[SignIn]], look: Look, deadline: float, since: datetime | None
    ) -> Verdict:
        """Makes one read. ``sign_in`` asks for a fresh token for a resource. Permissions of Graph stand in the token itself."""
        if isinstance(look, ProbeLook) and self.hosts.kind_of(host_of(look.url)) is None:
            # The settings may be others than when the role was written.
            return Verdict(Word.NEVER, "host_not_allowed")
        signed = await sign_in(self._resource_of(look))
        if signed.token is None:
            return signed.said(is_settled=is_settled(self.clock, since))
        if (wait := await self._turn(look, deadline)) is not None:
            return Verdict(Word.NOTHING, retry_after=wait)
        match look:
            case AppRolesLook():
                return carries(signed.token, look.wanted)
            case PermissionsLook():
                return await self._permissions(look, signed.token)
            case ProbeLook():
                return await self._probe(look, signed.token)

    def _resource_of(self, look: Look) -> str:
        """Returns the resource for which the token is: ``own`` proves applications by tokens for Graph."""
        if isinstance(look, ProbeLook):
            return look.resource
        return self.arm_endpoint if isinstance(look, PermissionsLook) else self.own.scope.removesuffix("/.default")

    async def _turn(self, look: Look, deadline: float) -> float | None:
        """Waits until Resource Manager's limits allow a read. What callers wait for goes first.

        Returns the seconds to wait if that would be later than ``deadline``.
        """
        if isinstance(look, PermissionsLook):
            path: str = look.scope
        elif isinstance(look, ProbeLook) and self.hosts.kind_of(host_of(look.url)) is HostKind.RESOURCE_MANAGER:
            path = urlsplit(look.url).path
        else:
            return None
        try:
            with in_background():
                await self.limiters.of_arm("GET", path).acquire(deadline=deadline)
        except Throttled as late:
            return late.retry_after or 0.0
        return None

    async def _permissions(self, look: PermissionsLook, token: Secret) -> Verdict:
        following = f"{self.arm_endpoint}{_permissions_path(look.scope)}"
        shown: list[Permission] = []
        verdict = Verdict(Word.NOTHING)
        for _ in range(_MOST_PAGES):
            answer = await self._read(following, token, with_body=True)
            if answer is None:
                return Verdict(Word.NOTHING)
            if answer.status == _OK and not isinstance(answer.body, dict):
                # A proxy may answer in Resource Manager's place.
                return Verdict(Word.NOTHING, status=answer.status)
            shown += _entries(answer.body)
            verdict = of_permissions(answer.status, answer.code, shown, look.entries, answer.retry_after)
            link = answer.body.get("nextLink") if answer.status == _OK else None
            if verdict.word is Word.YES or not isinstance(link, str) or not link.startswith(f"{self.arm_endpoint}/"):
                break
            following = link
        return verdict

    async def _probe(self, look: ProbeLook, token: Secret) -> Verdict:
        host = host_of(look.url)
        extensions, headers, url = dict[str, Any](), dict[str, str](), look.url
        kind = self.hosts.kind_of(host)
        if kind is not None and kind.is_storage:
            headers["x-ms-version"] = _STORAGE_VERSION
        if kind is HostKind.TABLE:
            headers["Accept"] = _JSON
        if self.gateway:
            url = self.gateway + url.removeprefix(f"https://{host}")
            headers["Host"], extensions["sni_hostname"] = host, host
        answer = await self._read(url, token, headers=headers, extensions=extensions)
        if answer is None:
            return Verdict(Word.NOTHING)
        of_arm = kind is HostKind.RESOURCE_MANAGER
        return of_probe(answer.status, answer.code, look.expect, is_resource_manager=of_arm, retry_after=answer.retry_after)

    async def _read(
        self,
        url: str,
        token: Secret,
        *,
        with_body: bool = False,
        headers: Mapping[str, str] = MappingProxyType({}),
        extensions: Mapping[str, Any] = MappingProxyType({}),
    ) -> _Answer | None:
        """Reads an address with the token. Returns ``None`` if there was no answer.

        The body of a success is read only ``with_body``: that of a probe's is somebody's data, of any size.
        """
        sent = {"Authorization": f"Bearer {token.reveal()}", "Connection": "close", **headers}
        try:
            async with self.client.stream("GET", url, headers=sent, extensions={**extensions}) as response:
                is_read = with_body or response.status_code not in _SUCCESS
                return _answer(response, await _start_of(response) if is_read else b"")
        except httpx.RequestError as silence:
            log.warning("a read at %s got no answer: %s", sent.get("Host") or urlsplit(url).hostname, type(silence).__name__)
            return None


def _permissions_path(scope: Scope) -> str:
    return f"/{on_the_wire(scope)}/providers/Microsoft.Authorization/permissions?api-version={_PERMISSIONS}"


async def _start_of(response: httpx.Response) -> bytes:
    read = bytearray()
    async for part in response.aiter_bytes():
        read += part
        if len(read) > _MOST_BYTES:
            return b""
    return bytes(read)


def _answer(response: httpx.Response, body: bytes) -> _Answer:
    document = parsed(body)
    code = response.headers.get("x-ms-error-code") or _code_in(document)
    return _Answer(response.status_code, str(code)[:100], document, seconds_to_wait(response.headers) or 0.0)


def _code_in(document: Any) -> str:
    """Returns the code of an error of Resource Manager's or Key Vault's. Key Vault says more in ``innererror``."""
    error = document.get("error") if isinstance(document, dict) else None
    if not isinstance(error, dict):
        return ""
    inner = error.get("innererror")
    finer = inner.get("code") if isinstance(inner, dict) else None
    found = finer if isinstance(finer, str) else error.get("code")
    return found if isinstance(found, str) else ""


def _entries(document: Any) -> Iterator[Permission]:
    value = document.get("value") if isinstance(document, dict) else None
    for each in value if isinstance(value, list) else ():
        if isinstance(each, dict):
            yield Permission(*(_texts(each.get(name)) for name in _FIELDS))


def _texts(found: Any) -> tuple[str, ...]:
    listed: Iterable[Any] = found if isinstance(found, list) else ()
    return tuple(each for each in listed if isinstance(each, str))


_FIELDS = ("actions", "notActions", "dataActions", "notDataActions")
log = logging.getLogger(__name__)

"""The local Azure within the test's own process: no socket, in virtual time, and a worker may die at any call to it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self
from urllib.parse import parse_qsl, urlsplit

import httpx
from azure.core.credentials import AccessToken
from azure.core.exceptions import ServiceResponseError
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.core.rest._http_response_impl_async import AsyncHttpResponseImpl
from azure.core.utils import case_insensitive_dict

from local.cloud.control import first_party, inventory, provision
from local.cloud.control.sample import BROKER, furnish
from local.cloud.engine import hosts
from local.cloud.engine.dispatch import handle
from local.cloud.engine.effects import Answer, Effect
from local.cloud.engine.http import HttpRequest, Reply
from local.cloud.engine.service import Service
from local.cloud.entra import claims
from local.cloud.entra.resources import resolve
from local.cloud.local_azure import LocalAzure, new_world
from local.cloud.services import AZURE
from local.cloud.tenant.directory import Application, Group, Identity
from local.cloud.tenant.resources import Container, Resource
from tests.fakes.calls import Calls, Died
from tests.fakes.clock import START

GRAPH = "https://graph.microsoft.com"
ARM = "https://management.azure.com"
ENTRA = "https://login.microsoftonline.com"
_TOKEN_LASTS = 1800.0
_BY_CERTIFICATE: Literal["2"] = "2"
"""``appidacr`` of a managed identity's token."""


class Unanswered(Exception):
    """The connection broke before an answer came."""


@dataclass
class Azure:
    """One local Azure in its first state, on the clock of ``calls`` as it truly runs. Every call to it is one of ``calls``."""

    calls: Calls
    world: LocalAzure = field(default_factory=new_world)
    services: dict[str, Service[LocalAzure]] = field(init=False)
    groups: bool = True
    """Whether the broker may do what roles with groups need."""
    death: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a worker dies at a call to it: whoever waits for the task that died would wait for ever."""
    _tokens: dict[str, tuple[float, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Furnishes it as every local Azure starts."""
        clock = self.calls.clock
        self.world.clock.source = lambda: START.timestamp() + clock.monotonic() - 1000.0
        first_party.settle(self.world)
        furnish(self.world, groups=self.groups)
        made = [service() for service in AZURE]
        self.services = {service.name: service for service in made if service.endpoint.tls}

    def add_account(self) -> None:
        """A storage account with one container, at which the broker may assign every role."""
        kind = "Microsoft.Storage/storageAccounts"
        resource = Resource(self.account, kind, "westeurope", containers={"reports": Container(self.world.clock.now())})
        self.world.tree.resources[resource.id.casefold()] = resource
        provision.role_assignment(self.world, self.broker.object_id, "User Access Administrator", resource.id)

    @property
    def account(self) -> str:
        """The id of the storage account."""
        group = f"/subscriptions/{self.world.subscription_id}/resourceGroups/data"
        return f"{group}/providers/Microsoft.Storage/storageAccounts/acme"

    @property
    def broker(self) -> Identity:
        """The broker's managed identity."""
        return self.world.directory.identities[BROKER]

    @property
    def legacy(self) -> Application:
        """The application that is there already, and whose owner the broker is."""
        found = self.world.directory.applications.values()
        return next(each for each in found if each.properties["displayName"] == "legacy")

    @property
    def readers(self) -> Group:
        """The group that is there already."""
        return next(each for each in self.world.directory.groups.values() if each.properties["displayName"] == "readers")

    def inventory(self) -> dict[str, Any]:
        """All there is in it."""
        return inventory.of(self.world, self.services.values())

    def token(self, resource: str) -> str:
        """The broker's, for the resource: good for a while, then another."""
        until, text = self._tokens.get(resource, (0.0, ""))
        now = self.world.clock.now()
        if now >= until:
            found = resolve(self.world, resource)
            assert found is not None
            principal = self.world.directory.service_principals[self.broker.object_id]
            text = self.world.tokens.issue(claims.of_application(self.world, principal, found, _BY_CERTIFICATE))
            self._tokens[resource] = (now + _TOKEN_LASTS, text)
        return text

    async def answer(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """The reply, or ``Unanswered``; faults strike as they do when the local Azure listens on its ports."""
        call = _call(method, url, headers, body)
        service = hosts.choose(self.services, call)
        try:
            return await self.calls.through(f"{service.name}.{method.lower()}", lambda: self._answer(service, call), call.path)
        except Died:
            self.death.set()
            raise

    def _answer(self, service: Service[LocalAzure], call: HttpRequest) -> Reply:
        effect: Effect | None = self.world.faults.strike(service.name, call.method, call.path)
        if isinstance(effect, Answer):
            return service.finish(self.world, call, _told(service, effect))
        if effect == "timeout":
            raise Unanswered
        reply = handle(self.world, service, call)[1]
        if effect is not None:
            raise Unanswered
        return reply

    def by_hand(self, method: str, url: str, body: bytes = b"") -> int:
        """Somebody with the broker's rights makes a call; gives the status."""
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(url))
        headers = {"authorization": f"Bearer {self.token(origin)}", "content-type": "application/json"}
        call = _call(method, url, headers, body)
        return handle(self.world, hosts.choose(self.services, call), call)[1].status


def _told(service: Service[LocalAzure], effect: Answer) -> Reply:
    reply = service.error(effect.status, effect.code, "A fault of the machine's.")
    wait = {} if effect.retry_after is None else {"retry-after": f"{effect.retry_after:g}"}
    return Reply(reply.status, reply.body, {**reply.headers, **wait})


def _call(method: str, url: str, headers: Mapping[str, str], body: bytes) -> HttpRequest:
    parts = urlsplit(url)
    lowered = {name.lower(): value for name, value in headers.items()} | {"host": parts.netloc}
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    return HttpRequest(method, httpx.URL(url).path, query, lowered, body, f"{parts.scheme}://{parts.netloc}")


@dataclass(frozen=True)
class Bearer:
    """The broker's identity, as the SDKs ask for its tokens. No token is said to last: the SDKs go by the machine's clock."""

    azure: Azure

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        """One for the first scope."""
        return AccessToken(self.azure.token(scopes[0].removesuffix("/.default")), 0)

    async def close(self) -> None:
        """Nothing to close."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def client_of(azure: Azure) -> httpx.AsyncClient:
    """What Graph and the token endpoint are called with."""

    async def answer(request: httpx.Request) -> httpx.Response:
        try:
            reply = await azure.answer(request.method, str(request.url), request.headers, request.content)
        except Unanswered as silence:
            raise httpx.ReadError("no answer", request=request) from silence
        return httpx.Response(reply.status, content=reply.render(), headers=_headers(reply))

    return httpx.AsyncClient(transport=httpx.MockTransport(answer))


class Wire(AsyncHttpTransport[Any, Any]):
    """What Resource Manager is called with."""

    def __init__(self, azure: Azure) -> None:
        self._azure = azure

    async def send(self, request: Any, **_: Any) -> Any:
        """See the base class. Raises ``ServiceResponseError``."""
        body = request.content if hasattr(request, "content") else request.data
        try:
            octets = body.encode() if isinstance(body, str) else body or b""
            reply = await self._azure.answer(request.method, request.url, request.headers, octets)
        except Unanswered as silence:
            raise ServiceResponseError("no answer") from silence
        return _Response(request, reply)

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class _Response(AsyncHttpResponseImpl):
    """An answer whose body is there already."""

    def __init__(self, request: Any, reply: Reply) -> None:
        headers = case_insensitive_dict(_headers(reply))
        super().__init__(
            request=request,
            internal_response=None,
            status_code=reply.status,
            reason="",
            content_type=headers.get("content-type"),
            headers=headers,
            stream_download_generator=None,
        )
        self._content = reply.render()

    async def close(self) -> None:
        """Nothing to close."""
        self._is_closed = True


def _headers(reply: Reply) -> dict[str, str]:
    headers = {name.lower(): value for name, value in reply.headers.items()}
    return {"content-type": "application/json; charset=utf-8"} | headers

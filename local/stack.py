"""Everything that one machine runs in Azure's place, together: storage, the local cloud, and function hosts of this app."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from local.children import Child, ChildError, free_ports
from local.cloud.control.sample import BROKER, deployed_settings, furnish
from local.cloud.disturbances.profiles import HOME
from local.cloud.local_cloud import LocalCloud, Settings, running
from local.host.process import ROOT, FunctionHost
from local.storage.storage import Azurite
from local.visitor import Visitor

if TYPE_CHECKING:
    from pathlib import Path

EVERY_MINUTE = "0 * * * * *"
EVERY_HOUR = "0 17 * * * *"
_GRAPH_APP_ROLES = "LEASEHOLD_GRAPH_APP_ROLES"
_EVENTS = "events"
"""The queue of events from outside. The template makes it: Event Grid puts nothing into a queue that is not there."""
_PASSED_ON = ("PATH", "HOME", "LANG", "TZ")
"""What a host gets of this process's environment; all else comes from the stack, so that no developer's login can."""
_AS_DEPLOYED = (
    "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT",
    "LEASEHOLD_TENANT_ID",
    "LEASEHOLD_ALLOWED_TENANTS",
    "LEASEHOLD_AUDIENCE",
    "LEASEHOLD_CLIENT_ID",
    "LEASEHOLD_SUBSCRIPTION_ID",
    "LEASEHOLD_PROTECTED_SCOPES",
    "LEASEHOLD_PROTECTED_IDENTITIES",
)
"""Settings that are those of the template."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where to listen; 0 means any free port."""

    function_host: int = 0
    """Of the first host, once it is published; further hosts take any."""
    control: int = 0
    tls: int = 0


@dataclass(slots=True)
class Stack:
    """A started set: ``async with Stack() as stack``. It leaves no process behind, however it ends.

    The local cloud runs in a thread of this process, so callers may block; storage and hosts are processes of their own.
    """

    ports: Ports = field(default_factory=Ports)
    hosts_wanted: int = 1
    sweep_schedule: str = EVERY_MINUTE
    reconcile_schedule: str = EVERY_HOUR
    fill_schedule: str = EVERY_MINUTE
    settings: Mapping[str, str] = field(default_factory=dict)
    """Further app settings, or others in place of those that the stack makes."""
    groups: bool = False
    """Whether the broker may do what roles with ``azure_groups`` need. Else it may do what every deployment's may.

    It may do what roles with ``graph_app_roles`` need if a setting lets roles have any.
    """
    folder: Path | None = None
    """Keeps the certificate authority from one start to the next; a temporary one without it."""
    echo: bool = False
    """Whether what the hosts write is repeated on this process's standard error."""
    app: Path = ROOT
    storage: Azurite = field(default_factory=Azurite)
    cloud: LocalCloud = field(init=False)
    hosts: list[FunctionHost] = field(default_factory=list, init=False)
    described: Mapping[str, Any] = field(default_factory=dict, init=False)
    """What ``GET /_control`` answered: tenant, subscription, audience, endpoints, identities."""
    _opened: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack, init=False)

    async def __aenter__(self) -> Self:
        """Starts everything. Raises ``ChildError`` or ``OSError`` when a part does not come up, and ends the others."""
        async with contextlib.AsyncExitStack() as opening:
            await self._start(opening)
            self._opened = opening.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Ends everything: the hosts first, so that they can finish what they do."""
        await self._opened.aclose()

    @property
    def url(self) -> str:
        """The origin of the first function host."""
        return self.hosts[0].url

    @property
    def control_url(self) -> str:
        """Where the local cloud's control API is."""
        return self.cloud.control_url

    @property
    def ca_bundle(self) -> str:
        """The file that TLS clients of the local cloud have to trust."""
        return str(self.cloud.ca_bundle)

    def visitor(self) -> Visitor:
        """A client of the control API and of the broker; to be opened with ``async with``."""
        return Visitor(self.control_url, self.ca_bundle)

    async def publish(self) -> None:
        """Gives the first host the address that was asked for. Until then it has one of its own: nobody comes too early."""
        if self.ports.function_host:
            await self.hosts[0].stop()
            self.hosts[0].port = self.ports.function_host
            await self.hosts[0].start()

    async def fault(self) -> ChildError:
        """Waits until a part ends by itself, and says which. A host that was killed on purpose counts as well."""
        children: list[Child] = [self.storage.child, *(host.child for host in self.hosts)]
        endings = [asyncio.create_task(child.ended()) for child in children]
        try:
            done, _ = await asyncio.wait(endings, return_when=asyncio.FIRST_COMPLETED)
            return next(iter(done)).result()
        finally:
            for task in endings:
                task.cancel()

    async def _start(self, opening: contextlib.AsyncExitStack) -> None:
        first = self.ports.function_host or free_ports(1)[0]
        cloud = Settings(
            control_port=self.ports.control,
            tls_port=self.ports.tls,
            state_dir=self.folder,
            function_host=f"http://127.0.0.1:{first}",
            furnish=partial(furnish, groups=self.groups, graph_app_roles=bool(self.settings.get(_GRAPH_APP_ROLES))),
        )
        storage = asyncio.create_task(opening.enter_async_context(self.storage))
        try:
            self.cloud = await self._in_thread(opening, cloud)
        finally:
            await storage
        self.cloud.world.storage = self.storage.connection_string
        await self.storage.make_queue(_EVENTS)
        async with self.visitor() as visitor:
            self.described = await visitor.control("GET")
        ports = [0 if self.ports.function_host else first, *(0 for _ in range(1, self.hosts_wanted))]
        self.hosts = [FunctionHost(self.app, self.environment(), port, echo=self.echo) for port in ports]
        for host in self.hosts:
            opening.push_async_callback(_stop, host)
        await asyncio.gather(*(host.start() for host in self.hosts))

    async def _in_thread(self, opening: contextlib.AsyncExitStack, settings: Settings) -> LocalCloud:
        thread = running(settings)
        cloud = await asyncio.to_thread(thread.__enter__)
        opening.push_async_callback(asyncio.to_thread, thread.__exit__, None, None, None)
        return cloud

    def environment(self) -> dict[str, str]:
        """A host's whole environment: the product's settings, pointing at this stack."""
        broker, endpoints = self.described["identities"][BROKER], self.described["endpoints"]
        deployed = deployed_settings(self.cloud.world)
        passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        made = {
            "FUNCTIONS_WORKER_RUNTIME": "python",
            "REGION_NAME": HOME,
            "LEASEHOLD_DATA_GATEWAY": endpoints["all_tls"],
            "AzureWebJobsStorage": self.storage.connection_string,
            "LEASEHOLD_AUTHORITY": endpoints["entra"],
            "LEASEHOLD_GRAPH_ENDPOINT": endpoints["graph"],
            "LEASEHOLD_ARM_ENDPOINT": endpoints["arm"],
            "LEASEHOLD_SWEEP_SCHEDULE": self.sweep_schedule,
            "LEASEHOLD_RECONCILE_SCHEDULE": self.reconcile_schedule,
            "LEASEHOLD_FILL_SCHEDULE": self.fill_schedule,
            "LEASEHOLD_PUBLIC_URL": self.described["function_host"],
            "IDENTITY_ENDPOINT": broker["identity_endpoint"],
            "IDENTITY_HEADER": broker["identity_header"],
            "SSL_CERT_FILE": self.ca_bundle,
            "REQUESTS_CA_BUNDLE": self.ca_bundle,
            "NO_PROXY": "127.0.0.1",
        }
        return {**passed_on, **{name: deployed[name] for name in _AS_DEPLOYED}, **made, **self.settings}


async def _stop(host: FunctionHost) -> None:
    if host.started:
        await host.stop()

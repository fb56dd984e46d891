"""The product's broker in this process, on the local Azure's replicas, in virtual time: what ``ready`` measures with.

Real are the broker's verbs, its issuers, its adapters for Entra ID, Graph and Resource Manager, and all that decides whether a
credential works. The local Azure answers, with its own replicas and its own latency. Simulated are time, the connections, and
the stores, which take ``STORAGE`` a call.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from local.cloud.control import provision
from local.cloud.control.judge import judge
from local.cloud.engine.http import HttpRequest
from shared.broker.configure.roles import delete_role, put_role
from shared.broker.ending.sweep import sweep
from shared.broker.issue.attempt import Issued
from shared.broker.issue.collect import collect
from shared.broker.issue.issue import IssueRequest, issue
from shared.broker.issue.preparations import Accepted, Preference
from shared.broker.issue.prepare import prepare
from shared.broker.pool.fill import FillSummary, fill, refill
from shared.broker.ports import Ports
from shared.core.lease import State
from shared.core.message import Succession
from shared.core.names import LeaseId, RoleName, Scope
from shared.kinds.role_document import read_role
from tests.bench.bench_stack import NotMeasuredError
from tests.fakes.calls import MadeCall
from tests.fakes.world import ADMINISTRATOR, ALICE, EXCHANGE, request
from tests.machine.azure import ARM, ENTRA
from tests.machine.on_azure import POOLED, BrokerOnAzure

PROFILE, SEED = "typical", 5
STORAGE = 0.01
"""Seconds that a call to Table or Queue storage takes: the order of magnitude within a region."""
IN_AZURE = ("entra", "graph", "arm", "blob")
_LONGEST_WAIT = 200
"""Seconds: what a caller may prefer to wait at most."""
_LATEST = 3600.0
"""Seconds after which every replica has everything: the profile's delays end long before."""
_PRECISE = 0.01
_LOOKS_FOR_MESSAGES = 2.0
_SWEEPS = 60.0
_MOST_RUNS = 200


@dataclass(frozen=True, slots=True)
class Writes:
    """What was written to Azure in a while."""

    graph: int
    arm: int


@dataclass
class Scene:
    """One broker on one local Azure, which replicates as the profile says. ``scope`` is a resource group."""

    on: BrokerOnAzure
    ports: Ports
    scope: Scope
    granted: str
    """The Azure role that is assigned at the scope."""
    role: RoleName = field(default=RoleName.parse("measured"))

    def seconds(self) -> float:
        """Of virtual time."""
        return self.on.clock.monotonic()

    async def put(self, **fields: Any) -> None:
        """Writes the role."""
        bounds = {"bound_service_principal_ids": [ALICE.object_id]}
        assigned = {"azure_roles": [{"role_name": self.granted, "scope": self.scope}]}
        document: Mapping[str, Any] = {"type": "service_principal", **bounds, **assigned, **fields}
        await put_role(self.ports, request(ADMINISTRATOR), read_role(self.ports.kinds, self.role, document))

    async def issued(self) -> Issued:
        """What a caller gets that waits as long as it may, and then collects when it is told to."""
        prefers = Preference(wait=_LONGEST_WAIT)
        answer: Issued | Accepted = await issue(self.ports, request(), IssueRequest(self.role), preference=prefers)
        if isinstance(answer, Issued):
            return answer
        async with self._host_at_work():
            while isinstance(answer, Accepted):
                await self.on.clock.sleep(answer.after)
                answer = await collect(self.ports, request(), answer.lease.id, prefers)
        return answer

    async def fill_pool(self, size: int) -> None:
        """Until so many leases stand in the role's pool: timers, queue and sweep, a minute each time."""
        for _ in range(_MOST_RUNS):
            await self.minute()
            await sweep(self.ports, "sweep")
            await self.take_messages()
            if sum(lease.state is State.POOLED for lease in self.on.leases.rows.values()) >= size:
                return
        raise NotMeasuredError(f"the pool is not full after {_MOST_RUNS} minutes")

    async def minute(self) -> FillSummary:
        """The timer fills the pools, and then a minute passes."""
        done = await fill(self.ports, "timer")
        await self.take_messages()
        await self.on.clock.sleep(_SWEEPS)
        return done

    async def take_messages(self) -> None:
        """Workers take what waits in the two queues, all at once."""
        await asyncio.gather(*(self._take(message) for message in (*self.on.preparations.take(), *self.on.fillings.take())))

    async def _take(self, message: LeaseId | RoleName | Succession) -> None:
        if isinstance(message, LeaseId):
            await prepare(self.ports, "worker", message)
        elif not isinstance(message, Succession):
            await refill(self.ports, "worker", message)

    @asynccontextmanager
    async def _host_at_work(self) -> AsyncIterator[None]:
        """Meanwhile workers take messages, and the sweep comes each minute."""

        async def messages() -> None:
            while True:
                await self.take_messages()
                await self.on.clock.sleep(_LOOKS_FOR_MESSAGES)

        async def sweeps() -> None:
            while True:
                await self.on.clock.sleep(_SWEEPS)
                await sweep(self.ports, "sweep")

        work = [asyncio.create_task(messages()), asyncio.create_task(sweeps())]
        try:
            yield
        finally:
            for each in work:
                each.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(*work)

    @contextmanager
    def counting(self) -> Iterator[list[MadeCall]]:
        """Whatever is called meanwhile, once that is over."""
        made: list[MadeCall] = []
        begin = len(self.on.calls.made)
        yield made
        made += self.on.calls.made[begin:]

    def accepts(self, credential: Mapping[str, str], *, everywhere: bool) -> bool:
        """Whether every replica accepts it now: Entra ID's, and with ``everywhere`` those that judge the role at its scope."""
        body = dict(credential) | ({"arm_scope": self.scope} if everywhere else {})
        verdicts: Any = judge(self.on.azure.world, HttpRequest("POST", "/judge", body=json.dumps(body).encode()), ENTRA).body
        return bool(verdicts["accepted"])

    def accepted_at(self, credential: Mapping[str, str], began: float, *, everywhere: bool) -> float:
        """The instant from which every replica has what the credential needs, looked up in the replicas' own future.

        Nothing ends meanwhile, so that whoever accepts goes on accepting.
        """
        consistency = self.on.azure.world.consistency
        seen, now = (consistency, consistency.of("blob")), consistency.now
        low, high = now() - (self.seconds() - began), now() + _LATEST
        offset = now() - self.seconds()
        try:
            while high - low > _PRECISE:
                middle = (low + high) / 2
                for each in seen:
                    each.now = partial(float, middle)
                low, high = (low, middle) if self.accepts(credential, everywhere=everywhere) else (middle, high)
        finally:
            for each in seen:
                each.now = now
        return high - offset

    def assertion(self) -> str:
        """The broker's own, by which it signs in as leases' applications."""
        return self.on.azure.token(EXCHANGE.audience)


@asynccontextmanager
async def scene(*, blobs: bool = False) -> AsyncIterator[Scene]:
    """A broker with nothing issued, and without any pool but that of the role that is measured.

    From here on calls take their time. With ``blobs`` the role is over a storage account.
    """
    logging.disable(logging.ERROR)
    on = await asyncio.to_thread(BrokerOnAzure, profile=PROFILE, seed=SEED)
    world = on.azure.world
    scope, granted = f"/subscriptions/{world.subscription_id}/resourceGroups/data", "Reader"
    if blobs:
        scope, granted = f"{scope}/providers/Microsoft.Storage/storageAccounts/lake", "Storage Blob Data Reader"
        provision.resource(world, scope)
        provision.role_assignment(world, on.azure.broker.object_id, "User Access Administrator", scope)
    async with on.worker() as ports:
        for each in POOLED:
            await delete_role(ports, request(ADMINISTRATOR), each, revoking=False)
        on.calls.gate = _Latency(on)
        yield Scene(on, ports, Scope.parse(scope), granted)


def writes(made: list[MadeCall]) -> Writes:
    """The writes among the calls."""
    return Writes(*(sum(call.service == name and not call.name.endswith(".get") for call in made) for name in ("graph", "arm")))


@dataclass(frozen=True, slots=True)
class _Latency:
    """Satisfies ``Gate``: a call to Azure takes as long as the profile draws."""

    on: BrokerOnAzure

    async def arrive(self, call: MadeCall) -> None:
        """Sleeps in virtual time."""
        is_azure = call.service in IN_AZURE
        await self.on.clock.sleep(self.on.azure.world.consistency.latency(call.service) if is_azure else STORAGE)

    def finish(self, call: MadeCall, result: object) -> None:
        """Answers take no time of their own."""


ARM_SCOPE = f"{ARM}/.default"

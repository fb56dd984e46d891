"""All of Leasehold over real HTTP: the function host, Azurite and the local cloud, once for this folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from local import up
from local.host.process import ROOT
from local.stack import Stack
from local.storage.storage import Azurite
from local.visitor import Broker, Visitor

HOLD, SETTLE = 3, 6
"""Seconds; the defaults are 20 and 180. What they are about takes as much less time under ``speed``."""
NEVER = "0 0 0 1 1 *"
"""At New Year: a test starts what it needs."""
OBJECTS = ("applications", "deleted_items", "service_principals", "role_assignments", "groups")


@dataclass(slots=True)
class Deployment:
    """A running stack and its people."""

    stack: Stack
    visitor: Visitor
    former: frozenset[str] = frozenset()
    """The ids of the leases that earlier tests have left."""

    async def broker(self, identity: str) -> Broker:
        """The broker, as this identity."""
        return self.with_token(await self.visitor.token(identity, self.audience))

    def with_token(self, token: str) -> Broker:
        """The broker, with whatever is taken for a token."""
        return Broker(self.visitor, self.stack.url, token)

    @property
    def audience(self) -> str:
        """What tokens for the broker are for."""
        return str(self.stack.described["audience"])

    @property
    def app(self) -> str:
        """The scope of the resource group ``app``."""
        return f"/subscriptions/{self.stack.described['subscription_id']}/resourceGroups/app"

    def object_id(self, identity: str) -> str:
        """An identity's object id."""
        return str(self.stack.described["identities"][identity]["object_id"])

    async def objects(self) -> dict[str, Any]:
        """Everything that a lease could have left in the cloud, secrets on applications included."""
        state = await self.visitor.control("GET", "state")
        return {name: state[name] for name in OBJECTS} | {"secrets": sorted(each["key_id"] for each in state["secrets"])}

    async def faults(self, *rules: dict[str, Any]) -> None:
        """These faults and no others."""
        await self.visitor.control("PUT", "faults", list(rules))

    async def consistency(self, profile: str, speed: float = 1.0) -> None:
        """Sets the profile, seeded."""
        await self.visitor.control("PUT", "consistency", {"profile": profile, "seed": 7, "speed": speed})

    async def sweep(self) -> dict[str, int]:
        """Runs one sweep now."""
        summary: dict[str, int] = await (await self.broker("admin")).must("POST", "sweep")
        return summary

    async def settled(self) -> None:
        """Waits until every lease of this test has ended, sweeping as the timer would; fails when some have not in time."""
        deadline = asyncio.get_running_loop().time() + 60
        while live := await self._live():
            assert asyncio.get_running_loop().time() < deadline, live
            await asyncio.sleep(0.3)
            await self.sweep()

    async def _live(self) -> list[dict[str, Any]]:
        listed = await self.leases(await self.broker("admin"))
        return [lease for lease in listed if lease["state"] != "ended" and lease["id"] not in self.former]

    async def leases(self, broker: Broker) -> list[dict[str, Any]]:
        """All that this caller may list."""
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = await broker.must("GET", f"leases?state=all&limit=1000{cursor}")
            found += page["leases"]
            if page["next"] is None:
                return found
            cursor = f"&cursor={page['next']}"

    async def events(self, request_id: str) -> list[dict[str, Any]]:
        """What the audit trail says of one request."""
        admin = await self.broker("admin")
        listed = (await admin.must("GET", "audit?limit=1000"))["events"]
        return [event for event in listed if event["request_id"] == request_id]


def stable(problem: httpx.Response) -> dict[str, Any]:
    """A problem without what differs from request to request."""
    return {name: value for name, value in problem.json().items() if name != "request_id"}


@asynccontextmanager
async def opened(folder: Path, *, groups: bool = False, app: Path = ROOT, **more: str) -> AsyncIterator[Deployment]:
    """A stack with the sample configuration, and no timer of its own in between. Storage keeps what it holds in the folder."""
    storage = Azurite(folder=folder)
    settings = {
        "LEASEHOLD_HOLD_SECONDS": str(HOLD),
        "LEASEHOLD_SETTLE_SECONDS": str(SETTLE),
        # One caller plays many.
        "LEASEHOLD_ISSUES_PER_MINUTE": "0",
        **more,
    }
    wanted = Stack(settings=settings, sweep_schedule=NEVER, reconcile_schedule=NEVER, groups=groups, storage=storage, app=app)
    async with wanted as stack, stack.visitor() as visitor:
        await up.configure(stack)
        yield Deployment(stack, visitor)


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployment]:
    """A stack for each file of tests: what one leaves behind is not the others' to wait for.

    In a file that says ``GROUPS = True`` the broker has the permissions for roles with groups, too; a file's ``SETTINGS`` win.
    """
    groups, settings = getattr(request.module, "GROUPS", False), getattr(request.module, "SETTINGS", {})
    async with opened(tmp_path_factory.mktemp("storage"), groups=groups, **settings) as deployment:
        yield deployment


@pytest_asyncio.fixture(loop_scope="session")
async def deployment(running: Deployment) -> AsyncIterator[Deployment]:
    """The stack, with no fault and everything replicated at once; whatever a test leaves behind is ended."""
    await running.consistency("none")
    await running.faults()
    admin = await running.broker("admin")
    running.former = frozenset(lease["id"] for lease in await running.leases(admin))
    yield running
    await running.faults()
    await running.consistency("none")
    active = (await admin.must("GET", "leases?state=active&limit=1000"))["leases"]
    await asyncio.gather(*(admin.must("DELETE", f"leases/{lease['id']}") for lease in active))

"""Where it is measured: the stack of ``make up`` on free ports, with roles of any size and nothing that runs by itself."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from local.stack import Stack
from local.storage.storage import Azurite
from local.visitor import Broker, Visitor

_NEW_YEAR = "0 0 0 1 1 *"
"""The sweep's schedule: no figure may hold a sweep that nobody asked for."""
_OF_AZURE = ("entra", "graph", "arm", "imds", "key_vault")
_HOLDER = "vm-web"
_SIDE_BY_SIDE = 8
_KIB_PER_MB = 1_000_000 / 1024


class NotMeasuredError(Exception):
    """What was to be measured did not happen. The message says what happened instead."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured. The defaults are what the published figures are made with."""

    issues: int = 300
    starts: int = 5
    memory_rounds: int = 10
    """Of a hundred issues and revocations each."""
    due: int = 200
    alive: int = 20_000
    crowd: int = 100_000
    """Leases alive, for ``scale``."""
    due_at_once: int = 5_000
    ended: int = 10_000
    """Leases that have ended, for ``listing``."""
    revoked: int = 10_000
    scoped: int = 10_000
    """Leases that are found by scope, for ``scopes``."""
    events: int = 5_000
    """Events that wait, for ``delivery``."""
    sites: int = 30
    """Sites that are made one after the other, each of which gets a secret."""
    writes: int = 1_000
    """Of one site."""
    untold: int = 10_000
    """Leases that end while the topic is down."""


QUICK = Scale(
    issues=60,
    starts=3,
    memory_rounds=4,
    due=60,
    alive=2_000,
    crowd=5_000,
    due_at_once=1_000,
    ended=1_000,
    revoked=400,
    scoped=2_000,
    events=500,
    sites=5,
    writes=100,
    untold=500,
)


_GRANT = {"identity": "leasehold", "role": "Role Based Access Control Administrator"}


@dataclass(frozen=True, slots=True)
class BenchStack:
    """A started stack, and its API as the holder of leases and as the administrator see it."""

    stack: Stack
    visitor: Visitor
    web: Broker
    admin: Broker

    async def make_role(self, name: str, assignments: int, groups: int, **fields: Any) -> None:
        """Writes a role ``service_principal`` with that many role assignments, on resource groups of its own, and groups.

        ``fields`` are further ones of its document.
        """
        subscription = f"/subscriptions/{self.stack.described['subscription_id']}"
        azure_roles, azure_groups = [], []
        for number in range(assignments):
            made = await self.visitor.control("POST", "resource-groups", {"name": f"{name}-{number}"})
            scope = f"{subscription}/resourceGroups/{made['id'].split('/')[-1]}"
            await self.visitor.control("POST", "role-assignments", _GRANT | {"scope": scope})
            azure_roles.append({"role_name": "Reader", "scope": scope})
        for number in range(groups):
            made = await self.visitor.control("POST", "groups", {"name": f"{name}-{number}"})
            azure_groups.append({"object_id": made["object_id"]})
        given = {"azure_roles": azure_roles, "azure_groups": azure_groups}
        await self._put(
            name,
            {"type": "service_principal", "ready": "none"}
            | {kind: listed for kind, listed in given.items() if listed}
            | fields,
        )

    async def make_role_with_a_hole(self, name: str) -> str:
        """Writes a role ``service_principal`` with one assignment on a group of the caller's choice, ``group``.

        Returns a value for it: a group that is there.
        """
        scope = f"/subscriptions/{self.stack.described['subscription_id']}/resourceGroups"
        await self.visitor.control("POST", "resource-groups", {"name": f"{name}-0"})
        await self.visitor.control("POST", "role-assignments", _GRANT | {"scope": f"{scope}/{name}-0"})
        group = {"kind": "resource_group", "allowed": [f"{name}-0"]}
        azure_roles = [{"role_name": "Reader", "scope": f"{scope}/{{group}}"}]
        await self._put(
            name, {"type": "service_principal", "ready": "none", "parameters": {"group": group}, "azure_roles": azure_roles}
        )
        return f"{name}-0"

    async def make_pooled_role(self, name: str, size: int) -> None:
        """Writes a role whose credential is a token, with so many leases in its pool, one assignment each. None is proven."""
        await self.make_role(name, 1, 0)
        scope = f"/subscriptions/{self.stack.described['subscription_id']}/resourceGroups/{name}-0"
        scopes = ["https://management.azure.com/.default"]
        document = {"type": "service_principal", "ready": "none", "credential": "token", "token_scopes": scopes}
        azure_roles = [{"role_name": "Reader", "scope": scope}]
        await self._put(name, {**document, "azure_roles": azure_roles, "pool": {"size": size}})

    async def make_secret_role(self, name: str) -> None:
        """Writes a role ``application_secret`` over the sample's application ``legacy``."""
        state = await self.visitor.control("GET", "state")
        legacy = next(each for each in state["applications"] if each["display_name"] == "legacy")
        await self._put(name, {"type": "application_secret", "ready": "none", "application_object_id": legacy["object_id"]})

    async def issue(self, role: str) -> str:
        """The id of a new lease. Raises ``httpx.HTTPStatusError``."""
        answer = await self.web.must("POST", f"roles/{role}/leases", {"reason": "benchmark"})
        return str(answer["lease"]["id"])

    async def issue_many(self, role: str, count: int) -> int:
        """New leases, eight side by side; gives how many: the greatest multiple of eight."""

        async def issue_some() -> None:
            for _ in range(count // _SIDE_BY_SIDE):
                await self.issue(role)

        await asyncio.gather(*(issue_some() for _ in range(_SIDE_BY_SIDE)))
        return count // _SIDE_BY_SIDE * _SIDE_BY_SIDE

    async def resident(self) -> float:
        """Megabytes of memory that the first function host's process holds. Raises ``NotMeasuredError``."""
        command = ["ps", "-o", "rss=", "-p", str(self.stack.hosts[0].pid)]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
        if not done.stdout.strip().isdecimal():
            raise NotMeasuredError(f"ps says {done.stdout!r} {done.stderr!r}")
        return int(done.stdout) / _KIB_PER_MB

    async def revoke(self, lease: str) -> None:
        """Ends a lease, at once. Raises ``NotMeasuredError`` when it did not end."""
        answer = await self.web.must("DELETE", f"leases/{lease}")
        if answer["state"] != "ended":
            raise NotMeasuredError(f"the lease is {answer['state']}: {answer}")

    async def forget_calls(self) -> None:
        """Empties the local cloud's ledger."""
        await self.visitor.control("DELETE", "calls")

    async def calls(self) -> Sequence[dict[str, Any]]:
        """The calls to Azure since then, in order. Raises ``NotMeasuredError`` when there was none."""
        found = [call for call in await self.visitor.control("GET", "calls") if call["service"] in _OF_AZURE]
        if not found:
            raise NotMeasuredError("the local cloud has seen no call")
        return found

    async def _put(self, name: str, document: dict[str, Any]) -> None:
        holder = self.stack.described["identities"][_HOLDER]["object_id"]
        await self.admin.must("PUT", f"roles/{name}", {**document, "bound_service_principal_ids": [holder]})


_UNLIMITED = {"LEASEHOLD_ISSUES_PER_MINUTE": "0"}
"""One caller issues thousands of leases."""


@asynccontextmanager
async def bench_stack(
    spare_accounts: int = 0,
    hosts: int = 1,
    sweep_schedule: str = _NEW_YEAR,
    fill_schedule: str = _NEW_YEAR,
    settings: Mapping[str, str] | None = None,
) -> AsyncIterator[BenchStack]:
    """A stack of so many function hosts, its storage in memory, with that many further storage accounts.

    ``settings`` are further app settings.
    """
    storage = Azurite(spare_accounts=spare_accounts)
    stack = Stack(
        sweep_schedule=sweep_schedule,
        reconcile_schedule=_NEW_YEAR,
        fill_schedule=fill_schedule,
        storage=storage,
        hosts_wanted=hosts,
        groups=True,
        settings={**_UNLIMITED, **(settings or {})},
    )
    async with stack, stack.visitor() as visitor:
        audience = stack.described["audience"]
        tokens = [await visitor.token(identity, audience) for identity in (_HOLDER, "admin")]
        web, admin = (Broker(visitor, stack.url, token) for token in tokens)
        yield BenchStack(stack, visitor, web, admin)

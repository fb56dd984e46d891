"""How often a caller waits, verb by verb. Every call to storage and to Azure takes 100 ms of virtual time; nothing else does.

So the seconds of a verb, times ten, are the calls that it makes one after the other. Calls side by side count once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.core.role import Role
from tests.bench.bench_stack import NotMeasuredError, Scale
from tests.bench.figures import Figure
from tests.fakes.world import principal_target, role, world
from tests.triggers.app import App

TITLE = "Calls of a verb one after the other, to storage and to Azure together (fakes, virtual time)"
_CALL = 0.1
_ISSUE = "/api/v1/roles/web/leases"
_KEY = {"idempotency-key": "one"}


async def measure(_: Scale) -> list[Figure]:
    """Each verb of a role with one assignment. The worker has served a caller before: what it remembers is there."""
    found = await _of(role(principal_target(roles=1, groups=0)), {})
    return [Figure(verb, trips, "trips") for verb, trips in found.items()]


async def _of(of: Role, ask: Mapping[str, Any]) -> dict[str, float]:
    app = App(world(of, latency=_CALL))
    found: dict[str, float] = {}

    async def verb(name: str, status: int, *request: str, **more: Any) -> str:
        began = app.world.clock.monotonic()
        answer = await app.call(*request, **more)
        if answer.status != status:
            raise NotMeasuredError(f"{name}: {answer.status} {answer.json}")
        found[name] = round((app.world.clock.monotonic() - began) / _CALL, 1)
        return str(answer.json["lease"]["id"]) if "lease" in answer.json else ""

    async def all_verbs() -> None:
        await verb("issue", 201, "POST", _ISSUE, body=ask)
        lease = await verb("issue", 201, "POST", _ISSUE, body=ask)
        await verb("issue under a key", 201, "POST", _ISSUE, body=ask, headers=_KEY)
        app.world.clock.jump(300)
        await verb("repeat under the key", 201, "POST", _ISSUE, body=ask, headers=_KEY)
        await verb("read", 200, "GET", f"/api/v1/leases/{lease}")
        await verb("list", 200, "GET", "/api/v1/leases")
        await verb("renew", 200, "POST", f"/api/v1/leases/{lease}/renew")
        await verb("revoke", 200, "DELETE", f"/api/v1/leases/{lease}")

    await all_verbs()
    return found

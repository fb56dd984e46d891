"""How often a caller waits, verb by verb. Every call to storage and to Azure takes 100 ms of virtual time; nothing else does.

So the seconds of a verb, times ten, are the calls that it makes one after the other. Calls side by side count once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from shared.core.role import Role
from shared.issuers.service_principal.schema import ServicePrincipalTarget
from tests.bench.bench_stack import NotMeasuredError, Scale
from tests.bench.figures import Figure, Target
from tests.fakes.world import SCOPES, principal_target, role, world
from tests.support.holes import GROUP_SCOPE, OWN_GROUP, STORAGE, VALUES, machine, place, target
from tests.triggers.app import App

TITLE = "Calls of a verb one after the other, to storage and to Azure together (fakes, virtual time)"
_CALL = 0.1
_ISSUE = "/api/v1/roles/web/leases"
_KEY = {"idempotency-key": "one"}
_LOOK_FIRST = {"renew", "repeat under the key"}
_BY_FACT = "with a hole for the caller's own group"
_ASKS: tuple[tuple[str, ServicePrincipalTarget, Mapping[str, Any]], ...] = (
    ("narrowed", principal_target(roles=1, groups=0), {"within": f"{SCOPES[0]}/{STORAGE}/logs1"}),
    ("with holes", target(), {"parameters": VALUES}),
    (_BY_FACT, target(OWN_GROUP, GROUP_SCOPE), {}),
)
"""Roles and asks whose scopes are filled or narrowed. The look at the target is made beside another call."""


async def measure(_: Scale) -> list[Figure]:
    """Each verb of a role with one assignment: as it is, narrowed, with holes, and with a hole that a fact fills.

    The worker has served a caller before: what it remembers is there. What a caller asks for costs no trip. What is known of a
    caller costs an issue none. A renewal and a repeat look at the caller's resource first: here each time, in Azure once in
    the time for which facts are remembered.
    """
    plain = await _alone(role(principal_target(roles=1, groups=0)), {})
    found = [Figure(verb, trips, "trips") for verb, trips in plain.items()]
    for name, holes, ask in _ASKS:
        more = await _alone(role(holes), ask)
        judged = plain.keys() - (_LOOK_FIRST if name == _BY_FACT else set())
        wanted = {verb: Target("=", plain[verb]) for verb in judged}
        found += [Figure(f"{name}: {verb}", trips, "trips", wanted.get(verb)) for verb, trips in more.items()]
    return found


async def _alone(of: Role, ask: Mapping[str, Any]) -> dict[str, float]:
    """Each in an event loop of its own: there virtual time is one world's."""
    return await asyncio.to_thread(lambda: asyncio.run(_of(of, ask)))


async def _of(of: Role, ask: Mapping[str, Any]) -> dict[str, float]:
    app = App(world(of, latency=_CALL))
    place(app.world, machine())
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

"""One soak from start to verdict."""

from __future__ import annotations

import asyncio

from tests.soak.load import load
from tests.soak.stage import SETTLE, SPEED, Plan, Stage, staged
from tests.soak.trouble import faults, killing
from tests.soak.verdict import Verdict, judged, orphans, stored

_MINT = 210.0
"""Seconds after which an issue whose worker died is taken for over (``shared.broker.issue.issue``): until ``SETTLE`` later its
absence is not believed, and no test shortens that."""
_RETRIES = 120.0
"""For leases under retry: what a few failed attempts wait."""


async def soak(plan: Plan, *, to_the_end: bool) -> Verdict:
    """``to_the_end``: whether to wait until every lease has ended, minutes after the load; else what is left is revoked, and it
    is over when nothing of it is in the cloud.
    """
    async with staged(plan) as stage:
        before = await stage.objects()
        await _troubled(stage)
        if to_the_end:
            await _all_ended(stage, within=_MINT + SETTLE + _RETRIES)
        else:
            await _given_back(stage, before, within=60.0)
        return await judged(stage, before, wants_all_ended=to_the_end)


async def _troubled(stage: Stage) -> None:
    profile = {"profile": "typical", "seed": stage.plan.seed, "speed": SPEED}
    await stage.visitor.control("PUT", "consistency", profile)
    await stage.visitor.control("PUT", "faults", faults())
    killer = asyncio.create_task(killing(stage, stage.plan.kill_every))
    try:
        await load(stage)
    finally:
        killer.cancel()
        await asyncio.gather(killer, return_exceptions=True)
        await stage.visitor.control("PUT", "faults", [])
    for host in stage.stack.hosts:
        if not host.child.running:
            await host.start()


async def _all_ended(stage: Stage, *, within: float) -> None:
    """Sweeps until no lease is live, or until it is time: the verdict says which."""
    until = asyncio.get_running_loop().time() + within
    while await _live(stage) and asyncio.get_running_loop().time() < until:
        await _sweep(stage)
        await asyncio.sleep(10.0)


async def _live(stage: Stage) -> int:
    return len((await (await stage.broker("admin")).must("GET", "leases?limit=1000"))["leases"])


async def _given_back(stage: Stage, before: dict[str, set[str]], *, within: float) -> None:
    """Revokes what has not ended and sweeps, until the cloud is as before, or until it is time."""
    until = asyncio.get_running_loop().time() + within
    while True:
        live = [each.id for each in (await stored(stage)).values() if each.state.is_live]
        stage.seen.asked_back.update(live)
        admin = await stage.broker("admin")
        await asyncio.gather(*(stage.call("give back", admin, "DELETE", f"leases/{each}") for each in live))
        await _sweep(stage)
        if not await orphans(stage, before) or asyncio.get_running_loop().time() > until:
            return
        await asyncio.sleep(1.0)


async def _sweep(stage: Stage) -> None:
    await stage.call("sweep", await stage.broker("admin"), "POST", "sweep")

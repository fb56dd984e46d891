"""One soak from start to verdict."""

from __future__ import annotations

import asyncio

from tests.soak.load import load
from tests.soak.soak_stack import SETTLE, SPEED, Plan, SoakStack, configure, opened
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
    async with opened(plan) as soak_stack:
        before = await soak_stack.objects()
        await _troubled(soak_stack)
        await configure(soak_stack, pools=False)
        if to_the_end:
            await _all_ended(soak_stack, within=_MINT + SETTLE + _RETRIES)
        else:
            await _given_back(soak_stack, before, within=60.0)
        return await judged(soak_stack, before, wants_all_ended=to_the_end)


async def _troubled(soak_stack: SoakStack) -> None:
    profile = {"profile": "typical", "seed": soak_stack.plan.seed, "speed": SPEED}
    await soak_stack.visitor.control("PUT", "consistency", profile)
    await soak_stack.visitor.control("PUT", "faults", faults())
    killer = asyncio.create_task(killing(soak_stack, soak_stack.plan.kill_every))
    try:
        await load(soak_stack)
    finally:
        killer.cancel()
        await asyncio.gather(killer, return_exceptions=True)
        await soak_stack.visitor.control("PUT", "faults", [])
    for host in soak_stack.stack.hosts:
        if not host.child.running:
            await host.start()


async def _all_ended(soak_stack: SoakStack, *, within: float) -> None:
    """Sweeps until no lease is live, or until it is time: the verdict says which."""
    until = asyncio.get_running_loop().time() + within
    while await _live(soak_stack) and asyncio.get_running_loop().time() < until:
        await _sweep(soak_stack)
        await asyncio.sleep(10.0)


async def _live(soak_stack: SoakStack) -> int:
    admin = await soak_stack.broker("admin")
    listed = [await admin.must("GET", f"leases?limit=1000{state}") for state in ("", "&state=pooled")]
    return sum(len(each["leases"]) for each in listed)


async def _given_back(soak_stack: SoakStack, before: dict[str, set[str]], *, within: float) -> None:
    """Revokes what has not ended and sweeps, until the cloud is as before, or until it is time."""
    until = asyncio.get_running_loop().time() + within
    while True:
        live = [each.id for each in (await stored(soak_stack)).values() if each.state.is_live]
        soak_stack.seen.asked_back.update(live)
        admin = await soak_stack.broker("admin")
        await asyncio.gather(*(soak_stack.call("give back", admin, "DELETE", f"leases/{each}") for each in live))
        await _sweep(soak_stack)
        if not await orphans(soak_stack, before) or asyncio.get_running_loop().time() > until:
            return
        await asyncio.sleep(1.0)


async def _sweep(soak_stack: SoakStack) -> None:
    await soak_stack.call("sweep", await soak_stack.broker("admin"), "POST", "sweep")

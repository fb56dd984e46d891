"""The load: clients that issue, read, list, renew, use, revoke and abandon leases, and an operator beside them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from local.visitor import Broker
from tests.soak.seen import Held
from tests.soak.stage import FLUSHED, PRINCIPALS, SECRETS, Stage

_ROLES = (PRINCIPALS, PRINCIPALS, PRINCIPALS, SECRETS, SECRETS, FLUSHED)
_LAG = 8.0
"""Seconds in which Entra may still refuse a credential that it took a moment before: the profile's longest, 120 s, at
``SPEED``, and two to spare."""
_SWEEP_EVERY, _FLUSH_EVERY = 7.0, 45.0


async def load(stage: Stage) -> None:
    """All of it at once, until the plan's time is over; every client finishes what it does."""
    over = asyncio.get_running_loop().time() + stage.plan.seconds
    clients = [_client(stage, Random(stage.chance.random()), over) for _ in range(stage.plan.clients)]
    operators = [asyncio.create_task(_sweeping(stage)), asyncio.create_task(_flushing(stage))]
    try:
        await asyncio.gather(*clients)
    finally:
        for each in operators:
            each.cancel()
        await asyncio.gather(*operators, return_exceptions=True)


async def _client(stage: Stage, chance: Random, over: float) -> None:
    now = asyncio.get_running_loop().time
    while now() < over:
        await _life(stage, chance)
        await asyncio.sleep(chance.uniform(0.0, 0.5))


async def _life(stage: Stage, chance: Random) -> None:
    """One lease from its issue to its end, or to where its holder forgets it."""
    made = await _issued(stage, chance)
    if made is None:
        return
    held = stage.seen.took(made)
    for _ in range(chance.randrange(3)):
        await asyncio.sleep(chance.uniform(0.1, 2.0))
        # The other host may be asked: nothing of a lease is any worker's own.
        await chance.choice((_read, _renew, _list, _use))(stage, await stage.broker(), held)
    if chance.random() < 0.7:
        stage.seen.asked_back.add(held.lease_id)
        await stage.call("revoke", await stage.broker(), "DELETE", f"leases/{held.lease_id}")


async def _issued(stage: Stage, chance: Random) -> Any:
    """The answer of an issue. Every other client has a key, and asks once more when no success comes back."""
    path, reason = f"roles/{chance.choice(_ROLES)}/leases", {"reason": "soak"}
    key = chance.choice(("", chance.randbytes(16).hex()))
    made = await stage.call("issue", await stage.broker(), "POST", path, reason, key)
    if made is None and key:
        made = await stage.call("repeat", await stage.broker(), "POST", path, reason, key)
    return made


async def _read(stage: Stage, broker: Broker, held: Held) -> None:
    found = await stage.call("read", broker, "GET", f"leases/{held.lease_id}")
    if found is not None and found["state"] != "active" and _must_last(held):
        stage.seen.early.append(f"{held.lease_id} reads {found['state']} before {held.expires_at}")


async def _renew(stage: Stage, broker: Broker, held: Held) -> None:
    renewed = await stage.call("renew", broker, "POST", f"leases/{held.lease_id}/renew", {"increment": stage.plan.ttl})
    if renewed is not None:
        held.renewed(renewed)


async def _list(stage: Stage, broker: Broker, held: Held) -> None:
    await stage.call("list", broker, "GET", f"leases?role={held.role}&limit=50")


async def _use(stage: Stage, _: Broker, held: Held) -> None:
    """Signs in. A replica that has not heard of the secret says no for some seconds; whoever says no for longer has lost it."""
    until = asyncio.get_running_loop().time() + _LAG
    while not await stage.signs_in(dict(held.credential)):
        if not _must_last(held):
            return
        if asyncio.get_running_loop().time() > until:
            stage.seen.early.append(f"{held.lease_id} does not sign in before {held.expires_at}")
            return
        await asyncio.sleep(0.5)


def _must_last(held: Held) -> bool:
    return held.role != FLUSHED and datetime.now(UTC) + timedelta(seconds=1) < held.expires_at


async def _sweeping(stage: Stage) -> None:
    while True:
        await asyncio.sleep(_SWEEP_EVERY)
        summary = await stage.call("sweep", await stage.broker("admin"), "POST", "sweep")
        stage.seen.sweeps.update(summary or {})


async def _flushing(stage: Stage) -> None:
    while True:
        await asyncio.sleep(min(_FLUSH_EVERY, stage.plan.seconds / 2))
        await stage.call("revoke role", await stage.broker("admin"), "POST", f"roles/{FLUSHED}/revoke")

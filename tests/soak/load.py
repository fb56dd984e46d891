"""The load: clients that issue, read, list, renew, use, revoke and abandon leases, and an operator beside them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from local.visitor import Broker
from tests.soak.seen import Held
from tests.soak.soak_stack import (
    ASKS,
    CERTIFIED,
    FLUSHED,
    GRANTS,
    POOLED,
    PRINCIPALS,
    SECRETS,
    TOKENS,
    WORKLOADS,
    SoakStack,
)

_ROLES = (PRINCIPALS, PRINCIPALS, SECRETS, SECRETS, FLUSHED, POOLED, POOLED, TOKENS, WORKLOADS, CERTIFIED, GRANTS)
_POLL, _PATIENCE = 2.0, 20.0
"""Seconds between two looks whether a lease can be collected, and until a client forgets it."""
_LAG = 8.0
"""Seconds in which Entra may still refuse a credential that it took a moment before: the profile's longest, 120 s, at
``SPEED``, and two to spare."""
_SWEEP_EVERY, _FLUSH_EVERY = 7.0, 45.0


async def load(soak_stack: SoakStack) -> None:
    """All of it at once, until the plan's time is over; every client finishes what it does."""
    over = asyncio.get_running_loop().time() + soak_stack.plan.seconds
    clients = [_client(soak_stack, Random(soak_stack.chance.random()), over) for _ in range(soak_stack.plan.clients)]
    operators = [asyncio.create_task(_sweeping(soak_stack)), asyncio.create_task(_flushing(soak_stack))]
    try:
        await asyncio.gather(*clients)
    finally:
        for each in operators:
            each.cancel()
        await asyncio.gather(*operators, return_exceptions=True)


async def _client(soak_stack: SoakStack, chance: Random, over: float) -> None:
    now = asyncio.get_running_loop().time
    while now() < over:
        await _life(soak_stack, chance)
        await asyncio.sleep(chance.uniform(0.0, 0.5))


async def _life(soak_stack: SoakStack, chance: Random) -> None:
    """One lease from its issue to its end, or to where its holder forgets it."""
    made = await _issued(soak_stack, chance)
    if made is None:
        return
    held = soak_stack.seen.took(made)
    for _ in range(chance.randrange(3)):
        await asyncio.sleep(chance.uniform(0.1, 2.0))
        # The other host may be asked: nothing of a lease is any worker's own.
        await chance.choice((_read, _renew, _list, _use))(soak_stack, await soak_stack.broker(), held)
    if chance.random() < 0.7:
        soak_stack.seen.asked_back.add(held.lease_id)
        await soak_stack.call("revoke", await soak_stack.broker(), "DELETE", f"leases/{held.lease_id}")


async def _issued(soak_stack: SoakStack, chance: Random) -> Any:
    """The answer of an issue. Every other client has a key, and asks once more when no success comes back."""
    role = chance.choice(_ROLES)
    path, reason = f"roles/{role}/leases", {"reason": "soak", **ASKS.get(role, {})}
    prefer = chance.choice(("", "", "respond-async", "wait=1"))
    key = chance.choice(("", chance.randbytes(16).hex()))
    made = await soak_stack.call("issue", await soak_stack.broker(), "POST", path, reason, key, prefer)
    if made is None and key:
        made = await soak_stack.call("repeat", await soak_stack.broker(), "POST", path, reason, key, prefer)
    until = asyncio.get_running_loop().time() + _PATIENCE
    while made is not None and "credential" not in made:
        # It takes longer than the caller waits, or than the broker lets it wait.
        if asyncio.get_running_loop().time() > until:
            return None
        await asyncio.sleep(min(_POLL, made["next"]["after"]))
        made = await soak_stack.call("collect", await soak_stack.broker(), "GET", f"leases/{made['lease']['id']}/credential")
    return made


async def _read(soak_stack: SoakStack, broker: Broker, held: Held) -> None:
    found = await soak_stack.call("read", broker, "GET", f"leases/{held.lease_id}")
    if found is not None and found["state"] != "active" and _must_last(held):
        soak_stack.seen.early.append(f"{held.lease_id} reads {found['state']} before {held.expires_at}")


async def _renew(soak_stack: SoakStack, broker: Broker, held: Held) -> None:
    renewed = await soak_stack.call(
        "renew", broker, "POST", f"leases/{held.lease_id}/renew", {"increment": soak_stack.plan.ttl}
    )
    if renewed is not None:
        held.renewed(renewed)


async def _list(soak_stack: SoakStack, broker: Broker, held: Held) -> None:
    await soak_stack.call("list", broker, "GET", f"leases?role={held.role}&limit=50")


async def _use(soak_stack: SoakStack, _: Broker, held: Held) -> None:
    """Signs in, if the credential is a secret.

    A replica that has not heard of the secret says no for some seconds; whoever says no for longer has lost it.
    """
    if "client_secret" not in held.credential:
        return
    until = asyncio.get_running_loop().time() + _LAG
    while not await soak_stack.signs_in(dict(held.credential)):
        if not _must_last(held):
            return
        if asyncio.get_running_loop().time() > until:
            soak_stack.seen.early.append(f"{held.lease_id} does not sign in before {held.expires_at}")
            return
        await asyncio.sleep(0.5)


def _must_last(held: Held) -> bool:
    return held.role != FLUSHED and datetime.now(UTC) + timedelta(seconds=1) < held.expires_at


async def _sweeping(soak_stack: SoakStack) -> None:
    while True:
        await asyncio.sleep(_SWEEP_EVERY)
        summary = await soak_stack.call("sweep", await soak_stack.broker("admin"), "POST", "sweep")
        soak_stack.seen.sweeps.update(summary or {})


async def _flushing(soak_stack: SoakStack) -> None:
    while True:
        await asyncio.sleep(min(_FLUSH_EVERY, soak_stack.plan.seconds / 2))
        await soak_stack.call("revoke role", await soak_stack.broker("admin"), "POST", f"roles/{FLUSHED}/revoke")

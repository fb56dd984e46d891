"""What a soak's Azure does wrong, and how its hosts die."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.soak.stage import Stage

SHARE = 0.05
"""Of all calls to Azure, those that meet a fault."""
_EVERYWHERE: tuple[Any, ...] = (
    {"status": 429, "code": "TooManyRequests", "retry_after": 1},
    {"status": 500, "code": "InternalServerError"},
    {"status": 503, "code": "ServiceUnavailable"},
    "drop_after_effect",
)
_ONLY_GRAPH: tuple[Any, ...] = ({"status": 409, "code": "Directory_ConcurrencyViolation"},)


def faults() -> list[dict[str, Any]]:
    """Rules of the control API: Graph and Resource Manager, each fault alike likely, ``SHARE`` of the calls in all."""
    of_graph = [_rule("graph", effect, SHARE / 5) for effect in (*_EVERYWHERE, *_ONLY_GRAPH)]
    return of_graph + [_rule("arm", effect, SHARE / 4) for effect in _EVERYWHERE]


def _rule(service: str, effect: Any, probability: float) -> dict[str, Any]:
    return {"service": service, "times": None, "probability": probability, "effect": effect}


async def killing(stage: Stage, every: float) -> None:
    """Kills one host after the other, for ever, and starts each again at once."""
    while True:
        for host in stage.stack.hosts:
            await asyncio.sleep(every)
            await host.kill9()
            stage.seen.kills += 1
            await host.start()

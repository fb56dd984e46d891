"""What a soak's Azure does wrong, and how its hosts die."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.soak.soak_stack import SoakStack

SHARE = 0.05
"""Of all calls to Azure, those that meet a fault."""
_EVERYWHERE: tuple[Any, ...] = (
    {"status": 429, "code": "TooManyRequests", "retry_after": 1},
    {"status": 500, "code": "InternalServerError"},
    {"status": 503, "code": "ServiceUnavailable"},
    "drop_after_effect",
)
_OF_ENTRA: tuple[Any, ...] = (
    {"status": 500, "code": "server_error"},
    {"status": 503, "code": "temporarily_unavailable"},
)
_ONLY_GRAPH: tuple[Any, ...] = ({"status": 409, "code": "Directory_ConcurrencyViolation"},)


def faults() -> list[dict[str, Any]]:
    """Rules of the control API, for ``SHARE`` of the calls of each service; its faults are alike likely."""
    of_graph = [_rule("graph", effect, SHARE / 5) for effect in (*_EVERYWHERE, *_ONLY_GRAPH)]
    of_arm = [_rule("arm", effect, SHARE / 4) for effect in _EVERYWHERE]
    return of_graph + of_arm + [_rule("entra", effect, SHARE / 2) for effect in _OF_ENTRA]


def _rule(service: str, effect: Any, probability: float) -> dict[str, Any]:
    return {"service": service, "times": None, "probability": probability, "effect": effect}


async def killing(soak_stack: SoakStack, every: float) -> None:
    """Kills one host after the other, for ever, and starts each again at once."""
    while True:
        for host in soak_stack.stack.hosts:
            await asyncio.sleep(every)
            await host.kill9()
            soak_stack.seen.kills += 1
            await host.start()

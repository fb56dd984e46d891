"""Roles with holes over HTTP, as tests make them and ask of them."""

from __future__ import annotations

from typing import Any

from tests.fakes.world import ALICE, BOB, World, role, world
from tests.support.holes import (
    target,
)
from tests.triggers.app import Answer, App

BOUND: dict[str, Any] = {"bound_service_principal_ids": [ALICE.object_id]}
LEASES = "/api/v1/roles/web/leases"
OF_BOTH: dict[str, Any] = {"bound_service_principal_ids": sorted([ALICE.object_id, BOB.object_id])}
"""As the role is stored."""


def furnished(parameters: dict[str, Any] | None = None, *scopes: str, **more: Any) -> App:
    """The functions over a world with a role with holes."""
    return App(world(role(target(parameters, *scopes)), **more))


async def ask(app: App, parameters: Any = None, *, path: str = LEASES, token: str = "alice.token.x", **more: Any) -> Answer:
    """An ask with these parameters."""
    body = {**({"parameters": parameters} if parameters is not None else {}), **more}
    return await app.call("POST", path, token=token, body=body)


def paths(answer: Answer) -> list[str]:
    """The paths of its faults."""
    return [fault["path"] for fault in answer.json.get("errors", ())]


def require_nothing(made: World) -> None:
    """Nothing was made, and no lease is left."""
    assert ([], {}) == (made.leftovers(), made.leases.rows)

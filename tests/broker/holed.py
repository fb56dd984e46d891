"""Worlds with a role with holes, and refusals of asks."""

from __future__ import annotations

from typing import Any

import pytest

from shared.broker.ports import Actor
from shared.core.errors import (
    LeaseholdError,
)
from shared.core.role import Role
from tests.broker.scenes import AZURE, issued
from tests.fakes.world import (
    World,
    role,
    world,
)
from tests.support.holes import (
    GROUP_SCOPE,
    OWN_GROUP,
    asking,
    place,
    target,
)


def scene(parameters: dict[str, Any] | None = None, *scopes: str, **more: Any) -> World:
    """A world with a role with holes."""
    return world(role(target(parameters, *scopes)), **more)


def machines(resource_id: str = "", **more: Any) -> World:
    """A world in which a machine gets into its own resource group, and Alice is that machine."""
    made = scene(OWN_GROUP, GROUP_SCOPE, **more)
    if resource_id:
        place(made, resource_id)
    return made


async def refused[E: LeaseholdError](made: World, kind: type[E], by: Actor | None = None, **values: Any) -> E:
    """Returns the refusal of an ask. Nothing was made for it, and no lease is left."""
    with pytest.raises(kind) as caught:
        await issued(made, by, ask=asking(**values))
    assert type(caught.value) is kind
    assert not AZURE & {call.service for call in made.calls.made}
    assert {} == made.leases.rows
    return caught.value


def kept(made: World) -> Role:
    """Returns the role as it is stored."""
    found = made.roles.kept("web")
    assert found is not None
    return found


def paths(refusal: LeaseholdError) -> list[str]:
    """The paths of its faults."""
    return [fault.path for fault in getattr(refusal, "faults", ())]

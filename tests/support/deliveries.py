"""Worlds in which credentials are put into key vaults."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from shared.core.delivery import Delivery
from shared.core.lease import Lease
from shared.core.role import Target
from tests.fakes.clock import START
from tests.fakes.vaults import VAULT
from tests.fakes.world import World, principal_target, role, world
from tests.support.every_kind import kinds_for

SHARED = "app-{holder}"
"""A name under which each lease has a version."""


DELIVERY: ContextVar[Delivery | None] = ContextVar("delivery", default=None)
"""Where the leases of the worlds are put that are made from now on."""


@contextmanager
def delivering_by(delivery: Delivery) -> Iterator[None]:
    """In worlds that are made within, the role's leases are delivered so."""
    before = DELIVERY.set(delivery)
    try:
        yield
    finally:
        DELIVERY.reset(before)


def delivered() -> dict[str, Any]:
    """What a role of such a world has."""
    return {"delivery": DELIVERY.get()}


def to_a_vault(target: Target | None = None, *, lag: float = 0.0, **more: Any) -> World:
    """A role whose leases are delivered; ``more`` is about the delivery."""
    wanted = target or principal_target(1, 0, ready="token")
    delivery = Delivery(**({"vaults": (VAULT,)} | more))
    stored = role(wanted, ttl=300, max_ttl=600, delivery=delivery, delivers_since=START)
    return world(stored, lag=lag, kinds=kinds_for(wanted))


def lying(world: World, lease: Lease) -> str:
    """What a consumer reads of the lease's own version. Raises ``Absent`` or ``Refused`` if it reads nothing."""
    view = lease.delivery
    assert view is not None
    return world.vaults.value(view.vault, view.name, view.version)

"""What the tests of leases for which nobody waits begin with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest

from shared.broker.issue.collect import collect
from shared.broker.issue.issue import Issued, IssueRequest, issue
from shared.broker.issue.preparations import Accepted, Preference
from shared.broker.issue.prepare import prepare
from shared.broker.ports import Actor
from shared.core.lease import Lease
from shared.core.names import LeaseId, ObjectId
from shared.core.secret import Secret
from tests.broker.scenes import stored
from tests.fakes.cloud import FakeProbe
from tests.fakes.world import WEB, World, request

AT_ONCE = Preference(wait=0)
LENIENT = Preference(is_lenient=True)


@contextmanager
def unproven() -> Iterator[None]:
    """Entra refuses every sign-in meanwhile: its replicas do not know the secret yet."""

    async def refused(
        probe: FakeProbe, client_id: ObjectId, _secret: Secret, *, deadline: float, since: datetime | None = None
    ) -> bool:
        assert deadline or since
        return await probe.calls.through("probe.signs_in", lambda: False, client_id)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeProbe, "signs_in", refused)
        yield


async def asked(world: World, preference: Preference = AT_ONCE, by: Actor | None = None, **ask: Any) -> Issued | Accepted:
    """Alice asks for a lease, and says how long she waits."""
    wanted: dict[str, Any] = {"role": WEB, "ask": world.ask} | ask
    return await issue(world.ports, by or request(), IssueRequest(**wanted), preference=preference)


async def taken(world: World, lease_id: LeaseId | None = None) -> Lease | None:
    """A worker takes the lease's message."""
    return await prepare(world.ports, "message", lease_id or stored(world).id)


async def prepared(world: World) -> Lease:
    """A lease that waits for Alice to collect it."""
    await asked(world)
    await taken(world)
    return stored(world)


async def collected(
    world: World,
    preference: Preference | None = None,
    by: Actor | None = None,
    lease_id: LeaseId | None = None,
    **fields: Any,
) -> Issued | Accepted:
    """Alice collects. ``fields`` are about the credential."""
    return await collect(world.ports, by or request(), lease_id or stored(world).id, preference or Preference(), fields)


async def handed_out(world: World, preference: Preference | None = None, **fields: Any) -> Issued:
    """Alice collects, and gets the credential."""
    found = await collected(world, preference, **fields)
    assert isinstance(found, Issued)
    return found

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from shared.core.lease import Cause, Lease
from shared.issuers.application_secret.schema import ApplicationSecretFootprint
from tests.contract.stores import Stores, lease
from tests.fakes.clock import START
from tests.fakes.world import EXISTING, guid


async def test_a_lease_of_several_parts_reads_back_and_moves(stores: Stores) -> None:
    """With what is undone of it, until it has ended; whoever looks for what leases have made is given each part."""
    more = ApplicationSecretFootprint(EXISTING, "a name")
    wanted = replace(lease(), parts=(*lease().parts, more))
    current = await stores.leases.open(wanted)
    assert wanted.parts == current.parts
    moves: list[Callable[[Lease], Lease]] = [
        lambda it: it.ending(Cause.REVOKED, START, START).without([1]),
        lambda it: it.knowing(replace(more, key_id=guid(8)), 1),
        lambda it: it.failed(START, "azure_refused", 0.5),
        lambda it: it.ended(START, timedelta(days=7)),
    ]
    for change in moves:
        current = await stores.leases.swap(change(current), former=current)
        assert current == await stores.leases.get(current.id)
    assert (replace(more, key_id=guid(8)), frozenset()) == (current.parts[1], current.undone)
    assert [(current.id, part) for part in current.parts] == [each async for each in stores.leases.footprints()]

"""A worker that dies at any call while it acts on an event: the message comes again, and the end is the same."""

from __future__ import annotations

import pytest

from shared.broker.ending.sweep import sweep
from shared.broker.events.receive import receive
from shared.broker.reconcile.reconcile import reconcile
from shared.core.events.event import encoded
from shared.core.lease import State
from tests.broker.events.scenes import (
    DELETED,
    OTHER_APP,
    SITE,
    WRITTEN,
    active,
    deliver,
    deliver_all,
    document,
    event,
    gone,
    scene,
)
from tests.fakes.calls import Died
from tests.fakes.world import World

AFTER = pytest.mark.parametrize("after", [False, True], ids=["before its effect", "after its effect"])


async def prepared(kind: str) -> World:
    """A site that is to get a lease, that has another identity, or that is gone."""
    made = scene(sites=document(), gone=gone())
    if kind != "written":
        await deliver(made)
    if kind == "replaced":
        made.resources.put(SITE, OTHER_APP)
    if kind == "deleted":
        made.resources.delete(SITE)
    made.calls.made.clear()
    return made


def message(made: World, kind: str) -> str:
    """The event of it."""
    return encoded(event(DELETED if kind == "deleted" else WRITTEN, at=made.ports.now(), id="event-9"))


async def died_at(kind: str, ordinal: int, *, after: bool) -> World:
    """A worker died at its call of that number."""
    made = await prepared(kind)
    made.calls.fail_at(ordinal, Died(), after=after)
    with pytest.raises(Died):
        await receive(made.ports, "inv", message(made, kind), "m")
    made.calls.revive()
    return made


async def count_of_calls(kind: str) -> int:
    """How many calls the whole of it makes."""
    made = await prepared(kind)
    await receive(made.ports, "inv", message(made, kind), "m")
    return len(made.calls.made)


@AFTER
@pytest.mark.parametrize("kind", ["written", "replaced", "deleted"])
async def test_the_message_comes_again_and_the_end_is_the_same(kind: str, *, after: bool) -> None:
    """One live lease of the present identity, or none if the site is gone; nothing is left in Azure that no lease has."""
    count = await count_of_calls(kind)
    assert count > 5
    for ordinal in range(1, count + 1):
        made = await died_at(kind, ordinal, after=after)
        made.clock.jump(60)
        await receive(made.ports, "inv", message(made, kind), "m")
        for _ in range(10):
            made.clock.jump(60)
            await sweep(made.ports, "s")
            await deliver_all(made)
        expected = [] if kind == "deleted" else [OTHER_APP if kind == "replaced" else made.resources.looks[SITE.lower()].system]
        holders = [each.holder.object_id for each in active(made) if each.holder is not None]
        assert expected == holders, (ordinal, made.calls.names())
        assert {State.ACTIVE, State.ENDED} >= {each.state for each in made.leases.rows.values()}, ordinal
        assert len(expected) == len(made.cloud.assignments), ordinal
        await reconcile(made.ports, "r")
        assert expected == [each.holder.object_id for each in active(made) if each.holder is not None]

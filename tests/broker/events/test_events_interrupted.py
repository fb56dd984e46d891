"""A worker that dies at any call while it acts on an event: the message comes again, and the end is the same."""

from __future__ import annotations

from contextlib import suppress

import pytest

from shared.broker.ending.sweep import sweep
from shared.broker.events.receive import receive
from shared.core.events.event import encoded
from shared.core.lease import State
from tests.broker.events.scenes import (
    APP,
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


def prepared(kind: str) -> World:
    """A site that is to get a lease, that has another identity, or that is gone."""
    made = scene(sites=document(), gone=gone())
    if kind != "written":
        made.run(lambda: deliver(made))
    if kind == "replaced":
        made.resources.put(SITE, OTHER_APP)
    if kind == "deleted":
        made.resources.delete(SITE)
    made.calls.made.clear()
    return made


def told(made: World, kind: str) -> None:
    """The event of it is delivered."""
    what = DELETED if kind == "deleted" else WRITTEN
    text = encoded(event(what, at=made.ports.now(), id="event-9"))
    made.run(lambda: receive(made.ports, "inv", text, "m"))


async def an_hour(made: World) -> None:
    """Sweeps come, and what was put back."""
    for _ in range(10):
        made.clock.jump(60)
        await sweep(made.ports, "s")
        await deliver_all(made)


@AFTER
@pytest.mark.parametrize("kind", ["written", "replaced", "deleted"])
def test_the_message_comes_again_and_the_end_is_the_same(kind: str, *, after: bool) -> None:
    """One live lease of the present identity, or none if the site is gone; nothing is left in Azure that no lease has."""
    undisturbed = prepared(kind)
    told(undisturbed, kind)
    count = len(undisturbed.calls.made)
    assert count > 5
    expected = {"deleted": [], "replaced": [OTHER_APP], "written": [APP]}[kind]
    for ordinal in range(1, count + 1):
        made = prepared(kind)
        made.calls.fail_at(ordinal, Died(), after=after)
        with suppress(Died):
            told(made, kind)
        made.calls.revive()
        made.clock.jump(60)
        told(made, kind)
        made.run(lambda made=made: an_hour(made))  # type: ignore[misc]
        assert expected == [each.holder.object_id for each in active(made) if each.holder is not None], ordinal
        assert {State.ACTIVE, State.ENDED} >= {each.state for each in made.leases.rows.values()}, ordinal
        assert len(expected) == len(made.cloud.assignments), ordinal

"""How a repeat waits for another request that is at work on its lease."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest

from shared.broker.issue.idempotent import issue_once
from shared.broker.issue.issue import Issued, IssueRequest
from shared.broker.issue.preparations import Accepted, Preference
from shared.core.errors import Gone, Pending
from tests.broker.preparing import AT_ONCE, collected, unproven
from tests.broker.scenes import stored
from tests.fakes.calls import Died
from tests.fakes.cloud import FakeProbe
from tests.fakes.world import WEB, World, principal_target, request, role, world
from tests.support.every_kind import works

PROVEN = principal_target(1, 0, ready="token")


async def waiting(scene: World, preference: Preference) -> Issued | Accepted:
    """The same, and says how long it waits."""
    return await issue_once(scene.ports, request(), IssueRequest(WEB), "k", preference)


async def _never(probe: FakeProbe, *_: object, deadline: float, **_more: object) -> bool:
    await probe.calls.clock.sleep(max(0.0, deadline - probe.calls.clock.monotonic()))
    return False


async def once(scene: World) -> Issued:
    """Alice's request under her key."""
    return await issue_once(scene.ports, request(), IssueRequest(WEB), "k")


async def test_a_repeat_looks_again_ever_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """From a quarter of a second to two seconds, half of it more or less."""
    scene = world(role())
    await once(scene)
    scene.leases.rows = {each.id: each.rotating(scene.clock.now() + timedelta(hours=1)) for each in scene.leases.rows.values()}
    monkeypatch.setattr(scene.ids, "jitter", lambda: 0.25)
    with pytest.raises(Pending):
        await once(scene)
    looked = [call.began for call in scene.calls.named("leases.get")[1:]]
    assert [0.1875, 0.375, 0.75, 1.5, 1.5] == pytest.approx([late - early for early, late in pairwise(looked)][:5])
    assert 188.5 <= looked[-1] - looked[0] < 190


async def test_a_repeat_that_cannot_prove_its_secret_in_time_is_told_to_collect() -> None:
    """When the time that it names is over, and not when another one is. No other request is at work.

    The former secret works, and the fresh one is gone.
    """
    scene = world(role(PROVEN))
    first = await waiting(scene, Preference())
    assert isinstance(first, Issued)
    began = scene.clock.monotonic()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeProbe, "signs_in", _never)
        found = await waiting(scene, Preference(wait=2))
    assert isinstance(found, Accepted)
    assert 2 <= scene.clock.monotonic() - began < 3
    assert works(scene, first.credential)
    assert 1 == sum(len(each.secrets) for each in scene.cloud.applications.values())
    fresh = await collected(scene)
    assert isinstance(fresh, Issued)
    assert works(scene, fresh.credential)


async def test_a_repeat_that_wants_no_work_done_is_told_to_collect_at_once() -> None:
    """Nothing is made for it."""
    scene = world(role(PROVEN))
    await waiting(scene, Preference())
    secrets = scene.calls.names().count("directory.add_secret")
    assert isinstance(await waiting(scene, AT_ONCE), Accepted)
    assert secrets == scene.calls.names().count("directory.add_secret")


async def test_where_a_repeat_was_told_to_collect_there_is_something_to_collect() -> None:
    """However long ago the lease was handed out: within ten minutes of the repeat."""
    scene = world(role(PROVEN, ttl=7200, max_ttl=14400))
    await waiting(scene, Preference())
    scene.clock.jump(3600)
    with unproven():
        assert isinstance(await waiting(scene, Preference(wait=10)), Accepted)
    scene.clock.jump(599)
    assert isinstance(await collected(scene), Issued)
    scene.clock.jump(2)
    with pytest.raises(Gone):
        await collected(scene)
    assert stored(scene).repeat_by is not None


async def test_a_repeat_beside_another_waits_for_it_no_longer_than_it_says() -> None:
    """Then it is told to come back. One that says nothing of waiting is told that another is at work, as before."""
    scene = world(role(PROVEN))
    await waiting(scene, Preference())
    scene.leases.rows = {each.id: each.rotating(scene.clock.now() + timedelta(hours=1)) for each in scene.leases.rows.values()}
    began = scene.clock.monotonic()
    assert isinstance(await waiting(scene, Preference(wait=5)), Accepted)
    assert scene.clock.monotonic() - began <= 5
    with pytest.raises(Pending):
        await once(scene)


def test_a_repeat_that_relieves_a_dead_worker_waits_once() -> None:
    """The time that it names counts from its beginning, whatever it has waited for: it is told to collect what it began."""
    scene = world(role(PROVEN))
    scene.calls.fail_at(4, Died(), after=True)
    with pytest.raises(Died):
        scene.run(lambda: waiting(scene, Preference(wait=45)))
    scene.calls.revive()
    began = scene.clock.monotonic()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeProbe, "signs_in", _never)
        found = scene.run(lambda: waiting(scene, Preference(wait=45)))
    assert isinstance(found, Accepted)
    assert 40 <= scene.clock.monotonic() - began <= 46

"""How a repeat waits for another request that is at work on its lease."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest

from shared.broker.issue.idempotent import issue_once
from shared.broker.issue.issue import Issued, IssueRequest
from shared.core.errors import Pending
from tests.fakes.world import WEB, World, request, role, world


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

"""A short soak: what ``make soak`` does for minutes, for as long as a test may take."""

from __future__ import annotations

import pytest

from tests.soak.run import soak
from tests.soak.soak_stack import Plan

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_short_soak_with_killed_hosts_leaves_nothing() -> None:
    """Two hosts, a fault on one call in twenty, a host killed every 7 s: no orphan, no early end, no unknown problem.

    What a dead worker was making is called ended minutes later; that nothing of it exists is seen at once.
    """
    verdict = await soak(Plan(seconds=21.0, seed=3, kill_every=7.0, clients=6), to_the_end=False)
    assert verdict.good, "\n".join(verdict.lines())

"""Every walk is made under each of the ways in which Azure replicates."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.world import REPLICAS, Replicas


@pytest.fixture(autouse=True, params=["none", "typical", "scattered"])
def replicas(request: pytest.FixtureRequest) -> Iterator[Replicas]:
    """At once; mostly at once for whoever writes, and late for endings; late for everybody."""
    yield from replicating(request.param)


def replicating(profile: str) -> Iterator[Replicas]:
    """Worlds that are made meanwhile replicate so."""
    chosen = Replicas(profile)
    before = REPLICAS.set(chosen)
    yield chosen
    REPLICAS.reset(before)

"""Every walk is made under each of the ways in which Azure replicates."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.world import REPLICAS, Replicas
from tests.support.every_kind import EVERY_KIND

PROFILES = os.environ.get("LEASEHOLD_WALK_PROFILES", "none,scattered").split(",")
"""Of the local Azure. ``typical`` as well takes half as long again: ``LEASEHOLD_WALK_PROFILES=typical``."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Kinds that tests bring are walked once: what they make is in no Azure, and shown at once."""
    brought = [name for name, sample in EVERY_KIND.items() if sample.kinds]
    again = [
        each
        for each in items
        if each.path.parent == Path(__file__).parent
        and any(name in each.name for name in brought)
        and PROFILES[0] not in each.name
    ]
    config.hook.pytest_deselected(items=again)
    items[:] = [each for each in items if each not in again]


@pytest.fixture(autouse=True, params=PROFILES)
def replicas(request: pytest.FixtureRequest) -> Iterator[Replicas]:
    """At once, and late for everybody; by a setting also as is typical."""
    yield from replicating(request.param)


def replicating(profile: str) -> Iterator[Replicas]:
    """Worlds that are made meanwhile replicate so."""
    chosen = Replicas(profile)
    before = REPLICAS.set(chosen)
    yield chosen
    REPLICAS.reset(before)

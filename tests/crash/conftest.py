"""Every walk is made under each of the ways in which Azure replicates."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.fakes.world import REPLICAS, Replicas

PROFILES = os.environ.get("LEASEHOLD_WALK_PROFILES", "none,scattered").split(",")
"""Of the local Azure. ``typical`` as well takes half as long again: ``LEASEHOLD_WALK_PROFILES=typical``."""


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

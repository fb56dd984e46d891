"""Every walk is made under one of the ways in which Azure replicates, or under each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import pytest

from tests.fakes.world import REPLICAS, Replicas
from tests.support.every_kind import EVERY_KIND

_ASKED = os.environ.get("LEASEHOLD_WALK_PROFILES", "")
PROFILES = (_ASKED or "none,scattered").split(",")
"""Of the local Azure. Unless the setting names profiles, each walk is made under one of the two, which its name decides. With
``LEASEHOLD_WALK_PROFILES=none,scattered`` it is made under both, which takes twice as long; ``typical`` is a third."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Kinds that tests bring are walked once: what they make is in no Azure, and shown at once."""
    brought = [name for name, sample in EVERY_KIND.items() if sample.is_brought]
    left_out = [
        each
        for each in items
        if each.path.parent == Path(__file__).parent
        and (profile := _profile_of(each)) is not None
        and profile != (PROFILES[0] if any(name in each.name for name in brought) else _chosen(each, profile))
    ]
    config.hook.pytest_deselected(items=left_out)
    without = {*left_out}
    items[:] = [each for each in items if each not in without]


def _profile_of(item: pytest.Item) -> str | None:
    called = getattr(item, "callspec", None)
    profile: str | None = called.params.get("replicas") if called is not None else None
    return profile


def _chosen(item: pytest.Item, profile: str) -> str:
    """The profile under which the walk is made."""
    if _ASKED:
        return profile
    return PROFILES[crc32(item.nodeid.replace(profile, "", 1).encode()) % len(PROFILES)]


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

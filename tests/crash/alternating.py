"""What a walk meets in a build: some of the ways at once, the others by turns. With ``WALKS=full`` it meets all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest
from _pytest.mark import ParameterSet

from tests.support.full import IS_FULL


def by_turns[T](walked: Sequence[T], place: int, *, step: int = 3) -> Sequence[T]:
    """Every third of them, or every so many: in one walk from the first, in the next one from the second.

    All with ``WALKS=full``, and where there are too few.
    """
    return walked if IS_FULL or len(walked) < step else walked[place % step :: step]


def alternating(
    walks: Iterable[ParameterSet | str], others: Mapping[str, Any], *, many: int = 1, always: Iterable[str] = ()
) -> list[ParameterSet]:
    """Each walk with so many of the others, by turns, and with those that are named; as the parameters of a test.

    The walk that comes next goes on where the former has stopped: so any few walks in a row meet all of the others.
    """
    names = [name for name in others if name not in {*always}]
    found, place = [], 0
    for walk in walks:
        (value,), named = (walk.values, walk.id) if isinstance(walk, ParameterSet) else ((walk,), walk)
        now = {names[(place + step) % len(names)] for step in range(many)}
        place += many
        for name, other in others.items():
            if IS_FULL or name in now or name in {*always}:
                found.append(pytest.param(value, other, id=f"{named}-{name}"))
    return found

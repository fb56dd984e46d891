"""How the tests are spread over the processes of ``make test``: in units that begin with the longest, and wait beside others.

A unit runs in one process. Most files are one unit each: their tests share what they have started. Tests of walks share
nothing, and the files that hold them take minutes: each such file is cut into several units.
"""

from __future__ import annotations

from itertools import chain, zip_longest
from typing import Any
from zlib import crc32

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

_CUT = {"tests/crash/test_matrix.py": 24, "tests/crash/": 6, "tests/machine/": 4, "tests/schedules/": 8}
"""Units for each file of that name, or in that folder."""
_WAITING = ("tests/e2e/", "tests/infra/", "tests/local/")
"""Their tests wait for processes. Other units need the processor meanwhile."""


def unit_of(nodeid: str) -> str:
    """The unit that the test belongs to."""
    file = nodeid.partition("::")[0]
    parts = next((parts for place, parts in _CUT.items() if file.startswith(place)), 1)
    return f"{file} {crc32(nodeid.encode()) % parts}" if parts > 1 else file


def in_order_of_units(nodeids: list[str]) -> list[str]:
    """The tests in the order in which processes take them: two units that work, one that waits, and the short ones last."""
    units: dict[str, list[str]] = {}
    for nodeid in nodeids:
        units.setdefault(unit_of(nodeid), []).append(nodeid)
    working = [each for each in units if each.startswith(tuple(_CUT))]
    waiting = [each for each in units if each.startswith(_WAITING)]
    mixed = chain.from_iterable(zip_longest(waiting, working[::2], working[1::2]))
    order = dict.fromkeys([*(each for each in mixed if each is not None), *units])
    return [nodeid for unit in order for nodeid in units[unit]]


class Spread(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """Hands out unit by unit."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    """Files are cut where ``--dist loadfile`` is asked for."""
    return Spread(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a process of several, in the order of units. Alone, as they stand."""
    if hasattr(config, "workerinput"):
        places = {nodeid: place for place, nodeid in enumerate(in_order_of_units([each.nodeid for each in items]))}
        items.sort(key=lambda each: places[each.nodeid])

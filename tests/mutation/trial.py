"""One planted fault, tried in a process of its own: do the tests that reach it notice?"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

import pytest

from tests.mutation.sites import Site

_SLOWER, _AT_LEAST = 10.0, 15.0
"""A test that takes so many times longer than measured, and so many seconds more, hangs: that counts as noticed."""
_BROKEN = 70
"""The exit code of a process that could not try its fault: nothing is told about the fault then."""


_FAILURES = {pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED, pytest.ExitCode.USAGE_ERROR}
"""The last: with the fault in it a module cannot be imported, or a test is called otherwise. Without it that was not so."""


class Outcome(StrEnum):
    """What came of a trial."""

    NOTICED = "noticed"
    HANGS = "hangs"
    SURVIVED = "survived"
    NOT_REACHED = "no test reaches it"


@dataclass(frozen=True, slots=True)
class Trial:
    """A site, and the tests to try it with in their order: for each how many seconds it takes when nothing is wrong."""

    site: Site
    tests: Mapping[str, float]


class Chosen:
    """The plugin that runs the chosen tests alone, in the order in which they are given, until one fails or hangs."""

    def __init__(self, tests: Mapping[str, float]) -> None:
        self._seconds = tests
        self._order = {test: place for place, test in enumerate(tests)}

    def of(self, items: Sequence[pytest.Item]) -> list[pytest.Item]:
        """Those that were chosen."""
        return sorted((item for item in items if item.nodeid in self._order), key=lambda item: self._order[item.nodeid])

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """See the class."""
        items[:] = self.of(items)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Nothing handles the alarm, so that it ends the process."""
        signal.setitimer(signal.ITIMER_REAL, _AT_LEAST + _SLOWER * self._seconds.get(item.nodeid, 0.0))
        try:
            return (yield)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)


def begin(attempt: Callable[[], int]) -> int:
    """Forks a process that makes the attempt, silently and in a group of its own. Gives its id."""
    if (child := os.fork()) != 0:
        return child
    code = _BROKEN
    try:
        os.setsid()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        code = attempt()
    finally:
        os._exit(code)


def outcome(site: Site, status: int) -> Outcome:
    """From the way in which the process ended. Raises ``RuntimeError`` where it could not try the fault at all."""
    match os.waitstatus_to_exitcode(status):
        case pytest.ExitCode.OK:
            return Outcome.SURVIVED
        case code if code == -signal.SIGALRM:
            return Outcome.HANGS
        case code if code < 0 or code in _FAILURES:
            return Outcome.NOTICED
        case code:
            raise RuntimeError(f"the process that was to try {site.key} ended with {code}")


def run_all(
    trials: Sequence[Trial], attempt: Callable[[Trial], int], processes: int, tell: Callable[[Site, Outcome], None]
) -> None:
    """Makes an attempt at each, several side by side. ``tell`` is called with each site and its outcome."""
    waiting = list(reversed(trials))
    running: dict[int, Trial] = {}
    while waiting or running:
        while waiting and len(running) < processes:
            trial = waiting.pop()
            running[begin(lambda trial=trial: attempt(trial))] = trial  # type: ignore[misc]
        for child in list(running):
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                _end_group(child)
                site = running.pop(child).site
                tell(site, outcome(site, status))
        time.sleep(0.01)


def _end_group(leader: int) -> None:
    """Whatever the tests have started ends with them."""
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)

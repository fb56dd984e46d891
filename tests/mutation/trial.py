"""One planted fault, tried in a process of its own: do the tests that reach it notice?"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import spec_from_loader
from pathlib import Path
from types import CodeType, ModuleType

import pytest

from tests.mutation.sites import Site, planted

_SLOWER = 4.0
_AT_LEAST = 60.0
"""Seconds that tests may take longer than measured before the fault counts as noticed: it hangs them."""


class Outcome(StrEnum):
    """What came of a trial."""

    NOTICED = "noticed"
    HANGS = "hangs"
    SURVIVED = "survived"
    NOT_REACHED = "no test reaches it"


@dataclass(frozen=True, slots=True)
class Trial:
    """A site and the tests to try it with, the quickest first."""

    site: Site
    tests: tuple[str, ...]
    expected_seconds: float

    @property
    def limit(self) -> float:
        """Seconds after which it hangs."""
        return max(_AT_LEAST, _SLOWER * self.expected_seconds)


class _Planter(MetaPathFinder, Loader):
    """Gives the import system one module with the fault in it, and leaves every other alone."""

    def __init__(self, name: str, file: Path, code: CodeType) -> None:
        self._name, self._file, self._code = name, file, code

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        found = PathFinder.find_spec(fullname, path, target)
        where = found.submodule_search_locations if found else None
        spec = spec_from_loader(fullname, self, origin=str(self._file), is_package=where is not None)
        if spec is not None and where is not None:
            spec.submodule_search_locations = list(where)
        return spec

    def exec_module(self, module: ModuleType) -> None:
        module.__file__ = str(self._file)
        exec(self._code, module.__dict__)


class _Chosen:
    """Runs the chosen tests alone, in the order in which they are given."""

    def __init__(self, tests: Sequence[str]) -> None:
        self._order = {test: place for place, test in enumerate(tests)}

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """See the class."""
        left_out = [item for item in items if item.nodeid not in self._order]
        items[:] = sorted((item for item in items if item.nodeid in self._order), key=lambda item: self._order[item.nodeid])
        config.hook.pytest_deselected(items=left_out)


def begin(trial: Trial, root: Path, options: Sequence[str]) -> int:
    """Forks a process that tries it, in a group of its own; gives its id. It ends with 0 when no test noticed."""
    sys.stdout.flush()
    if (child := os.fork()) != 0:
        return child
    code = 1
    try:
        os.setsid()
        _silence()
        code = _try(trial, root, options)
    finally:
        os._exit(code)


def _silence() -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)


def _try(trial: Trial, root: Path, options: Sequence[str]) -> int:
    file = root / trial.site.path
    tree = planted(file.read_text(encoding="utf-8"), trial.site.number)
    module = trial.site.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    sys.meta_path.insert(0, _Planter(module, file, compile(tree, str(file), "exec")))
    files = list(dict.fromkeys(test.partition("::")[0] for test in trial.tests))
    arguments = ["-x", "-q", "-p", "no:cacheprovider", *options, *files]
    return int(pytest.main(arguments, plugins=[_Chosen(trial.tests)]))


def outcome(status: int, *, hangs: bool) -> Outcome:
    """From the way in which the process ended."""
    if hangs:
        return Outcome.HANGS
    return Outcome.SURVIVED if os.waitstatus_to_exitcode(status) == 0 else Outcome.NOTICED


def run_all(
    trials: Sequence[Trial],
    root: Path,
    options: Sequence[str],
    processes: int,
    tell: Callable[[Site, Outcome], None] = lambda _site, _outcome: None,
) -> Mapping[Site, Outcome]:
    """Tries each, several side by side. ``tell`` is called with each site and its outcome."""
    waiting = list(reversed(trials))
    running: dict[int, tuple[Trial, float]] = {}
    found: dict[Site, Outcome] = {}
    while waiting or running:
        while waiting and len(running) < processes:
            trial = waiting.pop()
            running[begin(trial, root, options)] = (trial, time.monotonic() + trial.limit)
        for child in list(running):
            trial, until = running[child]
            ended, status = os.waitpid(child, os.WNOHANG)
            hangs = not ended and time.monotonic() > until
            if ended or hangs:
                _end_group(child, reap=hangs)
                found[trial.site] = outcome(status, hangs=hangs)
                del running[child]
                tell(trial.site, found[trial.site])
        time.sleep(0.05)
    return found


def _end_group(child: int, *, reap: bool) -> None:
    """Whatever the tests have started ends with them."""
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    if reap:
        os.waitpid(child, 0)

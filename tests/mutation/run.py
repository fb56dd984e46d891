"""All trials of one run: which tests each fault is tried with, and by which of the two ways it is planted."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from tests.mutation.planting import cold, steady, warm
from tests.mutation.reach import Reach
from tests.mutation.sites import NOTHING, Site
from tests.mutation.trial import Outcome, Trial, run_all

_SECONDS = 30.0
"""Of tests, as measured, that a fault is tried with. What only a slower test would notice counts as not noticed."""
_HEAVY = ("aiohttp", "azure.data.tables.aio", "azure.identity.aio", "azure.storage.queue.aio", "httpx", "jwt")
"""Imported once, before any cold trial begins."""

type Tell = Callable[[Site, Outcome], None]


@dataclass(frozen=True, slots=True)
class Run:
    """``suites`` are the folders whose tests are tried, ``options`` pytest's, and ``tell`` is called with each outcome."""

    root: Path
    suites: Sequence[str]
    reach: Reach
    tell: Tell
    options: Sequence[str] = ()

    def outcomes(self, chosen: Sequence[Site]) -> dict[Site, Outcome]:
        """What comes of each. Raises ``RuntimeError`` where tests fail without any fault. Imports nothing of the product."""
        trials = [trial_of(site, self.reach) for site in chosen]
        found = {trial.site: Outcome.NOT_REACHED for trial in trials if not trial.tests}
        called = [trial for trial in trials if trial.tests and self._is_warm(trial.site)]
        imported = [trial for trial in trials if trial.tests and not self._is_warm(trial.site)]
        return found | self._in_a_child(called, self._warm) | self._in_a_child(imported, self._cold)

    def _is_warm(self, site: Site) -> bool:
        return site.is_called and not self.reach.runs_at_import(site.path, site.line, site.last_line)

    def _warm(self, work: Callable[[Callable[[Trial], int]], None]) -> None:
        if code := warm(self.root, self.suites, self.options, work):
            raise RuntimeError(f"the suites cannot be collected: pytest ended with {code}")

    def _cold(self, work: Callable[[Callable[[Trial], int]], None]) -> None:
        for name in _HEAVY:
            importlib.import_module(name)
        work(cold(self.root, self.options))

    def _in_a_child(
        self, trials: Sequence[Trial], way: Callable[[Callable[[Callable[[Trial], int]], None]], None]
    ) -> dict[Site, Outcome]:
        """What the trials need to import stays in a process of their own. It writes a line for each outcome."""
        if not trials:
            return {}
        with tempfile.TemporaryFile("w+", encoding="utf-8") as written:
            steady()
            in_a_child(lambda: way(lambda attempt: self._try_all(trials, attempt, written)))
            written.seek(0)
            result = [line.split(" ", 1) for line in written.read().splitlines()]
        return {trials[int(place)].site: Outcome(outcome) for place, outcome in result}

    def _try_all(self, trials: Sequence[Trial], attempt: Callable[[Trial], int], to: TextIO) -> None:
        """After a trial without any fault, which nothing may notice: with the tests of the one that has most of them."""
        unharmed: list[Outcome] = []
        longest = max(trials, key=lambda trial: len(trial.tests))
        nothing = replace(longest, site=replace(longest.site, number=NOTHING))
        run_all([nothing], attempt, 1, lambda _, outcome: unharmed.append(outcome))
        if unharmed != [Outcome.SURVIVED]:
            raise RuntimeError(f"without any fault: {unharmed}")
        places = {trial.site: place for place, trial in enumerate(trials)}

        def keep(site: Site, outcome: Outcome) -> None:
            to.write(f"{places[site]} {outcome}\n")
            self.tell(site, outcome)

        run_all(trials, attempt, os.process_cpu_count() or 1, keep)
        to.flush()


def trial_of(site: Site, reach: Reach) -> Trial:
    """The tests that reach the site, until ``_SECONDS`` are spent: first those that take least and run little else.

    Of each file the second counts twice, the third three times: tests of one file are much alike.
    """
    found = Counter[str]()
    ranked = list[tuple[float, str]]()
    for price, test in sorted(
        (reach.price(test, site.path), test) for test in reach.tests(site.path, site.line, site.last_line)
    ):
        file = test.partition("::")[0]
        found[file] += 1
        ranked.append((price * found[file], test))
    tests: dict[str, float] = {}
    for _, test in sorted(ranked):
        if not tests or sum(tests.values()) + reach.seconds.get(test, 0.0) <= _SECONDS:
            tests[test] = reach.seconds.get(test, 0.0)
    return Trial(site, tests)


def in_a_child(act: Callable[[], None]) -> None:
    """What ``act`` imports is not imported here. Raises ``RuntimeError`` where it fails."""
    if (child := os.fork()) == 0:
        code = 1
        try:
            act()
            code = 0
        except Exception:  # noqa: BLE001 - whatever it is, it is told and ends the process
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    if os.waitpid(child, 0)[1] != 0:
        raise RuntimeError("the suites do not pass as they are")

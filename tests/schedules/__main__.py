"""``python -m tests.schedules [--minutes M] [--only TEXT] [--replay NUMBER]``: every order of two verbs' calls, for each pair;
then every verb cancelled at each of its steps; then defects that some schedule must show.

The bound of each pair grows as long as there is time: nobody stopped, one worker stopped once, and so on; a worker that
dies is tried where nobody, or one worker once, is stopped. ``SCHEDULES=full`` has no bound and no limit of time. With
``--only`` the pairs are explored whose name contains the text, and nothing else is done. The exit status is 1 when a
schedule or a cancelled verb is wrong, or a defect is not found.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

from tests.crash.cancelling import cancellable, each_call_once, every_step, walk
from tests.crash.crowds import CROWDS, walk_crowd
from tests.schedules.explorer import Bound, Explored, explore, replay
from tests.schedules.meetings import meetings
from tests.schedules.planted import defects, find_all

_BOUNDS = (
    *(Bound(0), Bound(1), Bound(0, deaths=True), Bound(2), Bound(1, deaths=True)),
    *(Bound(3), Bound(4), Bound(6), Bound(9), Bound(12)),
)
_EVERY = "every order"
_NONE = Bound(10_000, deaths=True)
_AT_ONCE = os.process_cpu_count() or 1
_SLOW = 4.0
"""Seconds of a call amid which holds and turns are renewed."""


@dataclass(slots=True)
class _Pair:
    """What came of one."""

    name: str
    reached: str = "nothing"
    at_last: int = 0
    schedules: int = 0
    deaths: int = 0
    violations: int = 0
    first: str = ""


def main(arguments: list[str]) -> int:
    """Explores, and prints what was explored and how far."""
    parser = argparse.ArgumentParser(prog="python -m tests.schedules", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="for the pairs")
    parser.add_argument("--only", default="", help="pairs whose name contains this")
    parser.add_argument("--replay", default="", help="one schedule of the first of them, by its number")
    asked = parser.parse_args(arguments)
    _silence()
    if asked.replay:
        found = next(each for each in meetings() if asked.only in each.pair.name)
        sys.stdout.write(replay(found.pair, asked.replay, found.judge) + "\n")
        return 0
    began = time.monotonic()
    with ProcessPoolExecutor(_AT_ONCE, initializer=_silence) as pool:
        wrong = _explore_all(pool, asked.only, asked.minutes * 60)
        if not asked.only:
            wrong += _cancel_all(pool)
    if not asked.only:
        planted = defects()
        missed = find_all(planted)
        sys.stdout.write(f"\n{len(planted) - len(missed)} of {len(planted)} planted defects caught\n")
        wrong += len(missed)
    sys.stdout.write(f"{time.monotonic() - began:.0f} s in all\n")
    return 1 if wrong else 0


def _silence() -> None:
    # A poisoned message is told as an error, thousands of times; so is work that had not begun when it was cancelled.
    logging.disable(logging.CRITICAL)
    warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)


def _explore_all(pool: ProcessPoolExecutor, only: str, seconds: float) -> int:
    began = time.monotonic()
    numbers = [number for number, each in enumerate(meetings()) if only in each.pair.name]
    places = [(number, len(numbers) - place) for place, number in enumerate(numbers)]
    result = list[_Pair]()
    for each in pool.map(partial(_explore, began + seconds), *zip(*places, strict=True)):
        result.append(each)
        sys.stdout.write(f"{each.name}: {each.reached}, {each.at_last} schedules at the last\n{each.first}")
        sys.stdout.flush()
    violations = sum(each.violations for each in result)
    bounded = sum(each.reached != _EVERY for each in result)
    sys.stdout.write(
        f"\n{len(result)} pairs, {sum(each.schedules for each in result)} schedules, "
        f"{sum(each.deaths for each in result)} deaths, "
        f"{violations} violations; {bounded} pairs bounded, as told above; {time.monotonic() - began:.0f} s\n"
    )
    return violations


def _explore(ends_at: float, number: int, left: int) -> _Pair:
    """One pair. What it does not need of its share of the time is the following ones'."""
    found = list(meetings())[number]
    full = os.environ.get("SCHEDULES") == "full"
    until = None if full else time.monotonic() + _AT_ONCE * (ends_at - time.monotonic()) / max(left, _AT_ONCE)
    pair = _Pair(found.pair.name)
    for bound in (_NONE,) if full else _BOUNDS:
        walked: Explored = explore(found.pair, bound, found.judge, until=until)
        pair.schedules, pair.deaths = pair.schedules + walked.schedules, pair.deaths + walked.deaths
        pair.violations += len(walked.violations)
        pair.first = pair.first or "".join(f"\n{wrong}\n\n" for wrong in walked.violations[:1])
        if not walked.complete:
            break
        all_orders = not walked.bounded and not bound.deaths
        pair.reached, pair.at_last = (_EVERY if all_orders else _told(bound)), walked.schedules
        if all_orders:
            break
    return pair


def _told(bound: Bound) -> str:
    return f"up to {bound.preemptions} preemptions{' and a death' if bound.deaths else ''}"


def _cancel_all(pool: ProcessPoolExecutor) -> int:
    began = time.monotonic()
    wanted = [*(name for name, _ in cancellable()), *(make.__name__ for make in CROWDS)]
    cases = failures = 0
    for count, wrong in pool.map(_cancel, wanted):
        cases, failures = cases + count, failures + len(wrong)
        sys.stdout.writelines(f"\n{each}\n\n" for each in wrong)
    sys.stdout.write(
        f"{len(wanted)} verbs and crowds cancelled, {cases} cases, {failures} violations; {time.monotonic() - began:.0f} s\n"
    )
    sys.stdout.flush()
    return failures


def _cancel(name: str) -> tuple[int, list[str]]:
    """By whoever hangs up and by a host that drains, after every step; and where calls are slow, at each of them."""
    operations, crowds = dict(cancellable()), {make.__name__: make for make in CROWDS}
    walks: dict[str, Callable[[], int]] = {}
    if name in crowds:
        walks["hangs up"] = lambda: walk_crowd(crowds[name], stride=5)
    else:
        walks["hangs up"] = lambda: walk(operations[name], every_step)
        walks["drains"] = lambda: walk(operations[name], every_step, drains=True)
        walks["hangs up amid slow calls"] = lambda: walk(operations[name], each_call_once, latency=_SLOW)
    cases, wrong = 0, list[str]()
    for way, walking in walks.items():
        try:
            cases += walking()
        except AssertionError as failure:
            wrong.append(f"{name}, {way}: {failure}")
    return cases, wrong


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

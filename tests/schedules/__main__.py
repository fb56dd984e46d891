"""``python -m tests.schedules [--minutes M] [--only TEXT] [--replay NUMBER]``: every order of two verbs' calls, for each pair.

The bound of each pair grows as long as there is time: nobody stopped, one worker stopped once, and so on; a worker that
dies is tried where nobody, or one worker once, is stopped. ``SCHEDULES=full`` has no bound and no limit of time. The exit
status is 1 when a schedule is wrong.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time

from tests.schedules.explorer import Bound, Explored, explore, replay
from tests.schedules.judge import judged
from tests.schedules.verbs import Meeting, meetings

_BOUNDS = (
    *(Bound(0), Bound(1), Bound(0, deaths=True), Bound(2), Bound(1, deaths=True)),
    *(Bound(3), Bound(4), Bound(6), Bound(9), Bound(12)),
)
_EVERY = "every order"
_NONE = Bound(10_000, deaths=True)


def main(arguments: list[str]) -> int:
    """Explores, and prints what was explored and how far."""
    parser = argparse.ArgumentParser(prog="python -m tests.schedules", description=__doc__)
    parser.add_argument("--minutes", type=float, default=6.5)
    parser.add_argument("--only", default="", help="pairs whose name contains this")
    parser.add_argument("--replay", default="", help="one schedule of the first of them, by its number")
    asked = parser.parse_args(arguments)
    # A poisoned message is told as an error, thousands of times.
    logging.disable(logging.CRITICAL)
    found = [each for each in meetings() if asked.only in each.pair.name]
    if asked.replay:
        sys.stdout.write(replay(found[0].pair, asked.replay, judged(found[0].verbs, found[0].start)) + "\n")
        return 0
    return _explored(found, asked.minutes * 60)


def _explored(found: list[Meeting], seconds: float) -> int:
    full = os.environ.get("SCHEDULES") == "full"
    began, schedules, deaths, violations, bounded = time.monotonic(), 0, 0, 0, 0
    for number, each in enumerate(found):
        # What a pair does not need is the following ones'.
        share = (began + seconds - time.monotonic()) / (len(found) - number)
        until = None if full else time.monotonic() + share
        reached, last = "nothing", Explored()
        for bound in (_NONE,) if full else _BOUNDS:
            walked = explore(each.pair, bound, judged(each.verbs, each.start), until=until)
            schedules, deaths, violations = (
                schedules + walked.schedules,
                deaths + walked.deaths,
                violations + len(walked.violations),
            )
            for wrong in walked.violations[:1]:
                sys.stdout.write(f"\n{wrong}\n\n")
            if not walked.complete:
                break
            all_orders = not walked.bounded and not bound.deaths
            reached, last = (_EVERY if all_orders else _told(bound)), walked
            if all_orders:
                break
        bounded += reached != _EVERY
        sys.stdout.write(f"{each.pair.name}: {reached}, {last.schedules} schedules at the last\n")
        sys.stdout.flush()
    seconds = time.monotonic() - began
    sys.stdout.write(
        f"\n{len(found)} pairs, {schedules} schedules, {deaths} deaths, {violations} violations; "
        f"{bounded} pairs bounded; {seconds:.0f} s\n"
    )
    return 1 if violations else 0


def _told(bound: Bound) -> str:
    return f"up to {bound.preemptions} preemptions{' and a death' if bound.deaths else ''}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

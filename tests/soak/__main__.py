"""``python -m tests.soak``: hours of life in minutes, with everything going wrong that may; exits with 1 when a promise broke.

``SOAK_SECONDS`` says how long the load lasts (600), ``SOAK_SEED`` which chance (1); then it waits, up to six minutes, until
every lease has ended.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time

from tests.soak.run import soak
from tests.soak.soak_stack import Plan


def main() -> int:
    """Runs it and prints what came of it."""
    plan = Plan(float(os.environ.get("SOAK_SECONDS", "600")), int(os.environ.get("SOAK_SEED", "1")))
    _say(f"soaking for {plan.seconds:g} s, with seed {plan.seed} ...")
    began = time.perf_counter()
    verdict = asyncio.run(soak(plan, to_the_end=True))
    _say("\n".join(verdict.lines()))
    result = "Every promise was kept" if verdict.good else "A PROMISE WAS BROKEN"
    _say(f"\n{result} ({time.perf_counter() - began:.0f} s).")
    return 0 if verdict.good else 1


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

"""``python -m tests.bench``: measures this checkout on this machine, prints the figures and writes them as JSON.

A target that is missed does not fail the run; a figure that could not be measured does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench import (
    access,
    alive,
    azure_calls,
    batching,
    by_scope,
    cold_start,
    delivery,
    due,
    enqueue,
    listing,
    memory,
    own_cost,
    ready,
    revoking,
    sweeping,
    trips,
)
from tests.bench.bench_stack import QUICK, Scale
from tests.bench.figures import Figure, table

type Measure = Callable[[Scale], Awaitable[list[Figure]]]

SECTIONS: Mapping[str, tuple[str, Measure]] = {
    "calls": (azure_calls.TITLE, azure_calls.measure),
    "trips": (trips.TITLE, trips.measure),
    "own-cost": (own_cost.TITLE, own_cost.measure),
    "cold-start": (cold_start.TITLE, cold_start.measure),
    "memory": (memory.TITLE, memory.measure),
    "listing": (listing.TITLE, listing.measure),
    "scopes": (by_scope.TITLE, by_scope.measure),
    "sweep": (sweeping.TITLE, sweeping.measure),
    "scale": (alive.TITLE, alive.measure),
    "drain": (due.TITLE, due.measure),
    "fan-out": (enqueue.TITLE, enqueue.measure),
    "batch": (batching.TITLE, batching.measure),
    "ready": (ready.TITLE, ready.measure),
    "revoke": (revoking.TITLE, revoking.measure),
    "access": (access.TITLE, access.measure),
    "delivery": (delivery.TITLE, delivery.measure),
}
LONG = ("scale", "drain", "revoke")
"""Minutes each: they run by themselves (``--only``) or with everything, and are no part of a first impression."""


@dataclass(slots=True)
class Report:
    """What the sections that ran have found."""

    sections: dict[str, Any] = field(default_factory=dict)
    complete: bool = True

    async def run(self, name: str, scale: Scale) -> None:
        """Measures one section, prints it and keeps it. One that fails is told, and the next may still run."""
        title, measure = SECTIONS[name]
        _say(f"\n{title}")
        began = time.perf_counter()
        try:
            figures = await measure(scale)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other sections are worth measuring
            self.complete = False
            self.sections[name] = {"title": title, "error": repr(error)}
            _say(f"  could not be measured:\n{''.join(traceback.format_exception(error))}")
            return
        seconds = time.perf_counter() - began
        _say(f"{table(figures)}\n  ({seconds:.0f} s)")
        self.sections[name] = {"title": title, "seconds": round(seconds, 1), "figures": [each.as_json() for each in figures]}


def main() -> int:
    """Reads the command line and measures. The exit status is 1 when a figure could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", action="append", default=[], help=f"measure these sections alone: {', '.join(SECTIONS)}")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions, for a first impression")
    parser.add_argument("--json", type=Path, default=Path("build/bench.json"), help="where to write the figures")
    given = parser.parse_args()
    only = " ".join(given.only).split()
    if unknown := [name for name in only if name not in SECTIONS]:
        parser.error(f"no section is called {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    all_of_them = [name for name in SECTIONS if not (given.quick and name in LONG)]
    report = asyncio.run(_measured(only or all_of_them, QUICK if given.quick else Scale()))
    given.json.parent.mkdir(parents=True, exist_ok=True)
    document = {"machine": machine(), "quick": given.quick, "sections": report.sections}
    given.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    _say(f"\nWritten to {given.json}")
    return 0 if report.complete else 1


async def _measured(names: list[str], scale: Scale) -> Report:
    report = Report()
    _say(", ".join(f"{name} {value}" for name, value in machine().items()))
    for name in names:
        await report.run(name, scale)
    return report


def machine() -> dict[str, Any]:
    """The class of this machine, and how busy it is."""
    load = round(os.getloadavg()[0], 1)
    return {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.system(), "load": load}


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

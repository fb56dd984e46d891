"""``python -m tests.mutation``: plants small faults in ``shared/``, one at a time, and says which of them no test notices.

``SEED`` (1) says which of all faults are drawn, ``N`` (300) how many, each as likely as any other; ``ONLY`` (everything) is
what the path of a fault's file begins with. The first run on a state of the code also measures which test reaches which line. A
fault that changes nothing that matters stands in ``equivalent.toml`` with its reason, and is not counted. Exits with 1 below
95 % in all, or below 90 % in a folder.

Tests that start the whole stack and the walks through every way to die are left out: a rule that only they notice being broken
wants a test of its own, which is quick and says which rule.
"""

from __future__ import annotations

import hashlib
import os
import random
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.reach import Reach, measure
from tests.mutation.run import Run, in_a_child
from tests.mutation.sites import Site, sites
from tests.mutation.trial import Outcome

ROOT = Path(__file__).parents[2]
FOLDER = "shared"
SUITES = ("unit", "issuers", "broker", "triggers", "peers", "cloud", "contract", "stored")
OPTIONS = ("--no-header", "--ignore=tests/unit/test_mutation.py")
"""Its own tests are slow, and run nothing of the product."""
IN_ALL, IN_A_FOLDER = 0.95, 0.90
EQUIVALENT = Path(__file__).with_name("equivalent.toml")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of all trials, without those that are equivalent."""

    outcomes: Mapping[Site, Outcome]

    def survivors(self) -> list[Site]:
        """Which no test has noticed."""
        lost = {Outcome.SURVIVED, Outcome.NOT_REACHED}
        return sorted((site for site, outcome in self.outcomes.items() if outcome in lost), key=lambda it: (it.path, it.line))

    def rates(self) -> dict[str, tuple[int, int]]:
        """For each folder, and for all: how many were noticed, of how many."""
        missed = set(self.survivors())
        tried, noticed = Counter[str](), Counter[str]()
        for site in self.outcomes:
            for name in (_folder(site.path), "all"):
                tried[name] += 1
                noticed[name] += site not in missed
        return {name: (noticed[name], tried[name]) for name in sorted(tried)}

    def is_good_enough(self) -> bool:
        """Whether both targets are met."""
        rates = {name: noticed / tried for name, (noticed, tried) in self.rates().items()}
        return all(rate >= (IN_ALL if name == "all" else IN_A_FOLDER) for name, rate in rates.items())


def main() -> int:
    """See the module."""
    seed, count = int(os.environ.get("SEED") or 1), int(os.environ.get("N") or 300)
    only = os.environ.get("ONLY") or FOLDER
    began = time.monotonic()
    everything = [site for path in _modules() for site in sites(path, (ROOT / path).read_text(encoding="utf-8"))]
    excused = {entry["fault"]: entry["reason"] for entry in tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))["equivalent"]}
    eligible = [site for site in everything if site.path.startswith(only)]
    drawn = random.Random(seed).sample(eligible, min(count, len(eligible)))
    chosen = [site for site in drawn if site.key not in excused]
    _say(f"{len(drawn)} of {len(eligible)} faults, seed {seed}; {len(drawn) - len(chosen)} of them equivalent")
    for stale in excused.keys() - {site.key for site in everything}:
        _say(f"there is no such fault any more, so that its excuse can go: {stale}")
    reach = _reach()
    _say(f"{len(reach.seconds)} tests reach {len(reach.lines)} lines ({time.monotonic() - began:.0f} s)")
    run = Run(ROOT, [f"tests/{suite}" for suite in SUITES], reach, _tell, OPTIONS)
    return _told(Verdict(run.outcomes(chosen)), time.monotonic() - began)


def _modules() -> list[str]:
    return sorted(str(file.relative_to(ROOT)) for file in (ROOT / FOLDER).rglob("*.py"))


def _folder(path: str) -> str:
    parts = path.split("/")
    return "/".join(parts[:2]) if len(parts) > 2 else parts[0]


def _reach() -> Reach:
    """Measured once for each state of code and tests, in a process of its own: this one never imports what it changes."""
    state = hashlib.sha256()
    for file in sorted([*(ROOT / FOLDER).rglob("*.py"), *(ROOT / "tests").rglob("*.py"), *(ROOT / "local").rglob("*.py")]):
        state.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    stored = ROOT / "build" / f"reach-{state.hexdigest()[:16]}.json"
    if not stored.exists():
        stored.parent.mkdir(exist_ok=True)
        for old in stored.parent.glob("reach-*.json"):
            old.unlink()
        in_a_child(lambda: measure(ROOT, FOLDER, [f"tests/{suite}" for suite in SUITES], OPTIONS).write(stored))
    return Reach.read(stored)


def _tell(site: Site, outcome: Outcome) -> None:
    _say(f"{outcome}: {site.path}:{site.line} {site.before} -> {site.after}"[:200])


def _told(verdict: Verdict, seconds: float) -> int:
    _say("\n" + "\n".join(_lines(verdict.rates())))
    for site in verdict.survivors():
        _say(f"\n{verdict.outcomes[site]}: {site.path}:{site.line} in {site.function or 'the module'} ({site.operator})")
        _say(f"  {site.key}")
    _say(f"\n{seconds:.0f} s")
    return 0 if verdict.is_good_enough() else 1


def _lines(rates: Mapping[str, tuple[int, int]]) -> Iterable[str]:
    for name, (noticed, tried) in rates.items():
        yield f"{name:20} {noticed:4} of {tried:4} noticed  {noticed / tried:6.1%}"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

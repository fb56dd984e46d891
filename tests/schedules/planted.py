"""``python -m tests.schedules.planted [NUMBER ...]``: puts defects into the code, one at a time, and says which are found.

The defects stand in ``defects.toml``, numbered. Each is tried in a process of its own (``--one NUMBER``), which imports one
module with the defect in it; so many at once as the machine has processors. A defect is found if the judge finds a schedule
wrong, and not if the code with the defect cannot run. The exit status is 1 if one is not found, or does not fit the code.
"""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.planting import Planter

ROOT = Path(__file__).resolve().parents[2]
_FOUND, _NOT_FOUND = 0, 1
_SECONDS = 120.0
"""For one defect."""


@dataclass(frozen=True, slots=True)
class Defect:
    """One. ``pairs``: what the names of the pairs contain of which one finds it."""

    number: int
    what: str
    file: str
    before: str
    after: str
    pairs: tuple[str, ...]


def defects() -> list[Defect]:
    """All of them."""
    listed = tomllib.loads((Path(__file__).parent / "defects.toml").read_text(encoding="utf-8"))["defect"]
    return [Defect(**(each | {"pairs": tuple(each["pairs"])})) for each in listed]


def planted(defect: Defect) -> str:
    """The module's text with the defect. Raises ``LookupError`` where the code has not exactly one place for it."""
    text = (ROOT / defect.file).read_text(encoding="utf-8")
    if text.count(defect.before) != 1:
        raise LookupError(f"defect {defect.number} fits {text.count(defect.before)} places of {defect.file}")
    return text.replace(defect.before, defect.after)


def find(defect: Defect) -> bool:
    """Whether the judge finds a schedule wrong with the defect in the code, in this process, which has imported nothing of it.

    What a verb may raise is the judge's to say. Any other exception comes out of here: the defect's text is wrong then.
    """
    path = ROOT / defect.file
    code = compile(planted(defect), str(path), "exec", dont_inherit=True)
    sys.meta_path.insert(0, Planter(defect.file.removesuffix(".py").replace("/", "."), path, code))
    from tests.schedules.explorer import Bound, explore  # noqa: PLC0415 - with the defect in it
    from tests.schedules.meetings import meetings  # noqa: PLC0415

    logging.disable(logging.CRITICAL)
    found = [each for each in meetings() if any(pair in each.pair.name for pair in defect.pairs)]
    for bound in (Bound(0), Bound(0, deaths=True), Bound(1), Bound(1, deaths=True)):
        for each in found:
            if explore(each.pair, bound, each.judge, first=True).violations:
                return True
    return False


def find_all(wanted: Sequence[Defect]) -> list[Defect]:
    """Those that are not found; prints each. A process for each, a few at once."""
    with ThreadPoolExecutor(os.process_cpu_count() or 1) as some:
        found = list(some.map(_in_a_process, wanted))
    return [each for each, is_found in zip(wanted, found, strict=True) if not is_found]


def _in_a_process(defect: Defect) -> bool:
    command = [sys.executable, "-m", "tests.schedules.planted", "--one", str(defect.number)]
    try:
        code = subprocess.run(command, cwd=ROOT, timeout=_SECONDS, check=False).returncode
    except subprocess.TimeoutExpired:
        code = _NOT_FOUND
    sys.stdout.write(f"{'found' if code == _FOUND else 'NOT FOUND'}: {defect.number}. {defect.what}\n")
    sys.stdout.flush()
    return code == _FOUND


def main(arguments: Sequence[str]) -> int:
    """Tries those, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.schedules.planted", description=__doc__)
    parser.add_argument("--one", type=int, help="in this process; prints nothing")
    parser.add_argument("numbers", type=int, nargs="*")
    asked = parser.parse_args(arguments)
    if asked.one is not None:
        return _FOUND if find(next(each for each in defects() if each.number == asked.one)) else _NOT_FOUND
    wanted = [each for each in defects() if not asked.numbers or each.number in asked.numbers]
    missed = find_all(wanted)
    sys.stdout.write(f"\n{len(wanted) - len(missed)} of {len(wanted)} planted defects caught\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

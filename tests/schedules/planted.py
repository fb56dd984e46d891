"""``python -m tests.schedules.planted [NUMBER ...]``: puts defects into the code, one at a time, and says which are found.

The defects stand in ``defects.toml``, numbered. Each is tried in a process of its own, which imports one module with the defect
in it. The exit status is 1 when one is not found, or does not fit the code any more.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import tomllib
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
    """Whether a schedule is wrong with the defect in the code, in this process, which has imported nothing of it yet."""
    path = ROOT / defect.file
    code = compile(planted(defect), str(path), "exec", dont_inherit=True)
    sys.meta_path.insert(0, Planter(defect.file.removesuffix(".py").replace("/", "."), path, code))
    from tests.schedules.explorer import Bound, explore  # noqa: PLC0415 - with the defect in it
    from tests.schedules.judge import judged  # noqa: PLC0415
    from tests.schedules.verbs import meetings  # noqa: PLC0415

    logging.disable(logging.CRITICAL)
    found = [each for each in meetings() if any(pair in each.pair.name for pair in defect.pairs)]
    for bound in (Bound(0), Bound(0, deaths=True), Bound(1), Bound(1, deaths=True)):
        for each in found:
            try:
                explored = explore(each.pair, bound, judged(each.verbs, each.start), first=True)
            except Exception:  # noqa: BLE001 - whatever a defect breaks shows it
                return True
            if explored.violations:
                return True
    return False


def main(numbers: list[str]) -> int:
    """Tries those, or all."""
    wanted = [each for each in defects() if not numbers or str(each.number) in numbers]
    missed = 0
    for each in wanted:
        command = [
            sys.executable,
            "-c",
            f"from tests.schedules.planted import *; sys.exit(not find(defects()[{each.number - 1}]))",
        ]
        try:
            code = subprocess.run(command, cwd=ROOT, timeout=_SECONDS, check=False).returncode
        except subprocess.TimeoutExpired:
            code = _NOT_FOUND
        missed += code != _FOUND
        sys.stdout.write(f"{'found' if code == _FOUND else 'NOT FOUND'}: {each.number}. {each.what}\n")
        sys.stdout.flush()
    sys.stdout.write(f"\n{len(wanted) - missed} of {len(wanted)} planted defects are found\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Which tests reach which lines: one run of the suites, watched with ``sys.monitoring``.

As a pytest plugin it notes, for each test, the lines that it runs for the first time, and how long it took. A line is reported
once a test, so watching costs little.
"""

from __future__ import annotations

import ast
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from types import CodeType
from typing import Self

import pytest

_TOOL = sys.monitoring.COVERAGE_ID
UNWARNED = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
"""Pytest warns of a plugin that is imported before it, which in this project's settings is an error."""
IMPORT = ""
"""Stands for what runs while modules are imported and outside of tests."""

_START = 0.003
"""Seconds that a test takes at the least."""


@dataclass
class Reach:
    """``lines``: for each ``path:line`` the tests that run it; ``seconds``: how long each test took.

    ``imports``: for each file of tests the names of the modules that it imports, and of what it imports from them.
    """

    lines: dict[str, list[str]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    imports: dict[str, list[str]] = field(default_factory=dict)

    def tests(self, path: str, first: int, last: int) -> set[str]:
        """Those that run any of these lines. For lines that an import runs also all that know the file in any way."""
        found = {test for line in range(first, last + 1) for test in self.lines.get(f"{path}:{line}", ())}
        if IMPORT in found or not found:
            found |= self._know(path)
        return found - {IMPORT}

    def _know(self, path: str) -> set[str]:
        """Those that run any of its lines, or stand in a file that imports it: a constant is used without running a line."""
        module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        files = {file for file, names in self.imports.items() if module in names}
        running = {test for test, name in self._run if name == path}
        return running | {test for test in self.seconds if test.partition("::")[0] in files}

    def runs_at_import(self, path: str, first: int, last: int) -> bool:
        """Whether an import runs any of these lines."""
        return any(IMPORT in self.lines.get(f"{path}:{line}", ()) for line in range(first, last + 1))

    def price(self, test: str, path: str) -> float:
        """Seconds that the test takes for the part of its lines that are the module's: low for a quick test of just that."""
        return (self.seconds.get(test, 0.0) + _START) * self._run[test, ""] / max(1, self._run[test, path])

    @cached_property
    def _run(self) -> Counter[tuple[str, str]]:
        """How many lines each test runs: of each module, and in all."""
        counted = Counter[tuple[str, str]]()
        for line, tests in self.lines.items():
            path = line.rpartition(":")[0]
            counted.update([(test, name) for test in tests for name in ("", path)])
        return counted

    def write(self, to: Path) -> None:
        """As JSON."""
        to.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, stored: Path) -> Reach:
        """What ``write`` wrote."""
        return cls(**json.loads(stored.read_text(encoding="utf-8")))


class LineRecorder:
    """The plugin. ``root`` and ``folder`` say which files are watched."""

    def __init__(self, root: Path, folder: str) -> None:
        self._prefix = f"{root / folder}/"
        self._strip = len(f"{root}/")
        self._test = IMPORT
        self._lines: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._imports: dict[str, list[str]] = {}

    def __enter__(self) -> Self:
        events = sys.monitoring.events
        sys.monitoring.use_tool_id(_TOOL, "reach")
        sys.monitoring.register_callback(_TOOL, events.LINE, self._line)
        sys.monitoring.set_events(_TOOL, events.LINE)
        return self

    def __exit__(self, *_: object) -> None:
        sys.monitoring.set_events(_TOOL, sys.monitoring.events.NO_EVENTS)
        sys.monitoring.free_tool_id(_TOOL)

    def _line(self, code: CodeType, line: int) -> object:
        if code.co_filename.startswith(self._prefix):
            self._lines[f"{code.co_filename[self._strip :]}:{line}"][self._test] = None
        return sys.monitoring.DISABLE

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """What the files of tests import."""
        for file in {item.path: item.nodeid.partition("::")[0] for item in session.items}.items():
            self._imports[file[1]] = sorted(_imported(ast.parse(file[0].read_text(encoding="utf-8"))))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Set-up and tear-down belong to the test."""
        self._test = item.nodeid
        sys.monitoring.restart_events()
        try:
            return (yield)
        finally:
            self._test = IMPORT

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """How long it took, all phases together."""
        self._seconds[report.nodeid] += report.duration

    def found(self) -> Reach:
        """What was seen."""
        return Reach({line: list(tests) for line, tests in self._lines.items()}, dict(self._seconds), self._imports)


def _imported(tree: ast.Module) -> set[str]:
    found = set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
    return found


def measure(root: Path, folder: str, suites: Sequence[str], options: Sequence[str]) -> Reach:
    """Runs the suites in this process. Raises ``RuntimeError`` when a test fails: nothing could be told then."""
    arguments = ["-q", "-p", "no:cacheprovider", *UNWARNED, *options, *suites]
    with LineRecorder(root, folder) as recorder:
        if code := pytest.main(arguments, plugins=[recorder]):
            raise RuntimeError(f"the suites do not pass as they are: pytest ended with {code}")
    return recorder.found()

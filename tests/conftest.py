"""Fixtures for every folder of tests."""

from __future__ import annotations

import gc

import pytest

from tests import leaks
from tests.leaks import pytest_runtest_makereport
from tests.spreading import pytest_collection_modifyitems, pytest_xdist_make_scheduler
from tests.storage import azurite, storage_connection

__all__ = [
    "azurite",
    "pytest_collection_modifyitems",
    "pytest_runtest_makereport",
    "pytest_xdist_make_scheduler",
    "storage_connection",
]


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Begins to watch for secrets that a test lets out."""
    leaks.install(config)


def pytest_collection_finish() -> None:
    """Spares the collector the tests themselves: it would go through twenty thousand of them again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says how many ways to die, to lose and to be refused the walks went through."""
    reports = terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
    result = [dict(report.user_properties).get("cases", 0) for report in reports if isinstance(report, pytest.TestReport)]
    if total := sum(count for count in result if isinstance(count, int)):
        terminalreporter.write_line(f"crash walks: {total} cases")

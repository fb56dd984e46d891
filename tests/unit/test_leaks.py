from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cloud.key_server import token
from tests.leaks import LeakDetector

ROOT = Path(__file__).parents[2]
MINTED = "Abc8Q~0123456789abcdefghijklmnopqrstuv"
LEAKING = f"""
import logging, pytest
from shared.core.secret import Secret
from tests.cloud.key_server import token

@pytest.mark.parametrize("show", [print, logging.getLogger("some.library").debug, logging.getLogger("azure").error])
@pytest.mark.parametrize("made", [lambda: Secret({MINTED!r}).reveal(), token, lambda: token().split(".")[1]])
def test_leaks(show, made):
    show(f"client_secret={{made()}}&x=1")

def test_is_quiet():
    print(Secret({MINTED!r}), "secret~unknown-to-everybody")
"""


@pytest.fixture
def detector() -> LeakDetector:
    """One that has learned a secret, a connection string and a token."""
    detector = LeakDetector()
    for each in (MINTED, "AccountName=a;AccountKey=bm90IGEga2V5IGF0IGFsbA==;", token()):
        detector.learn(each)
    return detector


@pytest.mark.parametrize(
    "text",
    [
        MINTED,
        f"secret={MINTED}&scope=x",
        f'{{"client_secret": "{MINTED}"}}',
        f"prefix-{MINTED}.",
        MINTED.replace("~", "%7E"),
        "the key bm90IGEga2V5IGF0IGFsbA== was refused",
        f"Bearer {token()}",
        f"claims {token().split('.')[1]} are",
        f"signature:{token().split('.')[2]}",
    ],
)
def test_a_secret_is_found_wherever_it_stands(detector: LeakDetector, text: str) -> None:
    """Whole, within other text, written for an address, or a part of a token."""
    detector.hear("the test", text)
    assert len(detector.found()) == 1
    assert [] == detector.found(), "what was searched is not searched again"


def test_what_is_no_secret_is_not_found(detector: LeakDetector) -> None:
    """Not even what looks like one."""
    detector.hear(
        "the test", f"secret~unknown-to-everybody 00000000-0000-4000-8000-000000000000 {token().split('.')[0]} AccountKey"
    )
    assert [] == detector.found()


def test_a_traceback_is_searched(detector: LeakDetector) -> None:
    """An exception's text may quote a secret."""
    failure = (ValueError, ValueError(MINTED), None)
    detector.handle(logging.LogRecord("x", logging.ERROR, "", 0, "failed", None, failure))
    assert ["the logger x wrote a secret"] == detector.found()


def test_a_run_that_lets_a_secret_out_fails(tmp_path: Path) -> None:
    """Printed or logged by any logger at any level; and the report does not repeat it."""
    (tmp_path / "test_leaking.py").write_text(LEAKING, encoding="utf-8")
    command = (
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "tests.conftest",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
    )
    ran = subprocess.run((*command, str(tmp_path)), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (1, "9 failed, 1 passed") == (ran.returncode, ran.stdout.splitlines()[-1].partition(" in ")[0])
    assert "A secret was let out:" in ran.stdout

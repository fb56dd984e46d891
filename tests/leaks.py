"""Fails a test that lets a secret out: what is logged, printed and written by processes is searched for all that was minted.

Secrets are learned where they are made: the product's ``Secret``, the passwords of the local Azure and of the fakes, and tokens
that are signed or forged. The records of all loggers are searched, from DEBUG on. Each search is at the end of a test; what the
fixtures of a session write at their end belongs to the last test.
"""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Callable, Generator
from typing import Any

import jwt
import pytest

from local import children
from local.cloud.control import forgery
from local.cloud.tenant.directory import Password
from shared.core.secret import Secret
from tests.cloud import key_server
from tests.fakes.cloud_state import StoredSecret

_LEAST = 16
"""Characters. Shorter ones are words that tests write in a secret's place, such as ``text``."""
_LEAST_PART = 40
"""Characters of a token's part that is looked for by itself: its claims, its signature."""
_MARKED = re.compile(r"[A-Za-z0-9._~-]*~[A-Za-z0-9._~-]+")
"""Words like the secrets that are minted by the thousand: each has a ``~``."""
_PART = re.compile(rf"[A-Za-z0-9_-]{{{_LEAST_PART},}}")
_PARTS_OF_A_TOKEN = 3
_ACCOUNT_KEY = re.compile(r"AccountKey=([^;]+)")
_EMULATORS = ("UseDevelopmentStorage", "AccountName=devstoreaccount1")
"""The storage emulator's connection strings. Its key is public, and ``make up`` prints it:
https://learn.microsoft.com/azure/storage/common/storage-connect-azurite#well-known-storage-account-and-key"""
_FORMATTER = logging.Formatter()


class LeakDetector(logging.Handler):
    """The secrets that are known, and what was written since the last search."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._marked: set[str] = set()
        self._parts: set[str] = set()
        self._others: set[str] = set()
        self._written: list[tuple[str, str]] = []

    def learn(self, secret: object) -> None:
        """Notes a secret. Of a token, its parts are noted; of a connection string, its key."""
        text = secret.decode("ascii", "replace") if isinstance(secret, bytes) else secret
        if not isinstance(text, str) or len(text) < _LEAST:
            return
        parts = text.split(".")
        if len(parts) == _PARTS_OF_A_TOKEN and _PART.fullmatch(parts[1]):
            self._parts.update(part for part in parts[1:] if len(part) >= _LEAST_PART)
        elif _MARKED.fullmatch(text):
            self._marked.add(text)
        elif not any(each in text for each in _EMULATORS):
            self._others.update(_ACCOUNT_KEY.findall(text) or [text])

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps a record as it would be printed, with its traceback."""
        trace = f"\n{_FORMATTER.formatException(record.exc_info)}" if record.exc_info else ""
        self.hear(f"the logger {record.name}", record.getMessage() + trace)

    def hear(self, source: str, text: str) -> None:
        """Keeps what was written, for the next search."""
        self._written.append((source, text))

    def found(self) -> list[str]:
        """Returns a sentence for each secret that was written since the last search. It does not quote the secret."""
        written, self._written = self._written, []
        return [f"{source} wrote {what}" for source, text in written if (what := self._secret_in(text))]

    def _secret_in(self, text: str) -> str:
        plain = text.replace("%7E", "~").replace("%7e", "~") if "%7" in text else text
        if "~" in plain and any(map(self._is_marked, _MARKED.findall(plain))):
            return "a secret"
        if len(plain) >= _LEAST_PART and not self._parts.isdisjoint(_PART.findall(plain)):
            return "a part of a token"
        return "a text that is kept as a secret" if any(other in plain for other in self._others) else ""

    def _is_marked(self, word: str) -> bool:
        return word in self._marked or any(each in word for each in self._marked)


DETECTOR = LeakDetector()


def install(config: pytest.Config) -> None:
    """Begins to learn and to listen. Comes before any test module is imported: these import makers of tokens by their names."""
    for kind, argument in ((Secret, 0), (Password, 1), (StoredSecret, 2)):
        _learn_argument(kind, argument)
    for module, name in ((jwt, "encode"), (forgery, "forge"), (key_server, "raw_token"), (key_server, "signed_payload")):
        setattr(module, name, _learning(getattr(module, name)))
    children.LISTENERS.append(lambda name, line: DETECTOR.hear(f"the process {name}", line))
    logging.getLogger().addHandler(DETECTOR)
    logging.getLogger().setLevel(logging.DEBUG)
    # Tests that look into ``caplog`` see what they would see without this module.
    captured = config.pluginmanager.get_plugin("logging-plugin")
    for each in (captured.caplog_handler, captured.report_handler) if captured else ():
        each.setLevel(logging.WARNING)


def _learn_argument(kind: type[Any], position: int) -> None:
    made = kind.__init__
    name = made.__code__.co_varnames[position + 1]

    @functools.wraps(made)
    def learning(self: Any, *arguments: Any, **named: Any) -> None:
        DETECTOR.learn(named[name] if name in named else arguments[position])
        made(self, *arguments, **named)

    kind.__init__ = learning


def _learning(make: Callable[..., str]) -> Callable[..., str]:
    @functools.wraps(make)
    def learning(*arguments: Any, **named: Any) -> str:
        made = make(*arguments, **named)
        DETECTOR.learn(made)
        return made

    return learning


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Searches what a test has written. A test that lets a secret out has failed, whatever it asserts."""
    report = yield
    for when, stream, text in item._report_sections:
        if when == report.when and stream in {"stdout", "stderr"}:
            DETECTOR.hear(f"the test's {stream}", text)
    if report.when != "setup" and (leaks := DETECTOR.found()):
        report.outcome = "failed"
        report.longrepr = "\n".join(["A secret was let out:", *dict.fromkeys(leaks)])
    return report

"""Telling the log of an exception without repeating what it may quote: texts of others' exceptions can hold secrets.

An exception's text is told when the broker worded it, or when the interpreter words it from names and types alone. Of every
other the type is told, and where it was raised.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from shared.core.errors import LeaseholdError
from shared.core.lease import IllegalMove

_TELLING = (LeaseholdError, IllegalMove, OSError, ImportError, AttributeError, NameError, TypeError, RecursionError)


@contextmanager
def failing_as(failure: type[Exception], log: logging.Logger, what: str) -> Iterator[None]:
    """For what no caller waits for: whatever is raised within is told to the log, and ``failure`` is raised in its place.

    The host fails the invocation for that, and would log the text of anything else, whatever is in it.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001 - see above
        log.error("%s failed: %s", what, with_frames(error))  # noqa: TRY400 - told without foreign texts
        raise failure from None


def of(error: BaseException) -> str:
    """One line: the exception and, behind it, its causes."""
    return " <- ".join(_said(each) for each in _chain(error))


def with_frames(error: BaseException) -> str:
    """The same with each one's traceback: files, lines and functions, neither values nor foreign texts."""
    return "\n".join(f"{_said(each)}\n{_frames(each)}".rstrip() for each in _chain(error))


def _chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in found:
        found.append(following)
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)
    return found


def _said(error: BaseException) -> str:
    name = type(error).__qualname__
    return f"{name}: {error}" if isinstance(error, _TELLING) and str(error) else name


def _frames(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return "\n".join(f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames)

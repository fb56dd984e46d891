"""Logs exceptions without their foreign texts: the text of a library's exception may quote a secret.

The text of an exception is logged if the broker has worded it, or if the interpreter words it from names and types alone. Of
any other exception, only the type and the place at which it was raised are logged.
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
    """For work that no caller waits for. If anything is raised within, logs it, and raises ``failure`` in its place.

    The host then marks the invocation as failed. It would log the text of any other exception, whatever is in it.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001 - see above
        log.error("%s failed: %s", what, with_frames(error))  # noqa: TRY400 - logged without foreign texts
        raise failure from None


def of(error: BaseException) -> str:
    """Returns one line: the exception, followed by its causes."""
    return " <- ".join(_said(each) for each in _chain(error))


def with_frames(error: BaseException) -> str:
    """Returns the exception and its causes with their tracebacks: files, lines and functions, no values, no foreign texts."""
    lines: list[str] = []
    for each in _chain(error):
        frames = traceback.extract_tb(each.__traceback__)
        lines += [_said(each), *(f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames)]
    return "\n".join(lines)


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

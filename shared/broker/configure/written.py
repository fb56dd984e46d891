"""What the verbs that write documents have in common."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from shared.broker.configure.look_up import Found
from shared.core.errors import Caution, PreconditionFailed
from shared.core.ports.documents import ABSENT, ANY, Expect, Version

TRIES = 5
"""A change is judged at most so often, if others change what it was judged by."""


class Versioned(Protocol):
    """A stored document."""

    @property
    def version(self) -> str:
        """The stored row's ETag."""
        ...


@dataclass(frozen=True, slots=True)
class Written[T]:
    """A document as it is stored now or, after a dry run, as it would be.

    ``is_new``: there was none of that name. ``warnings`` are for its author. ``azure`` is what a dry run has found in Azure.
    """

    document: T
    is_new: bool
    warnings: tuple[Caution, ...] = ()
    azure: tuple[Found, ...] = ()


def require_expected(expected: Expect, version: str | None) -> None:
    """Raises ``PreconditionFailed`` unless a document of that version is expected. ``None``: there is no document."""
    if expected is ABSENT and version is not None:
        raise PreconditionFailed("There is one already.")
    if isinstance(expected, Version) and expected.tag != version:
        raise PreconditionFailed


def exactly(former: Versioned | None) -> Expect:
    """Returns the condition under which a change may be written that was judged by ``former``. ``None``: by its absence."""
    return Version(former.version) if former is not None else ABSENT


async def judged_again[T](expected: Expect, attempt: Callable[[], Awaitable[T]]) -> T:
    """Makes a change that reads a document, judges what it may do to it, and writes only if the store still has that document.

    If somebody else has written it in between, and the caller has named no version, the change is judged again. Raises
    ``PreconditionFailed`` if the caller has named a version, or if this happens too often.
    """
    for _ in range(TRIES - 1):
        try:
            return await attempt()
        except PreconditionFailed:
            if expected is not ANY:
                raise
    return await attempt()

"""What the verbs that write documents have in common."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from shared.broker.configure.look_up import Found
from shared.core.errors import Caution, PreconditionFailed
from shared.core.ports.documents import ABSENT, Expect, Version

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


async def judged_again[T](attempt: Callable[[], Awaitable[T]]) -> T:
    """Makes a change that is judged by documents, and writes only if the store still has those.

    If somebody else has written one in between, the change is judged again. Raises ``PreconditionFailed`` if this happens too
    often, or if ``attempt`` finds that what the caller expects is not there.
    """
    for _ in range(TRIES - 1):
        with suppress(PreconditionFailed):
            return await attempt()
    return await attempt()

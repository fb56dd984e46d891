"""What the verbs that write documents have in common."""

from __future__ import annotations

from dataclasses import dataclass

from shared.broker.configure.look_up import Found
from shared.core.errors import Caution, PreconditionFailed
from shared.core.ports.documents import ABSENT, Expect, Version


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

"""The credential that a caller gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from shared.core.secret import Secret

type CredentialField = str | Secret | Sequence[str] | Sequence[Mapping[str, str]] | None
"""A text, a secret, a list of texts, or a list of objects that hold no secret."""


class Credential(Protocol):
    """One credential of any kind."""

    @property
    def type(self) -> str:
        """The name of the kind."""
        ...

    @property
    def ends_at(self) -> datetime | None:
        """The instant at which it ends by itself, in UTC, if that may be before its lease's end."""
        ...

    def fields(self) -> Mapping[str, CredentialField]:
        """Returns the fields by their public names. A field that is ``None`` is shown as ``null``."""
        ...

"""What a caller gets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from shared.core.secret import Secret


class Credential(Protocol):
    """One credential, as its kind says it."""

    @property
    def type(self) -> str:
        """The name of the kind."""
        ...

    def fields(self) -> Mapping[str, str | Secret | None]:
        """What the caller reads, by its public names. A field that is ``None`` is told as such."""
        ...

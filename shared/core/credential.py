"""The credential that a caller gets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from shared.core.secret import Secret


class Credential(Protocol):
    """One credential of any kind."""

    @property
    def type(self) -> str:
        """The name of the kind."""
        ...

    def fields(self) -> Mapping[str, str | Secret | None]:
        """Returns the fields by their public names. A field that is ``None`` is shown as ``null``."""
        ...

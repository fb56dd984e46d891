"""A secret that does not show itself."""

from __future__ import annotations

from hashlib import sha256


class Secret:
    """A text that prints as ``***`` wherever it is printed, logged or formatted; only ``reveal`` gives it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def fingerprint(self) -> str:
        """SHA-256 in hexadecimal, its first 32 digits: enough to recognise it, useless to use it."""
        return sha256(self._text.encode()).hexdigest()[:32]

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled")

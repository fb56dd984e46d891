"""A secret that is not shown by accident."""

from __future__ import annotations

from hashlib import sha256


class Secret:
    """A text that prints as ``***`` if it is printed, logged or formatted. Only ``reveal`` returns it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Returns the text itself."""
        return self._text

    def fingerprint(self) -> str:
        """Returns the first 32 digits of its SHA-256: enough to recognise the secret, and of no use to use it."""
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

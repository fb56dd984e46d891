"""What keeps a delivered secret in its vault for a while. ``shared.core.errors`` draws the whole tree of errors."""

from __future__ import annotations

from shared.core.errors import Throttled


class VaultLeft(Throttled):
    """The rest of a lease has nothing to do with it: its delivered secret is still in the vault, and is tried again later.

    ``is_expected``: the vault is deleting the secret, which takes a while. Otherwise the vault is out of reach, or refuses.
    """

    code = "vault_unreachable"
    sentence = "The key vault cannot be reached, or refuses; what is in it is removed later."

    def __init__(self, cause: str = "", *, azure_code: str = "", retry_after: float = 60.0, is_expected: bool = False) -> None:
        super().__init__(cause, azure_code=azure_code, retry_after=retry_after)
        self.is_expected = is_expected

    def brief(self) -> str:
        """Returns that the vault is deleting it, or why it could not be reached."""
        if self.is_expected:
            return "vault_deleting"
        return f"{self.code}: {self.azure_code}" if self.azure_code else self.code

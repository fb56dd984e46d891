"""What a role definition gives of Azure's blobs, in the words of a shared access signature (SAS). Pure.

Letters: https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas#specify-permissions. Data actions:
https://learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory#permissions-for-blob-service-operations.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Final

DELEGATE: Final = "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action"
"""The holder of this action at an account, or above, gets keys that sign user delegation SAS."""
_BLOBS: Final = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/"
LETTERS: Final = MappingProxyType(
    {
        "r": ("read",),
        "a": ("add/action", "write"),
        "c": ("add/action", "write"),
        "w": ("write",),
        "d": ("delete",),
        "x": ("deleteBlobVersion/action",),
        "y": ("permanentDelete/action",),
        "l": ("read",),
        "t": ("tags/read", "tags/write"),
    }
)
"""For each letter, in Azure's order, the data actions of which each is enough for some operation that the letter is for.

Whoever uses the signature may do what both the letter and the signer's own data actions allow. So a letter too many gives
nothing. Letters of Data Lake Storage (move, execute, ownership, permissions) and of immutability are left out."""


def letters_of(allows_data: Callable[[str], bool]) -> str:
    """Returns the letters of all that the holder may do, in Azure's order. ``allows_data`` judges one data action."""
    return "".join(letter for letter, actions in LETTERS.items() if any(allows_data(_BLOBS + each) for each in actions))


def joined(*texts: str) -> str:
    """Returns all letters of several texts, each once, in Azure's order."""
    return "".join(letter for letter in LETTERS if any(letter in each for each in texts))

"""A role's generation: a number that only grows, and outlives the role. Raising it revokes every lease that the role has.

A lease keeps the generation under which it was opened. It is overtaken, and due at once, when its role's is higher.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.core.names import RoleName


@dataclass(frozen=True, slots=True)
class Generation:
    """Of one role. ``version`` is the stored row's ETag, empty when there is none: then the role has never been revoked.

    ``finished``: the generation as of which no overtaken lease was found any more. While it is less than ``number``, somebody
    must look for some.
    """

    role: RoleName
    number: int = 0
    finished: int = 0
    version: str = ""

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left of what its last rise has overtaken."""
        return self.finished >= self.number

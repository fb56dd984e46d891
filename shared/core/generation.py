"""A role's generation: a number that only grows, and outlives the role. Raising it revokes every lease that the role has.

A lease keeps the generation under which it was opened. It is overtaken, and due at once, when its role's is higher.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.core.names import RoleName


@dataclass(frozen=True, slots=True)
class Generation:
    """The generation of one role. ``version`` is the stored row's ETag; empty if the role has never been revoked.

    ``finished``: the generation at which no overtaken lease was left. While it is less than ``number``, sweeps look for
    overtaken leases.
    """

    role: RoleName
    number: int = 0
    finished: int = 0
    version: str = ""

    @property
    def is_finished(self) -> bool:
        """Whether none of the leases that its last rise has overtaken is left."""
        return self.finished >= self.number

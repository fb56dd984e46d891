"""What the proof of a lease's credential has seen, from where, and how long it took."""

from __future__ import annotations

from dataclasses import dataclass

TOKEN = "token"  # noqa: S105 - a word
"""In ``Readiness.seen``: Entra ID takes the credential."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """What was seen of a credential before it was handed out. Whether that was enough, the lease says (``Lease.ready``)."""

    seen: tuple[str, ...] = ()
    """``token``, ``arm:<scope>``, ``probe:<host>``."""
    unseen: tuple[str, ...] = ()
    """The same of what was not seen in time, and links that the broker cannot try."""
    region: str = ""
    """Azure's name of the region from which it was seen; empty outside Azure. What one region sees, another may not see yet."""
    waited_ms: int = 0
    """How long the proof took, in milliseconds."""

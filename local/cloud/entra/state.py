"""What Entra ID alone keeps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class TrustedIssuers:
    """Other issuers, whose assertions federated credentials may trust. Kept as ``world.of(TrustedIssuers)``."""

    keys: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Each issuer's published keys (JWK)."""

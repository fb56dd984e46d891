"""A digest of what a role grants. With it, a lease shows whether its role still grants what the lease was issued for."""

from __future__ import annotations

import json
from hashlib import sha256

from shared.core.role import Target
from shared.kinds.registry import Kinds


def target_digest(kinds: Kinds, target: Target) -> str:
    """Returns 64 hexadecimal digits, computed from what the target grants by its kind's schema.

    Fields that change nothing in what the credential may do do not count. An absent field does not count either, so a later
    version, which knows more fields, computes the same digest.
    """
    kind = kinds.find(target.type)
    granted = {"type": kind.type, **kind.schema.granted(target)} if kind is not None else {}
    return sha256(json.dumps(granted, sort_keys=True).encode()).hexdigest()

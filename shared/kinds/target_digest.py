"""What a role grants, as a digest: by it a lease knows whether its role still grants what the lease was issued for."""

from __future__ import annotations

import json
from hashlib import sha256

from shared.core.role import Target
from shared.kinds.registry import Kinds


def target_digest(kinds: Kinds, target: Target) -> str:
    """64 hexadecimal digits, of what the kind's schema says that the target grants.

    What changes nothing in what the credential may do does not count, nor how something was written. A field joins only where
    it is there, so that a later version, which knows more fields, computes the same.
    """
    kind = kinds.find(target.type)
    granted = {"type": kind.type, **kind.schema.granted(target)} if kind is not None else {}
    return sha256(json.dumps(granted, sort_keys=True).encode()).hexdigest()

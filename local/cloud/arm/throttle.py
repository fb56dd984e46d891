"""Throttling: one token bucket for each subscription, principal and kind of call."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from local.cloud.arm import errors
from local.cloud.arm.settings import Bucket, Limits
from local.cloud.rbac.scopes import Scope

if TYPE_CHECKING:
    from local.cloud.arm.requests import ArmRequest

_KINDS = {"GET": "reads", "HEAD": "reads", "DELETE": "deletes"}


@dataclass(slots=True)
class _Level:
    """What is left in a bucket, and when that was."""

    left: float
    at: float


@dataclass(slots=True)
class Throttle:
    """The buckets' levels. A world whose clock went back starts with full ones."""

    _levels: dict[tuple[str, str, str], _Level] = field(default_factory=dict)

    def take(self, request: ArmRequest) -> dict[str, str]:
        """Counts this call; the header that tells what remains. Raises 429 with ``Retry-After`` when nothing does."""
        kind = _KINDS.get(request.call.method, "writes")
        scope = Scope.of(request.call.path)
        bucket: Bucket = getattr(request.settings.limits or Limits(), kind)
        left = bucket.size
        if request.settings.limits is not None:
            left = self._drawn(request, kind, bucket, scope.subscription or "tenant")
        holder = "subscription" if scope.subscription else "tenant"
        return {f"x-ms-ratelimit-remaining-{holder}-{kind}": str(max(left - 1, 0))}

    def _drawn(self, request: ArmRequest, kind: str, bucket: Bucket, holder: str) -> int:
        now = request.world.clock.now()
        level = self._levels.setdefault((holder, request.caller.object_id, kind), _Level(bucket.size, now))
        if now < level.at:
            level.left = bucket.size
        level.left = min(bucket.size, level.left + max(now - level.at, 0) * bucket.refill)
        level.at = now
        if level.left < 1:
            raise _throttled(kind, holder, request, math.ceil((1 - level.left) / bucket.refill))
        level.left -= 1
        return int(level.left) + 1


def _throttled(kind: str, holder: str, request: ArmRequest, seconds: int) -> Exception:
    """The text is documented in parts only: the code and ``Retry-After`` are what clients go by."""
    whose = "tenant" if holder == "tenant" else "subscription"
    return errors.gateway_refusal(
        429,
        "SubscriptionRequestsThrottled",
        f"Number of '{kind}' requests for {whose} '{holder}' actor '{request.caller.object_id}' exceeded. Please try "
        f"again after '{seconds}' seconds after additional tokens are available. Refer to "
        "https://aka.ms/arm-throttling for additional information.",
        {"retry-after": str(seconds)},
    )

"""Changes that meet: an object that is being changed takes no other change for a moment."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from local.cloud.disturbances.consistency import Consistency

_REMEMBERED = 1_000


@dataclass(slots=True)
class Crowding:
    """When the last change of each object began, by the object's id."""

    _changed: dict[str, float] = field(default_factory=dict)

    def meets(self, consistency: Consistency, object_id: str, seconds: float | None) -> bool:
        """Whether a change that begins now meets another, each taking so long; one that does not has begun.

        None do for ``None`` seconds, nor under consistency profile ``none``, where every call is over before the next.
        """
        if seconds is None or consistency.profile.name == "none":
            return False
        now = consistency.now()
        busy = seconds / consistency.speed
        if now < self._changed.get(object_id, -math.inf) + busy:
            return True
        if len(self._changed) >= _REMEMBERED:
            self._changed = {key: at for key, at in self._changed.items() if now < at + busy}
        self._changed[object_id] = now
        return False

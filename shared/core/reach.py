"""What leases were granted in relation to one scope: at or below it, or also above it. Pure.

Scopes are compared by their ids alone. What a management group contains is not known here: whoever asks for what reaches a
scope is told of every lease that was granted something at a management group.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from shared.core.errors import Caution
from shared.core.names import Scope


@dataclass(frozen=True, slots=True)
class Reach:
    """Asks for the leases that were granted something at the scope or below it. ``above``: also for those above it."""

    scope: Scope
    above: bool = False

    def meets(self, granted: Iterable[Scope]) -> bool:
        """Returns whether one of these scopes is asked for."""
        return any(self._is_met_by(each) for each in granted)

    def cautions(self, path: str) -> Iterator[Caution]:
        """Yields what the answer does not show. ``path`` is the field that asks."""
        yield Caution(path, "groups_not_seen", "what a lease reaches through groups or Graph app roles is not seen here")
        if self.above or self.scope.is_management_group:
            yield Caution(
                path, "management_groups_not_known", f"what a management group contains is not known here: {self._so}"
            )

    @property
    def _so(self) -> str:
        """What follows from not knowing it."""
        if not self.above:
            return "only leases that were granted something at this very group are found"
        others = ", and no lease that was granted something in a subscription" if self.scope.is_management_group else ""
        return f"every lease that was granted something at any management group is found{others}"

    def _is_met_by(self, granted: Scope) -> bool:
        if granted.within(self.scope):
            return True
        return self.above and (granted.is_management_group or self.scope.within(granted))

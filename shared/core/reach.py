"""What leases were granted in relation to one scope: at or below it, or also above it. Pure.

Scopes are compared by their ids alone. What a management group contains is not known here: whoever asks for what reaches a scope
is told of every lease that was granted something at a management group.
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
        if self.above:
            yield Caution(
                path,
                "management_groups_not_known",
                "what a management group contains is not known here: every lease that was granted something at a management"
                " group counts" + (", and none that was granted it in a subscription" * self.scope.is_management_group),
            )
        elif self.scope.is_management_group:
            yield Caution(
                path,
                "management_groups_not_known",
                "what a management group contains is not known here: only leases that were granted something at the group itself"
                " count",
            )

    def _is_met_by(self, granted: Scope) -> bool:
        if granted.within(self.scope):
            return True
        return self.above and (granted.is_management_group or self.scope.within(granted))

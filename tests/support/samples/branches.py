"""Which action runs after which, and how all of them ended: the same in Logic Apps and in Data Factory.

https://learn.microsoft.com/azure/data-factory/tutorial-pipeline-failure-error-handling;
https://learn.microsoft.com/azure/logic-apps/error-exception-handling
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

SUCCEEDED, FAILED, TIMED_OUT, SKIPPED = "Succeeded", "Failed", "TimedOut", "Skipped"
type After = Mapping[str, Mapping[str, set[str]]]
"""For each action those that it runs after, each with the statuses in which it does."""


class NoOrderError(Exception):
    """An action runs after one that is not there, or after itself."""


async def run_all(after: After, run: Callable[[str], Awaitable[str]]) -> tuple[str, dict[str, str]]:
    """The status of the whole, and of each action. An action whose conditions do not hold is skipped."""
    statuses: dict[str, str] = {}
    while left := [name for name in after if name not in statuses]:
        ready = [name for name in left if after[name].keys() <= statuses.keys()]
        if not ready:
            raise NoOrderError(f"{left} wait for one another")
        for name in ready:
            holds = all(statuses[each] in wanted for each, wanted in after[name].items())
            statuses[name] = await run(name) if holds else SKIPPED
    leaves = [name for name in after if not any(name in each for each in after.values())]
    good = all(_good(name, after, statuses) for name in leaves)
    return (SUCCEEDED if good else FAILED), statuses


def _good(name: str, after: After, statuses: Mapping[str, str]) -> bool:
    """Whether a branch ended well: a skipped action counts as those before it do."""
    if statuses[name] == SKIPPED:
        return all(_good(each, after, statuses) for each in after[name])
    return statuses[name] == SUCCEEDED

"""Answers that are remembered for a while, by key, and that are asked for once even if many ask at the same time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from functools import partial

from shared.core.ports.system import Clock
from shared.resilience.single_flight import SingleFlight


@dataclass(frozen=True, slots=True)
class Limits:
    """How long an answer is remembered, in seconds, and how much is remembered altogether.

    ``weight`` is the sum of the weights of all answers. If it is passed, the answers that were read longest ago are forgotten.
    """

    life: float
    weight: int


@dataclass(frozen=True, slots=True)
class _Answer[T]:
    content: T
    until: float
    weight: int


class Remembered[K: Hashable, T]:
    """Asks ``ask`` for the answer to a key, and remembers those answers to which ``weigh`` gives a weight.

    The weight 0 says that an answer must not be remembered. An answer's life begins when the question is asked, because it may
    have been true then and not a moment longer. ``name`` is for the log.
    """

    def __init__(
        self, ask: Callable[[K], Awaitable[T]], weigh: Callable[[T], int], limits: Limits, clock: Clock, name: str
    ) -> None:
        self._ask = ask
        self._weigh = weigh
        self._limits = limits
        self._clock = clock
        self._name = name
        self._answers: dict[K, _Answer[T]] = {}
        """Those that were read longest ago come first."""
        self._weight = 0
        self._under_way: dict[K, SingleFlight[T]] = {}

    def __len__(self) -> int:
        """The number of answers that are remembered, of whatever age."""
        return len(self._answers)

    async def answer(self, key: K) -> T:
        """Returns the answer, remembered or fresh. Raises what ``ask`` raises."""
        known = self._answers.get(key)
        if known is not None and self._clock.monotonic() < known.until:
            return known.content
        flight = self._under_way.get(key)
        if flight is None:
            flight = self._under_way[key] = SingleFlight(partial(self._fresh, key), self._name)
        return await flight.outcome()

    async def _fresh(self, key: K) -> T:
        begun = self._clock.monotonic()
        self._forget(key)
        try:
            content = await self._ask(key)
        finally:
            self._under_way.pop(key, None)
        self._remember(key, content, begun + self._limits.life)
        return content

    def _remember(self, key: K, content: T, until: float) -> None:
        weight = self._weigh(content)
        if not 0 < weight <= self._limits.weight or until <= self._clock.monotonic():
            return
        self._forget(key)
        self._answers[key] = _Answer(content, until, weight)
        self._weight += weight
        while self._weight > self._limits.weight:
            self._forget(next(iter(self._answers)))

    def _forget(self, key: K) -> None:
        known = self._answers.pop(key, None)
        if known is not None:
            self._weight -= known.weight

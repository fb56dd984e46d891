"""What is measured: figures with their targets, and the arithmetic behind them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

type Relation = Literal["<=", "<", ">=", "="]
type Interval = tuple[float, float]
"""Begin and end, in seconds of one clock."""

_DECIMALS = {
    "calls": 0,
    "trips": 0,
    "rows": 0,
    "requests": 0,
    "modules": 0,
    "ms": 1,
    "µs": 0,
    "times": 2,
    "s": 2,
    "MB": 1,
    "%": 1,
    "leases/s": 1,
    "requests/s": 0,
    "events/s": 0,
    "leases": 0,
    "bytes": 0,
    "issues": 0,
    "sweeps": 0,
    "requests/lease": 2,
}


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure should be."""

    relation: Relation
    value: float

    def met(self, value: float) -> bool:
        """Whether a figure of this value is as it should be."""
        match self.relation:
            case "<=":
                return value <= self.value
            case "<":
                return value < self.value
            case ">=":
                return value >= self.value
            case "=":
                return value == self.value


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number. Without a target it is there to be read."""

    name: str
    value: float
    unit: str
    target: Target | None = None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; ``None`` without one."""
        return self.target.met(self.value) if self.target else None

    def cells(self) -> tuple[str, str, str, str]:
        """As a row of the table: name, value, target, verdict."""
        verdict = {True: "met", False: "NOT MET", None: ""}[self.met]
        wanted = f"{self.target.relation} {_written(self.target.value, self.unit)}" if self.target else ""
        return self.name, f"{_written(self.value, self.unit)} {self.unit}", wanted, verdict

    def as_json(self) -> dict[str, Any]:
        """As it is kept."""
        target = f"{self.target.relation} {self.target.value:g}" if self.target else None
        return {"name": self.name, "value": round(self.value, 4), "unit": self.unit, "target": target, "met": self.met}


def table(figures: Iterable[Figure]) -> str:
    """The figures in aligned columns, a line each."""
    rows = [figure.cells() for figure in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(_line(row, widths) for row in rows)


def percentile(values: Sequence[float], share: float) -> float:
    """The least of the values that at least this share of them (above 0, up to 1) does not exceed."""
    if not values or not 0 < share <= 1:
        raise ValueError("a percentile takes values and a share above 0, up to 1")
    return sorted(values)[math.ceil(share * len(values)) - 1]


def covered(intervals: Iterable[Interval], within: Interval) -> float:
    """Seconds of ``within`` during which at least one of the intervals lasts."""
    reached, end = within
    total = 0.0
    for start, stop in sorted(intervals):
        first, last = max(start, reached), min(stop, end)
        if last > first:
            total += last - first
            reached = last
    return total


def _written(value: float, unit: str) -> str:
    return f"{value:,.{_DECIMALS[unit]}f}"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    name, value, target, verdict = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
    return f"  {name}  {value.strip().rjust(widths[1])}  {target}  {verdict}".rstrip()

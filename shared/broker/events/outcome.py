"""What comes of an event for one rule."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Done:
    """There is nothing left to do for this rule: it was done, it was done before, or it must not be done."""


@dataclass(frozen=True, slots=True)
class NotYet:
    """It cannot be done now, and may be soon. ``why`` is for the operator."""

    why: str


type Outcome = Done | NotYet
DONE = Done()

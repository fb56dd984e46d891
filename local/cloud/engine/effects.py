"""What can be made to go wrong with one call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

INJECTED = "A fault asked for through the control API."
"""What an injected error says."""
MOST_WAIT = 300.0
"""Seconds after which even a ``timeout`` ends; clients give up long before."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The service's own error, given before the call has any effect."""

    status: int
    code: str
    retry_after: int | float | None = None
    aadsts: int | None = None
    """The number of Entra ID's refusal, for a service that refuses by number."""


@dataclass(frozen=True, slots=True)
class Delay:
    """The call is handled, that many seconds late."""

    seconds: float


type Silence = Literal["drop_after_effect", "timeout", "timeout_after_effect"]
"""No answer: the connection is closed after the effect, or kept open without (or after) it."""
type Effect = Answer | Delay | Silence

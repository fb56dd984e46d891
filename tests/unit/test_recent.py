"""What a worker has met last."""

from __future__ import annotations

from shared.resilience.recent import Recent


def test_the_last_512_are_remembered() -> None:
    """What was met again counts as met last."""
    recent = Recent[int]()
    for number in range(512):
        recent.note(number)
    recent.note(0)
    recent.note(512)
    assert [0, 2, 512] == [number for number in (0, 1, 2, 512) if number in recent]


def test_what_is_forgotten_is_not_remembered() -> None:
    """Also if it was never met."""
    recent = Recent[str]()
    recent.note("a")
    recent.forget("a")
    recent.forget("b")
    assert "a" not in recent

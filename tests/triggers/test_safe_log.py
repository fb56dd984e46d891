"""What the log is told of an exception and of what led to it."""

from __future__ import annotations

from shared.core.errors import Unavailable, Unreachable
from shared.triggers import safe_log


def down() -> None:
    """What happens first."""
    raise Unavailable("down", status=503)


def raised(*, behind: bool, hidden: bool) -> Exception:
    """One that was raised while another was handled: because of it, or telling nothing of it."""
    try:
        try:
            down()
        except Unavailable as first:
            if behind:
                raise Unreachable("late") from first
            if hidden:
                raise Unreachable("late") from None
            raise Unreachable("late")  # noqa: B904 - as a defect in a handler would be
    except Unreachable as last:
        return last
    raise AssertionError


def test_the_log_tells_what_led_to_an_exception_unless_that_was_left_out_on_purpose() -> None:
    """Whether it is the cause or was only being handled."""
    late, both = (
        "Unreachable: Unreachable (None): late",
        "Unreachable: Unreachable (None): late <- Unavailable: Unavailable (503): down",
    )
    assert both == safe_log.of(raised(behind=True, hidden=False))
    assert both == safe_log.of(raised(behind=False, hidden=False))
    assert late == safe_log.of(raised(behind=False, hidden=True))

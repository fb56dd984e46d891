"""The setting that says whether the broker's own right to assign roles reaches users."""

from __future__ import annotations

import pytest

from shared.core.errors import Misconfigured
from shared.settings import load
from tests.unit.test_settings import LEAST


@pytest.mark.parametrize(("given", "expected"), [({}, False), ({"": "false"}, False), ({"": "true"}, True)])
def test_users_are_granted_nothing_unless_the_setting_says_so(given: dict[str, str], expected: bool) -> None:  # noqa: FBT001 - a case
    """In words."""
    settings = {f"LEASEHOLD_GRANT_TO_USERS{name}": value for name, value in given.items()}
    assert load({**LEAST, **settings}).azure.grant_to_users is expected


@pytest.mark.parametrize("value", ["True", "yes", "1"])
def test_what_is_neither_true_nor_false_keeps_the_broker_from_starting(value: str) -> None:
    """A right that is wider than meant is not guessed."""
    with pytest.raises(Misconfigured, match="LEASEHOLD_GRANT_TO_USERS: expected true or false"):
        load({**LEAST, "LEASEHOLD_GRANT_TO_USERS": value})

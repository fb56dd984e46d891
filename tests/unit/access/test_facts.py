from __future__ import annotations

import pytest

from shared.core.access.facts import Principal

IDENTITY = "/subscriptions/s/resourcegroups/r/providers/Microsoft.ManagedIdentity/userAssignedIdentities/web"


@pytest.mark.parametrize(
    ("kind", "names", "expected"),
    [
        ("ManagedIdentity", ("isExplicit=True", IDENTITY), True),
        ("ManagedIdentity", ("isexplicit=true", IDENTITY), True),
        ("ManagedIdentity", ("isExplicit=False", IDENTITY), False),
        ("ManagedIdentity", (IDENTITY,), False),
        ("ManagedIdentity", (), False),
        ("Application", ("isExplicit=True", IDENTITY), False),
    ],
)
def test_a_user_assigned_identity_is_called_explicit(kind: str, names: tuple[str, ...], expected: object) -> None:
    """An application's names prove nothing: its owner writes them."""
    assert expected is Principal(kind, names).is_user_assigned

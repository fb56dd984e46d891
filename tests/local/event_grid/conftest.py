"""Event Grid, for every test of it."""

from __future__ import annotations

import pytest

from tests.local.event_grid.calls import Events


@pytest.fixture
def events() -> Events:
    """A fresh world without a topic."""
    return Events()

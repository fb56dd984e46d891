"""One app for each test."""

from __future__ import annotations

import pytest

from tests.fakes.world import role, world
from tests.triggers.app import App


@pytest.fixture
def app() -> App:
    """The functions, over a world that keeps the role ``web``."""
    return App(world(role()))


@pytest.fixture
def empty() -> App:
    """A broker without any document."""
    return App(world())

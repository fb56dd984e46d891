"""A vault, for every test of it."""

from __future__ import annotations

import pytest

from tests.local.key_vault.calls import Vault


@pytest.fixture
def vault() -> Vault:
    """An empty one."""
    return Vault()

"""A storage account, for every test of its blobs."""

from __future__ import annotations

import pytest

from tests.local.blob.calls import Storage


@pytest.fixture
def storage() -> Storage:
    """A fresh world with an account that holds something."""
    return Storage()

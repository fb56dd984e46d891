"""The local cloud's fixtures, and what the adapters are made of."""

from __future__ import annotations

from tests.local.conftest import _running, cloud

__all__ = ["_running", "cloud"]

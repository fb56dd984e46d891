from __future__ import annotations

from tests.cloud.conftest import bearer, service

__all__ = ["bearer", "service"]

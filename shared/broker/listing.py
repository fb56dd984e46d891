"""Reads all leases of a query, page after page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from shared.broker.ports import Ports
from shared.core.lease import LeaseView
from shared.core.names import LeaseId
from shared.core.ports.leases import LeaseQuery


async def all_leases(ports: Ports, query: LeaseQuery) -> AsyncIterator[LeaseView]:
    """Yields the leases, the newest first. Reads pages of the query's ``limit``. Raises ``Upstream``."""
    while True:
        page = await ports.leases.list(query)
        for view in page.items:
            yield view
        if page.cursor is None:
            return
        query = replace(query, cursor=LeaseId(page.cursor))

"""What is in the tenant, as the control API lists it: enough for a test to assert that nothing is left."""

from __future__ import annotations

from collections.abc import Iterable

from local.cloud.engine.http import Json
from local.cloud.engine.service import HoldsState, Service
from local.cloud.local_azure import LocalAzure


def of(world: LocalAzure, services: Iterable[Service[LocalAzure]]) -> Json:
    """What all these services hold, in one object."""
    stored = [service.state(world) for service in services if isinstance(service, HoldsState)]
    return {name: listed for part in stored for name, listed in part.items()}

"""The list of services. Add one here: a folder with a class that is a ``local.cloud.engine.service.Service``, and its line."""

from __future__ import annotations

from collections.abc import Callable

from local.cloud.arm.service import Arm
from local.cloud.blob.service import Blobs
from local.cloud.engine.service import Service
from local.cloud.entra.service import Entra
from local.cloud.event_grid.service import EventGrid
from local.cloud.graph.service import Graph
from local.cloud.imds.service import ManagedIdentity
from local.cloud.key_vault.service import KeyVault
from local.cloud.local_azure import LocalAzure

AZURE: tuple[Callable[[], Service[LocalAzure]], ...] = (
    Entra,
    Graph,
    Arm,
    KeyVault,
    Blobs,
    EventGrid,
    ManagedIdentity,
)


def names() -> list[str]:
    """Every name in the public cloud that some service answers to; one with ``*`` stands for all below it."""
    return [name for service in AZURE for name in service().endpoint.hosts]

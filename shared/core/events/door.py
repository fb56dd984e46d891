"""The door for events over HTTP: who may publish there, and which origins the broker lets publish. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.core.access.folding import fold
from shared.core.caller import Caller, CallerType
from shared.core.names import ObjectId

EVENT_GRID_ORIGIN = "eventgrid.azure.net"
EVENT_GRID = ObjectId("4962773b-9cdb-44cf-a8bf-237846a00ab7")
"""Event Grid's application in Azure's public cloud.
https://learn.microsoft.com/azure/event-grid/secure-webhook-delivery"""
EVENT_GRID_GOVERNMENT = ObjectId("54316b56-3481-47f9-8f30-0300f5542a7b")
APP_ROLE = "AzureEventGridSecureWebhookSubscriber"
"""The app role of the broker's API that Event Grid must hold. Being Event Grid alone proves nothing: anybody's topic is."""
RATE = 120
"""Requests a minute for which the handshake asks.
https://learn.microsoft.com/azure/event-grid/end-point-validation-cloud-events-schema"""


@dataclass(frozen=True, slots=True)
class Door:
    """``is_open``: whether there is such a door at all. ``origins``: those that may ask for consent besides Event Grid's."""

    is_open: bool = False
    app_id: ObjectId = EVENT_GRID
    origins: frozenset[str] = field(default=frozenset())

    def admits(self, caller: Caller) -> bool:
        """Returns whether the caller may publish: that application, as itself, of the home tenant, with the app role."""
        return (
            caller.at_home
            and caller.kind is CallerType.APPLICATION
            and caller.app_id == self.app_id
            and APP_ROLE in caller.app_roles
        )

    def consents(self, origin: str) -> bool:
        """Returns whether the origin of a handshake is let publish. That lets nobody in: ``admits`` does."""
        return self.is_open and fold(origin) in {EVENT_GRID_ORIGIN, *self.origins}

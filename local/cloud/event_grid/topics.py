"""Topics: where events come from. A custom one is published to, a system one listens to Azure Resource Manager."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from local.cloud.disturbances.profiles import HOME
from local.cloud.event_grid.events import Schema
from local.cloud.rbac.scopes import Scope

if TYPE_CHECKING:
    from local.cloud.local_azure import LocalAzure

type TopicKind = Literal["custom", "system"]
KINDS: tuple[TopicKind, ...] = get_args(TopicKind.__value__)
DOMAIN = f".{HOME}-1.eventgrid.azure.net"
TYPES = {"custom": "Microsoft.EventGrid/topics", "system": "Microsoft.EventGrid/systemTopics"}


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic."""

    name: str
    kind: TopicKind
    id: str
    """Its resource's id."""
    schema: Schema
    """What it takes; a system topic makes events of Event Grid's own schema."""
    source: str
    """What a system topic is of: a subscription or a resource group; of a custom one its own id."""

    @property
    def endpoint(self) -> str:
        """Where it is published to, by Azure's name."""
        return f"https://{self.name}{DOMAIN}/api/events"

    def stands(self, world: LocalAzure) -> bool:
        """Whether its resource has not been deleted."""
        return Scope.of(self.id).key in world.tree.resources

    def covers(self, resource_id: str) -> bool:
        """Whether this resource is what a system topic is of, or lies in it."""
        return Scope.of(self.source).contains(Scope.of(resource_id))

"""Where a parameter's value comes from, if its caller does not give it: facts about the caller.

The facts are about identities, and about the resource whose managed identity the caller is. A user-assigned identity is a
resource of its own, not the machine that carries it: whoever may create an identity in a resource group, is of that group.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Self

from shared.core.access.facts import Facts, Unread
from shared.core.access.folding import fold
from shared.core.access.match import may_be_a_resource
from shared.core.access.resource_id import ResourceId
from shared.core.caller import Caller, CallerType
from shared.core.errors import DirectoryUnavailable

_TOP = 8
"""The segments of ``subscriptions/S/resourceGroups/G/providers/NAMESPACE/TYPE/NAME``: a resource that is no part of another."""


class Fact(StrEnum):
    """The facts, by their names in a role's document (``from``)."""

    SUBSCRIPTION_ID = "caller.subscription_id"
    """The subscription of the caller's resource."""
    RESOURCE_GROUP = "caller.resource_group"
    """The resource group of the caller's resource. It says something within the caller's own subscription alone."""
    RESOURCE_NAME = "caller.resource_name"
    """The name of the caller's resource. It says something within the caller's own resource group alone."""
    OBJECT_ID = "caller.object_id"
    """The caller's object id."""
    APP_ID = "caller.app_id"
    """The client id of a caller that is an application of the broker's own tenant."""


OF_THE_RESOURCE = frozenset({Fact.SUBSCRIPTION_ID, Fact.RESOURCE_GROUP, Fact.RESOURCE_NAME})
"""Facts for which the directory must be asked: they are about the caller's resource."""

_AN_ID = frozenset({"resource_group", "container", "resource_name", "word"})
FITTING: Mapping[Fact, frozenset[str]] = MappingProxyType(
    {
        Fact.SUBSCRIPTION_ID: frozenset({"subscription", "word"}),
        Fact.RESOURCE_GROUP: frozenset({"resource_group", "container", "word"}),
        Fact.RESOURCE_NAME: frozenset({"storage_account", "key_vault", "container", "resource_name", "word"}),
        Fact.OBJECT_ID: _AN_ID,
        Fact.APP_ID: _AN_ID,
    }
)
"""The kinds of parameters that a fact may fill. No fact chooses something of a wider sort than it speaks of: a resource's name
chooses no resource group, and a group's name no resource, for whoever gives such a name need not have a right to the other."""


@dataclass(frozen=True, slots=True)
class OwnResource:
    """The Azure resource whose managed identity the caller is: its id, and the parts of it as the directory writes them.

    ``resource_group`` is ``None`` if it lies in none. ``name`` is ``None`` if it is a part of another resource.
    """

    id: str
    subscription_id: str
    resource_group: str | None
    name: str | None

    @classmethod
    def parse(cls, resource_id: str) -> Self | None:
        """Returns ``None`` if the text is no resource's id, or the resource lies in no subscription."""
        found = ResourceId.parse(resource_id)
        if found is None or found.subscription_id is None:
            return None
        written = resource_id[1:].split("/")
        top = found.resource_group is not None and len(written) == _TOP
        return cls(
            resource_id, written[1], written[3] if found.resource_group is not None else None, written[-1] if top else None
        )

    def is_of_subscription(self, subscription_id: str | None) -> bool:
        """Returns whether it lies in the subscription."""
        return subscription_id is not None and fold(subscription_id) == fold(self.subscription_id)

    def is_of_group(self, name: str | None) -> bool:
        """Returns whether it lies in the resource group of that name, which must be of its own subscription."""
        return name is not None and self.resource_group is not None and fold(name) == fold(self.resource_group)


@dataclass(frozen=True, slots=True)
class CallerFacts:
    """What may fill parameters. ``None`` means that there is no such fact. ``app_id`` is of applications alone.

    ``resource`` is ``Unread`` if the directory could not be asked, or nobody has asked it.
    """

    object_id: str
    app_id: str | None = None
    resource: OwnResource | Unread | None = None

    def own(self) -> OwnResource | None:
        """Returns the caller's resource. Raises ``DirectoryUnavailable`` if it could not be read."""
        if isinstance(self.resource, Unread):
            raise DirectoryUnavailable(self.resource.why)
        return self.resource


def facts_of(caller: Caller, facts: Facts) -> CallerFacts:
    """Returns what may fill parameters for this caller. A caller of another tenant has no resource and no ``app_id``."""
    app_id = caller.app_id if caller.at_home and caller.kind is CallerType.APPLICATION else None
    if not may_be_a_resource(caller) or facts.principal is None:
        return CallerFacts(caller.object_id, app_id)
    if isinstance(facts.principal, Unread):
        return CallerFacts(caller.object_id, app_id, facts.principal)
    return CallerFacts(caller.object_id, app_id, OwnResource.parse(facts.principal.resource_id or ""))

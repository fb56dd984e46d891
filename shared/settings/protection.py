"""The targets that no role may have: the broker's own identities and resources, and those that the operator lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from shared.core.names import ObjectId, Scope, Unparsable
from shared.settings.azure import own_client
from shared.settings.callers import client_ids, listed_audiences
from shared.settings.reader import PREFIX, Reader

_PLATFORM = ("WEBSITE_OWNER_NAME", "WEBSITE_RESOURCE_GROUP", "WEBSITE_SITE_NAME")


@dataclass(frozen=True, slots=True)
class Protection:
    """See ``shared.core.protection``."""

    identities: frozenset[ObjectId]
    """The listed ones, the broker's client id, and the client id of the application whose audience it accepts."""
    scopes: tuple[Scope, ...]
    """The listed ones, and the function app itself if the platform says which it is."""

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Reads the section. If the app is deployed and nothing names its resource, notes a fault: it would be unprotected."""
        own = (own_client(reader), *client_ids(listed_audiences(reader)))
        return cls(
            identities=frozenset((*own, *reader.listed("PROTECTED_IDENTITIES", ObjectId.parse))),
            scopes=_scopes(reader),
        )


def _scopes(reader: Reader) -> tuple[Scope, ...]:
    listed = reader.listed("PROTECTED_SCOPES", Scope.parse)
    subscription = reader.optional("SUBSCRIPTION_ID", ObjectId.parse)
    try:
        own = own_resource(reader.environment, subscription)
    except Unparsable as wrong:
        reader.refuse(f"{', '.join(_PLATFORM)}: make no resource id: {wrong}")
        return listed
    if own is None and not listed and all(map(reader.told, _PLATFORM[1:])):
        reader.refuse(f"{PREFIX}PROTECTED_SCOPES: is required where nothing tells the app's subscription")
    return (*listed, *((own,) if own else ()))


def own_resource(environment: Mapping[str, str], subscription: ObjectId | None = None) -> Scope | None:
    """Returns the function app's own resource id, if the platform names all of its parts.

    Raises ``Unparsable`` if the parts make no resource id. ``WEBSITE_OWNER_NAME`` is ``<subscription>+<webspace>``:
    https://learn.microsoft.com/azure/app-service/reference-app-settings#app-environment
    """
    owner, group, site = (environment.get(name, "") for name in _PLATFORM)
    own = owner.partition("+")[0]
    found = ObjectId.parse(own) if own else subscription
    if found is None or not group or not site:
        return None
    return Scope.parse(f"/subscriptions/{found}/resourceGroups/{group}/providers/Microsoft.Web/sites/{site}")

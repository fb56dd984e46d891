"""An index of documents with bounds: finds those that may speak of a caller without looking at the others.

Each document stands in one place: under each value of its most selective kind. If it has a kind that the token decides, that is
the service principal, the application, the group or the app role, in this order. If it has none, it is a kind of the resource:
the subscription and resource group of its patterns, the scale set, the resource group, the subscription, the location. Patterns
that name no resource group stand in one list for each subscription, and those that name no subscription in another. Such a list
is looked through whole.

The index says who may match. ``match`` decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from shared.core.access.bounds import OF_THE_RESOURCE, Constraint, readable_values
from shared.core.access.facts import Facts, Principal, Unread
from shared.core.access.folding import fold
from shared.core.access.match import may_be_a_resource
from shared.core.access.resource_id import Pattern, ResourceId
from shared.core.caller import Caller, CallerType

type _Key = tuple[str, ...]
_BY_TOKEN = (
    *(Constraint.SERVICE_PRINCIPAL_IDS, Constraint.APPLICATION_IDS),
    *(Constraint.GROUP_IDS, Constraint.APP_ROLES),
)
_BY_RESOURCE = (Constraint.SCALE_SETS, Constraint.RESOURCE_GROUPS, Constraint.SUBSCRIPTION_IDS, Constraint.LOCATIONS)
_PATTERNS = Constraint.RESOURCE_IDS


class Index:
    """Names of documents, by what their bounds say."""

    def __init__(self) -> None:
        self._names: dict[_Key, list[str]] = {}
        self._by_resource: dict[str, None] = {}
        """Those that stand under a kind of the resource."""
        self._by_group: dict[str, None] = {}
        self._by_group_and_resource = False
        """Whether one of these speaks of resources as well."""
        self._by_location: dict[str, None] = {}
        """Those that stand under a location, as they name nothing more selective."""
        self._anywhere: dict[str, list[tuple[Pattern, str]]] = {}
        """Patterns that name no resource group, by the subscription that they name, or by ``*``."""
        self._damaged: list[str] = []
        """Those of which no kind can be read: they may speak of anybody."""

    def add(self, name: str, document: Any) -> None:
        """Adds a document as it is stored. It stands under a kind without faults, or it is damaged."""
        stored = document if isinstance(document, dict) else {}
        tenants = Constraint.TENANT_IDS
        if tenants in stored and readable_values(tenants, stored[tenants]) is None:
            self._damaged.append(name)
            return
        for kind in _BY_TOKEN:
            if (values := _values_of(stored, kind)) is not None:
                self._put(name, ((kind, fold(each)) for each in values))
                if kind is Constraint.GROUP_IDS:
                    self._by_group[name] = None
                    self._by_group_and_resource |= not stored.keys().isdisjoint(OF_THE_RESOURCE)
                return
        if not self._add_resource(name, stored):
            self._damaged.append(name)

    def _add_resource(self, name: str, stored: Mapping[str, Any]) -> bool:
        """Adds a document under a kind of the resource. Returns whether there is one that can be read."""
        found = {kind: values for kind in _BY_RESOURCE if (values := _values_of(stored, kind)) is not None}
        patterns = [Pattern.parse(each) for each in _values_of(stored, _PATTERNS) or ()]
        placed = all(pattern.place is not None for pattern in patterns)
        if patterns and (placed or not found.keys() - {Constraint.LOCATIONS}):
            for pattern in patterns:
                if pattern.place is None:
                    self._anywhere.setdefault(pattern.subscription or "*", []).append((pattern, name))
                else:
                    self._put(name, [(_PATTERNS, *pattern.place)])
        elif found:
            kind, values = next(iter(found.items()))
            self._put(name, ((kind, fold(each)) for each in values))
            if kind is Constraint.LOCATIONS:
                self._by_location[name] = None
        else:
            return False
        self._by_resource[name] = None
        return True

    def _put(self, name: str, keys: Iterable[_Key]) -> None:
        for key in keys:
            self._names.setdefault(key, []).append(name)

    def by_token(self, caller: Caller) -> Iterator[str]:
        """Yields the documents that stand under something that the token says."""
        yield from self._damaged
        keys: list[_Key] = [(Constraint.SERVICE_PRINCIPAL_IDS, caller.object_id)]
        if caller.kind is CallerType.APPLICATION and caller.app_id is not None:
            keys.append((Constraint.APPLICATION_IDS, caller.app_id))
        if not caller.has_more_groups:
            keys += [(Constraint.GROUP_IDS, each) for each in caller.groups]
        keys += [(Constraint.APP_ROLES, each) for each in {*map(fold, caller.app_roles)}]
        for key in keys:
            yield from self._names.get(key, ())

    def asks_for_principal(self, caller: Caller) -> bool:
        """Returns whether a document may want the caller's resource, of those that do not stand under what its token says.

        Such a document stands under a kind of the resource, or under a group that the token does not name.
        """
        wanted = bool(self._by_resource) or (self._by_group_and_resource and caller.has_more_groups)
        return wanted and may_be_a_resource(caller)

    def asks_for_groups(self, caller: Caller) -> bool:
        """Returns whether there is a document under a group, and the directory must say in which groups the caller is."""
        return bool(self._by_group) and caller.has_more_groups

    def candidates(self, caller: Caller, facts: Facts) -> dict[str, None]:
        """Returns the documents that may speak of the caller, each once: all others do not match."""
        found = dict.fromkeys(self.by_token(caller))
        if caller.has_more_groups:
            found |= self._of_groups(caller, facts)
        if may_be_a_resource(caller) and facts.principal is not None:
            found |= self._of_resource(facts, facts.principal)
        return found

    def _of_groups(self, caller: Caller, facts: Facts) -> Mapping[str, None]:
        if isinstance(facts.groups, Unread) or not caller.at_home:
            return self._by_group
        keys: Iterable[_Key] = ((Constraint.GROUP_IDS, each) for each in facts.groups or ())
        return {name: None for key in keys for name in self._names.get(key, ())}

    def _of_resource(self, facts: Facts, principal: Principal | Unread) -> Mapping[str, None]:
        if isinstance(principal, Unread):
            return self._by_resource
        resource = ResourceId.parse(principal.resource_id or "")
        if resource is None:
            return {}
        subscription, group, scale_set = resource.subscription_id or "", resource.resource_group or "", resource.scale_set or ""
        keys: list[_Key] = [
            *((_PATTERNS, subscription, group), (_PATTERNS, "*", group)),
            (Constraint.SCALE_SETS, scale_set),
            (Constraint.RESOURCE_GROUPS, group),
            (Constraint.SUBSCRIPTION_IDS, subscription),
        ]
        found = {name: None for key in keys for name in self._names.get(key, ())}
        for place in ("*", subscription):
            found |= {name: None for pattern, name in self._anywhere.get(place, ()) if pattern.matches(resource)}
        return {**found, **self._of_location(facts.location)}

    def _of_location(self, location: str | Unread | None) -> Mapping[str, None]:
        """Documents that name a location and nothing more selective."""
        if isinstance(location, Unread):
            return self._by_location
        return dict.fromkeys(self._names.get((Constraint.LOCATIONS, fold(location)), ())) if location else {}


def _values_of(stored: Mapping[str, Any], kind: Constraint) -> tuple[str, ...] | None:
    return readable_values(kind, stored[kind]) if kind in stored else None

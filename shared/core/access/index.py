"""An index of documents with bounds: finds those that may speak of a caller without looking at the others.

Each document stands in one place: under each value of its most selective kind. If it has a kind that the token decides, that is
the service principal, the application, the group or the app role, in this order. If it has none, it is a kind of the resource:
the subscription and resource group of its patterns, the scale set, the resource group, the subscription, the location. Patterns
with a star before the resource group stand in a list that is looked through whole.

The index says who may match. ``match`` decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from shared.core.access.bounds import FIELD_NAMES, Constraint
from shared.core.access.facts import Facts, Principal, Unread
from shared.core.access.folding import fold
from shared.core.access.match import may_be_a_resource
from shared.core.access.resource_id import Pattern, ResourceId
from shared.core.caller import Caller, CallerType
from shared.core.names import Unparsable

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
        self._anywhere: list[tuple[Pattern, str]] = []
        self._damaged: list[str] = []
        """Those whose bounds cannot be told: they may speak of anybody."""

    def add(self, name: str, document: Any) -> None:
        """Adds a document as it is stored. A document without bounds speaks of nobody, and is left out."""
        present = [field for field in FIELD_NAMES if field in document] if isinstance(document, dict) else None
        if present is None or not all(_is_texts(document[field]) for field in present):
            self._damaged.append(name)
            return
        for kind in _BY_TOKEN:
            if kind in present:
                self._put(name, ((kind, fold(each)) for each in document[kind]))
                if kind is Constraint.GROUP_IDS:
                    self._by_group[name] = None
                return
        if _PATTERNS in present and self._add_patterns(name, document[_PATTERNS], alone=not {*present} & {*_BY_RESOURCE[:-1]}):
            return
        for kind in _BY_RESOURCE:
            if kind in present:
                self._by_resource[name] = None
                self._put(name, ((kind, fold(each)) for each in document[kind]))
                return

    def _add_patterns(self, name: str, texts: Iterable[str], *, alone: bool) -> bool:
        """Adds by patterns, if each has a place or there is nothing else to go by."""
        try:
            patterns = [Pattern.parse(each) for each in texts]
        except Unparsable:
            self._damaged.append(name)
            return True
        if not alone and any(each.place is None for each in patterns):
            return False
        self._by_resource[name] = None
        for pattern in patterns:
            if pattern.place is None:
                self._anywhere.append((pattern, name))
            else:
                self._put(name, [(_PATTERNS, *pattern.place)])
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
        """Returns whether there is a document under a kind of the resource, and the caller may be a resource's identity."""
        return bool(self._by_resource) and may_be_a_resource(caller)

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
            (_PATTERNS, subscription, group),
            (Constraint.SCALE_SETS, scale_set),
            (Constraint.RESOURCE_GROUPS, group),
            (Constraint.SUBSCRIPTION_IDS, subscription),
        ]
        found = {name: None for key in keys for name in self._names.get(key, ())}
        found |= {name: None for pattern, name in self._anywhere if pattern.matches(resource)}
        return {**found, **self._of_location(facts.location)}

    def _of_location(self, location: str | Unread | None) -> Mapping[str, None]:
        """Documents that name a location and nothing more selective."""
        if isinstance(location, Unread):
            names = (names for key, names in self._names.items() if key[0] == Constraint.LOCATIONS)
            return {name: None for each in names for name in each}
        return dict.fromkeys(self._names.get((Constraint.LOCATIONS, fold(location)), ())) if location else {}


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, str) for each in value)

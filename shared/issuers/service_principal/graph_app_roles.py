"""Application permissions of Microsoft Graph: the fields of a role, what an operator allows, and how a principal gets them.

They go with the principal. Nothing is undone for them, and no footprint has an id of theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

from shared.core.errors import Absent, AmbiguousRefusal, Fault, Malformed, RoleOutdated
from shared.core.graph_app_roles import (
    FIELD,
    MAX_GRAPH_APP_ROLES,
    SETTING,
    GraphAppRole,
    OfferedAppRoles,
    is_forbidden,
    names_of,
    parse_name,
)
from shared.core.names import ObjectId
from shared.core.parsing import Reader, parsed_item
from shared.core.readiness.observability import AppRolesLook
from shared.core.role import Ready
from shared.kinds.kind import Order
from shared.kinds.lenient import identity, mapping, parsed, texts
from shared.resilience.retry import SAFE_TO_REPEAT, Retry
from shared.resilience.tasks import all_of

_NEVER = "no role may have this permission: its holder could give itself any other"
_UNLISTED = f"{SETTING} does not list it: the operator says which permissions of Microsoft Graph roles may have"


class AppRoles(Protocol):
    """The calls to Microsoft Graph. Every method may raise ``Upstream``."""

    async def offered(self) -> OfferedAppRoles:
        """Returns what Graph offers to applications. Makes one call."""
        ...

    async def give(self, principal: ObjectId, resource: ObjectId, app_role: ObjectId) -> None:
        """Gives the service principal the permission. If it has the permission already, that is success.

        Raises ``Absent`` or ``AmbiguousRefusal`` while the principal is not known everywhere.
        """
        ...


class Wanting(Protocol):
    """A target, as far as it speaks of these permissions."""

    @property
    def graph_app_roles(self) -> tuple[GraphAppRole, ...]: ...  # noqa: D102 - as in a target


@dataclass(frozen=True, slots=True)
class GraphPermissions:
    """``allowed``: the permissions that the operator lets roles have. None by default."""

    calls: AppRoles
    allowed: frozenset[str] = frozenset()

    def require_allowed(self, target: Wanting) -> None:
        """Raises ``Malformed`` for a role that is being written: ``graph_app_role_forbidden``, ``graph_app_roles_disabled``."""
        if faults := [*forbidden(target.graph_app_roles)]:
            raise Malformed(*faults, code="graph_app_role_forbidden")
        if faults := [*self._unlisted(target)]:
            raise Malformed(*faults, code="graph_app_roles_disabled")

    def require_still_allowed(self, target: Wanting) -> None:
        """Raises ``RoleOutdated`` for a stored role that has a permission which the operator does not allow any more.

        What it is stands in the audit trail alone: whoever asks may be no administrator.
        """
        if faults := [*self._unlisted(target)]:
            raise RoleOutdated(audit_reason="; ".join(f"{each.path}: {each.message}" for each in faults))

    async def resolve(self, app_roles: Sequence[GraphAppRole]) -> tuple[tuple[GraphAppRole, ...], tuple[Fault, ...]]:
        """Returns the permissions with their ids, and a fault for each that Graph does not offer. Makes one call if there are
        any. Raises ``Upstream``.
        """
        if not app_roles:
            return (), ()
        try:
            offered = await self.calls.offered()
        except Absent:
            return (), (Fault(FIELD, "the tenant has no service principal of Microsoft Graph"),)
        found = [replace(each, id=offered.ids.get(each.name), resource=offered.resource) for each in app_roles]
        message = "Microsoft Graph offers no application permission of this name"
        return tuple(found), tuple(Fault(_path(at), message) for at, each in enumerate(found) if each.id is None)

    async def give(self, retry: Retry, order: Order, principal: ObjectId, app_roles: Iterable[GraphAppRole]) -> None:
        """Gives the principal all of them, side by side. Raises ``Upstream``.

        Graph may not know the principal for minutes: that is waited for as long as the order allows. A resolved permission
        cannot be wrong in itself. https://github.com/microsoftgraph/msgraph-bicep-types/issues/193
        """
        gifts = [partial(self.calls.give, principal, each.resource, each.id) for each in app_roles if each.resource and each.id]
        passing = (*SAFE_TO_REPEAT, Absent, AmbiguousRefusal)
        await all_of(*(retry.call(each, on=passing, deadline=order.deadline, in_time=True) for each in gifts))

    def _unlisted(self, target: Wanting) -> Iterator[Fault]:
        for place, each in enumerate(target.graph_app_roles):
            if each.name not in self.allowed:
                yield Fault(_path(place), _UNLISTED)


def read(reader: Reader) -> tuple[GraphAppRole, ...]:
    """Reads the field, and notes every fault in the reader."""
    names = reader.items(FIELD, parsed_item(parse_name), most=MAX_GRAPH_APP_ROLES)
    return tuple(GraphAppRole(each) for each in names)


def restore(document: Mapping[str, Any]) -> tuple[GraphAppRole, ...] | None:
    """Reads the field from a stored document that today's rules refuse. ``None`` if it cannot be read."""
    names = texts(document.get(FIELD, []))
    found = [parsed(parse_name, each) for each in names or ()]
    return None if names is None or None in found else tuple(GraphAppRole(each) for each in found if each)


def write(app_roles: Sequence[GraphAppRole]) -> dict[str, Any]:
    """Writes the field. An empty one is left out."""
    return {FIELD: list(names_of(app_roles))} if app_roles else {}


def keep(app_roles: Sequence[GraphAppRole]) -> dict[str, Any]:
    """Returns the ids, to be stored beside the document. Nothing if there are no permissions."""
    resource = next((each.resource for each in app_roles), None)
    return {FIELD: {"resource": resource, "ids": {each.name: each.id for each in app_roles}}} if app_roles else {}


def kept(app_roles: Sequence[GraphAppRole], stored: Mapping[str, Any]) -> tuple[GraphAppRole, ...]:
    """Joins what ``keep`` has written, by names. What cannot be read stays unresolved."""
    found = mapping(stored.get(FIELD))
    resource, ids = identity(found.get("resource")), mapping(found.get("ids"))
    return tuple(replace(each, id=identity(ids.get(each.name)), resource=resource) for each in app_roles)


def twice(app_roles: Sequence[GraphAppRole]) -> Iterator[Fault]:
    """Yields a fault for each that is named again."""
    for place, each in enumerate(app_roles):
        if each in app_roles[:place]:
            yield Fault(_path(place), "is named twice")


def forbidden(app_roles: Sequence[GraphAppRole]) -> Iterator[Fault]:
    """Yields a fault for each that no role may have, whatever the operator allows."""
    for place, each in enumerate(app_roles):
        if is_forbidden(each.name):
            yield Fault(_path(place), _NEVER)


def unresolved(app_roles: Sequence[GraphAppRole]) -> Iterator[Fault]:
    """Yields a fault for each of a stored role that was never looked up, or that no role may have."""
    yield from forbidden(app_roles)
    for place, each in enumerate(app_roles):
        if each.id is None or each.resource is None:
            yield Fault(_path(place), "was never looked up in Azure; write the role again")


def granted(app_roles: Sequence[GraphAppRole]) -> dict[str, Any]:
    """Returns what they give, in no order. Nothing if there are none: the digests of older roles stay what they were."""
    return {FIELD: sorted(each.id or each.name for each in app_roles)} if app_roles else {}


def looks_of(app_roles: Sequence[GraphAppRole], ready: Ready) -> tuple[AppRolesLook, ...]:
    """Returns what must be seen of them: that tokens for Graph carry all. Nothing if the role wants no proof."""
    return (AppRolesLook(frozenset(names_of(app_roles))),) if app_roles and ready != "none" else ()


def _path(place: int) -> str:
    return f"{FIELD}[{place}]"

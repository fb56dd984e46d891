"""Finding directory objects, as far as the replica that answers has seen them; and the properties that clients set."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from local.cloud.graph import errors, names, types
from local.cloud.graph.request import misfit
from local.cloud.tenant.directory import Application, Group, ServicePrincipal, User

if TYPE_CHECKING:
    from local.cloud.engine.http import Json
    from local.cloud.graph.request import GraphRequest
    from local.cloud.tenant.directory import Directory

type DirectoryObject = Application | ServicePrincipal | Group | User

_FACTS = {Application: "application", ServicePrincipal: "principal", Group: "group", User: "principal"}


def seen(request: GraphRequest, item: DirectoryObject) -> bool:
    """Whether the object lives, as far as the replica that answers knows. What changes an object is decided by the truth."""
    fact = (_FACTS[type(item)], item.id)
    if item.deleted is not None and (request.call.method != "GET" or not request.world.ghosts.holds(*fact)):
        return False
    return request.world.consistency.sees("graph", *fact)


def wrote(request: GraphRequest, item: DirectoryObject) -> None:
    """Tells the other services, and Graph's other replicas, of a new object."""
    request.world.consistency.wrote(_FACTS[type(item)], item.id)
    if isinstance(item, Group):
        request.world.consistency.wrote("principal", item.id)


def recycled(request: GraphRequest, item: DirectoryObject) -> None:
    """Puts the object into the recycle bin; the other services, and Graph's other replicas, hear of it later."""
    consistency = request.world.consistency
    item.deleted = request.now
    consistency.ended(_FACTS[type(item)], item.id, shown=item)
    if isinstance(item, Group):
        consistency.ended("principal", item.id, shown=item)
    consistency.wrote("binned", item.id)


def living[T: DirectoryObject](request: GraphRequest, kind: type[T], items: Mapping[str, T]) -> Iterator[T]:
    """Those that a list returns."""
    yield from (item for item in items.values() if seen(request, item))
    yield from (item for item in _gone(request, kind) if item.id not in items)


def existing[T: DirectoryObject](request: GraphRequest, item: T | None, name: str, kind: type[T]) -> T:
    """The object, or 404 by the name that it was asked for with: an id, a client id or a unique name."""
    found = item if item is not None and seen(request, item) else _lingering(request, kind, name)
    if found is None:
        raise errors.not_found(name)
    return found


def by_app_id[T: Application | ServicePrincipal](request: GraphRequest, kind: type[T], item: T | None, app_id: str) -> list[T]:
    """Those with this client id that a list returns."""
    found = item if item is not None and seen(request, item) else _lingering(request, kind, app_id)
    return [] if found is None else [found]


def _lingering[T: DirectoryObject](request: GraphRequest, kind: type[T], name: str) -> T | None:
    """What was deleted, and the answering replica still shows by this name."""
    names = ("id", "app_id", "unique_name")
    return next((item for item in _gone(request, kind) if name in (getattr(item, each, None) for each in names)), None)


def _gone[T: DirectoryObject](request: GraphRequest, kind: type[T]) -> Iterator[T]:
    """What was deleted, purged perhaps, and the answering replica still takes for living."""
    for item in request.world.ghosts.of(_FACTS[kind]):
        if isinstance(item, kind) and seen(request, item):
            yield item


def collections(directory: Directory) -> tuple[MutableMapping[str, Any], ...]:
    """Where each kind of directory object is kept."""
    return (directory.applications, directory.service_principals, directory.groups, directory.users)


def find(request: GraphRequest, object_id: str) -> DirectoryObject | None:
    """The object of any type with this id that the answering replica has seen."""
    for stored in collections(request.directory):
        item: DirectoryObject | None = stored.get(object_id)
        if item is not None and seen(request, item):
            return item
    for kind in _FACTS:
        gone: DirectoryObject | None = _lingering(request, kind, object_id)
        if gone is not None:
            return gone
    return None


def referenced(request: GraphRequest, object_id: str) -> DirectoryObject:
    """The object that a reference names, or 404."""
    item = find(request, object_id)
    if item is None:
        raise errors.not_found(object_id)
    return item


def settable(
    body: Json, defaults: Mapping[str, Any], fixed: Iterable[str], resource: str, bindable: Collection[str] = ()
) -> Json:
    """The properties that a client may set, out of what it sent; refuses others, and values of the wrong kind.

    Of ``bindable`` relations the body may name the objects, which is then the caller's affair.
    """
    kind = resource[:1].lower() + resource[1:]
    chosen = {name: value for name, value in body.items() if not name.startswith("@") and "@odata" not in name}
    for name in body.keys() - chosen.keys():
        names.check_annotation(kind, defaults, name, bindable)
    for name, value in chosen.items():
        names.check_body(kind, defaults, name)
        if name in fixed:
            raise errors.invalid(f"Property '{name}' is read-only and cannot be set.", "PropertyReadOnly", name)
        if not _suits(name, defaults[name], value) or not types.allows(resource, name, value):
            raise misfit(name, resource)
        inside = types.COMPLEX.get(name, defaults[name])
        if isinstance(inside, dict) and value:
            settable(value, inside, (), f"{resource}.{name}")
        for element in value if name in types.ELEMENTS else ():
            settable(element, types.ELEMENTS[name], (), f"{resource}.{name}")
    return chosen


def _suits(name: str, default: Any, value: Any) -> bool:
    """Whether the value is of the property's type, elements included; what has no default may be ``null``."""
    if isinstance(default, list):
        inside = dict if name in types.ELEMENTS else str
        return isinstance(value, list) and all(isinstance(item, inside) for item in value)
    if isinstance(default, bool):
        return isinstance(value, bool)
    return types.holds(types.of(name, default), value)


def merged(old: Json, new: Json) -> Json:
    """Properties after a PATCH: complex ones are changed property by property, everything else is replaced."""
    return {**old, **{name: _merge(old.get(name), value) for name, value in new.items()}}


def _merge(old: Any, new: Any) -> Any:
    return merged(old, new) if isinstance(old, dict) and isinstance(new, dict) else new

"""What applications and service principals have in common: how a path names one, how they are read and listed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local.cloud.graph import access, filters, objects, queries
from local.cloud.tenant.directory import Application, Clients, Directory, ServicePrincipal

if TYPE_CHECKING:
    from local.cloud.engine.http import Reply
    from local.cloud.graph.request import GraphRequest


@dataclass(frozen=True, slots=True)
class Reads[T: Application | ServicePrincipal]:
    """The GETs of one of the two collections."""

    type: type[T]
    kind: queries.ResourceType[T]
    kept: Callable[[Directory], Clients[T]]
    addressed: Callable[[GraphRequest], T]
    """The one that the path names, or 404."""

    def listed(self, request: GraphRequest) -> Reply:
        """``GET /{collection}``."""
        request.caller.require(access.READ_APPLICATIONS)
        return queries.many(request, self.kind, self._candidates(request))

    def counted(self, request: GraphRequest) -> Reply:
        """``GET /{collection}/$count``."""
        request.caller.require(access.READ_APPLICATIONS)
        return queries.count(request, self.kind, self._candidates(request))

    def read(self, request: GraphRequest) -> Reply:
        """``GET /{collection}/{id}``, or by an alternate key."""
        return queries.one(request, self.kind, self.readable(request))

    def readable(self, request: GraphRequest) -> T:
        """The one that the path names, if the caller may read it."""
        request.caller.require(access.READ_APPLICATIONS)
        return self.addressed(request)

    def _candidates(self, request: GraphRequest) -> Iterable[T]:
        """All that live, or the one with the client id that the filter asks for."""
        stored, app_id = self.kept(request.directory), filters.wanted_app_id(request.call.query.get("$filter"))
        if app_id is None:
            return objects.living(request, self.type, stored)
        return objects.by_app_id(request, self.type, stored.living(app_id), app_id)


def addressed[T: Application | ServicePrincipal](request: GraphRequest, kind: type[T], stored: Clients[T]) -> T:
    """The one that the path names by id or by client id, or 404."""
    if "app_id" in request.call.params:
        app_id = request.guid("app_id")
        return objects.existing(request, stored.living(app_id), app_id, kind)
    object_id = request.guid("id")
    return objects.existing(request, stored.get(object_id), object_id, kind)

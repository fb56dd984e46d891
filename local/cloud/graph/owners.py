"""Owners of applications, service principals and groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.cloud.graph import access, errors, memberships, objects, queries
from local.cloud.graph.request import done, referenced

if TYPE_CHECKING:
    from local.cloud.engine.http import Json, Reply
    from local.cloud.graph.request import GraphRequest
    from local.cloud.tenant.directory import Application, Group, ServicePrincipal

type Owned = Application | ServicePrincipal | Group


def listed(request: GraphRequest, item: Owned) -> Reply:
    """The owners that live; of those whose type the caller may not read no more than that and their ids."""
    found = (objects.find(request, owner) for owner in item.owners)
    return queries.mixed(request, [memberships.visible(request, owner) for owner in found if owner is not None])


def expanded(request: GraphRequest, item: Owned, *, ids: bool) -> list[Json]:
    """The same within the object that they own. ``ids``: no more than that and their types."""
    found = (objects.find(request, owner) for owner in item.owners)
    bodies = (memberships.visible(request, owner) for owner in found if owner is not None)
    return [{name: body[name] for name in ("@odata.type", "id")} if ids else body for body in bodies]


def added(request: GraphRequest, item: Owned) -> Reply:
    """``owners/$ref``: the object that is named becomes an owner too."""
    owner = objects.referenced(request, referenced(request.body()))
    if owner.id in item.owners:
        message = "One or more added object references already exist for the following modified properties: 'owners'."
        raise errors.bad_request(message)
    item.owners.append(owner.id)
    return done()


def looked_up_and_added(request: GraphRequest, item: Application | ServicePrincipal) -> Reply:
    """The same where the caller must be allowed to look the new owner up."""
    request.caller.require(access.READ_DIRECTORY)
    return added(request, item)


def removed(request: GraphRequest, item: Owned) -> Reply:
    """``owners/{id}/$ref``."""
    owner = request.guid("owner")
    if owner not in item.owners:
        raise errors.not_found(owner)
    item.owners.remove(owner)
    return done()


def first_of_application(request: GraphRequest) -> list[str]:
    """Who owns a new application: its creator, unless that is an application that may change them all.

    The first is *createAsOwner*, the second *create*, which takes precedence:
    https://learn.microsoft.com/entra/identity/role-based-access-control/quickstart-app-registration-limits.
    """
    return [] if request.caller.unconfined and not request.caller.delegated else [request.caller.object_id]


def first_of_principal(request: GraphRequest) -> list[str]:
    """Who owns a new service principal: its creator, unless that may change them all; a recorded administrator does not."""
    return [] if request.caller.unconfined else [request.caller.object_id]

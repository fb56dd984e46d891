"""Service principals, of applications and of managed identities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.cloud.graph import access, bodies, certificates, clients, errors, objects, owners, passwords, queries, schema
from local.cloud.graph.request import done, text
from local.cloud.tenant.directory import Application, Group, ServicePrincipal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from local.cloud.engine.http import Json, Reply
    from local.cloud.graph.request import GraphRequest

_FOREIGN = "When using this permission, the backing application of the service principal being created must in the local tenant"
"""The service's own wording, said as well when its replica has not seen the application yet:
https://github.com/hashicorp/terraform-provider-azuread/issues/581."""


def addressed(request: GraphRequest) -> ServicePrincipal:
    """The service principal that the path names by id or by client id, or 404."""
    return clients.addressed(request, ServicePrincipal, request.directory.service_principals)


READS = clients.Reads(ServicePrincipal, bodies.SERVICE_PRINCIPAL, lambda directory: directory.service_principals, addressed)


def create(request: GraphRequest) -> Reply:
    """``POST /servicePrincipals``."""
    return _created(request, request.body())


def upsert(request: GraphRequest) -> Reply:
    """``PATCH /servicePrincipals(appId='..')``: creates it if ``Prefer: create-if-missing`` asks for that."""
    app_id = request.guid("app_id")
    if request.upserts and request.directory.principal_of(app_id) is None:
        return _created(request, request.body() | {"appId": app_id})
    return update(request)


def update(request: GraphRequest) -> Reply:
    """``PATCH /servicePrincipals/{id}``."""
    item = changeable(request)
    sent = objects.settable(request.body(), schema.SERVICE_PRINCIPAL, schema.SERVICE_PRINCIPAL_FIXED, "ServicePrincipal")
    request.limits.begin_change(request.world, item.id)
    stored = passwords.kept(item, sent.pop("passwordCredentials", None))
    certificates.replace(request, item, sent.pop("keyCredentials", None))
    passwords.replace(request, item, stored)
    _enable(request, item, sent)
    item.properties = objects.merged(item.properties, sent)
    return done()


def _enable(request: GraphRequest, item: ServicePrincipal, sent: Json) -> None:
    """Entra hears later that a principal may sign in no more, or again."""
    was, now = (stored.get("accountEnabled", True) is not False for stored in (item.properties, item.properties | sent))
    if was and not now:
        request.world.consistency.ended("enabled", item.id)
    elif now and not was:
        request.world.consistency.wrote("enabled", item.id)


def delete(request: GraphRequest) -> Reply:
    """``DELETE /servicePrincipals/{id}``: to the recycle bin."""
    item = changeable(request)
    request.limits.begin_change(request.world, item.id)
    objects.recycled(request, item)
    return done()


def owned_objects(request: GraphRequest) -> Reply:
    """``GET /servicePrincipals/{id}/ownedObjects``: applications, service principals and groups."""
    request.caller.require(access.READ_APPLICATIONS)
    owner = addressed(request).id
    directory = request.directory
    stored: tuple[Iterable[Application | ServicePrincipal | Group], ...] = (
        objects.living(request, Application, directory.applications),
        objects.living(request, ServicePrincipal, directory.service_principals),
        objects.living(request, Group, directory.groups),
    )
    return queries.mixed(request, [bodies.typed(request, item) for kind in stored for item in kind if owner in item.owners])


def changeable(request: GraphRequest) -> ServicePrincipal:
    """The service principal that the path names, if the caller may change it; Azure alone changes managed identities'."""
    request.caller.require(access.CHANGE_APPLICATIONS)
    item = addressed(request)
    request.caller.require_change(item.owners)
    if item.kind == "ManagedIdentity":
        raise errors.denied()
    return item


def _created(request: GraphRequest, body: Json) -> Reply:
    request.caller.require(access.CHANGE_APPLICATIONS)
    app_id = text(body, "appId", "ServicePrincipal").lower()
    app = _application(request, app_id)
    if not request.caller.unconfined and request.caller.object_id not in app.owners:
        raise errors.denied()
    if request.directory.principal_of(app_id) is not None:
        raise in_use(app_id)
    request.limits.check_objects(request.world)
    allowed = {name: value for name, value in body.items() if name != "appId"}
    sent = objects.settable(allowed, schema.SERVICE_PRINCIPAL, schema.SERVICE_PRINCIPAL_FIXED, "ServicePrincipal")
    item = ServicePrincipal(request.world.guid(), app_id, request.now, {}, owners=owners.first_of_principal(request))
    item.passwords = passwords.kept(item, sent.pop("passwordCredentials", None))
    certificates.replace(request, item, sent.pop("keyCredentials", None))
    item.properties = sent
    request.directory.service_principals[item.id] = item
    objects.wrote(request, item)
    return request.created("servicePrincipals", bodies.service_principal(request, item), "ServicePrincipal")


def _application(request: GraphRequest, app_id: str) -> Application:
    """The application of a new service principal.

    One that the answering replica has not seen is refused in one of two ways, seen in turn where the caller may only
    change its own: 400 as if it did not exist, or 403 as if it were another tenant's.
    """
    app = request.directory.application_of(app_id)
    if app is not None and objects.seen(request, app):
        return app
    if app is not None and not request.caller.unconfined and request.world.chance.random() < _MISLED:
        raise errors.denied(_FOREIGN)
    message = f"The appId '{app_id}' of the service principal does not reference a valid application object."
    raise errors.invalid(message, "NoBackingApplicationObject", "appId")


_MISLED = 0.5


def in_use(app_id: str) -> Exception:
    """409 when the client id has a service principal already."""
    return errors.duplicate(
        "The service principal cannot be created, updated, or restored because the service principal name "
        f"{app_id} is already in use."
    )

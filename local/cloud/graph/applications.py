"""Application registrations."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from local.cloud.graph import (
    access,
    bodies,
    certificates,
    clients,
    entitlements,
    errors,
    objects,
    owners,
    passwords,
    queries,
    schema,
)
from local.cloud.graph.instants import written
from local.cloud.graph.request import done, misfit, text
from local.cloud.tenant.directory import Application

if TYPE_CHECKING:
    from local.cloud.engine.http import Json, Reply
    from local.cloud.graph.request import GraphRequest

_NAME = 256
_OWNERS = {"owners", "owners($select=id)"}
_PERSONAL = {"AzureADandPersonalMicrosoftAccount", "PersonalMicrosoftAccount"}
_PERSONAL_NAME = 90
_AUDIENCES = {"AzureADMyOrg", "AzureADMultipleOrgs", "AzureADandPersonalMicrosoftAccount", "PersonalMicrosoftAccount"}


def addressed(request: GraphRequest) -> Application:
    """The application that the path names by id, by client id or by unique name, or 404."""
    if "unique_name" in request.call.params:
        name = request.param("unique_name")
        return objects.existing(request, request.directory.applications.named(name), name, Application)
    return clients.addressed(request, Application, request.directory.applications)


READS = clients.Reads(Application, bodies.APPLICATION, lambda directory: directory.applications, addressed)


def read(request: GraphRequest) -> Reply:
    """``GET /applications/{id}``, with its owners if ``$expand`` asks for them."""
    item = READS.readable(request)
    reply = queries.one(request, READS.kind, item)
    option = _expanding(request)
    return reply if option is None else replace(reply, body=_with_owners(request, reply.body, item, option))


def listed(request: GraphRequest) -> Reply:
    """``GET /applications``, each with its owners if ``$expand`` asks for them. Owners need the application's id."""
    option = _expanding(request)
    reply = READS.listed(request)
    if option is None:
        return reply
    found = [(each, objects.find(request, each["id"])) for each in reply.body["value"]]
    shown = [_with_owners(request, each, item, option) if isinstance(item, Application) else each for each, item in found]
    return replace(reply, body={**reply.body, "value": shown})


def _expanding(request: GraphRequest) -> str | None:
    option = request.call.query.get("$expand")
    if option is not None and option not in _OWNERS:
        raise errors.not_implemented(f"$expand={option} here")
    return option


def _with_owners(request: GraphRequest, body: Json, item: Application, option: str) -> Json:
    return {**body, "owners": owners.expanded(request, item, ids=option != "owners")}


def create(request: GraphRequest) -> Reply:
    """``POST /applications``."""
    return _created(request, _registered(request, request.body(), None))


def update(request: GraphRequest) -> Reply:
    """``PATCH /applications/{id}``, or by an alternate key."""
    request.caller.require(access.CHANGE_APPLICATIONS)
    item = addressed(request)
    return _changed(request, item)


def upsert(request: GraphRequest) -> Reply:
    """``PATCH /applications(uniqueName='..')``: creates what is missing if ``Prefer: create-if-missing`` asks for it.

    The key is decided at one place, so that a repeat never makes a second application, whatever a replica has seen.
    https://learn.microsoft.com/graph/api/application-upsert
    """
    if not request.upserts:
        return update(request)
    name = request.param("unique_name")
    known = request.directory.applications.named(name)
    if known is None:
        return _created(request, _registered(request, request.body(), name))
    if known.deleted is not None:
        raise errors.taken("uniqueName")
    return _changed(request, known)


def delete(request: GraphRequest) -> Reply:
    """``DELETE /applications/{id}``: to the recycle bin, with its service principal of this tenant."""
    request.caller.require(access.CHANGE_APPLICATIONS)
    item = addressed(request)
    request.caller.require_change(item.owners)
    request.limits.begin_change(request.world, item.id)
    principal = request.directory.principal_of(item.app_id)
    objects.recycled(request, item)
    if principal is not None:
        objects.recycled(request, principal)
    return done()


def changeable(request: GraphRequest) -> Application:
    """The application that the path names, if the caller may change it."""
    request.caller.require(access.CHANGE_APPLICATIONS)
    item = addressed(request)
    request.caller.require_change(item.owners)
    return item


def check_uris(request: GraphRequest, item: Application, uris: list[str]) -> None:
    """Refuses an identifier URI that another application has."""
    if not uris:
        return
    for other in request.directory.applications.values():
        held = other.properties.get("identifierUris", ())
        if other is not item and other.deleted is None and not set(uris).isdisjoint(held):
            raise errors.taken("identifierUris")


def _created(request: GraphRequest, item: Application) -> Reply:
    # The reply to a creation shows the instant in full, and what no other replica has seen yet.
    shown = bodies.application(request, item) | {"createdDateTime": written(item.created)}
    shown["keyCredentials"] = bodies.shown_certificates(item.certificates.values())
    return request.created("applications", shown, "Application")


def _registered(request: GraphRequest, body: Json, unique_name: str | None) -> Application:
    request.caller.require(access.CHANGE_APPLICATIONS)
    text(body, "displayName", "Application", most=_NAME)
    request.limits.check_objects(request.world)
    request.limits.check_creator(request.world, request.caller.object_id)
    world = request.world
    item = Application(
        world.guid(), world.guid(), request.now, {}, unique_name=unique_name, owners=owners.first_of_application(request)
    )
    _apply(request, item, body)
    request.directory.applications[item.id] = item
    objects.wrote(request, item)
    return item


def _changed(request: GraphRequest, item: Application) -> Reply:
    request.caller.require_change(item.owners)
    request.limits.begin_change(request.world, item.id)
    _apply(request, item, request.body())
    return done()


def _apply(request: GraphRequest, item: Application, body: Json) -> None:
    """Sets what was sent, all of it or nothing."""
    sent = _checked(request, item, body)
    stored = passwords.kept(item, sent.pop("passwordCredentials", None))
    certificates.replace(request, item, sent.pop("keyCredentials", None))
    passwords.replace(request, item, stored)
    item.properties = objects.merged(item.properties, sent)


def _checked(request: GraphRequest, item: Application, body: Json) -> Json:
    if body.get("uniqueName", item.unique_name) != item.unique_name:
        raise errors.invalid("Property 'uniqueName' is read-only and cannot be set.", "PropertyReadOnly", "uniqueName")
    allowed = {name: value for name, value in body.items() if name != "uniqueName"}
    sent = objects.settable(allowed, schema.APPLICATION, schema.APPLICATION_FIXED, "Application")
    if "displayName" in sent:
        text(sent, "displayName", "Application", most=_NAME)
    tags = [str(tag).casefold() for tag in sent.get("tags") or ()]
    if sent.get("signInAudience", "AzureADMyOrg") not in _AUDIENCES or len(set(tags)) < len(tags):
        raise misfit("tags" if len(set(tags)) < len(tags) else "signInAudience", "Application")
    wanted = objects.merged(item.properties, sent)
    _check_personal(wanted)
    if not sent.keys().isdisjoint(("api", "appRoles")):
        entitlements.check(item.properties, wanted)
    check_uris(request, item, sent.get("identifierUris", []))
    return _normal(sent)


def _check_personal(wanted: Json) -> None:
    """What holds where personal accounts may sign in.

    https://learn.microsoft.com/entra/identity-platform/supported-accounts-validation and, for the version of access tokens,
    https://github.com/microsoftgraph/microsoft-graph-docs/issues/21685.
    """
    if wanted.get("signInAudience") not in _PERSONAL:
        return
    if (wanted.get("api") or {}).get("requestedAccessTokenVersion") != 2:  # noqa: PLR2004 - the version
        raise errors.bad_request("One or more properties contains invalid values.", "InvalidAccessTokenVersion")
    if len(str(wanted.get("displayName", ""))) > _PERSONAL_NAME:
        raise misfit("displayName", "Application")


def _normal(sent: Json) -> Json:
    """What the service adds to what it is given."""
    normal = dict(sent)
    if "appRoles" in sent:
        normal["appRoles"] = [{"origin": "Application"} | role for role in sent["appRoles"]]
    if isinstance(claims := sent.get("optionalClaims"), dict):
        normal["optionalClaims"] = {token: [_claim(item) for item in claims.get(token) or ()] for token in _TOKENS}
    return normal


_TOKENS = ("accessToken", "idToken", "saml2Token")


def _claim(sent: Json) -> Json:
    return {"additionalProperties": [], "essential": False, "source": None} | sent

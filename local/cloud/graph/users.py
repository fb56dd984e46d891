"""People's accounts, as far as tests and the control API need them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.cloud.graph import access, bodies, errors, names, objects, queries, schema
from local.cloud.graph.request import done, misfit, text
from local.cloud.tenant.directory import User

if TYPE_CHECKING:
    from local.cloud.engine.http import Json, Reply
    from local.cloud.graph.request import GraphRequest

_NAME = 256
_NICKNAME = 64
_PASSWORD = {"password", "forceChangePasswordNextSignIn", "forceChangePasswordNextSignInWithMfa"}
"""https://learn.microsoft.com/graph/api/resources/passwordprofile."""


def addressed(request: GraphRequest) -> User:
    """The user that the path names by id or by user principal name, or 404."""
    name = request.param("id")
    return objects.existing(request, _known(request, name), name, User)


def _known(request: GraphRequest, name: str) -> User | None:
    found = request.directory.users.get(name.lower())
    if found is not None:
        return found
    return next((user for user in request.directory.users.values() if _is_called(user, name)), None)


def _is_called(item: User, name: str) -> bool:
    return item.deleted is None and str(item.properties.get("userPrincipalName", "")).casefold() == name.casefold()


def me(request: GraphRequest) -> Reply:
    """``GET /me``."""
    if not request.caller.delegated:
        raise errors.bad_request("/me request is only valid with delegated authentication flow.", "BadRequest")
    request.caller.require(access.READ_SELF)
    found = request.directory.users.get(request.caller.object_id)
    return queries.one(request, bodies.USER, objects.existing(request, found, request.caller.object_id, User))


def listed(request: GraphRequest) -> Reply:
    """``GET /users``."""
    request.caller.require(access.READ_USERS)
    return queries.many(request, bodies.USER, objects.living(request, User, request.directory.users))


def counted(request: GraphRequest) -> Reply:
    """``GET /users/$count``."""
    request.caller.require(access.READ_USERS)
    return queries.count(request, bodies.USER, objects.living(request, User, request.directory.users))


def read(request: GraphRequest) -> Reply:
    """``GET /users/{id or userPrincipalName}``."""
    request.caller.require(access.READ_USERS)
    return queries.one(request, bodies.USER, addressed(request))


def create(request: GraphRequest) -> Reply:
    """``POST /users``."""
    request.caller.require_administration(access.CHANGE_USERS)
    sent = _settable(request.body())
    text(sent, "displayName", "User", most=_NAME)
    text(sent, "mailNickname", "User", most=_NICKNAME)
    name = text(sent, "userPrincipalName", "User")
    if request.body().get("passwordProfile") is None:
        raise misfit("passwordProfile", "User")
    if _known(request, name) is not None:
        raise errors.taken("userPrincipalName")
    request.limits.check_objects(request.world)
    item = User(request.world.guid(), request.now, sent)
    request.directory.users[item.id] = item
    objects.wrote(request, item)
    return request.created("users", bodies.USER.shown(request, item), "User")


def update(request: GraphRequest) -> Reply:
    """``PATCH /users/{id}``."""
    request.caller.require_administration(access.CHANGE_USERS)
    item = addressed(request)
    item.properties = objects.merged(item.properties, _settable(request.body()))
    return done()


def delete(request: GraphRequest) -> Reply:
    """``DELETE /users/{id}``: to the recycle bin."""
    request.caller.require_administration(access.CHANGE_USERS)
    objects.recycled(request, addressed(request))
    return done()


def _settable(body: Json) -> Json:
    """What a client may set. Passwords are taken and forgotten: nobody signs in with one here."""
    stored = {name: value for name, value in body.items() if name != "passwordProfile"}
    if (profile := body.get("passwordProfile")) is not None:
        if not isinstance(profile, dict):
            raise misfit("passwordProfile", "User")
        names.only("passwordProfile", _PASSWORD, profile)
    return objects.settable(stored, schema.USER, schema.USER_FIXED, "User")

"""Management locks: CRUD, and what they forbid.

Rules: https://learn.microsoft.com/azure/azure-resource-manager/management/lock-resources
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

from local.cloud.arm import errors
from local.cloud.arm.existence import require
from local.cloud.arm.requests import only
from local.cloud.engine.http import Reply
from local.cloud.rbac.scopes import Scope, lineage
from local.cloud.tenant.resources import Lock

if TYPE_CHECKING:
    from local.cloud.arm.requests import ArmRequest
    from local.cloud.engine.http import Json
    from local.cloud.local_azure import LocalAzure

_FORBIDDING = {"delete": ("CanNotDelete", "ReadOnly"), "write": ("ReadOnly",)}
_LEVELS = {"cannotdelete": "CanNotDelete", "readonly": "ReadOnly"}


def check(world: LocalAzure, scope: Scope, operation: Literal["delete", "write"], target: str) -> None:
    """Raises 409 ScopeLocked when a lock here or above forbids the operation on ``target``, an id at or in ``scope``."""
    if not world.tree.locks:
        return
    above = frozenset(lineage(world, scope))
    locked = [lock.scope for lock in _forbidding(world, operation) if lock.scope.casefold() in above]
    if locked:
        raise errors.scope_locked(target, operation, ",".join(locked))


def check_tree(world: LocalAzure, scope: Scope) -> None:
    """The same for the deletion of all that lies in ``scope``: locks below it count too."""
    check(world, scope, "delete", scope.path)
    locked = [lock.scope for lock in _forbidding(world, "delete") if scope.contains(Scope.of(lock.scope))]
    if locked:
        raise errors.scope_locked(scope.path, "delete", ",".join(locked))


def _forbidding(world: LocalAzure, operation: str) -> list[Lock]:
    return [lock for lock in world.tree.locks.values() if lock.level in _FORBIDDING[operation]]


def put(request: ArmRequest) -> Reply:
    """Creates (201) or changes (200) a lock."""
    scope, name = request.scope, request.call.params["name"]
    request.require("Microsoft.Authorization/locks/write", scope, request.call.path)
    require(request.world, scope)
    body = request.json()
    only(body, "id", "name", "type", "properties")
    properties = body.get("properties")
    if isinstance(properties, dict):
        only(properties, "level", "notes")
    level = _LEVELS.get(str(properties.get("level", "")).lower()) if isinstance(properties, dict) else None
    if level is None or not isinstance(properties, dict):
        raise errors.refusal(400, "LockLevelInvalid", "The lock level must be 'CanNotDelete' or 'ReadOnly'.")
    lock = Lock(name, scope.path, cast('Literal["CanNotDelete", "ReadOnly"]', level), properties.get("notes"))
    known = _key(scope, name) in request.world.tree.locks
    request.world.tree.locks[_key(scope, name)] = lock
    return Reply(200 if known else 201, _render(lock))


def get(request: ArmRequest) -> Reply:
    """One lock; 404 LockNotFound."""
    scope = request.scope
    request.require("Microsoft.Authorization/locks/read", scope, request.call.path)
    require(request.world, scope)
    name = request.call.params["name"]
    lock = _find(request.world, scope, name)
    if lock is None:
        raise errors.refusal(404, "LockNotFound", f"The lock '{name}' could not be found.")
    return Reply(200, _render(lock))


def delete(request: ArmRequest) -> Reply:
    """200, or 204 when there is none. A lock does not protect locks."""
    scope, name = request.scope, request.call.params["name"]
    request.require("Microsoft.Authorization/locks/delete", scope, request.call.path)
    require(request.world, scope)
    lock = _find(request.world, scope, name)
    if lock is None:
        return Reply(204)
    locks = request.world.tree.locks
    del locks[next(key for key, value in locks.items() if value is lock)]
    return Reply(200)


def listing(request: ArmRequest) -> Reply:
    """The locks here, above and below."""
    scope = request.scope
    request.require("Microsoft.Authorization/locks/read", scope)
    require(request.world, scope)
    above = frozenset(lineage(request.world, scope))
    found = [
        _render(lock)
        for lock in request.world.tree.locks.values()
        if lock.scope.casefold() in above or scope.contains(Scope.of(lock.scope))
    ]
    return Reply(200, {"value": found})


def _find(world: LocalAzure, scope: Scope, name: str) -> Lock | None:
    return next(
        (
            lock
            for lock in world.tree.locks.values()
            if lock.name.casefold() == name.casefold() and lock.scope.casefold() == scope.key
        ),
        None,
    )


def _key(scope: Scope, name: str) -> str:
    return f"{scope.prefix}/providers/microsoft.authorization/locks/{name}".casefold()


def _render(lock: Lock) -> Json:
    notes = {"notes": lock.notes} if lock.notes is not None else {}
    scope = Scope.of(lock.scope)
    return {
        "properties": {"level": lock.level, **notes},
        "id": f"{scope.prefix}/providers/Microsoft.Authorization/locks/{lock.name}",
        "type": "Microsoft.Authorization/locks",
        "name": lock.name,
    }

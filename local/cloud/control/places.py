"""Resource groups and resources that tests make and delete through the control API, with what storage accounts hold."""

from __future__ import annotations

import re
from typing import Any

from local.cloud.arm.removal import remove_tree
from local.cloud.control import inputs, provision
from local.cloud.engine.errors import InputError
from local.cloud.engine.http import HttpRequest, Json, Reply
from local.cloud.local_azure import LocalAzure
from local.cloud.rbac.scopes import Scope
from local.cloud.tenant.resources import Blob, Container, Resource

ACCOUNTS = "Microsoft.Storage/storageAccounts"
_CONTAINER = re.compile(r"^(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$")
"""Azure's rule: https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules#microsoftstorage"""
_TYPE = re.compile(r"^[^/]+/[^/]+$")


def add_resource_group(world: LocalAzure, call: HttpRequest) -> Reply:
    """``POST /resource-groups``: a resource group; one that exists is left as it is."""
    body = inputs.body_of(call, {"name"}, {"location", "tags"})
    location = inputs.optional(body, "location") or provision.LOCATION
    made = provision.resource_group(world, inputs.name(body, "name"), location, inputs.mapping(body, "tags"))
    return Reply(201, {"id": made.id, "location": made.location, "tags": made.tags})


def remove_resource_group(world: LocalAzure, call: HttpRequest) -> Reply:
    """``DELETE /resource-groups``: a resource group with all that is in it and assigned on it, at once."""
    name = inputs.name(inputs.body_of(call, {"name"}, set()), "name")
    return _remove(world, f"/subscriptions/{world.subscription_id}/resourceGroups/{name}")


def add_resource(world: LocalAzure, call: HttpRequest) -> Reply:
    """``POST /resources``: a resource, and its group when that is missing; containers join those that are there."""
    body = inputs.body_of(call, set(), {"id", "type", "name", "group", "location", "tags", "containers"})
    resource_id, containers = _id(world, body), _containers(world, inputs.mapping(body, "containers"))
    account = _account(world, resource_id)
    if containers and account is None:
        raise InputError(f"containers are of {ACCOUNTS} alone")
    made = provision.placed(world, resource_id, inputs.optional(body, "location"), inputs.mapping(body, "tags"))
    if account is not None:
        made.properties.setdefault("primaryEndpoints", {"blob": f"https://{account}.blob.core.windows.net/"})
    for name, container in containers.items():
        made.containers.setdefault(name, container).blobs.update(container.blobs)
    return Reply(201, {**_shown(made), **({} if account is None else {"containers": _listed(made)})})


def remove_resource(world: LocalAzure, call: HttpRequest) -> Reply:
    """``DELETE /resources``: a resource with all that is below it and assigned on it, at once."""
    body = inputs.body_of(call, set(), {"id", "type", "name", "group"})
    return _remove(world, _id(world, body))


def _id(world: LocalAzure, body: Json) -> str:
    """The resource's id, given as such or by type, name and group."""
    parts = ("type", "name", "group")
    if ("id" in body) == any(part in body for part in parts):
        raise InputError("either id, or type, name and group must be given")
    if "id" in body:
        return inputs.text(body, "id")
    if missing := [part for part in parts if part not in body]:
        raise InputError(f"missing: {', '.join(missing)}")
    kind = inputs.text(body, "type")
    if not _TYPE.match(kind):
        raise InputError(f"type must be like {ACCOUNTS}")
    group = f"/subscriptions/{world.subscription_id}/resourceGroups/{inputs.name(body, 'group')}"
    return f"{group}/providers/{kind}/{inputs.name(body, 'name')}"


def _account(world: LocalAzure, resource_id: str) -> str | None:
    """The name of a storage account; raises ``InputError`` when another group has one of that name, as all Azure has one."""
    found = Scope.of(resource_id).resource
    if found is None or found.type.casefold() != ACCOUNTS.casefold():
        return None
    ending = f"/providers/{ACCOUNTS}/{found.name}".casefold()
    if others := [key for key in world.tree.resources if key.endswith(ending) and key != resource_id.casefold()]:
        raise InputError(f"the name is taken: {world.tree.resources[others[0]].id}")
    return found.name.lower()


def _containers(world: LocalAzure, given: Json) -> dict[str, Container]:
    return {name: Container(world.clock.now(), _blobs(world, name, blobs)) for name, blobs in given.items()}


def _blobs(world: LocalAzure, container: str, given: Any) -> dict[str, Blob]:
    if not _CONTAINER.match(container):
        raise InputError(f"not a container's name: {container}")
    if not isinstance(given, dict) or not all(name and isinstance(text, str) for name, text in given.items()):
        raise InputError(f"the blobs of {container} must be texts by name")
    now = world.clock.now()
    return {name: Blob(text.encode(), "text/plain; charset=utf-8", now) for name, text in given.items()}


def _remove(world: LocalAzure, resource_id: str) -> Reply:
    if resource_id.casefold() not in world.tree.resources:
        raise InputError(f"there is no {resource_id}")
    remove_tree(world, Scope.of(resource_id))
    return Reply(200, {})


def _shown(made: Resource) -> Json:
    return {"id": made.id, "type": made.type, "location": made.location, "tags": made.tags}


def _listed(made: Resource) -> Json:
    return {name: sorted(container.blobs) for name, container in made.containers.items()}

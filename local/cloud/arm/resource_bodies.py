"""Resource groups and resources as bodies: what a request says of one, and how one is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local.cloud.arm import errors, managed_identities

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.cloud.arm.requests import ArmRequest
    from local.cloud.engine.http import Json
    from local.cloud.tenant.resources import Resource

GROUP_TYPE = "Microsoft.Resources/resourceGroups"


def tags_of(body: Json) -> dict[str, str]:
    """The tags; raises Azure's 400 when they are no texts."""
    tags = body.get("tags") or {}
    if not isinstance(tags, dict) or not all(isinstance(value, str) for value in tags.values()):
        raise errors.refusal(400, "InvalidRequestContent", "The request content was invalid: the tags are no texts.")
    return dict(tags)


def location_of(body: Json) -> str:
    """The location; raises Azure's 400 without one."""
    if not body.get("location"):
        raise errors.refusal(400, "LocationRequired", "The location property is required for this definition.")
    return str(body["location"])


def same_region(one: str, other: str) -> bool:
    """``West Europe`` is ``westeurope``."""
    return one.replace(" ", "").casefold() == other.replace(" ", "").casefold()


def shown_to(request: ArmRequest) -> Callable[[Resource], Json]:
    """How resources are shown in the answer to this request."""
    return lambda item: rendered(request, item)


def rendered(request: ArmRequest, item: Resource) -> Json:
    """One resource or resource group."""
    is_group = item.type.casefold() == GROUP_TYPE.casefold()
    properties: dict[str, Any] = {"provisioningState": "Succeeded"} if is_group else item.properties
    return {
        "id": item.id,
        "name": item.id.rsplit("/", 1)[-1],
        "type": item.type,
        "location": item.location,
        **({"tags": item.tags} if item.tags else {}),
        **managed_identities.rendered(request.world, item),
        **item.further,
        "properties": properties,
    }

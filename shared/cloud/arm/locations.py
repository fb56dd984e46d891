"""Where a resource is, as Resource Manager lists it.

``GET {resource}`` takes an api-version that the type of the resource has, and each type has others. So the resource is looked
for among those of its group, or of its subscription: that list has one api-version for all types, and names each resource's
location. https://learn.microsoft.com/rest/api/resources/resources/list-by-resource-group
"""

from __future__ import annotations

from urllib.parse import quote

from shared.cloud.arm.authorization import Arm
from shared.core.access.folding import fold
from shared.core.access.resource_id import ResourceId
from shared.core.errors import OutOfReach, Unavailable
from shared.core.names import on_the_wire

_RESOURCES = "2021-04-01"
_PROVIDERS = "providers"


async def location_of(arm: Arm, resource_id: str) -> str | None:
    """Returns the location of the resource, in lower case and without blanks: ``westeurope``. ``None`` if it has none.

    Makes a call a page, and there is seldom more than one page. Raises ``OutOfReach`` if the resource is not listed: it is
    gone, or too fresh, or the broker may not read it. Raises ``Upstream``.
    """
    wanted = ResourceId.parse(resource_id)
    if wanted is None:
        return None
    async for each in arm.listed(_path_of(resource_id, wanted)):
        found = each.get("id")
        if not isinstance(found, str) or ResourceId.parse(found) != wanted:
            continue
        location = each.get("location")
        if location is not None and not isinstance(location, str):
            raise Unavailable("the answer's location is no text")
        return fold("".join((location or "").split())) or None
    raise OutOfReach("Resource Manager does not list the resource")


def _path_of(resource_id: str, wanted: ResourceId) -> str:
    """Returns the path of the list in which only the resource stands.

    In the filter, the type is that of the last provider in the id, with all types below it: ``namespace/type/type``. The name
    has as many parts: ``name/name``.
    """
    segments = resource_id.removeprefix("/").split("/")
    if wanted.subscription_id is None:
        raise OutOfReach("the resource lies in no subscription, and Resource Manager lists no others")
    last = max(place for place, each in enumerate(segments) if fold(each) == _PROVIDERS and place % 2 == 0)
    namespace, *rest = segments[last + 1 :]
    kind, name = "/".join((namespace, *rest[0::2])), "/".join(rest[1::2])
    above = segments[: 4 if wanted.resource_group else 2]
    condition = f"resourceType eq '{_quoted(kind)}' and name eq '{_quoted(name)}'"
    return f"/{on_the_wire('/'.join(above))}/resources?$filter={quote(condition, safe='')}&api-version={_RESOURCES}"


def _quoted(text: str) -> str:
    return text.replace("'", "''")

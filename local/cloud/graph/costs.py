"""Resource units of requests, as published and as recorded: https://learn.microsoft.com/graph/throttling-limits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local.cloud.engine.http import HttpRequest

_FEW = 20
_BASE = tuple(
    (method, re.compile(rf"/(?:v1\.0|beta)/{path}/?", re.IGNORECASE), units)
    for method, path, units in (
        ("GET", r"applications", 2),
        ("GET", r"users", 2),
        ("GET", r"oauth2PermissionGrants(/[^/]+)?", 2),
        ("GET", r"groups/[^/]+/members", 3),
        ("GET", r"groups/[^/]+/transitiveMembers", 5),
        ("GET", r"(servicePrincipals|users)[^/]*(/[^/]+)?/appRoleAssignments", 2),
        ("GET", r"(users|servicePrincipals|groups|me)[^/]*(/[^/]+)?/(transitiveMemberOf|memberOf|ownedObjects)(/[^/]+)?", 2),
        ("POST", r"directoryObjects/getByIds", 3),
        ("POST", r".+/checkMember(Groups|Objects)", 4),
        ("POST", r".+/getMember(Groups|Objects)", 2),
    )
)


_READING = re.compile(r".+/(getByIds|(get|check)Member(Groups|Objects))", re.IGNORECASE)


def writes(call: HttpRequest) -> bool:
    """Whether a request counts against the quota of writes."""
    return call.method != "GET" and _READING.fullmatch(call.path) is None


def units(call: HttpRequest) -> int:
    """What a request costs: its base, one less for ``$select`` or a small ``$top``, one more for ``$expand``, at least 1."""
    base = next((units for method, path, units in _BASE if method == call.method and path.fullmatch(call.path)), 1)
    top = call.query.get("$top", "")
    fewer = ("$select" in call.query) + (top.isdecimal() and int(top) < _FEW)
    return max(1, base - fewer + ("$expand" in call.query))

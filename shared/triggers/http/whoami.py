"""The call by which a caller learns what the broker thinks of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from shared.broker import inspect
from shared.core.caller import Caller
from shared.core.errors import Forbidden
from shared.core.names import RoleName
from shared.core.parameters.parameter import Parameter
from shared.core.role import Role
from shared.triggers.http import requests
from shared.triggers.http.edge import VerifiedRequest
from shared.triggers.http.reply import Reply, of_json
from shared.triggers.http.responses import CALLER_FIELDS, ROLE_NAMED
from shared.triggers.http.routes import Api
from shared.triggers.http.shape import TEXT, TRUTH, WHOLE, Answer, Field, Items, Record, Value, parsed

api = Api("operators")


CALLER = Record[Caller](
    "", "The caller as verified.", *CALLER_FIELDS, Field("app_roles", Items(TEXT), lambda it: sorted(it.app_roles))
)
_TYPE = "What it mints, as in the role's document."
_TTL = "Seconds a lease lasts unless asked otherwise."
_MAX_TTL = "Seconds a lease lasts at most."
PARAMETER = Record[Parameter](
    "IssuableParameter",
    "What the caller may fill a hole of the role with.",
    Field("name", TEXT, lambda it: it.name),
    Field("kind", TEXT, lambda it: it.kind.name, "Azure's rules for such names."),
    Field("description", TEXT, lambda it: it.description, optional=True),
    Field("allowed", Items(TEXT), lambda it: it.allowed, "Values and patterns.", optional=True),
    Field("any", TRUTH, lambda it: it.any, "Every well-formed value will do.", optional=True),
    Field("default", TEXT, lambda it: it.default, "What stands for a value that is left out.", optional=True),
    Field("from", TEXT, lambda it: it.source, "The fact about the caller that fills it; it takes no value.", optional=True),
)
_PARAMETERS = "What an ask fills; left out if there is nothing."
ISSUABLE = Record[Role](
    "",
    "",
    Field("name", TEXT, lambda it: it.name),
    Field("type", TEXT, lambda it: it.type, _TYPE),
    Field("ttl", WHOLE, lambda it: it.ttl, _TTL),
    Field("max_ttl", WHOLE, lambda it: it.max_ttl, _MAX_TTL),
    Field("parameters", Items(PARAMETER), lambda it: it.parameters, _PARAMETERS, optional=True),
)
STANDING = Record[tuple[Caller, inspect.CallerSummary]](
    "Standing",
    "What the broker thinks of the caller.",
    Field("caller", CALLER, lambda it: it[0]),
    Field("auth_roles", Items(TEXT), lambda it: it[1].auth_roles, "The auth roles that the caller matches."),
    Field("roles", Items(ISSUABLE), lambda it: it[1].roles, "The roles that the caller may issue from."),
)
ROLE_STANDING = Record[tuple[Caller, RoleName, Role | None]](
    "RoleStanding",
    "Whether the caller may issue from one role: a role that is not there and one that the caller may not use read alike.",
    Field("caller", Value({"type": "object"}, CALLER.write), lambda it: it[0], "The caller as verified."),
    Field("role", TEXT, lambda it: it[1], "The role asked for."),
    Field("may_issue", TRUTH, lambda it: it[2] is not None),
    Field("detail", TEXT, lambda it: "" if it[2] else Forbidden.sentence, "Where it may not.", optional=True),
    Field("type", TEXT, lambda it: it[2] and it[2].type, _TYPE, optional=True),
    Field("ttl", WHOLE, lambda it: it[2] and it[2].ttl, _TTL, optional=True),
    Field("max_ttl", WHOLE, lambda it: it[2] and it[2].max_ttl, _MAX_TTL, optional=True),
    Field("parameters", Items(PARAMETER), lambda it: it[2] and it[2].parameters, _PARAMETERS, optional=True),
)
_EITHER: Any = {"oneOf": [{"$ref": f"#/components/schemas/{each.name}"} for each in (STANDING, ROLE_STANDING)]}
ASKED = parsed("role", ROLE_NAMED.schema, RoleName.parse, "Tell of this role alone.")


@api.call(
    "GET",
    "whoami",
    needs=None,
    operation="whoami",
    query=(ASKED,),
    answers=(Answer(200, "The caller as verified.", Value(_EITHER)),),
    schemas=(STANDING, ROLE_STANDING),
    fails=(429,),
)
async def whoami(request: VerifiedRequest) -> Reply:
    """Who am I, and what may I issue?

    The roles that the caller may issue from; nothing of the others, not even their names. With `role`: whether it may issue
    from that one. Why it may not stands in the audit trail, under the request's id. A no counts as a refused issue: after too
    many the answer is 429.
    """
    name = requests.asked(request.http, ASKED)
    if name is None:
        standing = await inspect.may_issue(request.ports, request.actor)
        return of_json(200, STANDING.write((request.caller, standing)))
    role = await inspect.role_if_issuable(request.ports, request.actor, name)
    return replace(of_json(200, ROLE_STANDING.write((request.caller, name, role))), on_beat=True)

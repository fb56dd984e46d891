"""The call by which an operator learns why somebody may or may not do something."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, cast

from shared.core.access.asked import read_given
from shared.core.access.decide import PassedOver, as_document
from shared.core.access.documents import ONLY_ISSUE, asked_for, facts_from
from shared.core.access.policy import ISSUE, Capability
from shared.core.access.refusals import Failed
from shared.core.access.wanted import LONGEST_PARAMETER_VALUE, MAX_PARAMETERS, PARAMETER_NAME, FailedParameter
from shared.core.names import ObjectId, RoleName
from shared.core.parsing import Reader
from shared.triggers.http import requests
from shared.triggers.http.edge import VerifiedRequest
from shared.triggers.http.reply import Reply, of_json
from shared.triggers.http.responses import GROUND, ROLE_NAMED
from shared.triggers.http.routes import Api
from shared.triggers.http.shape import ID, TEXT, WHOLE, Answer, Body, Entry, Field, Items, Record, Value, parsed, word

if TYPE_CHECKING:
    from shared.broker.explain import Answer as Explanation
    from shared.broker.explain import Question
    from shared.core.access.explanation import Explained

# ruff: noqa: F401, PLC0415 - what is for operators alone is imported when they ask; its types are named in quotes
api = Api("operators")

FAILED = Record[Failed](
    "",
    "A kind of constraint that does not match.",
    Field("kind", TEXT, lambda it: it.kind, "Its name in documents."),
    Field("wanted", Items(TEXT), lambda it: it.wanted, "What the document wants."),
    Field("has", Items(TEXT), lambda it: it.has, "What the subject has."),
)
OUTCOME = word("matched", "not matched", "unknown")
_WHY = "Why it is unknown."
EXPLAINED = Record["Explained"](
    "",
    "What an auth role says of the subject.",
    Field("name", TEXT, lambda it: it.name),
    Field("outcome", OUTCOME, lambda it: it.word),
    Field("failed", Items(FAILED), lambda it: it.failed),
    Field("why", TEXT, lambda it: it.why, _WHY, optional=True),
)
INLINE = Record["Explained"](
    "",
    "What the role's own bounds say of the subject.",
    Field("outcome", OUTCOME, lambda it: it.word),
    Field("failed", Items(FAILED), lambda it: it.failed),
    Field("why", TEXT, lambda it: it.why, _WHY, optional=True),
)
FAILED_PARAMETER = Record[FailedParameter](
    "",
    "A parameter that keeps the rule from the ask.",
    Field("parameter", TEXT, lambda it: it.name),
    Field("wanted", Items(TEXT), lambda it: it.wanted, "The values and patterns of the rule."),
    Field("has", TEXT, lambda it: it.has, "The value of the ask, if it has one.", optional=True),
)
PASSED_OVER = Record[PassedOver](
    "",
    "A rule on the path that speaks of asks with other values of parameters.",
    Field("rule", GROUND, lambda it: as_document(it.line)),
    Field("failed", Items(FAILED_PARAMETER), lambda it: it.failed),
)
EXPLANATION = Record["Explanation"](
    "Explanation",
    "A decision, and what led to it.",
    Field("decision", word("allowed", "denied", "unknown"), lambda it: it.explanation.decision.outcome),
    Field(
        "decided_by",
        Value({"oneOf": [GROUND.schema, {"type": "null"}]}),
        lambda it: as_document(it.explanation.decision.by),
        "What has decided; null if nothing allows it.",
    ),
    Field("why", TEXT, lambda it: it.explanation.decision.why, "Why it is not allowed.", optional=True),
    Field(
        "auth_roles",
        Items(EXPLAINED),
        lambda it: it.explanation.auth_roles,
        "A hundred at most: first those that match, that are unknown, and whose policies speak of the path.",
    ),
    Field("left_out", WHOLE, lambda it: it.explanation.left_out, "Auth roles that are not shown.", optional=True),
    Field("inline", INLINE, lambda it: it.explanation.inline, "If the role has bounds of its own.", optional=True),
    Field(
        "passed_over",
        Items(PASSED_OVER),
        lambda it: it.explanation.passed_over,
        "Rules that neither allow nor deny this ask, because it has other values of parameters: a hundred at most.",
        optional=True,
    ),
    Field("assumed", Items(TEXT), lambda it: it.assumed, "What was assumed because no token says it.", optional=True),
)
ROLE = parsed("role", ROLE_NAMED.schema, RoleName.parse, "Whether the subject may issue from this role; or `ask`.")
ASK = parsed(
    "ask",
    {"type": "string", "pattern": "^[a-z]+ [^ ].*$"},
    asked_for,
    "A capability and a path: `issue roles/app/leases`, `read leases/app.01...`.",
)
OBJECT_ID = parsed("object_id", ID.schema, ObjectId.parse, "The subject in the directory; or `claims`.")


def _object(reader: Reader, field: str) -> dict[str, Any] | None:
    if not reader.has(field):
        return None
    value = reader.take(field)
    if not isinstance(value, dict):
        reader.fault(field, "expected an object")
        return None
    return value


CLAIMS = Entry("claims", {"type": "object"}, _object, "The claims of an access token. `tid` may be left out.")
DIRECTORY = Entry(
    "directory",
    {"type": ["object", "null"]},
    lambda reader, field: reader.take(field),
    "Beside `claims`: what the directory answers (`servicePrincipalType`, `alternativeNames`, `location`, `groups`). Without "
    "it the directory is asked.",
)
PARAMETERS = Entry(
    "parameters",
    {
        "type": "object",
        "maxProperties": MAX_PARAMETERS,
        "propertyNames": {"pattern": f"^{PARAMETER_NAME}$"},
        "additionalProperties": {"type": "string", "minLength": 1, "maxLength": LONGEST_PARAMETER_VALUE},
    },
    read_given,
    "The values of an ask to issue. Rules with parameters speak of asks that have theirs.",
)
BODY = Body(
    "",
    "Exactly one of `role` and `ask`, and exactly one of `object_id` and `claims`.",
    *(ROLE, ASK, OBJECT_ID, CLAIMS, DIRECTORY, PARAMETERS),
    schema={
        "type": "object",
        "additionalProperties": False,
        "oneOf": [{"required": list(fields)} for fields in product((ROLE.name, ASK.name), (OBJECT_ID.name, CLAIMS.name))],
        "dependentRequired": {DIRECTORY.name: [CLAIMS.name]},
    },
    required=True,
)


def question(document: Any) -> Question:
    """Returns what is asked. Raises ``Malformed`` with every fault."""
    reader = Reader(document)
    role, ask = ROLE.of(reader), ASK.of(reader)
    object_id, claims = OBJECT_ID.of(reader), CLAIMS.of(reader)
    has_directory, directory = reader.has(DIRECTORY.name), DIRECTORY.of(reader)
    for one, other in ((ROLE.name, ASK.name), (OBJECT_ID.name, CLAIMS.name)):
        if reader.has(one) == reader.has(other):
            reader.fault("", f"expected exactly one of {one} and {other}")
    if has_directory and not reader.has(CLAIMS.name):
        reader.fault(DIRECTORY.name, "stands beside claims alone")
    if directory is not None and not isinstance(directory, dict):
        reader.fault(DIRECTORY.name, "expected an object or null")
    path, capability = ask if ask is not None else (f"roles/{role}/leases", ISSUE)
    parameters = PARAMETERS.of(reader)
    if reader.has(PARAMETERS.name) and capability != ISSUE:
        reader.fault(PARAMETERS.name, ONLY_ISSUE)
    reader.finish()
    from shared.broker.explain import Question

    facts = facts_from(directory) if has_directory else None
    return Question(path, cast("Capability", capability), object_id, claims, facts, parameters)


@api.call(
    "POST",
    "explain",
    needs=("policies", "read"),
    operation="explain",
    body=BODY,
    answers=(Answer(200, "The decision and what led to it.", EXPLANATION),),
    fails=(404, 502),
)
async def explain_decision(request: VerifiedRequest) -> Reply:
    """Why may somebody do something, or why not?

    For whoever may read policies. Says which auth roles match the subject, what the others want that it does not have, and
    which rule of which policy decides. `passed_over` has the rules whose parameters do not match. The audit trail records who
    asked about whom.
    """
    asked = question(requests.body(request.http))
    from shared.broker.explain import explain_to

    return of_json(200, EXPLANATION.write(await explain_to(request.ports, request.actor, asked)))

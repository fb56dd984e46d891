"""The call that issues a credential."""

from __future__ import annotations

import re
from typing import Any

import azure.functions as func

from shared.broker.issue.asking import AskedFor
from shared.broker.issue.dry_run import WouldDeliver, WouldIssue, would_issue
from shared.broker.issue.idempotent import issue_once
from shared.broker.issue.issue import Issued, IssueRequest, issue, require_may_issue
from shared.core.access.decide import as_document
from shared.core.access.wanted import LONGEST_PARAMETER_VALUE, MAX_PARAMETERS, PARAMETER_NAME
from shared.core.azure_role import AzureRole
from shared.core.delivery import DeliveryAsk
from shared.core.errors import Fault, Malformed
from shared.core.names import RoleName, Scope
from shared.core.parameters.narrowing import WITHIN, read_within
from shared.core.parameters.parameter import FIELD
from shared.core.parsing import Reader
from shared.core.plain_text import UNSEEN, is_plain
from shared.triggers.http import requests
from shared.triggers.http.collecting import ACCEPTED, APPLIED, NOT_YET, not_yet
from shared.triggers.http.edge import VerifiedRequest
from shared.triggers.http.preferences import PREFER, VARY, preferred
from shared.triggers.http.reply import Reply, of_json
from shared.triggers.http.responses import CAUTION, GROUND, ISSUED, KIND, lease_path
from shared.triggers.http.routes import Api
from shared.triggers.http.shape import (
    DURATION,
    TEXT,
    WHOLE,
    Answer,
    Body,
    Entry,
    Field,
    Items,
    Parameter,
    Record,
    Value,
    flag,
    text,
)

api = Api("leases")
_PAIRS, _KEY, _VALUE = 16, 64, 256

IDEMPOTENCY_KEY = Parameter(
    "Idempotency-Key",
    {"type": "string", "pattern": "^[!-~]{1,128}$"},
    "Chosen by the caller for one issue, and bound to the caller and the role. It stands for the lease for 24 hours: being made"
    " (a repeat waits for it), active, or ended. An issue that failed leaves its key free.",
    component="IdempotencyKey",
)
_IDEMPOTENCY_KEY = re.compile(IDEMPOTENCY_KEY.schema["pattern"])


def idempotency_key(request: func.HttpRequest) -> str | None:
    """The caller's key for this issue, as opaque as it was sent; ``None`` without one. Raises ``Malformed``."""
    key: str | None = request.headers.get("idempotency-key")
    if key is not None and _IDEMPOTENCY_KEY.fullmatch(key) is None:
        raise Malformed(Fault("Idempotency-Key", "expected 1 to 128 visible ASCII characters, without blanks"))
    return key


def _metadata(reader: Reader, field: str) -> dict[str, str]:
    value = reader.take(field)
    if not reader.has(field):
        return {}
    if not isinstance(value, dict) or len(value) > _PAIRS:
        reader.fault(field, f"expected an object of at most {_PAIRS} texts")
        return {}
    for key, each in value.items():
        _check_pair(reader, field, key, each)
    return value


def _check_pair(reader: Reader, field: str, key: str, value: Any) -> None:
    if not 0 < len(key) <= _KEY or not is_plain(key):
        reader.fault(field, f"expected keys of 1 to {_KEY} characters without {UNSEEN}")
    elif not isinstance(value, str) or len(value) > _VALUE or not is_plain(value):
        reader.fault(f"{field}.{key}", f"expected a text of at most {_VALUE} characters without {UNSEEN}")


def _parameters(reader: Reader, field: str) -> dict[str, Any]:
    """Returns what was given. The values are read by those who know the role."""
    value = reader.take(field)
    if not reader.has(field):
        return {}
    if not isinstance(value, dict):
        reader.fault(field, "expected an object of texts; leave the field out if there are none")
        return {}
    return value


def _within(reader: Reader, field: str) -> Scope | None:
    value = reader.take(field)
    if not reader.has(field):
        return None
    try:
        return read_within(value)
    except Malformed as malformed:
        reader.faults += malformed.faults
        return None


DRY_RUN = flag("dry_run", "Say what would be made, and make nothing.")
TTL = Entry("ttl", DURATION, requests.seconds, "60 seconds to the role's `max_ttl`. Left out: the role's `ttl`.")


def _delivery(reader: Reader, field: str) -> DeliveryAsk | None:
    """Returns what is said of a delivery. The word ``response`` says as little as nothing."""
    value = reader.take(field)
    if not reader.has(field) or value == "response":
        return None
    inner = Reader(value, reader.at(field), reader.faults)
    vault = inner.text("vault")
    inner.done()
    return DeliveryAsk(vault)


DELIVERY = Entry(
    "delivery",
    {
        "oneOf": [
            {"type": "string", "enum": ["response"]},
            {
                "type": "object",
                "properties": {"vault": {"type": "string", "description": "One of the role's. Left out: the first."}},
                "additionalProperties": False,
            },
        ]
    },
    _delivery,
    "Where the credential is put, if the role delivers into key vaults. Left out: into the role's first vault if the role"
    " requires that, else it is in the answer.",
)
REASON = text(*("reason", "Why, for the audit trail: without control, bidirectional or invisible characters."), longest=512)
METADATA = Entry(
    "metadata",
    {
        "type": "object",
        "maxProperties": _PAIRS,
        "propertyNames": {"minLength": 1, "maxLength": _KEY},
        "additionalProperties": {"type": "string", "maxLength": _VALUE},
    },
    _metadata,
    f"Kept with the lease: at most {_PAIRS} pairs.",
)
PARAMETERS = Entry(
    FIELD,
    {
        "type": "object",
        "maxProperties": MAX_PARAMETERS,
        "propertyNames": {"pattern": f"^{PARAMETER_NAME}$"},
        "additionalProperties": {"type": "string", "maxLength": LONGEST_PARAMETER_VALUE},
    },
    _parameters,
    "Values for the role's parameters. A parameter with a default may be left out; one with `from` must be.",
)
WITHIN_SCOPE = Entry(
    WITHIN,
    {"type": "string", "maxLength": Scope.MAX_LENGTH},
    _within,
    "A scope at or below every scope of the role: each of its roles is assigned there instead.",
)


def _as_it_stands(reader: Reader, field: str) -> Any:
    """Reads whatever there is: those who know the role read the value. ``None`` if the field is not there."""
    value = reader.take(field)
    if reader.has(field) and value is None:
        reader.fault(field, "expected a value; leave the field out if there is none")
    return value


CREDENTIAL = (
    Entry("scope", TEXT.schema, _as_it_stands, "Of a role's `token_scopes`: what the token is for. Left out: the first."),
    Entry(
        "federated_identity",
        {"$ref": "#/components/schemas/FederatedIdentity"},
        _as_it_stands,
        "Of a role's `federated_identities`: whose tokens are to stand for the credential. Left out: those of the caller's own"
        " user-assigned managed identity.",
    ),
    Entry(
        "certificate",
        TEXT.schema,
        _as_it_stands,
        "For a role whose `credential` is `certificate`: in PEM, without the private key. Self-signed will do.",
    ),
    Entry(
        "container",
        TEXT.schema,
        _as_it_stands,
        "For a role whose `credential` is `storage_sas`: for which container of blobs. Left out: the only one that the role is"
        " for.",
    ),
)
"""The fields that are about the credential. Which of them a role takes depends on its kind of credential."""
ASK = Body(
    "Ask",
    "What is asked for; every field may be left out.",
    *(TTL, DELIVERY, REASON, METADATA, PARAMETERS, WITHIN_SCOPE, *CREDENTIAL),
)


def issue_request(role: RoleName, document: Any) -> IssueRequest:
    """What the caller of an issue asks for. Whether the role allows the ttl is the broker's to say."""
    reader = Reader(document)
    delivery = DELIVERY.of(reader)
    about_credential = {each.name: each.of(reader) for each in CREDENTIAL}
    given = {name: value for name, value in about_credential.items() if value is not None}
    asked = AskedFor(PARAMETERS.of(reader), WITHIN_SCOPE.of(reader), given)
    found = IssueRequest(role, TTL.of(reader), REASON.of(reader) or "", METADATA.of(reader), asked, delivery)
    reader.finish()
    return found


ASSIGNMENT = Record[AzureRole](
    "Assignment",
    "A role assignment that the principal would get.",
    Field("role_definition_id", TEXT, lambda it: it.definition_id),
    Field("scope", TEXT, lambda it: it.scope),
    Field("condition", TEXT, lambda it: it.condition, optional=True),
)
WOULD_DELIVER = Record[WouldDeliver](
    "WouldDeliver",
    "Where a credential would be put.",
    Field("vault", TEXT, lambda it: it.vault),
    Field("name", TEXT, lambda it: it.name, "As the role has it: `{ulid}` is not known before."),
)
WOULD_ISSUE = Record[WouldIssue](
    "WouldIssue",
    "What an issue would make.",
    Field("role", TEXT, lambda it: it.role.name),
    Field("type", KIND, lambda it: it.role.type),
    Field("ttl", WHOLE, lambda it: it.ttl, "Seconds."),
    Field("max_ttl", WHOLE, lambda it: it.role.max_ttl, "Seconds."),
    Field(
        "parameters",
        Value({"type": "object", "additionalProperties": {"type": "string"}}, dict),
        lambda it: it.parameters,
        "All values: given ones, defaults, and facts about the caller.",
    ),
    Field("within", TEXT, lambda it: it.within, optional=True),
    Field("scopes", Items(TEXT), lambda it: it.scopes, "Where roles would be assigned."),
    Field("azure_roles", Items(ASSIGNMENT), lambda it: it.azure_roles),
    Field(
        "graph_app_roles",
        Items(TEXT),
        lambda it: it.graph_app_roles,
        "Application permissions of Microsoft Graph that it would be given.",
        optional=True,
    ),
    Field("delivery", WOULD_DELIVER, lambda it: it.delivery, "Where it would be put.", optional=True),
    Field("warnings", Items(CAUTION), lambda it: it.warnings),
    Field("decided_by", GROUND, lambda it: as_document(it.decided_by), "For callers that may read policies.", optional=True),
)


@api.call(
    "POST",
    "roles/{role}/leases",
    needs=("roles/{role}/leases", "issue"),
    exception="bounds",
    operation="issue",
    reads_first=True,
    headers=(IDEMPOTENCY_KEY, PREFER),
    vary=VARY,
    query=(DRY_RUN,),
    body=ASK,
    answers=(
        Answer(200, "In a dry run: what would be made.", WOULD_ISSUE),
        Answer(
            *(201, "The lease, active, and its credential.", ISSUED),
            {"Location": {"description": "The lease's path.", "schema": TEXT.schema}, "Preference-Applied": APPLIED},
        ),
        Answer(202, "The lease; its credential is not ready in the time that the caller waits.", ACCEPTED, NOT_YET),
    ),
    fails=(404, 409, 410, 429, 502),
)
async def issue_lease(request: VerifiedRequest) -> Reply:
    """Issue a credential.

    The secret is in this answer and nowhere else. When it fails, whatever was made is taken back. Under an `Idempotency-Key` a
    repeat is answered with the same lease and a fresh secret, and the former secret is removed: for a caller whose answer was
    lost. What the role calls ready is handed out proven, or not at all: if that takes longer than the caller waits (`Prefer`),
    the answer is 202, and `Location` leads to the credential. With `dry_run=true` nothing is made, and the answer says what
    would be.
    """
    role = requests.role_name(request.http)
    try:
        key, asked = idempotency_key(request.http), issue_request(role, requests.body(request.http))
    except Malformed:
        # Whoever may not issue is told that, and nothing of what it has sent.
        await require_may_issue(request.ports, request.actor, role)
        raise
    if requests.asked(request.http, DRY_RUN):
        return of_json(200, WOULD_ISSUE.write(await would_issue(request.ports, request.actor, asked)))
    wanted = preferred(request.http)
    # Nothing has happened yet: the answer may need an address.
    request.broker.address("")
    if key is None:
        found = await issue(request.ports, request.actor, asked, preference=wanted.preference)
    else:
        found = await issue_once(request.ports, request.actor, asked, key, wanted.preference)
    if isinstance(found, Issued):
        headers = {"Location": lease_path(found.lease), **wanted.applied(accepted=False)}
        return of_json(201, ISSUED.write(found), headers)
    return not_yet(request, found, wanted)

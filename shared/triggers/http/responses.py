"""Answers of more than one group of calls: leases, roles, faults, a part of a listing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from shared.broker.issue.issue import Issued
from shared.broker.revoke import Revoking
from shared.broker.revoke_reaching import RevokingReaching
from shared.core.caller import Caller, CallerType
from shared.core.credential import Credential
from shared.core.delivery import DeliveryView
from shared.core.errors import Caution
from shared.core.federated_identity import FederatedIdentity
from shared.core.lease import Holder, Lease, LeaseView, State
from shared.core.names import LEASE_ID, ROLE_NAME
from shared.core.ports.page import Page
from shared.core.readiness.record import Readiness
from shared.core.secret import Secret
from shared.triggers.http.shape import (
    ID,
    INSTANT,
    TEXT,
    TRUTH,
    WHOLE,
    Field,
    Items,
    JsonSchema,
    Record,
    Shape,
    Value,
    maybe,
    named,
    time,
    word,
)

ROOT = "/api/v1"
KIND = Value({"type": "string", "enum": "kinds"})
"""The name of a kind of credential. In the contract, the existing kinds replace this word."""
FOUND = Value({"type": "string", "enum": "found"})
"""What a reconciliation has found: a lease, or an object of one of the types that kinds find."""
HOLDER = Record[Holder](
    "Holder",
    "Whom it was issued to.",
    Field("object_id", ID, lambda it: it.object_id, "Object id."),
    Field("tenant_id", ID, lambda it: it.tenant_id, "Tenant."),
    Field("app_id", ID, lambda it: it.app_id, "Client id.", optional=True),
    Field("name", TEXT, lambda it: it.name, "As the token says it.", optional=True),
)
READINESS = Record[Readiness](
    "Readiness",
    "What was seen of the credential before it was handed out.",
    Field("seen", Items(TEXT), lambda it: it.seen, "`token`, `arm:<scope>`, `probe:<host>`."),
    Field(
        "unseen",
        Items(TEXT),
        lambda it: it.unseen,
        "What was not seen in time, and links that the broker cannot try: `federated_credential`, `certificate`.",
    ),
    Field(
        "region",
        TEXT,
        lambda it: it.region,
        "Azure's name of the region from which it was seen; another region may be behind. Left out outside Azure.",
        optional=True,
    ),
    Field("waited_ms", WHOLE, lambda it: it.waited_ms, "How long that took, in milliseconds."),
)
FEDERATED_IDENTITY = Record[FederatedIdentity](
    "FederatedIdentity",
    "The `iss` and `sub` of a token, case and all.",
    Field("issuer", TEXT, lambda it: it.issuer),
    Field("subject", TEXT, lambda it: it.subject),
)


DELIVERY = Record[DeliveryView](
    "LeaseDelivery",
    "Where the credential of a delivered lease lies.",
    Field("vault", TEXT, lambda it: it.vault, "The vault's address."),
    Field("name", TEXT, lambda it: it.name, "The secret's name."),
    Field("version", maybe(TEXT), lambda it: it.version or None, "Its version; null until there is one."),
    Field(
        "state",
        word("pending", "delivered", "ending", "kept_by_azure", "ended"),
        lambda it: it.state,
        "`kept_by_azure`: the lease is over, and the vault keeps the deleted secret until its retention is over. Nobody can"
        " read it, and only the vault's owner can recover it.",
    ),
)


def _alone(name: str, shape: Shape, read: Callable[[Lease], object], description: str) -> Field[LeaseView]:
    """Returns a field of a lease that lists do not have: their rows do not tell it."""
    return Field(name, shape, lambda it: read(it) if isinstance(it, Lease) else None, description, optional=True)


LEASE = Record[LeaseView](
    "Lease",
    "The record of one issued credential.",
    Field("id", Value({"type": "string", "pattern": f"^{LEASE_ID}$"}), lambda it: it.id, "`<role>.<ulid>`."),
    Field("role", TEXT, lambda it: it.id.role, "The role it was issued from."),
    Field("type", KIND, lambda it: it.type, "What was issued."),
    Field(
        "state",
        word(*State),
        lambda it: it.state,
        "Where it is in its life: being made; in a pool, held by nobody; made, to be collected; in use; being taken back; that"
        " failing repeatedly; over.",
    ),
    Field("holder", HOLDER, lambda it: it.holder, "Left out as long as nobody holds it.", optional=True),
    Field(
        "issued_at",
        maybe(INSTANT),
        lambda it: it.issued_at if it.has_begun else None,
        "When its time began: with its credential. Null before, as the next two.",
    ),
    Field("expires_at", maybe(INSTANT), lambda it: it.expires_at if it.has_begun else None, "When it ends."),
    Field(
        "max_expires_at",
        maybe(INSTANT),
        lambda it: it.max_expires_at if it.has_begun else None,
        "The latest to which it can be renewed.",
    ),
    _alone(
        "collect_by", INSTANT, lambda it: it.collect_by, "If its credential waits to be collected: by when. Left out in lists."
    ),
    Field("renewable", TRUTH, lambda it: it.renewable, "Whether it can be renewed."),
    Field("ttl", WHOLE, lambda it: it.ttl, "Seconds that were asked for."),
    Field(
        "metadata",
        Value({"type": "object", "additionalProperties": {"type": "string"}}, dict),
        lambda it: it.metadata,
        "As given at the issue.",
    ),
    Field(
        "parameters",
        Value({"type": "object", "additionalProperties": {"type": "string"}}, dict),
        lambda it: it.parameters,
        "What has filled the role's parameters: values of the ask, defaults, and facts about the caller.",
        optional=True,
    ),
    Field("within", TEXT, lambda it: it.within, "The scope to which the ask has narrowed the role.", optional=True),
    _alone("delivery", DELIVERY, lambda it: it.delivery, "Where its credential lies. Left out in lists."),
    _alone("scopes", Items(TEXT), lambda it: it.scopes, "Where it was granted roles. Left out in lists."),
    _alone(
        "graph_app_roles",
        Items(TEXT),
        lambda it: it.graph_app_roles,
        "The application permissions of Microsoft Graph that it was given. Left out in lists.",
    ),
    Field(
        "ready",
        word("pending", "ready", "unchecked"),
        lambda it: "ready" if it.ready else "unchecked" if it.unchecked else "pending",
        "`ready` when the credential has been seen to work, as far as its role asks for that; `unchecked` when its role asks"
        " for nothing.",
    ),
    _alone(
        "ready_at",
        INSTANT,
        lambda it: it.ready_at if it.ready else None,
        "When it was seen to work. Left out in lists, and until then.",
    ),
    _alone(
        "readiness",
        READINESS,
        lambda it: it.readiness,
        "What was seen, from where. Left out in lists, and where nothing was tried.",
    ),
    _alone(
        "federated_identity",
        FEDERATED_IDENTITY,
        lambda it: it.used_by,
        "Whose tokens stand for the credential. Left out in lists.",
    ),
    _alone(
        "residual_until",
        INSTANT,
        lambda it: it.residual_until,
        "After its end: until when an access token that was handed out may be good as a signature. Left out in lists.",
    ),
    Field("attempts", WHOLE, lambda it: it.attempts, "Failed attempts to end it, if there were any.", optional=True),
    Field("last_error", TEXT, lambda it: it.last_error, "How the last of them failed.", optional=True),
)
CALLER_FIELDS: tuple[Field[Caller], ...] = (
    Field("object_id", ID, lambda it: it.object_id),
    Field("tenant_id", ID, lambda it: it.tenant_id),
    Field("kind", Value({"enum": [*CallerType]}), lambda it: it.kind),
    Field("app_id", ID, lambda it: it.app_id, optional=True),
    Field("name", TEXT, lambda it: it.name, optional=True),
)
CAUTION = Record[Caution](
    "Caution",
    "Something that whoever wrote the document should know of it.",
    Field("path", TEXT, lambda it: it.path, "The field; empty for the document as a whole."),
    Field(
        "code",
        TEXT,
        lambda it: it.code,
        "Stable. Of roles `assigns_identities`, `not_an_owner`, `reads_protected`, `may_reach_protected`, `not_confined`,"
        " `needs_within`; of bounds `unplaced`; of auth roles `no_policies`, `matches_writer`; of policies `writes_grants`,"
        " `no_such_role`, `no_such_parameter`, `void_parameters`, `denies_itself`, `denies_writer`; of what a version before"
        " has stored `outdated`; of leases that are found by scope `groups_not_seen`, `management_groups_not_known`; in a dry"
        " run `grant_condition_not_evaluated`, `flexible_scale_set`.",
    ),
    Field("message", TEXT, lambda it: it.message),
)
REVOKING = Record[Revoking](
    "",
    "",
    Field("revoking", WHOLE, lambda it: it.count, "Leases of the role that had not ended at `as_of`: exactly so many."),
    Field(
        "as_of",
        INSTANT,
        lambda it: it.as_of,
        "When they were counted: just now where there are a thousand at most, or where more have come since the last hourly"
        " count; else at that count.",
    ),
)
REVOKING_REACHING = Record[RevokingReaching](
    "",
    "",
    Field("revoking", WHOLE, lambda it: it.count, "Leases that had not ended at `as_of`, but for pooled ones."),
    Field("as_of", INSTANT, lambda it: it.as_of, "When they were found: just now."),
    Field("roles", Items(TEXT), lambda it: it.roles, "The roles of these leases, and of pooled ones that end with them."),
    Field("warnings", Items(CAUTION), lambda it: it.warnings, "What may reach the scope and is not seen."),
)
GROUND = Value(
    {
        "type": "object",
        "description": "A rule of a policy, a role's own bounds (`inline`), or an app role (`app_role`).",
    }
)
"""What has decided."""
ROLE_NAMED = Value({"type": "string", "pattern": f"^{ROLE_NAME}$"})
LEASE_NAMED = Value({"type": "string", "pattern": f"^{LEASE_ID}$"})
ROLE = named("Role")
ENDING: dict[str, JsonSchema] = {
    "Location": {
        "description": "An absolute address that answers 202 until the lease has ended, then 200.",
        "schema": {"type": "string", "format": "uri"},
    },
    "Retry-After": {"description": "Seconds until another look makes sense.", "schema": TEXT.schema},
}
"""The headers of an answer while a lease has not ended."""


def part_of[T](name: str, shape: Shape) -> Record[Page[T]]:
    """Returns the record of a part of a listing."""
    following = Field[Page[T]]("next", maybe(TEXT), lambda it: it.cursor, "The `cursor` of the next part; null at the end.")
    return Record("", "", Field(name, Items(shape), lambda it: it.items), following)


def lease_path(lease: LeaseView) -> str:
    """Returns the path of a lease."""
    return f"{ROOT}/leases/{lease.id}"


def credential(made: Credential, expires_at: datetime) -> dict[str, Any]:
    """Returns a credential with its end: its lease's, or its own if that is earlier. The one place that reveals a secret."""
    fields = {name: value.reveal() if isinstance(value, Secret) else value for name, value in made.fields().items()}
    return {"type": made.type, **fields, "expires_at": time(min(expires_at, made.ends_at or expires_at))}


ISSUED = Record[Issued](
    "Issued",
    "A lease and its credential.",
    Field("lease", LEASE, lambda it: it.lease),
    Field("credential", named("Credential"), lambda it: credential(it.credential, it.lease.expires_at)),
)

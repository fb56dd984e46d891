"""The call that collects a credential for which nobody has waited, and the answer that leads to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from shared.broker.issue.collect import collect
from shared.broker.issue.issue import Issued
from shared.broker.issue.preparations import Accepted
from shared.core.lease import State
from shared.triggers.http import requests
from shared.triggers.http.edge import VerifiedRequest
from shared.triggers.http.preferences import PREFER, VARY, Preferred, preferred
from shared.triggers.http.reply import Reply, of_json
from shared.triggers.http.responses import ISSUED, LEASE, lease_path
from shared.triggers.http.routes import Api
from shared.triggers.http.shape import TEXT, WHOLE, Answer, Field, JsonSchema, Record, text, word

api = Api("leases")
_LONGEST_SCOPE = 256
"""Characters: no role has a longer one."""


class Next:
    """The call that the caller makes next."""

    def __init__(self, url: str, after: int) -> None:
        self.url, self.after = url, after


class NotYet:
    """An answer without a credential."""

    def __init__(self, found: Accepted, url: str) -> None:
        self.lease, self.next = found.lease, Next(url, found.after)


NEXT = Record[Next](
    "Next",
    "The call that gets the credential.",
    Field("method", word("GET"), lambda _: "GET"),
    Field("url", TEXT, lambda it: it.url, "As `Location`."),
    Field("after", WHOLE, lambda it: it.after, "Seconds until that makes sense, as `Retry-After`."),
)
ACCEPTED = Record[NotYet](
    "Accepted",
    "A lease whose credential is not handed out yet.",
    Field("lease", LEASE, lambda it: it.lease),
    Field("next", NEXT, lambda it: it.next),
)
SCOPE = text(
    "scope",
    "Of a role's `token_scopes`, for a token: what it is for. Left out: what the ask has named, or the first.",
    longest=_LONGEST_SCOPE,
)
APPLIED: JsonSchema = {"description": "What was done of `Prefer`.", "schema": TEXT.schema}
NOT_YET: Mapping[str, JsonSchema] = {
    "Location": {
        "description": "An absolute address: a GET there, with a token of the same caller, gets the credential.",
        "schema": {"type": "string", "format": "uri"},
    },
    "Retry-After": {"description": "Seconds until that makes sense.", "schema": TEXT.schema},
    "Preference-Applied": APPLIED,
}
"""The headers of an answer without a credential."""


def not_yet(request: VerifiedRequest, found: Accepted, wanted: Preferred) -> Reply:
    """Returns the 202 that leads to the credential: what Logic Apps and other clients of long-running operations follow."""
    url = request.broker.address(f"{lease_path(found.lease)}/credential")
    headers = {"Location": url, "Retry-After": str(found.after), **wanted.applied(accepted=True)}
    return of_json(202, ACCEPTED.write(NotYet(found, url)), headers)


@api.call(
    "GET",
    "leases/{id}/credential",
    needs=None,
    operation="collect",
    reads_first=True,
    query=(SCOPE,),
    headers=(PREFER,),
    vary=VARY,
    has_head=False,
    answers=(
        Answer(200, "The lease, active, and its credential.", ISSUED, {"Preference-Applied": APPLIED}),
        Answer(202, "The credential is not ready yet.", ACCEPTED, NOT_YET),
    ),
    fails=(404, 409, 410, 502),
)
async def collect_credential(request: VerifiedRequest) -> Reply:
    """Collect the credential of a lease.

    For its holder alone: where the 202 of an issue leads to. The credential is made for this answer, proven, and kept nowhere.
    The lease's time begins with it. For ten minutes (`LEASEHOLD_GRACE_SECONDS`) after the credential was handed out, a repeat
    gets a fresh one, and the former one is removed: for a caller whose answer was lost. A credential that needs no secret may
    be collected as long as the lease is active; of a token, each answer is a fresh one. Decided anew by the role as it is now.
    """
    request.broker.address("")
    lease_id, wanted = requests.lease_id(request.http), preferred(request.http)
    scope = requests.asked(request.http, SCOPE)
    fields = {} if scope is None else {SCOPE.name: scope}
    found = await collect(request.ports, request.actor, lease_id, wanted.preference, fields)
    if isinstance(found, Issued):
        return of_json(200, ISSUED.write(found), wanted.applied(accepted=False))
    # Unless the lease was still being made, the request has waited.
    is_at_once = wanted.respond_async and found.lease.state is State.PLANNED
    return not_yet(request, found, replace(wanted, respond_async=is_at_once))

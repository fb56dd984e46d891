"""The calls that configure policies: what callers may do."""

from __future__ import annotations

from functools import partial
from typing import Any

from shared.broker.configure import policies
from shared.core.access.policy import Policy
from shared.core.access.policy import read_policy as read_document
from shared.core.access.policy import write_policy as write_document
from shared.triggers.http import documents, requests
from shared.triggers.http.documents import DRY_RUN
from shared.triggers.http.edge import VerifiedRequest
from shared.triggers.http.reply import Reply, of_json
from shared.triggers.http.routes import Api
from shared.triggers.http.shape import TEXT, Answer, Body, Field, Items, Record, flag, named

api = Api("policies")
POLICY = named("Policy")


@api.call(
    "GET",
    "policies",
    needs=("policies", "list"),
    operation="list_policies",
    query=documents.LISTED,
    answers=(documents.list_answer("policies", "Some of the policies, by name.", POLICY),),
)
async def list_policies(request: VerifiedRequest) -> Reply:
    """List policies.

    For whoever may list `policies`.
    """
    page = await request.ports.policies.page(*documents.page_asked(request.http))
    return documents.listed("policies", page, _document)


@api.call(
    "GET",
    "policies/{name}",
    needs=("policies/{name}", "read"),
    operation="get_policy",
    headers=documents.READ_HEADERS,
    answers=documents.read_answers("The policy.", POLICY),
    fails=(404,),
)
async def read_policy(request: VerifiedRequest) -> Reply:
    """Read a policy.

    For whoever may read it.
    """
    policy = await policies.get_policy(request.ports, requests.document_name(request.http))
    return documents.shown(request.http, _document(policy), policy.version)


@api.call(
    "PUT",
    "policies/{name}",
    needs=("policies/{name}", "write"),
    operation="put_policy",
    query=(DRY_RUN,),
    headers=documents.WRITE_HEADERS,
    body=Body("Policy", "", schema=POLICY.schema, required=True),
    answers=documents.write_answers("The policy", POLICY),
    fails=(412,),
)
async def write_policy(request: VerifiedRequest) -> Reply:
    """Make or replace a policy.

    For whoever may write it. Reports every fault at once. A deny is in force at once for issuing, on every worker. A caller
    without `Leasehold.Admin` gives no more than it has, and neither writes nor takes away a deny (403 `escalation`).
    """
    name, ports = requests.document_name(request.http), request.ports
    dry_run = requests.asked(request.http, DRY_RUN)
    expected = await documents.expected_of(request.http, lambda: ports.policies.get(name))
    document = documents.unnamed(name, requests.body(request.http), partial(read_document, name))
    written = await policies.put_policy(ports, request.actor, name, document, expected=expected, dry_run=dry_run)
    return documents.stored(request.http, written, write_document(written.document))


FORCE = flag("force", "Take the policy's name out of each auth role that has it, too.")
CHANGED = Record[tuple[str, ...]](
    "", "", Field("changed", Items(TEXT), lambda it: it, "The auth roles that named the policy, by name.")
)


@api.call(
    "DELETE",
    "policies/{name}",
    needs=("policies/{name}", "delete"),
    operation="delete_policy",
    query=(FORCE,),
    headers=documents.DELETE_HEADERS,
    answers=(
        Answer(200, "With `force`: the policy is gone, and these auth roles were changed.", CHANGED),
        Answer(204, "The policy is gone."),
    ),
    fails=(404, 409, 412),
)
async def delete_policy(request: VerifiedRequest) -> Reply:
    """Delete a policy.

    For whoever may delete it, and for `Leasehold.Admin` alone if it denies anything (403 `escalation`). If auth roles name it:
    409 `policy_in_use`, with their names in `used_by`.
    """
    name, force, ports = requests.document_name(request.http), requests.asked(request.http, FORCE), request.ports
    expected = await documents.expected_of(request.http, lambda: policies.get_policy(ports, name))
    changed = await policies.delete_policy(ports, request.actor, name, expected=expected, force=force)
    return of_json(200, CHANGED.write(changed)) if force else Reply(204)


def _document(policy: Policy) -> dict[str, Any]:
    return {"name": policy.name, **write_document(policy), **documents.outdated(policy.faults)}

"""The calls that configure event rules: what an event of Azure's makes the broker do."""

from __future__ import annotations

from functools import partial
from typing import Any

from shared.broker.configure import event_rules
from shared.core.events.event_rule import EventRule, read_event_rule
from shared.resilience.tasks import both
from shared.triggers.http import documents, requests
from shared.triggers.http.documents import DRY_RUN
from shared.triggers.http.edge import VerifiedRequest
from shared.triggers.http.reply import Reply
from shared.triggers.http.routes import Api
from shared.triggers.http.shape import Answer, Body, flag, named, time

api = Api("event rules")
EVENT_RULE = named("EventRule")
REVOKE = flag("revoke", "End the leases that it has issued as well.")


@api.call(
    "GET",
    "event-rules",
    needs=("event-rules", "list"),
    operation="list_event_rules",
    query=documents.LISTED,
    answers=(documents.list_answer("event_rules", "Some of the event rules, by name.", EVENT_RULE),),
)
async def list_event_rules(request: VerifiedRequest) -> Reply:
    """List event rules.

    For whoever may list `event-rules`.
    """
    page = await request.ports.event_rules.page(*documents.page_asked(request.http))
    return documents.listed("event_rules", page, _document)


@api.call(
    "GET",
    "event-rules/{name}",
    needs=("event-rules/{name}", "read"),
    operation="get_event_rule",
    headers=documents.READ_HEADERS,
    answers=documents.read_answers("The event rule.", EVENT_RULE),
    fails=(404,),
)
async def read_rule(request: VerifiedRequest) -> Reply:
    """Read an event rule.

    For whoever may read it.
    """
    name = requests.document_name(request.http)
    rule, since = await both(event_rules.get_event_rule(request.ports, name), request.ports.rule_leases.denied_since(name))
    denied = {"denied_since": time(since)} if since is not None else {}
    return documents.shown(request.http, {**_document(rule), **denied}, rule.version)


@api.call(
    "PUT",
    "event-rules/{name}",
    needs=("event-rules/{name}", "write"),
    operation="put_event_rule",
    query=(DRY_RUN,),
    headers=documents.WRITE_HEADERS,
    body=Body("EventRule", "", schema=EVENT_RULE.schema, required=True),
    answers=documents.write_answers("The event rule", EVENT_RULE),
    fails=(409, 412, 502),
)
async def write_rule(request: VerifiedRequest) -> Reply:
    """Make or replace an event rule.

    For whoever may write it, and may issue from the role that it names: the rule acts with its writer's rights, which are
    decided on again at each event. A later writer replaces the former one. Reports every fault at once. A rule that others
    name (`rule:NAME`) may not be replaced by one that does not issue: 409 `rule_in_use`.
    """
    name, ports = requests.document_name(request.http), request.ports
    dry_run = requests.asked(request.http, DRY_RUN)
    expected = await documents.expected_of(request.http, lambda: ports.event_rules.get(name))
    document = documents.unnamed(name, requests.body(request.http), partial(read_event_rule, name))
    written = await event_rules.put_event_rule(ports, request.actor, name, document, expected=expected, dry_run=dry_run)
    return documents.stored(request.http, written, _kept(written.document))


@api.call(
    "DELETE",
    "event-rules/{name}",
    needs=("event-rules/{name}", "delete"),
    operation="delete_event_rule",
    query=(REVOKE,),
    headers=documents.DELETE_HEADERS,
    answers=(Answer(204, "The event rule is gone."),),
    fails=(404, 409, 412),
)
async def delete_rule(request: VerifiedRequest) -> Reply:
    """Delete an event rule.

    For whoever may delete it. What it has issued stays, unless `revoke` is given: then each of these leases is ending with the
    answer.
    """
    name, ports = requests.document_name(request.http), request.ports
    expected = await documents.expected_of(request.http, lambda: event_rules.get_event_rule(ports, name))
    revoking = requests.asked(request.http, REVOKE)
    await event_rules.delete_event_rule(ports, request.actor, name, expected=expected, revoking=revoking)
    return Reply(204)


def _document(rule: EventRule) -> dict[str, Any]:
    return {"name": rule.name, **_kept(rule), **documents.outdated(rule.faults)}


def _kept(rule: EventRule) -> dict[str, Any]:
    """The document, and who lends it a right, by ids alone."""
    return event_rules.kept_of(rule)

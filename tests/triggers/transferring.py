"""Exports and imports, as tests make them."""

from __future__ import annotations

from typing import Any

from shared.core.events.event_rule import read_event_rule
from shared.core.events.lender import Lender
from tests.fakes.world import ADMINISTRATOR, GROUPS, World, role, secret_target, world
from tests.support.rights import keep_auth_role, keep_policy
from tests.triggers.app import Answer, App
from tests.triggers.documents import ADMIN, GONE_SITES

WRITES = {f"{verb}_{each}" for verb in ("put", "delete") for each in ("role", "auth_role", "policy", "event_rule")} | {"import"}


async def export(app: App, **query: str) -> dict[str, Any]:
    """The configuration, or a page of it."""
    answer = await app.call("GET", "/api/v1/export", token=ADMIN, query=query)
    assert 200 == answer.status, answer.body
    found: dict[str, Any] = answer.json
    return found


async def imported(app: App, document: Any, *, token: str = ADMIN, **query: str) -> Answer:
    """The answer to an import."""
    return await app.call("PUT", "/api/v1/import", token=token, body=document, query=query)


def configuration(**sections: Any) -> dict[str, Any]:
    """A configuration to import."""
    return {"form": 1, **sections}


def furnished() -> World:
    """A world with documents of all four types."""
    made = world(role(), role(secret_target(), name=role().name.parse("secret")))
    keep_policy(made, "readers", ("roles/web/leases", "issue"))
    keep_policy(made, "closed", ("roles/secret/leases", "deny"))
    made.event_rules.keep(read_event_rule("gone", GONE_SITES, Lender.of(ADMINISTRATOR)))
    keep_auth_role(made, "staff", "readers", "closed", bound_group_ids=[GROUPS[0]])
    return made


def paths(answer: Answer, change: str) -> list[str]:
    """The documents of which the answer says so."""
    return [each["path"] for each in answer.json[change]]


def contents(made: World) -> str:
    """All documents, to be compared."""
    stores = (made.roles, made.access.auth_roles, made.access.policies, made.event_rules)
    return "".join(each.contents() for each in stores)


def changes(made: World) -> list[str]:
    """The operations that have changed something, in their order."""
    return [event.operation for event in made.audit.events if event.operation in WRITES and event.outcome == "done"]

"""Exports and imports, as tests make them."""

from __future__ import annotations

from typing import Any

from tests.fakes.world import GROUPS, World, role, secret_target, world
from tests.support.rights import keep_auth_role, keep_policy
from tests.triggers.app import Answer, App
from tests.triggers.documents import ADMIN

WRITES = {"put_role", "put_auth_role", "put_policy", "delete_role", "delete_auth_role", "delete_policy", "import"}


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
    """A world with documents of all three types."""
    made = world(role(), role(secret_target(), name=role().name.parse("secret")))
    keep_policy(made, "readers", ("roles/web/leases", "issue"))
    keep_policy(made, "closed", ("roles/secret/leases", "deny"))
    keep_auth_role(made, "staff", "readers", "closed", bound_group_ids=[GROUPS[0]])
    return made


def paths(answer: Answer, change: str) -> list[str]:
    """The documents of which the answer says so."""
    return [each["path"] for each in answer.json[change]]


def contents(made: World) -> str:
    """All documents, to be compared."""
    return made.roles.contents() + made.access.auth_roles.contents() + made.access.policies.contents()


def changes(made: World) -> list[str]:
    """The operations that have changed something, in their order."""
    return [event.operation for event in made.audit.events if event.operation in WRITES and event.outcome == "done"]

"""What routes need, what a policy can give, and what the guide lists are one table. It is written in three places."""

from __future__ import annotations

import re

import pytest

from local.snapshots import INFRA
from shared.core.access.policy import ASKED
from shared.triggers.http import groups
from tests.fakes.world import BOB, world
from tests.support import toy_group
from tests.triggers.app import App
from tests.triggers.documents import ADMIN

ADMINS_ALONE = {("import", "write"), ("events", "write")}
"""What no policy gives."""
ADD = (
    "A path and capability that a route needs stand in three places: ASKED in shared/core/access/policy.py, the table below "
    '"What they may do" in docs/access.md, and a route\'s `needs` in shared/triggers/http. What is for admins alone stands in '
    "ADMINS_ALONE here."
)
ASKS = {(path, capability) for path, capabilities in ASKED.items() for capability in capabilities}
_TOYS = ("toys/{toy}", frozenset({"read"}))


def test_a_policy_can_give_exactly_what_routes_need() -> None:
    """A route's need that is not in ``ASKED`` can be given by no policy. A path that no route asks for gives nothing."""
    needed = {route.rules.needs for route in groups.routes() if route.rules.needs is not None} - ADMINS_ALONE
    assert needed == ASKS, f"in one of them alone: {sorted(needed ^ ASKS)}. {ADD}"
    assert not ADMINS_ALONE & ASKS, ADD


def test_the_guide_lists_exactly_what_a_policy_can_give() -> None:
    """Path by path. A row without a path belongs to the row above it."""
    _, _, below = (INFRA.parent / "docs" / "access.md").read_text(encoding="utf-8").partition("\n## What they may do\n")
    listed: set[tuple[str, str]] = set()
    paths: list[str] = []
    for row in re.findall(r"^\|([^|]*)\|([^|]*)\|", below.partition("\n### ")[0], re.MULTILINE):
        paths = re.findall(r"`([^`]+)`", row[0]) or paths
        listed |= {(path, capability) for path in paths for capability in re.findall(r"`([^`]+)`", row[1])}
    assert listed == ASKS, f"in one of them alone: {sorted(listed ^ ASKS)}. {ADD}"


async def _written(app: App) -> list[int]:
    policy = {"rules": [{"path": "toys/*", "capabilities": ["read"]}]}
    auth_role = {"bound_service_principal_ids": [BOB.object_id], "policies": ["players"]}
    documents = (("policies/players", policy), ("auth-roles/players", auth_role))
    return [(await app.call("PUT", f"/api/v1/{path}", token=ADMIN, body=body)).status for path, body in documents]


async def test_a_new_route_is_given_by_a_policy_once_its_path_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before that, the policy is refused when it is written."""
    app = App(world(), groups=(*groups.GROUPS, toy_group.api))
    assert [400, 400] == await _written(app)
    monkeypatch.setattr("shared.core.access.policy.ASKED", dict([*ASKED.items(), _TOYS]))
    assert [201, 201] == await _written(app)
    statuses = {who: (await app.call("GET", "/api/v1/toys/bear", token=f"{who}.token.x")).status for who in ("bob", "alice")}
    assert {"bob": 200, "alice": 403} == statuses

"""Tests of policies in an imported configuration: judged before anything is written, and not stored."""

from __future__ import annotations

from typing import Any

from tests.fakes.world import ALICE, GROUPS, TENANT, guid
from tests.triggers.app import App
from tests.triggers.documents import PRINCIPALS, READERS
from tests.triggers.transferring import changes, configuration, export, furnished, imported


def asking(ask: str, expect: str, claims: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A test of policies, by default about Alice."""
    named = claims or {"oid": ALICE.object_id, "appid": guid(0x401)}
    return {"caller": {"claims": named, "directory": {}}, "ask": ask, "expect": expect, **more}


async def test_tests_are_run_against_the_proposed_configuration(empty: App) -> None:
    """Those that fail say which line has decided; nothing is written. They are judged, and not stored."""
    robots = {"bound_service_principal_ids": [ALICE.object_id], "policies": ["readers"]}
    document = configuration(policies={"readers": READERS}, auth_roles={"robots": robots}, roles={"web": PRINCIPALS})
    passing = [asking("issue web", "allowed", by="policy readers"), asking("read roles/web", "denied")]
    failing = [asking("issue web", "denied"), *passing, asking("issue web", "allowed", by="policy others")]
    answer = await imported(empty, {**document, "tests": failing})
    assert (409, "tests_failed", ["tests[0]", "tests[3]"]) == (
        *(answer.status, answer.code),
        [each["path"] for each in answer.json["errors"]],
    )
    assert "policy readers, rule 0, roles/web/leases" in answer.json["errors"][0]["message"]
    assert [] == changes(empty.world)
    assert 409 == (await imported(empty, {**document, "tests": failing}, dry_run="true")).status
    assert 200 == (await imported(empty, {**document, "tests": passing})).status
    assert "tests" not in await export(empty)


async def test_tests_see_what_stays_and_not_what_goes() -> None:
    """Stored documents that the configuration does not name count, unless they are pruned; inline bounds too."""
    app = App(furnished())
    staff = {"oid": guid(5), "appid": guid(6), "groups": [GROUPS[0]]}
    asked = [asking("issue web", "allowed", staff, by="policy readers"), asking("issue secret", "denied", staff)]
    inline = asking("issue web", "allowed", by="inline bounds of web")
    assert 200 == (await imported(app, configuration(tests=[*asked, inline]))).status
    pruned = await imported(app, configuration(auth_roles={}, tests=[*asked, inline]), prune="true", dry_run="true")
    assert ["tests[0]"] == [each["path"] for each in pruned.json["errors"]]


async def test_a_home_tenant_is_what_tests_mean_by_default(empty: App) -> None:
    """``tid`` may be left out."""
    robots = {"bound_tenant_ids": [TENANT], "bound_service_principal_ids": [ALICE.object_id], "policies": ["readers"]}
    document = configuration(
        policies={"readers": READERS}, auth_roles={"robots": robots}, tests=[asking("issue web", "allowed")]
    )
    assert 200 == (await imported(empty, document)).status

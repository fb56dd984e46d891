"""The calls that configure roles."""

from __future__ import annotations

from typing import Any

import pytest

from shared.core.protection import Protected
from tests.fakes.world import EXISTING, SCOPES, SUBSCRIPTION, guid, role, world
from tests.triggers.app import Answer, App

DOCUMENT: dict[str, Any] = {
    "type": "service_principal",
    "ttl": "15m",
    "max_ttl": "1h",
    "azure_roles": [{"role_name": "Reader", "scope": SCOPES[0]}],
    "bound_app_roles": ["Deployer"],
}


async def put(app: App, name: str = "api", document: Any = DOCUMENT, token: str = "admin.token.x", **more: Any) -> Answer:
    """Writes a role."""
    return await app.call("PUT", f"/api/v1/roles/{name}", token=token, body=document, **more)


async def test_makes_then_replaces_a_role(app: App) -> None:
    """201, then 200; what was written is what is read."""
    made, replaced = await put(app), await put(app, document={**DOCUMENT, "ttl": 60})
    read = await app.call("GET", "/api/v1/roles/api", token="admin.token.x")
    assert (made.status, replaced.status, read.status) == (201, 200, 200)
    assert made.json["name"] == "api"
    assert (made.json["ttl"], read.json["ttl"]) == (900, 60)
    assert read.json == replaced.json
    assert read.headers["etag"] == replaced.headers["etag"] != made.headers["etag"]


async def test_takes_back_what_it_gave(app: App) -> None:
    """A role that was read can be written as it stands."""
    made = await put(app)
    assert (await put(app, document=made.json)).json == made.json
    other = await put(app, name="other", document=made.json)
    assert other.json["errors"] == [{"path": "name", "message": "is not the name in the path"}]


async def test_reports_six_faults_at_once(app: App) -> None:
    """Every one, with its path."""
    answer = await put(
        app,
        document={
            "type": "service_principal",
            "ttl": 5,
            "renewable": "yes",
            "azure_roles": [{"role_name": "Reader", "scope": "nowhere"}],
            "bound_application_ids": [],
            "bound_tenant_ids": [guid(0x77)],
            "colour": "red",
        },
    )
    assert (answer.status, answer.code) == (400, "malformed")
    paths = {fault["path"] for fault in answer.json["errors"]}
    assert paths == {"ttl", "renewable", "azure_roles[0].scope", "bound_application_ids", "bound_tenant_ids", "colour"}


async def test_a_dry_run_changes_nothing(app: App) -> None:
    """It answers with the role as it would be."""
    answer = await put(app, query={"dry_run": "true"})
    assert (answer.status, answer.json["name"]) == (200, "api")
    assert "etag" not in answer.headers
    assert (await app.call("GET", "/api/v1/roles/api", token="admin.token.x")).code == "role_not_found"


async def test_a_dry_run_asks_azure(app: App) -> None:
    """A role definition that does not exist is a fault of the document."""
    document = {**DOCUMENT, "azure_roles": [{"role_name": "Raeder", "scope": SCOPES[0]}]}
    answer = await put(app, document=document, query={"dry_run": "true"})
    assert answer.status == 400
    assert [fault["path"] for fault in answer.json["errors"]] == ["azure_roles[0].role_name"]


async def test_honours_if_none_match(app: App) -> None:
    """``*`` means: only if there is none."""
    first = await put(app, headers={"If-None-Match": "*"})
    second = await put(app, headers={"If-None-Match": "*"})
    assert (first.status, second.status, second.code) == (201, 412, "precondition_failed")


async def test_honours_if_match(app: App) -> None:
    """Only the version that was read is replaced or deleted."""
    old = (await put(app)).headers["etag"]
    new = (await put(app, document={**DOCUMENT, "ttl": 60}, headers={"If-Match": old})).headers["etag"]
    assert (await put(app, headers={"If-Match": old})).status == 412
    assert (await put(app, headers={"If-Match": f'"x", {new}'})).status == 200
    newest = (await app.call("GET", "/api/v1/roles/api", token="admin.token.x")).headers["etag"]
    for tag, status in ((old, 412), (newest, 204)):
        answer = await app.call("DELETE", "/api/v1/roles/api", token="admin.token.x", headers={"If-Match": tag})
        assert answer.status == status


async def test_if_match_star_needs_one_to_exist(app: App) -> None:
    """Of a role that is not there, no version matches."""
    assert (await put(app, headers={"If-Match": "*"})).status == 412
    assert (await put(app, name="web", headers={"If-Match": "*"})).status == 200
    assert (await app.call("DELETE", "/api/v1/roles/api", token="admin.token.x", headers={"If-Match": "*"})).status == 404


async def test_entity_tags_say_nothing_of_the_store(app: App) -> None:
    """They are strong, and no version of the store's is in them."""
    tag = (await put(app)).headers["etag"]
    stored = await app.world.roles.list()
    assert tag.startswith('"')
    assert tag.endswith('"')
    assert all(each.version.strip('"') != tag.strip('"') for each in stored)


@pytest.mark.parametrize(
    "headers",
    [
        {"If-Match": 'W/"abc"'},
        {"If-Match": "abc"},
        {"If-Match": ""},
        {"If-Match": '"a" "b"'},
        {"If-None-Match": '"abc"'},
        {"If-Match": "*", "If-None-Match": "*"},
    ],
)
async def test_refuses_conditions_that_it_cannot_honour(app: App, headers: dict[str, str]) -> None:
    """To ignore one would be to overwrite another's work."""
    answer = await put(app, headers=headers)
    assert (answer.status, answer.code) == (400, "malformed")


async def test_only_an_admin_configures(app: App) -> None:
    """Before anything of the document is looked at."""
    for method, path in (("GET", "/api/v1/roles"), ("GET", "/api/v1/roles/web"), ("DELETE", "/api/v1/roles/web")):
        assert (await app.call(method, path)).code == "forbidden"
    assert (await put(app, token="watcher.token.x", document=b"{")).code == "forbidden"


async def test_lists_roles(app: App) -> None:
    """By name."""
    await put(app)
    answer = await app.call("GET", "/api/v1/roles", token="admin.token.x")
    assert [each["name"] for each in answer.json["roles"]] == ["api", "web"]


async def test_keeps_a_role_with_live_leases_unless_told(app: App) -> None:
    """``revoke=true`` ends them too."""
    await app.call("POST", "/api/v1/roles/web/leases")
    refused = await app.call("DELETE", "/api/v1/roles/web", token="admin.token.x")
    done = await app.call("DELETE", "/api/v1/roles/web", token="admin.token.x", query={"revoke": "true"})
    assert (refused.status, refused.code) == (409, "role_has_leases")
    assert (done.status, done.json) == (202, {"revoking": 1, "as_of": "2026-03-02T09:00:00.000Z"})


async def test_deletes_a_role_without_leases(app: App) -> None:
    """204, then 404."""
    first = await app.call("DELETE", "/api/v1/roles/web", token="admin.token.x")
    second = await app.call("DELETE", "/api/v1/roles/web", token="admin.token.x")
    assert (first.status, first.body, second.status) == (204, b"", 404)


@pytest.mark.parametrize("value", ["yes", "1", "True"])
async def test_refuses_a_flag_that_is_neither_true_nor_false(app: App, value: str) -> None:
    """A flag that is not understood must not read as false."""
    assert (await put(app, query={"dry_run": value})).status == 400


async def test_refuses_a_role_on_the_broker_itself() -> None:
    """A code of its own."""
    scope = SCOPES[0].parse(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg0")
    app = App(world(role(), protected=Protected(frozenset({EXISTING}), (scope,))))
    secret = {"type": "application_secret", "application_object_id": EXISTING}
    for document in (DOCUMENT, secret):
        answer = await put(app, document=document)
        assert (answer.status, answer.code) == (400, "protected_target")


@pytest.mark.parametrize("name", ["Web", "-x", "a" * 64, "a.b", "a/b"])
async def test_refuses_a_text_that_is_no_role_name(app: App, name: str) -> None:
    """With what is expected."""
    answer = await put(app, name=name.replace("/", "%2F"))
    assert (answer.status, answer.json["errors"][0]["path"]) == (400, "role")


async def test_a_dry_run_of_what_assigns_nothing_warns_of_nothing(app: App) -> None:
    """There is no grant that could refuse it."""
    document = {**DOCUMENT, "type": "application_secret", "application_object_id": EXISTING}
    document = {name: value for name, value in document.items() if name not in {"azure_roles", "azure_groups"}}
    answer = await put(app, document=document, query={"dry_run": "true"})
    assert (200, False) == (answer.status, "warnings" in answer.json)

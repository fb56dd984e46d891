"""What roles, auth roles and policies have in common: versions, conditions, lists, dry runs, what is audited."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.rights import keep_auth_role
from tests.triggers.app import App
from tests.triggers.documents import ADMIN, AUTH_ROLES, POLICIES, TYPES, Type, delete, get, put

EVERY = pytest.mark.parametrize("of", TYPES, ids=lambda of: of.name)
ACCESS = pytest.mark.parametrize("of", [AUTH_ROLES, POLICIES], ids=lambda of: of.name)


@EVERY
async def test_a_document_is_made_replaced_read_and_deleted(app: App, of: Type) -> None:
    """201, 200, 200, 204, and then 404 with a code of its own. GET and PUT answer the document with its name."""
    made, replaced = await put(app, of, "one", of.one), await put(app, of, "one", of.other)
    read, deleted, missing = await get(app, of, "one"), await delete(app, of, "one"), await get(app, of, "one")
    assert (201, 200, 200, 204, 404) == tuple(each.status for each in (made, replaced, read, deleted, missing))
    assert f"{of.name}_not_found" == missing.code == (await delete(app, of, "one")).code
    assert "one" == made.json["name"] == read.json["name"]
    assert {**of.other, "name": "one"}.items() <= read.json.items()
    assert read.headers["etag"] == replaced.headers["etag"] != made.headers["etag"]


@EVERY
async def test_a_put_of_what_is_stored_already_writes_nothing(app: App, of: Type) -> None:
    """It audits nothing, and keeps the version, whether defaults are written out or not."""
    made = await put(app, of, "one", of.one)
    app.world.audit.events.clear()
    app.world.calls.made.clear()
    again, written_out = await put(app, of, "one", of.one), await put(app, of, "one", made.json)
    assert (200, 200) == (again.status, written_out.status)
    assert made.headers["etag"] == again.headers["etag"] == written_out.headers["etag"]
    assert [] == app.world.audit.events
    assert [] == [name for name in app.world.calls.names() if name.endswith((".put", ".touch"))]


@EVERY
async def test_what_was_read_may_be_written_back(app: App, of: Type) -> None:
    """Name, warnings and what a dry run found are let pass. Another document's name is a fault."""
    made = await put(app, of, "one", of.one)
    looked = await put(app, of, "one", {**made.json, "warnings": [{"path": "x"}]}, query={"dry_run": "true"})
    assert (200, 200) == (looked.status, (await put(app, of, "one", looked.json)).status)
    other = await put(app, of, "other", made.json)
    assert (400, [{"path": "name", "message": "is not the name in the path"}]) == (other.status, other.json["errors"])


@EVERY
async def test_another_documents_name_hides_no_other_fault(app: App, of: Type) -> None:
    """All faults are answered at once."""
    answer = await put(app, of, "one", {**of.one, "name": "other", "colour": "red"})
    assert (400, ["name", "colour"]) == (answer.status, [each["path"] for each in answer.json["errors"]])


@EVERY
async def test_conditions_are_honoured(app: App, of: Type) -> None:
    """``If-Match`` and ``If-None-Match: *`` on PUT, ``If-Match`` on DELETE."""
    first = await put(app, of, "one", of.one, headers={"If-None-Match": "*"})
    assert (412, "precondition_failed") == _outcome(await put(app, of, "one", of.one, headers={"If-None-Match": "*"}))
    old = first.headers["etag"]
    new = (await put(app, of, "one", of.other, headers={"If-Match": old})).headers["etag"]
    for stale in (
        await put(app, of, "one", of.one, headers={"If-Match": old}),
        await delete(app, of, "one", headers={"If-Match": old}),
    ):
        assert (412, "precondition_failed") == _outcome(stale)
    assert 412 == (await put(app, of, "none", of.one, headers={"If-Match": "*"})).status
    assert 404 == (await delete(app, of, "none", headers={"If-Match": "*"})).status
    assert 204 == (await delete(app, of, "one", headers={"If-Match": new})).status


@EVERY
async def test_a_stale_put_of_what_is_stored_is_refused_all_the_same(app: App, of: Type) -> None:
    """Its writer has not seen the document."""
    old = (await put(app, of, "one", of.one)).headers["etag"]
    await put(app, of, "one", of.other)
    assert 412 == (await put(app, of, "one", of.other, headers={"If-Match": old})).status


@EVERY
async def test_who_has_the_version_is_answered_304(app: App, of: Type) -> None:
    """Without a body, with the version; weak tags count, and others do not."""
    tag = (await put(app, of, "one", of.one)).headers["etag"]
    for known in (tag, f'"x", {tag}', f"W/{tag}", "*"):
        answer = await get(app, of, "one", headers={"If-None-Match": known})
        assert (304, b"", tag) == (answer.status, answer.body, answer.headers["etag"]), known
    assert 200 == (await get(app, of, "one", headers={"If-None-Match": '"x"'})).status
    assert (400, "malformed") == _outcome(await get(app, of, "one", headers={"If-None-Match": "x"}))


@EVERY
async def test_a_list_is_read_in_parts(app: App, of: Type) -> None:
    """By name, each with its whole document; ``next`` leads on, and is null at the end."""
    for name in ("c", "a", "b"):
        await put(app, of, name, of.one)
    first = await _list(app, of, limit="2")
    rest = await _list(app, of, limit="1000", cursor=first.json["next"])
    names = [each["name"] for each in (*first.json[of.field], *rest.json[of.field])]
    assert (["a", "b", "c"], None) == ([each for each in names if each != "web"], rest.json["next"])
    assert (await get(app, of, "a")).json == first.json[of.field][0]


@EVERY
@pytest.mark.parametrize("limit", ["0", "1001", "x", "-1"])
async def test_a_limit_is_1_to_1000(app: App, of: Type, limit: str) -> None:
    """Anything else is a fault of the query."""
    answer = await _list(app, of, limit=limit)
    assert (400, ["limit"]) == (answer.status, [each["path"] for each in answer.json["errors"]])


@EVERY
async def test_a_dry_run_stores_nothing(app: App, of: Type) -> None:
    """It answers the document as it would be, without a version, and audits nothing."""
    answer = await put(app, of, "one", of.one, query={"dry_run": "true"})
    assert (200, "one", False) == (answer.status, answer.json["name"], "etag" in answer.headers)
    assert isinstance(answer.json["azure"], list)
    assert 404 == (await get(app, of, "one")).status
    assert [] == [event for event in app.world.audit.events if event.outcome == "done"]


@EVERY
async def test_each_change_is_audited_with_the_fields_that_changed(app: App, of: Type) -> None:
    """Who, which document, what was there and what is there now."""
    await put(app, of, "one", of.one)
    await put(app, of, "one", of.other)
    await delete(app, of, "one")
    events = app.world.audit.events
    assert [f"put_{of.name}", f"put_{of.name}", f"delete_{of.name}"] == [event.operation for event in events]
    assert {f"{of.path}/one"} == {event.document for event in events}
    assert all(event.changes and event.decided_by == {"app_role": "Leasehold.Admin"} for event in events)
    made, changed, gone = (event.changes for event in events)
    assert {None} == {change["from"] for change in made} == {change["to"] for change in gone}
    for change in changed:
        assert change["from"] != change["to"]


@EVERY
async def test_the_changes_of_one_document_are_found(app: App, of: Type) -> None:
    """In the audit trail, by its path."""
    for name in ("one", "two"):
        await put(app, of, name, of.one)
    app.world.clock.jump(1)
    answer = await app.call("GET", "/api/v1/audit", token=ADMIN, query={"document": f"{of.path}/one"})
    (event,) = answer.json["events"]
    assert (f"put_{of.name}", f"{of.path}/one") == (event["operation"], event["document"])
    assert event["changes"][0].keys() == {"path", "from", "to"}


@EVERY
async def test_a_refusal_is_audited_with_the_document(app: App, of: Type) -> None:
    """If the text in the path is a name: a caller may write anything there."""
    for name in ("one", "No+Name"):
        await put(app, of, name, of.one, token="bob.token.x")
    operation = f"put_{of.name}"
    assert [(operation, "forbidden", f"{of.path}/one"), (operation, "forbidden", "")] == [
        (event.operation, event.code, event.document) for event in app.world.audit.events
    ]


@EVERY
@pytest.mark.parametrize("name", ["Web", "-x", "a" * 64, "a.b", "a_b", "%C3%A9"])
async def test_a_text_that_is_no_name_is_refused(app: App, of: Type, name: str) -> None:
    """A name is ``[a-z0-9][a-z0-9-]{0,62}``."""
    for answer in (await put(app, of, name, of.one), await get(app, of, name), await delete(app, of, name)):
        assert (400, "malformed") == _outcome(answer)
        assert answer.json["errors"][0]["path"] in {"role", "name"}


@ACCESS
async def test_a_write_is_in_force_at_the_next_request(app: App, of: Type) -> None:
    """On the worker that wrote it, without waiting for the time for which a configuration is believed."""
    keep_auth_role(app.world, "bob", bound_service_principal_ids=["00000410-0000-4000-8000-000000000000"])
    assert 403 == (await get(app, of, "one", token="bob.token.x")).status
    await put(app, POLICIES, "see", {"rules": [{"path": f"{of.path}/*", "capabilities": ["read"]}]})
    bob = {"bound_service_principal_ids": ["00000410-0000-4000-8000-000000000000"], "policies": ["see"]}
    await put(app, AUTH_ROLES, "bob", bob)
    assert (404, f"{of.name}_not_found") == _outcome(await get(app, of, "one", token="bob.token.x"))
    await delete(app, AUTH_ROLES, "bob")
    assert 403 == (await get(app, of, "one", token="bob.token.x")).status


def _outcome(answer: Any) -> tuple[int, str]:
    return answer.status, answer.code


async def _list(app: App, of: Type, **query: str) -> Any:
    return await app.call("GET", f"/api/v1/{of.path}", token=ADMIN, query=query)

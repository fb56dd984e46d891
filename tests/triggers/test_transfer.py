"""Export and import: the whole configuration as one document."""

from __future__ import annotations

import json
from random import Random

import pytest

from shared.broker.access import rights_of
from shared.core.access.bounds import Bounds
from shared.core.errors import PreconditionFailed, Unavailable
from shared.core.limits import Limits
from shared.core.names import RoleName
from shared.kinds.role_document import write_role
from shared.kinds.stored_role import store_role
from tests.fakes.world import ALICE, BOB, GROUPS, WEB, World, application, guid, role, secret_target, world
from tests.support.kinds import SCHEMAS
from tests.support.rights import give, keep_auth_role, keep_policy
from tests.triggers.app import Answer, App
from tests.triggers.documents import ADMIN, GONE_SITES, PRINCIPALS, READERS, SECRET, STAFF
from tests.triggers.transferring import changes, configuration, contents, export, furnished, imported, paths


async def test_an_export_has_all_documents_without_versions_and_resolutions() -> None:
    """Sorted, by name."""
    app = App(furnished())
    found = await export(app)
    assert ["auth_roles", "event_rules", "form", "next", "policies", "roles"] == sorted(found)
    assert (1, None) == (found["form"], found["next"])
    assert {"staff": {"bound_group_ids": [GROUPS[0]], "policies": ["readers", "closed"]}} == found["auth_roles"]
    assert ["closed", "readers"] == [*found["policies"]]
    assert {"gone": {**GONE_SITES, "verify": "azure", "max_per_hour": 60, "enabled": True}} == found["event_rules"]
    assert ["secret", "web"] == [*found["roles"]]
    assert "resolved" not in json.dumps(found)
    assert "etag" not in json.dumps(found).lower()


async def test_what_was_exported_is_found_unchanged() -> None:
    """Nothing is written, nothing is audited, and Azure is asked nothing."""
    app = App(furnished())
    document = await export(app)
    app.world.calls.made.clear()
    answer = await imported(app, document, prune="true")
    expected = {"created": [], "changed": [], "deleted": [], "unchanged": 6, "warnings": []}
    assert (200, expected, []) == (answer.status, answer.json, app.world.audit.events)
    assert {"roles", "policies", "auth_roles", "event_rules", "access", "leased"} >= {
        call.service for call in app.world.calls.made
    }
    assert [] == [name for name in app.world.calls.names() if name.endswith((".put", ".touch", ".delete"))]


async def test_an_export_into_an_empty_broker_makes_the_same(empty: App) -> None:
    """As after a disaster. The order is policies, roles, event rules, auth roles. Each is audited, and the import as well."""
    document = await export(App(furnished()))
    answer = await imported(empty, document)
    in_order = ["policies.closed", "policies.readers", "roles.secret", "roles.web", "event_rules.gone", "auth_roles.staff"]
    assert in_order == paths(answer, "created")
    assert document == await export(empty)
    expected = ["put_policy", "put_policy", "put_role", "put_role", "put_event_rule", "put_auth_role", "import"]
    assert expected == changes(empty.world)
    assert "6 created, 0 changed, 0 deleted, 0 unchanged" == empty.world.audit.events[-1].reason
    assert all(each.target.azure_roles[0].definition_id for each in await empty.world.roles.list() if each.name == "web")  # type: ignore[attr-defined]


async def answers(made: World, chance: Random) -> list[tuple[str, str]]:
    """What the gate says to two hundred questions: whoever asks, and whatever for."""
    found: list[tuple[str, str]] = []
    for _ in range(200):
        caller = application(
            guid(chance.randrange(1, 9)),
            groups=frozenset(chance.sample(GROUPS, 2)),
            app_roles=frozenset(chance.sample(["Robot", "Deployer", "Reader"], 1)),
        )
        rights = await rights_of(made.ports, caller)
        name, path = RoleName(f"r{chance.randrange(6)}"), chance.choice(["roles/{}", "status"])
        stored = await made.roles.get(name)
        decisions = (
            rights.decide(path.format(name), "read"),
            (await rights.issuing(name, stored.bounds if stored is not None else None)).decide(),
        )
        found += [(each.outcome, repr(each.by)) for each in decisions]
    return found


@pytest.mark.parametrize("seed", range(3))
async def test_an_export_a_loss_and_an_import_give_the_same_answers(empty: App, seed: int) -> None:
    """To two hundred questions about a configuration by chance."""
    chance, made = Random(seed), world()
    for number in range(6):
        bounds = Bounds(group_ids=frozenset(chance.sample(GROUPS, 1)))
        made.roles.keep(role(secret_target(), name=RoleName(f"r{number}"), bounds=bounds if number % 2 else Bounds()))
        rules = [(f"roles/r{chance.choice('012345*')}{rest}", words) for rest, words in (("/leases", "issue"), ("", "read"))]
        denied = (f"roles/r{number}/leases", "deny")
        keep_policy(made, f"p{number}", *rules, *([denied] if chance.random() < 0.3 else [("status", "read")]))
    for number in range(12):
        policies = chance.sample([f"p{each}" for each in range(6)], 2)
        robots = {"bound_app_roles": [chance.choice(["Robot", "Reader"])]}
        named = {"bound_group_ids": [str(chance.choice(GROUPS))]} if number % 2 else robots
        keep_auth_role(made, f"a{number}", *policies, **named)
    before = await answers(made, Random(seed))
    assert 200 == (await imported(empty, await export(App(made)))).status
    assert before == await answers(empty.world, Random(seed))
    assert {"allowed", "denied"} == {outcome for outcome, _ in before}


async def test_the_difference_names_the_fields(empty: App) -> None:
    """A dry run answers the same, and writes nothing."""
    await imported(empty, configuration(roles={"web": PRINCIPALS}, policies={"readers": READERS}, auth_roles={"a": STAFF}))
    changed = configuration(
        roles={"web": {**PRINCIPALS, "ttl": 120, "bound_app_roles": ["Other"]}, "new": SECRET},
        auth_roles={"a": {**STAFF, "policies": ["readers"]}},
        policies={"readers": READERS},
    )
    before, events = contents(empty.world), len(empty.world.audit.events)
    looked = await imported(empty, changed, dry_run="true")
    assert (before, events) == (contents(empty.world), len(empty.world.audit.events))
    done = await imported(empty, changed)
    assert looked.json == done.json
    assert (
        [{"path": "roles.web", "fields": ["bound_app_roles", "ttl"]}, {"path": "auth_roles.a", "fields": ["policies"]}],
        1,
    ) == (
        done.json["changed"],
        done.json["unchanged"],
    )
    assert ["roles.new"] == paths(done, "created")
    assert 120 == (await export(empty))["roles"]["web"]["ttl"]


async def test_absent_documents_are_left_alone_unless_pruned() -> None:
    """Pruning deletes those of the sections that are there, in reverse: auth roles, event rules, roles, policies."""
    made = furnished()
    app = App(made)
    rest = configuration(roles={}, auth_roles={}, policies={}, event_rules={})
    assert ([], 0) == (paths(await imported(app, rest), "deleted"), len(made.audit.events))
    no_policies = await imported(app, configuration(auth_roles={}), prune="true", dry_run="true")
    assert ["auth_roles.staff"] == paths(no_policies, "deleted")
    answer = await imported(app, rest, prune="true")
    expected = ["auth_roles.staff", "event_rules.gone", "roles.secret", "roles.web", "policies.closed", "policies.readers"]
    assert expected == paths(answer, "deleted")
    in_order = ["delete_auth_role", "delete_event_rule", *["delete_role"] * 2, *["delete_policy"] * 2, "import"]
    assert in_order == changes(made)
    assert configuration(roles={}, auth_roles={}, policies={}, event_rules={}, next=None) == await export(app)


async def test_pruning_spares_a_role_with_live_leases_unless_revoking() -> None:
    """409, and nothing is changed; ``revoke=true`` ends the leases."""
    app = App(furnished())
    await app.call("POST", "/api/v1/roles/web/leases")
    before = contents(app.world)
    refused = await imported(app, configuration(roles={}), prune="true")
    assert (409, "role_has_leases", before) == (refused.status, refused.code, contents(app.world))
    assert "web" in refused.json["detail"]
    done = await imported(app, configuration(roles={}), prune="true", revoke="true")
    assert (200, ["roles.secret", "roles.web"]) == (done.status, paths(done, "deleted"))


async def test_pruning_spares_a_policy_that_an_auth_role_names() -> None:
    """One that the configuration does not speak of, and that would stay."""
    app = App(furnished())
    before = contents(app.world)
    answer = await imported(app, configuration(policies={"readers": READERS}), prune="true")
    assert (409, "policy_in_use", ["staff"], before) == (
        *(answer.status, answer.code, answer.json["used_by"]),
        contents(app.world),
    )


async def test_an_auth_role_does_not_bring_a_policy_that_is_pruned() -> None:
    """It is a fault of the auth role: the policy will not be there."""
    document = configuration(policies={}, auth_roles={"staff": {**STAFF, "policies": ["readers"]}})
    answer = await imported(App(furnished()), document, prune="true")
    assert (400, ["auth_roles.staff.policies[0]"]) == (answer.status, [each["path"] for each in answer.json["errors"]])


async def test_a_role_that_breaks_a_rule_of_today_is_written_again(empty: App) -> None:
    """Although what can be read of it is what is wanted."""
    stored = store_role(SCHEMAS, role(secret_target())) | {"surprise": 1}
    empty.world.roles.keep_document(WEB, stored)
    public = write_role(SCHEMAS, role(secret_target()))
    assert ["roles.web"] == paths(await imported(empty, configuration(roles={"web": public})), "changed")
    assert ((),) == tuple(each.outdated for each in await empty.world.roles.list())


async def test_what_was_exported_is_imported_under_a_shorter_longest_lifetime() -> None:
    """An export tells the lifetimes that are in force: the setting has been made smaller since the role was written."""
    made = world(role(secret_target(), ttl=7200, max_ttl=14400), limits=Limits(max_ttl=3600))
    document = await export(App(made))
    assert (3600, 3600) == (document["roles"]["web"]["ttl"], document["roles"]["web"]["max_ttl"])
    for each in (App(made), App(world(limits=Limits(max_ttl=3600)))):
        answer = await imported(each, document)
        assert 200 == answer.status, answer.body


async def test_an_import_takes_five_mebibytes_and_no_more(empty: App) -> None:
    """Other calls take 64 KiB."""
    rules = [{"path": "roles/" + "x" * 60, "capabilities": ["read"]}] * 4
    policies = {f"p{number:04}": {"rules": rules} for number in range(2500)}
    answer = await imported(empty, configuration(policies=policies), dry_run="true")
    assert (200, 2500) == (answer.status, len(answer.json["created"]))
    answer = await imported(empty, b"{" + b" " * 5 * 1024 * 1024)
    assert (413, "body_too_large") == (answer.status, answer.code)


async def test_a_large_configuration_is_exported_in_pages(empty: App) -> None:
    """Each is at most 900 KiB and can be imported, in their order: together they make the same."""
    made = furnished()
    for number in range(60):
        keep_policy(made, f"p{number:03}", *[(f"roles/{'x' * 50}{number}-{rule}", "read") for rule in range(240)])
        keep_auth_role(made, f"a{number:03}", f"p{number:03}", bound_group_ids=[GROUPS[0]])
    app, pages = App(made), [await export(App(made))]
    while pages[-1]["next"] is not None:
        pages.append(await export(app, cursor=pages[-1]["next"]))
    assert len(pages) > 1
    assert max(len(json.dumps(page, separators=(",", ":"))) for page in pages) <= 900 * 1024
    assert {True} == {page["partial"] for page in pages}
    refused = await imported(empty, pages[0], prune="true")
    assert (400, ["prune"]) == (refused.status, [each["path"] for each in refused.json["errors"]])
    assert 400 == (await imported(empty, pages[-1], prune="true")).status
    for page in pages:
        assert 200 == (await imported(empty, page)).status
    assert made.access.policies.stored().keys() == empty.world.access.policies.stored().keys()
    assert made.access.auth_roles.stored().keys() == empty.world.access.auth_roles.stored().keys()
    assert ["secret", "web"] == [each.name for each in await empty.world.roles.list()]


async def test_an_indented_page_of_an_export_is_imported(empty: App) -> None:
    """Even one that grows as much as any: full of names of one character, each on a line of its own."""
    letters = [chr(number) for number in range(33, 127) if chr(number) not in '*/"' + chr(92) and not chr(number).isupper()]
    made = world()
    for number in range(1200):
        names = {f"bound_{kind}": letters for kind in ("app_roles", "resource_groups", "scale_sets", "locations")}
        keep_auth_role(made, f"{number}", **names)
    page = await export(App(made))
    indented = json.dumps(page, indent=4).encode()
    assert (850 * 1024 < len(json.dumps(page, separators=(",", ":"))), len(indented) > 4 * 1024 * 1024) == (True, True)
    answer = await imported(empty, indented, dry_run="true")
    assert (200, len(page["auth_roles"])) == (answer.status, len(answer.json["created"]))


async def test_a_cursor_of_another_listing_is_refused(empty: App) -> None:
    """It is a fault of the query."""
    answer = await empty.call("GET", "/api/v1/export", token=ADMIN, query={"cursor": "x"})
    assert (400, ["cursor"]) == (answer.status, [each["path"] for each in answer.json["errors"]])


async def test_a_write_that_fails_midway_says_what_is_done_and_what_is_left(empty: App) -> None:
    """503 with ``applied`` and ``left``; the import can be repeated."""
    document = configuration(policies={"a": READERS, "b": READERS}, auth_roles={"x": {**STAFF, "policies": ["a", "b"]}})
    empty.world.calls.fail("policies.put", Unavailable("storage fails"), nth=2)
    answer = await imported(empty, document)
    assert (503, "import_stopped", ["policies.a"], ["policies.b", "auth_roles.x"]) == (
        *(answer.status, answer.code, answer.json["applied"], answer.json["left"]),
    )
    assert "retry-after" in answer.headers
    event = empty.world.audit.events[-1]
    assert ("import", "failed", "import_stopped after 1: azure_unavailable") == (event.operation, event.outcome, event.reason)
    again = await imported(empty, document)
    assert (["policies.b", "auth_roles.x"], 1) == (paths(again, "created"), again.json["unchanged"])


async def test_a_document_that_changes_meanwhile_stops_the_import(empty: App) -> None:
    """Nobody's work is overwritten. If it is the first one, nothing was changed."""
    document = configuration(policies={"a": READERS, "b": READERS})
    empty.world.calls.fail("policies.put", PreconditionFailed())
    assert (412, "precondition_failed") == _outcome(await imported(empty, document))
    empty.world.calls.fail("policies.put", PreconditionFailed(), nth=2)
    assert (503, "import_stopped") == _outcome(await imported(empty, document))


async def test_a_stored_document_that_breaks_a_rule_is_exported_as_it_stands(empty: App) -> None:
    """An import says what is wrong with it: nothing of it is lost in silence."""
    stored = {**READERS, "mood": "x"}
    empty.world.access.policies.keep_document("later", stored)
    document = await export(empty)
    assert stored == document["policies"]["later"]
    answer = await imported(empty, document)
    assert ["policies.later.mood"] == [each["path"] for each in answer.json["errors"]]
    mended = await imported(empty, configuration(policies={"later": READERS}))
    assert ["policies.later"] == paths(mended, "changed")


async def test_what_authors_should_know_is_answered_by_path(empty: App) -> None:
    """Of what is created or changed."""
    document = configuration(
        policies={"p": {"rules": [{"path": "roles/nope", "capabilities": ["read"]}]}},
        auth_roles={"a": STAFF},
        roles={"r": {**SECRET, "bound_resource_groups": ["app"]}},
    )
    answer = await imported(empty, document)
    assert [
        ("policies.p.rules[0].path", "no_such_role"),
        ("roles.r.bound_resource_groups", "unplaced"),
        ("auth_roles.a.policies", "no_policies"),
    ] == [(each["path"], each["code"]) for each in answer.json["warnings"]]
    assert [] == (await imported(empty, document)).json["warnings"]


async def test_an_import_is_in_force_at_the_next_request(empty: App) -> None:
    """On the worker that has done it."""
    assert 403 == (await empty.call("POST", "/api/v1/roles/web/leases")).status
    robots = {"bound_service_principal_ids": [ALICE.object_id], "policies": ["readers"]}
    await imported(
        empty, configuration(policies={"readers": READERS}, auth_roles={"robots": robots}, roles={"web": PRINCIPALS})
    )
    assert 201 == (await empty.call("POST", "/api/v1/roles/web/leases")).status


@pytest.mark.parametrize("token", ["bob.token.x", "watcher.token.x"])
async def test_only_an_admin_imports(empty: App, token: str) -> None:
    """Whatever a caller may do besides: no policy gives it."""
    give(
        *(empty.world, BOB, ("policies/*", "write delete"), ("auth-roles/*", "write delete"), ("roles/*", "write delete")),
        ("export", "read"),
    )
    answer = await imported(empty, configuration(), token=token)
    assert (403, "forbidden", [("import", "refused")]) == (answer.status, answer.code, empty.world.audit.told())


async def test_who_may_read_the_export_reads_it(empty: App) -> None:
    """By a policy."""
    give(empty.world, BOB, ("export", "read"))
    assert 200 == (await empty.call("GET", "/api/v1/export", token="bob.token.x")).status
    assert 403 == (await empty.call("GET", "/api/v1/export", token="watcher.token.x")).status


def _outcome(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.code

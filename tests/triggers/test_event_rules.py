"""Event rules over HTTP: who may write one, what it must name, and what must not go while it names it."""

from __future__ import annotations

from typing import Any

import pytest

from shared.core.access.bounds import Bounds
from shared.core.names import RoleName
from shared.issuers.role_grant.schema import RoleGrantTarget
from tests.fakes.world import ALICE, BOB, SCOPES, principal_target, role, world
from tests.support.rights import give
from tests.triggers.app import Answer, App
from tests.triggers.documents import EVENT_RULES, GONE_SITES, ROLES, SITES, delete, get, put
from tests.triggers.transferring import configuration, export, imported

JIT, TEAMS = RoleName("jit"), RoleName("teams")
READS: dict[str, Any] = {
    "source": SCOPES[0],
    "types": ["Microsoft.Resources.ResourceWriteSuccess"],
    "subject": SITES,
    "action": {"issue": {"role": "jit", "holder": "subject_identity"}},
}
RULE_GONE: dict[str, Any] = {**GONE_SITES, "action": {"revoke": {"of": "rule:reads"}}}


def issuing(**fields: Any) -> dict[str, Any]:
    """A rule that issues with these fields."""
    return {**READS, "action": {"issue": {**READS["action"]["issue"], **fields}}}


@pytest.fixture
def app() -> App:
    """With a role that gives to its holder, from which Bob may issue, and who may write event rules."""
    target = RoleGrantTarget(principal_target(1).azure_roles)
    bobs = Bounds(service_principal_ids=frozenset({BOB.object_id}))
    made = world(role(), role(target, name=JIT, bounds=bobs, max_ttl=3600))
    give(made, BOB, ("event-rules/*", "write read delete"), name="bob")
    give(made, ALICE, ("event-rules/*", "write"), name="alice")
    return App(made)


def faults(answer: Answer) -> tuple[int, str, list[str]]:
    """The status, the code, and the places."""
    return answer.status, answer.code, [each["path"] for each in answer.json.get("errors", ())]


async def test_who_writes_a_rule_lends_it_a_right(app: App) -> None:
    """Write on the rule and issue on the role: each alone is refused, whether there is such a role or not."""
    assert 201 == (await put(app, EVENT_RULES, "reads", READS, token="bob.token.x")).status
    refused = await put(app, EVENT_RULES, "other", READS, token="alice.token.x")
    nowhere = await put(app, EVENT_RULES, "other", issuing(role="nowhere"), token="alice.token.x")
    assert (403, "forbidden") == (refused.status, refused.code)
    assert refused.without_request_id() == nowhere.without_request_id()
    assert 403 == (await put(app, EVENT_RULES, "other", READS, token="watcher.token.x")).status
    assert [] == [event.operation for event in app.world.audit.events if event.document.endswith("/other") and not event.code]


async def test_a_rule_shows_its_lender_by_ids_alone(app: App) -> None:
    """Another writer replaces it, although the document is the same. Its own writer changes nothing."""
    first = await put(app, EVENT_RULES, "reads", READS, token="bob.token.x")
    assert {"object_id": BOB.object_id, "tenant_id": BOB.tenant_id} == first.json["lender"]
    again = await put(app, EVENT_RULES, "reads", first.json, token="bob.token.x")
    assert (200, first.headers["etag"]) == (again.status, again.headers["etag"])
    other = await put(app, EVENT_RULES, "reads", READS)
    assert first.headers["etag"] != other.headers["etag"]
    assert other.json["lender"] == (await get(app, EVENT_RULES, "reads")).json["lender"] != first.json["lender"]
    *_, event = app.world.audit.events
    assert ("put_event_rule", "event-rules/reads") == (event.operation, event.document)
    assert {"lender.object_id"} == {change["path"] for change in event.changes}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (issuing(role="nowhere"), (400, "unresolvable", ["action.issue.role"])),
        (RULE_GONE, (400, "unresolvable", ["action.revoke.of"])),
        (issuing(role="web"), (400, "malformed", ["action.issue.role"])),
        (issuing(delivery={"vault": "https://kv-app.vault.azure.net"}), (400, "malformed", ["action.issue.delivery"])),
        (issuing(rotate=True), (400, "malformed", ["action.issue.rotate"])),
        (issuing(ttl="2h"), (400, "malformed", ["action.issue.ttl"])),
        (issuing(within=f"{SCOPES[1]}/providers/Microsoft.Web/sites/a"), (400, "malformed", ["action.issue.within"])),
        (issuing(parameters={"group": "app"}), (400, "malformed", ["action.issue.parameters.group"])),
    ],
)
async def test_what_a_rule_names_must_be_there_and_fit(app: App, document: Any, expected: Any) -> None:
    """Each place is told to whom the gate lets in."""
    answer = await put(app, EVENT_RULES, "one", document)
    assert expected == faults(answer)
    assert () == await app.world.event_rules.list()


async def test_a_rules_values_are_those_of_its_roles_parameters(app: App) -> None:
    """A value that is missing, one that is no name of the kind, and one that is none of the role's."""
    holed = {
        "type": "role_grant",
        "parameters": {"group": {"kind": "resource_group", "allowed": ["rg*"]}, "site": {"kind": "resource_name", "any": True}},
        "azure_roles": [
            {
                "role_name": "Reader",
                "scope": SCOPES[0].replace("rg0", "{group}") + "/providers/Microsoft.Web/sites/{site}",
            }
        ],
    }
    assert 201 == (await put(app, ROLES, "teams", holed)).status
    whole = issuing(role="teams", parameters={"group": "subject.resource_group", "site": "subject.resource_name"})
    assert 201 == (await put(app, EVENT_RULES, "teams", whole)).status
    partly = issuing(role="teams", parameters={"group": "a/b", "colour": "red"})
    _, _, places = faults(await put(app, EVENT_RULES, "teams", partly))
    assert {f"action.issue.parameters.{name}" for name in ("group", "site", "colour")} == {*places}


async def test_the_broker_must_be_able_to_look(app: App) -> None:
    """Otherwise nothing would ever be done by the rule."""
    app.world.resources.readable = False
    assert (400, "subject_unreadable", ["subject"]) == faults(await put(app, EVENT_RULES, "one", GONE_SITES))
    imports = await imported(app, configuration(event_rules={"one": GONE_SITES}))
    assert (400, "malformed", ["event_rules.one.subject"]) == faults(imports)


async def test_a_dry_run_tells_how_many_resources_match(app: App) -> None:
    """And stores nothing."""
    for number in range(3):
        app.world.resources.put(SITES.replace("*", f"site{number}"))
    app.world.resources.put(SITES.replace("sites/*", "serverfarms/plan"))
    answer = await put(app, EVENT_RULES, "one", GONE_SITES, query={"dry_run": "true"})
    expected = [{"path": "subject", "matches": 3, "examples": [SITES.replace("*", f"site{number}") for number in range(3)]}]
    assert (200, expected) == (answer.status, answer.json["azure"])
    assert 404 == (await get(app, EVENT_RULES, "one")).status


async def test_what_nobody_verifies_is_warned(app: App) -> None:
    """Openly, at each write."""
    document = {**issuing(holder=ALICE.object_id), "types": ["Ours.Made"], "subject": "/things/*", "verify": "none"}
    answer = await put(app, EVENT_RULES, "ours", document)
    assert (201, ["unverified"]) == (answer.status, [each["code"] for each in answer.json["warnings"]])
    assert "resources.may_read" not in app.world.calls.names()


async def test_what_a_rule_names_is_not_deleted(app: App) -> None:
    """Neither the role that it issues from, nor the rule whose leases it revokes; by an import neither."""
    await put(app, EVENT_RULES, "reads", READS)
    await put(app, EVENT_RULES, "gone", RULE_GONE)
    for query in ({}, {"revoke": "true"}):
        refused = await delete(app, ROLES, "jit", query=query)
        assert (409, "role_in_use", ["reads"]) == (refused.status, refused.code, refused.json["used_by"])
    refused = await delete(app, EVENT_RULES, "reads")
    assert (409, "rule_in_use", ["gone"]) == (refused.status, refused.code, refused.json["used_by"])
    for section in ("roles", "event_rules"):
        document = await export(app)
        del document[section]["jit" if section == "roles" else "reads"]
        answer = await imported(app, document, prune="true")
        assert answer.status in {400, 409}, answer.body
        assert answer.code in {"role_in_use", "rule_in_use", "malformed"}
    assert [204, 204, 204] == [
        (await delete(app, EVENT_RULES, "gone")).status,
        (await delete(app, EVENT_RULES, "reads")).status,
        (await delete(app, ROLES, "jit")).status,
    ]


async def test_a_rule_that_is_written_anew_was_denied_nothing(app: App) -> None:
    """Nor one that is made anew after it was deleted. The same document again is no write."""
    await put(app, EVENT_RULES, "reads", READS)
    now = app.world.ports.now()
    for again in (READS, issuing(ttl=600)):
        await app.world.rule_leases.note_denied("reads", now)
        await put(app, EVENT_RULES, "reads", again)
        assert (again is READS) == ("denied_since" in (await get(app, EVENT_RULES, "reads")).json)
    await app.world.rule_leases.note_denied("reads", now)
    await delete(app, EVENT_RULES, "reads")
    await put(app, EVENT_RULES, "reads", READS)
    assert "denied_since" not in (await get(app, EVENT_RULES, "reads")).json


async def test_a_rule_that_another_one_names_goes_on_issuing(app: App) -> None:
    """Whoever writes it anew, in a dry run as well; an import that brings the other one along says what is wrong there."""
    await put(app, EVENT_RULES, "reads", READS)
    await put(app, EVENT_RULES, "gone", RULE_GONE)
    for query in ({}, {"dry_run": "true"}):
        refused = await put(app, EVENT_RULES, "reads", GONE_SITES, query=query)
        assert (409, "rule_in_use", ["gone"]) == (refused.status, refused.code, refused.json["used_by"])
    alone = await imported(app, configuration(event_rules={"reads": GONE_SITES}))
    assert (409, "rule_in_use", ["gone"]) == (alone.status, alone.code, alone.json["used_by"])
    both = await imported(app, configuration(event_rules={"reads": GONE_SITES, "gone": RULE_GONE}))
    assert (400, "malformed", ["event_rules.gone.action.revoke.of"]) == faults(both)
    # It may issue otherwise, and stop when nobody names it any more.
    assert 200 == (await put(app, EVENT_RULES, "reads", issuing(ttl=600))).status
    freed = await imported(app, configuration(event_rules={"reads": GONE_SITES, "gone": GONE_SITES}))
    assert 200 == freed.status, freed.body
    assert 200 == (await put(app, EVENT_RULES, "reads", GONE_SITES)).status


async def test_an_import_makes_roles_before_rules_and_lends_its_writers_right(app: App) -> None:
    """After a disaster, too: whoever imports is the lender of every rule in it."""
    await put(app, EVENT_RULES, "reads", READS, token="bob.token.x")
    await put(app, EVENT_RULES, "gone", RULE_GONE)
    document = await export(app)
    assert "lender" not in str(document)
    made = App(world())
    answer = await imported(made, document)
    assert 200 == answer.status, answer.body
    assert document == await export(made)
    assert [] == (await imported(made, document)).json["changed"]
    lenders = {each.lender.object_id for each in await made.world.event_rules.list() if each.lender is not None}
    assert BOB.object_id not in lenders
    # The importer takes Bob's place.
    assert ["event_rules.reads"] == [each["path"] for each in (await imported(app, document)).json["changed"]]


async def test_an_import_names_what_is_wrong_beside_the_rules(app: App) -> None:
    """A role that goes with the same import counts as gone."""
    await put(app, EVENT_RULES, "reads", READS)
    document = {**await export(app), "roles": {}}
    answer = await imported(app, document, prune="true")
    assert (400, "malformed", ["event_rules.reads.action.issue.role"]) == faults(answer)

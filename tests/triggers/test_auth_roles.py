"""The calls that configure auth roles."""

from __future__ import annotations

from typing import Any

import pytest

from shared.core.access.bounds import Constraint
from shared.core.errors import Unreachable
from shared.core.ports.access import Existence
from tests.fakes.world import ADMINISTRATOR, ALICE, GROUPS, OTHER_TENANT, SCOPES, SUBSCRIPTION, TENANT, guid
from tests.support.rights import keep_auth_role, keep_policy
from tests.triggers.app import App
from tests.triggers.documents import ADMIN, AUTH_ROLES, POLICIES, READERS, ROLES, SECRET, STAFF, delete, get, put

MACHINE = f"{SCOPES[0]}/providers/Microsoft.Compute/virtualMachines/vm1"
LOOK: dict[str, Any] = {"query": {"dry_run": "true"}}


async def paths_of_faults(app: App, document: Any) -> list[str]:
    """The paths of all faults of a document that is refused."""
    answer = await put(app, AUTH_ROLES, "one", document)
    assert 400 == answer.status, answer.body
    return [each["path"] for each in answer.json["errors"]]


async def codes(app: App, document: Any, **more: Any) -> list[tuple[str, str]]:
    """The paths and codes of the warnings of a document that is taken."""
    answer = await put(app, AUTH_ROLES, "one", document, **more)
    assert answer.status in {200, 201}, answer.body
    return [(each["path"], each["code"]) for each in answer.json.get("warnings", ())]


async def test_every_fault_is_answered_at_once(app: App) -> None:
    """Of values, of tenants, of unknown fields, and of the policies that it names."""
    document = {
        "bound_group_ids": ["x", GROUPS[0]],
        "bound_app_roles": [],
        "bound_locations": ["west*"],
        "bound_resource_ids": ["/*"],
        "bound_tenant_ids": [guid(0x77)],
        "policies": ["Nope", "nope"],
        "colour": "red",
    }
    found = await paths_of_faults(app, document)
    expected = {
        *("bound_group_ids[0]", "bound_app_roles", "bound_locations[0]", "bound_resource_ids[0]", "colour"),
        *("policies[0]", "policies[1]", "bound_tenant_ids"),
    }
    assert (expected, len(expected)) == ({*found}, len(found))


async def test_a_policy_that_is_not_there_has_a_code_of_its_own(app: App) -> None:
    """400 ``unresolvable``, by its place in the list. Nothing is stored."""
    keep_policy(app.world, "readers", ("roles/web/leases", "issue"))
    answer = await put(app, AUTH_ROLES, "one", {**STAFF, "policies": ["readers", "nope"]})
    assert (400, "unresolvable", ["policies[1]"]) == (
        answer.status,
        answer.code,
        [each["path"] for each in answer.json["errors"]],
    )
    assert 404 == (await get(app, AUTH_ROLES, "one")).status


async def test_a_tenant_that_is_not_admitted_is_a_fault(app: App) -> None:
    """And so are kinds that no caller of a foreign tenant has."""
    stranger = {"bound_tenant_ids": [guid(0x77)], "bound_app_roles": ["Robot"]}
    assert ["bound_tenant_ids"] == await paths_of_faults(app, stranger)
    foreign = {"bound_tenant_ids": [OTHER_TENANT], "bound_subscription_ids": [SUBSCRIPTION]}
    assert ["bound_subscription_ids"] == await paths_of_faults(app, foreign)


@pytest.mark.parametrize("document", [{}, {"policies": []}, [], {"bound_group_ids": [], "policies": []}])
async def test_an_auth_role_names_some_caller(app: App, document: Any) -> None:
    """One without any kind is refused, and so is an empty list: it must not widen the auth role."""
    assert 1 == len(await paths_of_faults(app, document))


async def test_a_list_has_256_values_and_64_policies_at_most(app: App) -> None:
    """One more is a fault of the list as a whole."""
    assert ["bound_group_ids"] == await paths_of_faults(app, {"bound_group_ids": [guid(n) for n in range(257)]})
    names = [f"p{number}" for number in range(65)]
    for name in names:
        keep_policy(app.world, name, ("status", "read"))
    assert ["policies"] == await paths_of_faults(app, {**STAFF, "policies": names})
    document = {"bound_group_ids": [guid(number) for number in range(256)], "policies": names[:64]}
    assert 201 == (await put(app, AUTH_ROLES, "full", document)).status


async def test_a_value_that_stands_there_twice_is_kept_once(app: App) -> None:
    """Whatever its case."""
    answer = await put(app, AUTH_ROLES, "one", {"bound_resource_groups": ["App", "app", "b"], "policies": []})
    assert ["App", "b"] == answer.json["bound_resource_groups"]


async def test_what_its_author_should_know_is_answered(app: App) -> None:
    """No policy, and names that mean little without a subscription or a group."""
    assert [("policies", "no_policies")] == await codes(app, STAFF)
    keep_policy(app.world, "readers", ("roles/web/leases", "issue"))
    named = {"policies": ["readers"], "bound_resource_groups": ["app"]}
    assert [("bound_resource_groups", "unplaced")] == await codes(app, named)
    placed = {**named, "bound_subscription_ids": [SUBSCRIPTION]}
    assert [] == await codes(app, placed)
    sets = {"policies": ["readers"], "bound_scale_sets": ["web"], "bound_locations": ["westeurope"]}
    assert [("bound_scale_sets", "unplaced"), ("bound_locations", "unplaced")] == await codes(app, sets)


async def test_an_auth_role_that_newly_matches_its_writer_is_warned(app: App) -> None:
    """Only the first time; and so if the directory must say what the writer is."""
    keep_policy(app.world, "readers", ("roles/web/leases", "issue"))
    mine = {"bound_service_principal_ids": [ADMINISTRATOR.object_id], "policies": ["readers"]}
    assert [("", "matches_writer")] == await codes(app, mine)
    more = {"bound_service_principal_ids": [ADMINISTRATOR.object_id, ALICE.object_id], "policies": ["readers"]}
    assert [] == await codes(app, more)
    app.world.callers.place(ADMINISTRATOR.object_id, MACHINE)
    assert [] == await codes(app, {"bound_resource_ids": [f"{SCOPES[1]}/*"], "policies": ["readers"]})
    assert [("", "matches_writer")] == await codes(app, {"bound_resource_ids": [f"{SCOPES[0]}/*"], "policies": ["readers"]})


async def test_a_plain_put_asks_azure_nothing(app: App) -> None:
    """A document may come before its machine."""
    document = {**STAFF, "bound_resource_ids": [f"{SCOPES[0]}/*"], "bound_resource_groups": ["rg0"]}
    await put(app, AUTH_ROLES, "one", document)
    assert [] == [name for name in app.world.calls.names() if name.startswith(("lookups", "graph", "arm"))]


async def test_a_dry_run_says_what_azure_has_of_each_value(app: App) -> None:
    """By its place in the answered document, which has the values in order: there with a name, not there, or not to be read."""
    lookups = app.world.lookups
    lookups.existing = {
        (Constraint.GROUP_IDS, GROUPS[0]): Existence(exists=True, name="staff"),
        (Constraint.SUBSCRIPTION_IDS, SUBSCRIPTION): Existence(exists=None),
        (Constraint.SCALE_SETS, "web"): Existence(exists=True, name="web", is_flexible=True),
        (Constraint.TENANT_IDS, TENANT): Existence(exists=True),
    }
    document = {
        "bound_group_ids": [GROUPS[1], GROUPS[0]],
        "bound_service_principal_ids": [guid(5)],
        "bound_application_ids": [guid(6)],
        "bound_subscription_ids": [SUBSCRIPTION],
        "bound_resource_groups": ["app"],
        "bound_scale_sets": ["web"],
        "bound_tenant_ids": [TENANT],
        "bound_app_roles": ["Robot"],
        "bound_locations": ["westeurope"],
    }
    answer = await put(app, AUTH_ROLES, "one", document, **LOOK)
    assert [GROUPS[0], GROUPS[1]] == answer.json["bound_group_ids"]
    assert {
        "bound_group_ids[0]": {"exists": True, "name": "staff"},
        "bound_group_ids[1]": {"exists": False},
        "bound_service_principal_ids[0]": {"exists": False},
        "bound_application_ids[0]": {"exists": False},
        "bound_subscription_ids[0]": {"exists": None},
        "bound_resource_groups[0]": {"exists": False},
        "bound_scale_sets[0]": {"exists": True, "name": "web"},
        "bound_tenant_ids[0]": {"exists": True},
    } == {each.pop("path"): each for each in answer.json["azure"]}
    assert ("bound_scale_sets[0]", "flexible_scale_set") in [(each["path"], each["code"]) for each in answer.json["warnings"]]


async def test_what_another_tenants_directory_may_have_is_not_said_to_be_missing(app: App) -> None:
    """The broker can ask its own alone."""
    document = {"bound_tenant_ids": [OTHER_TENANT], "bound_group_ids": [GROUPS[0]]}
    answer = await put(app, AUTH_ROLES, "one", document, **LOOK)
    assert {"bound_tenant_ids[0]": False, "bound_group_ids[0]": None} == {
        each["path"]: each["exists"] for each in answer.json["azure"]
    }


async def test_a_dry_run_counts_what_a_pattern_matches_now(app: App) -> None:
    """With up to ten examples: of the directory's managed identities, and not of all resources."""
    machines = [f"{SCOPES[0]}/providers/Microsoft.Compute/virtualMachines/vm{number:02}" for number in range(12)]
    app.world.lookups.identities = (*machines, f"{SCOPES[1]}/providers/Microsoft.Web/sites/web", "no resource")
    document = {"bound_resource_ids": [f"{SCOPES[0]}/providers/Microsoft.Compute/virtualMachines/*", f"{SCOPES[1]}/*"]}
    answer = await put(app, AUTH_ROLES, "one", document, **LOOK)
    assert [
        {"path": "bound_resource_ids[0]", "matches": 12, "examples": machines[:10]},
        {"path": "bound_resource_ids[1]", "matches": 1, "examples": [f"{SCOPES[1]}/providers/Microsoft.Web/sites/web"]},
    ] == answer.json["azure"]


async def test_at_most_20_pages_of_identities_are_read(app: App) -> None:
    """Then the number is said to be larger. Who may not read them at all says so."""
    app.world.lookups.identities = tuple(f"{SCOPES[0]}/providers/Microsoft.Web/sites/w{number}" for number in range(1021))
    app.world.lookups.identities_a_page = 51
    document = {"bound_resource_ids": [f"{SCOPES[0]}/*"]}
    assert "1000+" == (await put(app, AUTH_ROLES, "one", document, **LOOK)).json["azure"][0]["matches"]
    assert [(20,)] == [call.about for call in app.world.calls.named("lookups.managed_identities")]
    app.world.lookups.may_list = False
    assert None is (await put(app, AUTH_ROLES, "one", document, **LOOK)).json["azure"][0]["matches"]


async def test_a_dry_run_while_azure_is_away_is_refused(app: App) -> None:
    """An answer would look as if something were missing."""
    app.world.calls.fail("lookups.find", Unreachable("nobody answers"))
    assert 504 == (await put(app, AUTH_ROLES, "one", STAFF, **LOOK)).status


async def test_the_dry_run_of_a_role_looks_at_its_bounds_too(app: App) -> None:
    """And a plain PUT does not."""
    app.world.lookups.existing = {(Constraint.GROUP_IDS, GROUPS[0]): Existence(exists=True, name="staff")}
    document = {**SECRET, "bound_group_ids": [GROUPS[0]]}
    looked = await put(app, ROLES, "one", document, **LOOK)
    assert [{"path": "bound_group_ids[0]", "exists": True, "name": "staff"}] == looked.json["azure"]
    app.world.calls.made.clear()
    assert 201 == (await put(app, ROLES, "one", document)).status
    assert "lookups.find" not in app.world.calls.names()


async def test_a_role_is_warned_of_bounds_that_mean_little_alone(app: App) -> None:
    """As an auth role is."""
    answer = await put(app, ROLES, "one", {**SECRET, "bound_resource_groups": ["app"]})
    assert ["unplaced"] == [each["code"] for each in answer.json["warnings"]]


async def test_deleting_an_auth_role_is_never_refused(app: App) -> None:
    """Whatever policies it names."""
    keep_policy(app.world, "closed", ("roles/web/leases", "deny"))
    keep_auth_role(app.world, "one", "closed", bound_group_ids=[GROUPS[0]])
    assert 204 == (await delete(app, AUTH_ROLES, "one")).status


async def test_an_auth_role_that_breaks_a_rule_of_today_says_so(app: App) -> None:
    """It is shown as far as it can be read, and a PUT mends it, even with what could be read."""
    app.world.access.auth_roles.keep_document("old", {"bound_group_ids": [GROUPS[0]], "policies": [], "bound_moods": ["x"]})
    found = await get(app, AUTH_ROLES, "old")
    assert [("bound_moods", "outdated")] == [(each["path"], each["code"]) for each in found.json["warnings"]]
    mended = await put(app, AUTH_ROLES, "old", {"bound_group_ids": [GROUPS[0]], "policies": []})
    assert (200, "no_policies") == (mended.status, mended.json["warnings"][0]["code"])
    assert found.headers["etag"] != mended.headers["etag"]


async def test_a_list_shows_whole_auth_roles(app: App) -> None:
    """With the policies that they name."""
    await put(app, POLICIES, "readers", READERS)
    await put(app, AUTH_ROLES, "one", {**STAFF, "policies": ["readers"]})
    answer = await app.call("GET", "/api/v1/auth-roles", token=ADMIN)
    assert {
        "auth_roles": [{"name": "one", "bound_group_ids": [GROUPS[0]], "policies": ["readers"]}],
        "next": None,
    } == answer.json

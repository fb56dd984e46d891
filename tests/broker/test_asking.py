"""Issuing from a role with holes: what fills them, what is refused, and what the lease says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.core.access.bounds import Bounds
from shared.core.errors import (
    DefinitionGone,
    Forbidden,
    LeaseholdError,
    Malformed,
    RoleOutdated,
    TooMany,
)
from shared.core.names import Scope
from shared.core.parameters.errors import Ambiguous, ParameterNotAllowed
from shared.core.protection import Protected
from tests.broker.holed import kept, machines, paths, refused, scene
from tests.broker.scenes import issued, stored
from tests.fakes.calls import MadeCall
from tests.fakes.world import (
    BOB,
    application,
    guid,
    request,
    role,
    world,
)
from tests.support.holes import (
    ACCOUNT,
    CONTAINER,
    FILLED,
    GROUP,
    GROUP_SCOPE,
    HOLES,
    IN_SUB,
    STORAGE,
    VALUES,
    asking,
    group,
    keep_rules,
    machine,
    rule,
    target,
)


async def test_an_allow_for_a_parameter_that_the_role_has_not_lets_nobody_in() -> None:
    """Whoever may issue nothing from the role learns nothing of its bounds: neither which values will do, nor which names."""
    made = world(role(target(), bounds=Bounds()))
    keep_rules(made, {"path": "roles/*/leases", "capabilities": ["issue"], "parameters": {"nonesuch": ["x"]}})
    asks: tuple[dict[str, str], ...] = (VALUES, {"group": "nowhere"}, {"zz": "1"}, {})
    for values in asks:
        refusal = await refused(made, Forbidden, None, **values)
        assert ("forbidden", ()) == (refusal.stable_code, getattr(refusal, "faults", ()))


async def test_what_is_given_fills_the_role() -> None:
    """In Azure, in the lease, and in the credential: never the template."""
    made = scene()
    found = await issued(made, ask=asking(**VALUES))
    assert {FILLED} == {each.scope for each in made.cloud.assignments}
    assert (VALUES, "", (FILLED,)) == (found.lease.parameters, found.lease.within, found.lease.scopes)
    assert found.lease == stored(made)
    assert "{" not in repr(stored(made).parts)
    assert HOLES.keys() == kept(made).parameter_names


async def test_values_are_kept_as_they_were_given() -> None:
    """Though Azure compares some of them without regard to case."""
    made = scene()
    found = await issued(made, ask=asking(group="APP-Web", account="logs1"))
    assert "APP-Web" == found.lease.parameters["group"]
    assert found.lease.scopes == (Scope(f"{IN_SUB}/resourceGroups/APP-Web/{STORAGE}/logs1"),)


async def test_a_default_stands_for_what_is_left_out() -> None:
    """And is told in the lease."""
    made = scene({"group": {**GROUP, "default": "shared"}, "account": ACCOUNT})
    assert {"group": "shared", "account": "a12"} == (await issued(made, ask=asking(account="a12"))).lease.parameters
    assert {**VALUES} == (await issued(made, ask=asking(**VALUES))).lease.parameters


async def test_one_parameter_fills_several_holes() -> None:
    """Two assignments that come to be one are one."""
    made = scene({"group": GROUP}, GROUP_SCOPE, f"{IN_SUB}/resourceGroups/{{group}}/{STORAGE}/logs")
    await issued(made, ask=asking(group="app-web"))
    assert {group("app-web"), Scope(f"{group('app-web')}/{STORAGE}/logs")} == {each.scope for each in made.cloud.assignments}
    same = scene({"one": GROUP, "two": GROUP}, f"{IN_SUB}/resourceGroups/{{one}}", f"{IN_SUB}/resourceGroups/{{two}}")
    await issued(same, ask=asking(one="shared", two="SHARED"))
    assert [group("shared")] == [each.scope for each in same.cloud.assignments]


async def test_one_assignment_under_two_conditions_is_ambiguous() -> None:
    """Azure knows one of a principal, a definition and a scope."""
    of_two = target({"one": GROUP, "two": GROUP}, f"{IN_SUB}/resourceGroups/{{one}}", f"{IN_SUB}/resourceGroups/{{two}}")
    first, second = of_two.azure_roles
    made = world(role(replace(of_two, azure_roles=(first, replace(second, condition="(@Resource[a:b] StringEquals 'c')")))))
    assert ["parameters"] == paths(await refused(made, Ambiguous, one="shared", two="shared"))


async def test_a_hole_of_a_condition_is_filled() -> None:
    """As one literal."""
    holes = {"box": {"kind": "container", "any": True}}
    made = world(role(target(holes, IN_SUB, condition=f"({CONTAINER} StringEquals '{{box}}')")))
    await issued(made, ask=asking(box="web-1"))
    (granted,) = made.cloud.assignments.values()
    assert f"({CONTAINER} StringEquals 'web-1')" == granted.condition


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ["parameters.group", "parameters.account"]),
        ({"group": "app-web"}, ["parameters.account"]),
        ({**VALUES, "accuont": "x"}, ["parameters.accuont"]),
        ({"group": "..", "account": 5, "more": "x"}, ["parameters.group", "parameters.account", "parameters.more"]),
    ],
)
async def test_every_fault_of_what_is_given_is_told(given: dict[str, Any], expected: list[str]) -> None:
    """At once, by its path."""
    assert expected == paths(await refused(scene(), Malformed, **given))


async def test_a_role_without_parameters_takes_none() -> None:
    """And lists nothing as it was."""
    assert ["parameters.group"] == paths(await refused(world(role()), Malformed, group="app-web"))


async def test_a_value_outside_its_bounds_is_refused_and_recorded() -> None:
    """With the bounds: the caller may issue the role."""
    refusal = await refused(scene(), ParameterNotAllowed, group="prod", account="a12")
    assert ["parameters.group"] == paths(refusal)
    assert "app-*, shared" in refusal.faults[0].message
    assert "app-*, shared" in refusal.audit_reason


# What is protected


async def test_what_is_protected_is_looked_for_when_the_role_is_filled() -> None:
    """In whatever case. The caller is not told what it is, and the trail is."""
    own = group("App-Broker")
    made = scene(protected=Protected(scopes=(own,)))
    refusal = await refused(made, Malformed, group="app-broker", account="a12")
    assert ("protected_target", ["parameters"]) == (refusal.stable_code, paths(refusal))
    assert "roker" not in refusal.faults[0].message
    assert "app-broker" in refusal.audit_reason
    assert (await issued(made, ask=asking(**VALUES))).lease.scopes == (FILLED,)


async def test_a_fact_leads_to_nothing_that_is_protected() -> None:
    """403: the caller has given nothing wrong."""
    made = machines(machine("app-broker"), protected=Protected(scopes=(group("App-Broker"),)))
    refusal = await refused(made, Forbidden)
    assert ("protected_target", []) == (refusal.stable_code, paths(refusal))
    assert "app-broker" in refusal.audit_reason


async def test_a_role_that_lists_what_is_protected_now_must_be_written_again() -> None:
    """Whatever is asked for: it would have been refused when it was written."""
    made = scene({"group": {"kind": "resource_group", "allowed": ["one", "two"]}}, GROUP_SCOPE)
    made.ports = replace(made.ports, protected=Protected(scopes=(group("two"),)))
    for name in ("one", "two"):
        await refused(made, RoleOutdated, group=name)


# Policies


async def test_an_allow_with_parameters_allows_these_asks_alone() -> None:
    """Defaults and facts match like given values."""
    made = world(role(target({"group": {**GROUP, "default": "shared"}, "account": ACCOUNT}), bounds=Bounds()))
    keep_rules(made, rule(group=["app-web*", "shared"]))
    for name in ({"group": "app-web1"}, {"group": "APP-WEB1"}, {}):
        await issued(made, ask=asking(account="a12", **name))
    with pytest.raises(Forbidden) as refusal:
        await issued(made, ask=asking(account="a12", group="app-2"))
    assert (Forbidden, Forbidden.sentence) == (type(refusal.value), refusal.value.detail)


async def test_a_deny_with_parameters_denies_these_asks_alone() -> None:
    """Though a bound lets the caller in; it folds every letter."""
    made = scene()
    keep_rules(made, rule(capabilities=("deny",), group=["app-prod*"]))
    await issued(made, ask=asking(**VALUES))
    with pytest.raises(Forbidden):
        await issued(made, ask=asking(group="App-PROD1", account="a12"))


async def test_an_allow_says_nothing_of_a_role_without_the_parameter() -> None:
    """And a deny denies nothing there."""
    made = world(role(bounds=Bounds()))
    keep_rules(made, rule(group=["app-*"]))
    await refused(made, Forbidden)
    open_one = world(role())
    keep_rules(open_one, rule(capabilities=("deny",), group=["app-*"]))
    await issued(open_one)


async def test_a_stranger_learns_nothing_of_a_role() -> None:
    """Whether it is there, has parameters, or would take the values: one answer, and no bounds in it."""
    carol = request(application(guid(0x440)))
    made = scene()
    message = set()
    for values in ({}, VALUES, {"group": ".."}, {"group": "prod", "account": "a12"}, {"nothing": 5}):
        refusal = await refused(made, Forbidden, carol, **values)
        message.add((refusal.stable_code, refusal.detail, refusal.faults))
    with pytest.raises(Forbidden) as unknown:
        await issued(made, carol, role="nowhere", ask=asking(**VALUES))
    assert {(unknown.value.stable_code, unknown.value.detail, unknown.value.faults)} == message


async def test_who_may_ask_for_nothing_of_the_role_is_told_no_faults() -> None:
    """By policy: an allow for another role's parameter names."""
    made = world(role(target(), bounds=Bounds()))
    keep_rules(made, rule("roles/other/leases", group=["app-*"]))
    await refused(made, Forbidden, nothing="x")


# Limits


async def test_max_leases_is_the_roles_not_a_targets() -> None:
    """Two targets, one role."""
    made = world(role(target(), max_leases=1, max_leases_per_caller=None))
    await issued(made, ask=asking(**VALUES))
    with pytest.raises(TooMany):
        await issued(made, ask=asking(group="shared", account="a12"))


async def test_a_caller_has_its_own_cap_over_all_targets() -> None:
    """Another caller has room."""
    made = world(role(target(), max_leases_per_caller=1))
    await issued(made, ask=asking(**VALUES))
    with pytest.raises(TooMany):
        await issued(made, ask=asking(group="shared", account="a12"))
    await issued(made, request(BOB), ask=asking(**VALUES))


# The role as it is stored


async def test_a_definition_that_is_gone_leaves_the_template_as_it_was() -> None:
    """Only what Azure says of it is noted: a caller's values never become the role's."""
    made = scene()
    before = kept(made)
    made.calls.fail("authorization.assign", DefinitionGone("gone", status=404, azure_code="RoleDefinitionDoesNotExist"))
    made.cloud.definitions = {}
    with pytest.raises(LeaseholdError):
        await issued(made, ask=asking(**VALUES))
    now = kept(made)
    (is_now,), (was,) = made.ports.kinds.azure_roles(now), made.ports.kinds.azure_roles(before)
    assert replace(was, gone=True) == is_now
    assert (before.parameters, before.ttl, before.max_ttl) == (now.parameters, now.ttl, now.max_ttl)


async def test_a_role_that_changes_between_look_and_activation_makes_nothing() -> None:
    """Its bounds have shrunk: the ask is decided on again, and refused by the role of now."""
    made = scene()

    def shrink(call: MadeCall) -> None:
        if call.name == "leases.open":
            made.roles.keep(role(target({"group": {**GROUP, "allowed": ["shared"]}, "account": ACCOUNT})))

    made.calls.watch = shrink
    with pytest.raises(ParameterNotAllowed):
        await issued(made, ask=asking(**VALUES))
    assert ({}, []) == (made.leases.rows, made.leftovers())

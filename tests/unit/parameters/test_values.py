from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.core.access.facts import NOT_ASKED, Facts, Principal, Unread
from shared.core.caller import Caller, CallerType
from shared.core.errors import DirectoryUnavailable, Malformed, RoleOutdated
from shared.core.names import ObjectId
from shared.core.parameters.asked import outdated
from shared.core.parameters.errors import FactMissing, ParameterNotAllowed
from shared.core.parameters.source import CallerFacts, OwnResource, facts_of
from tests.unit.parameters.subjects import (
    ACCOUNT,
    ANY_ACCOUNT,
    APP,
    CONTAINER,
    GROUP,
    IN_SUB,
    MACHINE,
    ME,
    OTHER,
    STORAGE,
    SUB,
    Json,
    asked,
    machine,
    parameters,
    role,
)

OWN_GROUP: Json = {"kind": "resource_group", "from": "caller.resource_group"}
OWN_NAME: Json = {"kind": "resource_name", "from": "caller.resource_name"}
OWN_SUB: Json = {"kind": "subscription", "allowed": [SUB], "from": "caller.subscription_id"}
IN_GROUP = role(f"{IN_SUB}/resourceGroups/{{group}}")
NAMED = role(f"{IN_SUB}/resourceGroups/app/providers/Microsoft.Web/sites/{{name}}")


def test_values_are_as_they_were_given() -> None:
    """In the role's order; case is kept."""
    found = asked({"account": "acc", "group": "APP-Web"}, group=GROUP, account=ANY_ACCOUNT)
    assert [("group", "APP-Web"), ("account", "acc")] == [*found.items()]


def test_a_default_is_taken_for_what_is_not_given() -> None:
    """A value that is given goes before it."""
    optional = GROUP | {"default": "shared"}
    assert {"group": "shared"} == asked({}, IN_GROUP, group=optional)
    assert {"group": "app-1"} == asked({"group": "app-1"}, IN_GROUP, group=optional)


@pytest.mark.parametrize(
    ("given", "path", "words"),
    [
        (None, "parameters", "expected an object"),
        (["app-1"], "parameters", "expected an object"),
        ({}, "parameters.group", "is required: the name of a resource group"),
        ({"group": None}, "parameters.group", "text wanted, null given"),
        ({"group": 1}, "parameters.group", "text wanted, a number given"),
        ({"group": 1.5}, "parameters.group", "text wanted, a number given"),
        ({"group": True}, "parameters.group", "text wanted, true or false given"),
        ({"group": ["app-1"]}, "parameters.group", "text wanted, a list given"),
        ({"group": {"eq": "app-1"}}, "parameters.group", "text wanted, an object given"),
        ({"group": ""}, "parameters.group", "expected a text that is not empty"),
        ({"group": "app-1", "grup": "x"}, "parameters.grup", "is not a known field; did you mean group?"),
        ({"group": "app-1."}, "parameters.group", "without a period at its end"),
    ],
)
def test_what_cannot_be_a_value_is_malformed(given: Any, path: str, words: str) -> None:
    """With its path."""
    with pytest.raises(Malformed) as refused:
        asked(given, IN_GROUP, group=GROUP)
    assert (path, words) == next((each.path, words) for each in refused.value.faults if words in each.message)
    assert "malformed" == refused.value.stable_code


def test_null_for_an_optional_one_says_what_to_do() -> None:
    """Some callers send null for every absent field."""
    with pytest.raises(Malformed) as refused:
        asked({"group": None}, IN_GROUP, group=GROUP | {"default": "shared"})
    assert "text wanted, null given; leave the field out for its default" == refused.value.faults[0].message


def test_all_faults_are_told_at_once_and_before_any_bounds() -> None:
    """Whether a value is allowed, is said of well-formed values alone."""
    with pytest.raises(Malformed) as refused:
        asked({"group": "web", "account": "A", "x": 1}, group=GROUP, account=ANY_ACCOUNT)
    assert {"parameters.account", "parameters.x"} == {each.path for each in refused.value.faults}


@pytest.mark.parametrize("value", ["web", "app-", "app", "xapp-1", "shared2", "\u017fhared", "\u0430pp-1", "\uff41pp-1"])
def test_a_value_outside_the_bounds_is_forbidden(value: str) -> None:
    """The parameter and its bounds are named. No letter but A to Z is folded, and none is like another."""
    with pytest.raises(ParameterNotAllowed) as refused:
        asked({"group": value}, IN_GROUP, group=GROUP)
    assert [("parameters.group", "is not allowed; allowed: app-*, shared")] == [
        (it.path, it.message) for it in refused.value.faults
    ]
    assert "parameter_not_allowed" == refused.value.stable_code


@pytest.mark.parametrize(
    ("kind", "good"), [("resource_group", True), ("key_vault", True), ("resource_name", True), ("word", False)]
)
def test_case_matters_where_it_does_in_azure(kind: str, good: bool) -> None:  # noqa: FBT001
    """The other kinds are exact."""
    bounds = parameters(x={"kind": kind, "allowed": ["App-*", "Web"]})[0]
    assert [good] * 4 == [bounds.allows(each) for each in ("app-1", "APP-1", "web", "WEB")]
    assert bounds.allows("App-x")


def test_a_role_without_parameters_takes_none() -> None:
    """None are given, or an empty object."""
    assert {} == asked({}, role(IN_SUB))
    with pytest.raises(Malformed, match=r"parameters\.x"):
        asked({"x": "y"}, role(IN_SUB))


def test_what_is_known_is_not_given() -> None:
    """Not even if it were the same."""
    with pytest.raises(
        Malformed, match=r"parameters\.group: is not given but known: caller\.resource_group; leave the field out"
    ):
        asked({"group": "app"}, IN_GROUP, facts=machine(), group=OWN_GROUP)


@pytest.mark.parametrize(
    ("source", "kind", "value"),
    [
        ("subscription_id", "word", SUB),
        ("resource_group", "word", "app"),
        ("resource_name", "word", "web"),
        ("object_id", "word", ME),
        ("app_id", "word", APP),
        ("object_id", "container", ME),
    ],
)
def test_a_fact_fills_a_hole(source: str, kind: str, value: str) -> None:
    """Each of them, in its place."""
    own = role(f"{IN_SUB}/resourceGroups/app", f"{CONTAINER} StringEquals '{{x}}'")
    assert {"x": value} == asked({}, own, facts=machine(), x={"kind": kind, "from": f"caller.{source}"})


def test_a_machine_gets_into_its_own_group() -> None:
    """As the directory writes its name, whatever the case of the subscription."""
    facts = machine(MACHINE.replace("/app/", "/App/").upper().replace("/SUBSCRIPTIONS", "/subscriptions"))
    assert {"group": "APP"} == asked({}, IN_GROUP, facts=facts, group=OWN_GROUP)


@pytest.mark.parametrize(
    ("resource_id", "fields", "scope"),
    [
        (MACHINE.replace(SUB, OTHER), {"group": OWN_GROUP}, IN_GROUP),
        (f"{IN_SUB}/providers/A.B/c/d", {"group": OWN_GROUP}, IN_GROUP),
        ("/providers/A.B/c/d", {"group": OWN_GROUP}, IN_GROUP),
        (f"{IN_SUB}/resourceGroups/app", {"group": OWN_GROUP}, IN_GROUP),
        (f"{MACHINE}/", {"group": OWN_GROUP}, IN_GROUP),
        (MACHINE.replace(SUB, OTHER), {"name": OWN_NAME}, NAMED),
        (MACHINE.replace("/app/", "/app-2/"), {"name": OWN_NAME}, NAMED),
        (f"{MACHINE}/extensions/x", {"name": OWN_NAME}, NAMED),
        (f"{MACHINE}/providers/A.B/c/d", {"name": OWN_NAME}, NAMED),
        (f"{IN_SUB}/providers/A.B/c/d", {"name": OWN_NAME}, NAMED),
        (MACHINE.replace("/web", "/we'b"), {"name": OWN_NAME}, NAMED),
    ],
)
def test_a_name_is_a_fact_in_the_callers_own_place_alone(resource_id: str, fields: Json, scope: Any) -> None:
    """A machine in a group of that name in another subscription is nobody here."""
    with pytest.raises(FactMissing) as refused:
        asked({}, scope, facts=machine(resource_id), **fields)
    assert "fact_missing" == refused.value.stable_code
    assert [f"parameters.{each}" for each in fields] == [each.path for each in refused.value.faults]


def test_the_caller_is_not_shown_the_ids_that_the_audit_has() -> None:
    """Both of them."""
    elsewhere = MACHINE.replace(SUB, OTHER)
    with pytest.raises(FactMissing) as refused:
        asked({}, IN_GROUP, facts=machine(elsewhere), group=OWN_GROUP)
    assert elsewhere in refused.value.audit_reason
    assert f"{IN_SUB}/resourceGroups/app" in refused.value.audit_reason
    assert SUB not in refused.value.faults[0].message + refused.value.detail


def test_the_place_is_looked_at_as_it_is_filled() -> None:
    """A subscription and a group that the caller gives must be its own as well."""
    listed = {"kind": "subscription", "allowed": [SUB, OTHER]}
    group = role("/subscriptions/{sub}/resourceGroups/{group}")
    assert {"sub": SUB, "group": "app"} == asked({"sub": SUB}, group, facts=machine(), sub=listed, group=OWN_GROUP)
    with pytest.raises(FactMissing):
        asked({"sub": OTHER}, group, facts=machine(), sub=listed, group=OWN_GROUP)
    named = role(f"{IN_SUB}/resourceGroups/{{group}}/providers/A.B/c/{{name}}")
    any_group = {"kind": "resource_group", "any": True}
    assert "web" == asked({"group": "APP"}, named, facts=machine(), group=any_group, name=OWN_NAME)["name"]
    with pytest.raises(FactMissing):
        asked({"group": "app-2"}, named, facts=machine(), group=any_group, name=OWN_NAME)
    whole = role("/subscriptions/{sub}/resourceGroups/{group}/providers/A.B/c/{name}")
    assert {"sub": SUB, "group": "app", "name": "web"} == asked(
        {}, whole, facts=machine(), sub=OWN_SUB, group=OWN_GROUP, name=OWN_NAME
    )


def test_one_place_that_is_not_the_callers_own_is_enough() -> None:
    """Of several assignments."""
    other = role(f"/subscriptions/{OTHER}/resourceGroups/{{group}}")
    with pytest.raises(FactMissing):
        asked({}, IN_GROUP, other, facts=machine(), group=OWN_GROUP)
    constant = role(f"/subscriptions/{OTHER}")
    assert {"group": "app"} == asked({}, IN_GROUP, constant, facts=machine(), group=OWN_GROUP)


@pytest.mark.parametrize("fields", [{"group": OWN_GROUP}, {"x": {"kind": "word", "from": "caller.app_id"}}])
def test_without_the_fact_the_caller_is_refused(fields: Json) -> None:
    """A person, say."""
    with pytest.raises(FactMissing):
        asked({}, IN_GROUP, facts=CallerFacts(ME), **fields)


def test_a_fact_has_bounds_as_well() -> None:
    """They only take away."""
    assert {"group": "app"} == asked({}, IN_GROUP, facts=machine(), group=OWN_GROUP | {"allowed": ["ap*"]})
    with pytest.raises(ParameterNotAllowed):
        asked({}, IN_GROUP, facts=machine(), group=OWN_GROUP | {"allowed": ["app-*"]})
    with pytest.raises(ParameterNotAllowed):
        asked({}, role("/subscriptions/{sub}"), facts=machine(MACHINE.replace(SUB, OTHER)), sub=OWN_SUB)


def test_a_fact_that_cannot_be_read_is_no_refusal() -> None:
    """And is only wanted where it fills a hole."""
    unread = CallerFacts(ME, APP, Unread("Graph is down"))
    with pytest.raises(DirectoryUnavailable):
        asked({}, IN_GROUP, facts=unread, group=OWN_GROUP)
    tag = role(IN_SUB, f"{CONTAINER} StringEquals '{{x}}'")
    assert {"x": ME} == asked({}, tag, facts=unread, x={"kind": "word", "from": "caller.object_id"})


def test_a_stored_condition_that_cannot_be_read_stops_the_role() -> None:
    """It may have been written under other rules."""
    with pytest.raises(RoleOutdated):
        asked({}, replace(IN_GROUP, condition="{"), facts=machine(), group=OWN_GROUP)


def test_who_a_caller_is_comes_from_its_token_and_the_directory() -> None:
    """A person has no ``app_id`` of its own, a caller of another tenant neither that nor a resource."""
    program = Caller(ObjectId(ME), ObjectId(OTHER), CallerType.APPLICATION, "", ObjectId(APP))
    identity = Facts(Principal("ManagedIdentity", ("isExplicit=False", MACHINE)))
    assert machine() == facts_of(program, identity)
    assert OwnResource(MACHINE, SUB, "app", "web") == machine().resource
    assert CallerFacts(ME) == facts_of(replace(program, at_home=False), identity)
    assert CallerFacts(ME) == facts_of(replace(program, kind=CallerType.USER), identity)
    assert CallerFacts(ME, APP) == facts_of(program, Facts(Principal("Application", (MACHINE,))))
    assert CallerFacts(ME, APP) == facts_of(program, Facts(Principal("ManagedIdentity", (MACHINE, MACHINE))))
    assert CallerFacts(ME, APP) == facts_of(program, Facts(None))
    assert CallerFacts(ME, APP, NOT_ASKED) == facts_of(program, Facts(NOT_ASKED))


def test_values_of_a_lease_are_looked_at_again() -> None:
    """Bounds, names, facts: what the role of today would not give is named."""
    scope = [role(ACCOUNT), role(f"{IN_SUB}/resourceGroups/{{own}}/{STORAGE}/{{account}}")]
    fields = {"group": GROUP, "account": ANY_ACCOUNT, "own": OWN_GROUP}
    values = {"group": "app-1", "account": "acc", "own": "APP"}

    def paths(values: Json, facts: CallerFacts = machine(), **changed: Any) -> list[str]:  # noqa: B008
        today = {name: field for name, field in (fields | changed).items() if field}
        return [each.path for each in outdated(parameters(**today), scope, values, facts)]

    assert [] == paths(values)
    assert ["parameters.group"] == paths(values, group=GROUP | {"allowed": ["shared"]})
    assert ["parameters.group"] == paths(values, group=None)
    assert ["parameters.more"] == paths(values, more=GROUP)
    assert ["parameters.own"] == paths(
        values, own={"kind": "resource_group", "from": "caller.resource_group", "allowed": ["x"]}
    )
    assert ["parameters.own"] == paths(values, machine(MACHINE.replace("/app/", "/moved/")))
    assert ["parameters.own"] == paths(values, machine(MACHINE.replace(SUB, OTHER)))
    assert ["parameters.account"] == paths(values, account={"kind": "container", "allowed": ["x-*"]})
    assert ["parameters.account"] == paths(values | {"account": "A"})

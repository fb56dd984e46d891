from __future__ import annotations

import pytest

from shared.core.azure_role import AzureRole
from shared.core.names import Unparsable
from shared.core.parameters.holes import holes_of_scope, is_closed, kinds_at, template_scope
from shared.core.parameters.known import constant_parts, fillings, may_meet
from shared.core.parameters.template import template_faults
from tests.unit.parameters.subjects import (
    ACCOUNT,
    ANY_ACCOUNT,
    CONTAINER,
    DEFINITION,
    GROUP,
    IN_SUB,
    OTHER,
    STORAGE,
    SUB,
    Json,
    parameters,
    role,
)

IN_GROUP = f"{IN_SUB}/resourceGroups/app"
OF_A_KIND: Json = {
    "group": GROUP,
    "account": ANY_ACCOUNT,
    "vault": {"kind": "key_vault", "any": True},
    "box": {"kind": "container", "any": True},
    "name": {"kind": "resource_name", "any": True},
    "sub": {"kind": "subscription", "allowed": [SUB, OTHER]},
    "tag": {"kind": "word", "any": True},
    "base": {"kind": "database", "any": True},
}
HOLES = {
    f"{IN_SUB}/resourceGroups/{{}}": "group",
    f"{IN_SUB}/RESOURCEGROUPS/{{}}/providers/A.B/c/d": "group",
    f"{IN_GROUP}/{STORAGE}/{{}}": "account",
    f"{IN_GROUP}/{STORAGE.upper()}/{{}}/blobServices/default": "account",
    f"{IN_GROUP}/providers/Microsoft.KeyVault/vaults/{{}}": "vault",
    f"{IN_GROUP}/providers/Microsoft.RecoveryServices/vaults/{{}}": "name",
    f"{IN_GROUP}/providers/Microsoft.KeyVault/vaults/v-1/secrets/{{}}": "name",
    f"{IN_GROUP}/{STORAGE}/acc/blobServices/default/containers/{{}}": "box",
    f"{IN_GROUP}/{STORAGE}/acc/queueServices/default/queues/{{}}": "name",
    f"{IN_GROUP}/providers/Microsoft.Web/sites/{{}}": "name",
    f"{IN_GROUP}/providers/A.B/c/d/providers/E.F/g/{{}}": "name",
    f"{IN_SUB}/providers/A.B/c/{{}}": "name",
    "/subscriptions/{}": "sub",
    "/subscriptions/{}/resourceGroups/app": "sub",
}
"""Scopes with the one parameter that fits their hole."""


def faults(chosen: list[str], *azure_roles: AzureRole, **others: Json) -> dict[str, str]:
    """Returns the faults of a role with these parameters, by their paths."""
    given = {name: OF_A_KIND[name] for name in chosen} | others
    return {
        fault.path: fault.message
        for fault in template_faults(parameters(**given), {f"azure_roles[{at}]": each for at, each in enumerate(azure_roles)})
    }


@pytest.mark.parametrize(("scope", "name"), [(scope, name) for scope in HOLES for name in OF_A_KIND])
def test_a_kind_fits_its_place_alone(scope: str, name: str) -> None:
    """Each kind at each place."""
    found = faults([name], role(scope.replace("{}", f"{{{name}}}")))
    assert [] == [*found] if name == HOLES[scope] else "must be of kind" in found["azure_roles[0].scope"]


@pytest.mark.parametrize(
    "scope",
    [
        f"{IN_SUB}/resourceGroups/app-{{name}}",
        f"{IN_SUB}/resourceGroups/{{name}}-app",
        f"{IN_SUB}/resourceGroups/{{name}}{{name}}",
        f"{IN_SUB}/resourceGroups/{{Name}}",
        f"{IN_SUB}/resourceGroups/{{}}",
        f"{IN_GROUP}/providers/A.B/c/{{ name }}",
        f"{IN_SUB}/resourceGroups/{{{{name}}}}",
        f"{IN_SUB}/resourceGroups/{{name",
        f"{IN_GROUP}/providers/{{name}}/c/d",
        f"{IN_GROUP}/providers/A.B/{{name}}/d",
        f"{IN_GROUP}/providers/A.B/c/d/{{name}}/e",
        f"{IN_GROUP}/{STORAGE}/acc/blobServices/{{name}}",
        f"{IN_GROUP}/providers/Microsoft.Authorization/locks/{{name}}",
        f"{IN_GROUP}/providers/MICROSOFT.AUTHORIZATION/locks/x/y/{{name}}",
        f"{IN_GROUP}/providers/Microsoft.Authorization/locks/x/providers/A.B/c/{{name}}",
        f"{IN_GROUP}/providers/Microsoft.Management/c/{{name}}",
        "/providers/Microsoft.Management/managementGroups/{name}",
    ],
)
def test_a_hole_is_a_whole_name_and_never_chooses_rights(scope: str) -> None:
    """No part of one, no provider, no type, no management group, nothing in or below Microsoft.Authorization."""
    assert "azure_roles[0].scope" in faults(["name"], role(scope))


@pytest.mark.parametrize(
    "scope", ["/{sub}/x", "/subscriptions/{sub}x", "/subscriptions/x{sub}", f"{IN_SUB}/{{group}}/app", "{scope}"]
)
def test_what_is_no_scope_with_any_values_cannot_be_read(scope: str) -> None:
    """The form of a scope is constant."""
    with pytest.raises(Unparsable):
        template_scope(scope)


def test_without_parameters_nothing_is_a_hole() -> None:
    """Braces are plain text, as before."""
    assert [] == [
        *template_faults((), {"azure_roles[0]": role(f"{IN_SUB}/resourceGroups/{{group}}", f"{CONTAINER} StringEquals '{{x'")})
    ]


def test_a_hole_has_a_parameter_and_a_parameter_a_hole() -> None:
    """Both ways. The nearest one is named."""
    found = faults(["group", "account"], role(f"{IN_SUB}/resourceGroups/{{groups}}"))
    assert "{groups} has no parameter; did you mean group?" == found["azure_roles[0].scope"]
    assert {"azure_roles[0].scope", "parameters.group", "parameters.account"} == {*found}


def test_one_parameter_may_fill_several_holes() -> None:
    """In several assignments, and in a scope and a condition."""
    second = role(f"{IN_GROUP}/{STORAGE}/acc/blobServices/default/containers/{{box}}")
    assert {} == faults(["group", "account", "box"], role(condition=f"{CONTAINER} StringEquals '{{box}}'"), second)


@pytest.mark.parametrize(
    "condition",
    [
        f"{CONTAINER} StringEquals '{{box}}'",
        f"{CONTAINER} stringequals '{{box}}'",
        f"{CONTAINER} StringEqualsIgnoreCase '{{box}}'",
        f"{CONTAINER} ForAnyOfAnyValues:StringEquals {{'{{box}}', 'logs'}}",
        f"{CONTAINER} ForAnyOfAnyValues:StringEqualsIgnoreCase {{'logs','{{box}}'}}",
        f"(!(ActionMatches{{'a/read'}})) OR ({CONTAINER} StringEquals '{{box}}')",
        f"NOT ActionMatches{{'a/read'}} AND {CONTAINER} StringEquals '{{box}}'",
    ],
)
def test_a_hole_may_be_a_literal_that_an_attribute_equals(condition: str) -> None:
    """Other parts of the condition may be negated."""
    assert {} == faults(["box"], role(IN_GROUP, condition))


@pytest.mark.parametrize(
    "condition",
    [
        f"!({CONTAINER} StringEquals '{{box}}')",
        f"NOT {CONTAINER} StringEquals '{{box}}'",
        f"!(!({CONTAINER} StringEquals '{{box}}'))",
        f"(@Resource[A.B/c:d] StringEquals 'x') AND !(({CONTAINER} StringEquals 'a') OR {CONTAINER} StringEquals '{{box}}')",
        f"{CONTAINER} StringNotEquals '{{box}}'",
        f"{CONTAINER} StringLike '{{box}}'",
        f"{CONTAINER} StringStartsWith '{{box}}'",
        f"{CONTAINER} ForAllOfAnyValues:StringEquals {{'{{box}}'}}",
        f"{CONTAINER} ForAllOfAllValues:StringEquals {{'{{box}}'}}",
        f"{CONTAINER} ForAnyOfAllValues:StringEquals {{'{{box}}'}}",
        f"'{{box}}' StringEquals {CONTAINER}",
        "'{box}' StringEquals '{box}'",
        "'logs' StringEquals '{box}'",
        "{'logs', 'web'} StringEquals '{box}'",
        "ActionMatches{'{box}'}",
        "SubOperationMatches{'{box}'}",
        f"{CONTAINER} StringEquals 'a{{box}}'",
        f"{CONTAINER} StringEquals '{{box}}*'",
        f"{CONTAINER} StringEquals '{{box}}' AND {CONTAINER} StringEquals '{{'",
        f"{CONTAINER} StringEquals '{{Box}}'",
        f"{CONTAINER} StringEquals '{{box}}' AND {CONTAINER} StringEquals 'a''b'",
        f"{CONTAINER} StringEquals '{{box}}' AND {CONTAINER} StringEquals ''",
        f"{CONTAINER} StringEquals '{{box}}' AND {CONTAINER} StringEquals 'a\\'b'",
        "@Resource[A.B/c:{box}] StringEquals '{box}'",
        f"Exists @Resource[A.B/c:{{box}}] AND {CONTAINER} StringEquals '{{box}}'",
    ],
)
def test_a_hole_elsewhere_in_a_condition_is_refused(condition: str) -> None:
    """Where a value could mean more than itself, or turn the condition round."""
    assert "azure_roles[0].condition" in faults(["box"], role(IN_GROUP, condition))


@pytest.mark.parametrize("name", OF_A_KIND)
def test_only_kinds_without_quotes_fill_literals(name: str) -> None:
    """Each kind."""
    found = faults([name], role(IN_GROUP, f"{CONTAINER} StringEquals '{{{name}}}'"))
    assert (name in {"account", "box", "sub", "tag"}) is ({} == found)


def test_a_condition_without_holes_may_have_all() -> None:
    """Backslashes and doubled quotes matter beside holes alone."""
    condition = f"{CONTAINER} StringEquals 'a''b' OR {CONTAINER} StringLike 'a\\*b'"
    assert {} == faults(["group"], role(f"{IN_SUB}/resourceGroups/{{group}}", condition))


def test_two_conditions_for_one_assignment_are_a_fault_where_no_value_parts_them() -> None:
    """Under the same template. Where values may part them, a request decides."""
    first = role(ACCOUNT, f"{CONTAINER} StringEquals 'a'")
    spelled = role(ACCOUNT.replace("resourceGroups", "RESOURCEGROUPS"))
    assert ["azure_roles[1].condition"] == [*faults(["group", "account"], first, spelled)]
    assert {} == faults(["group", "account"], first, role(ACCOUNT.replace("{group}", "app")))
    assert {} == faults(["group", "account"], first, role(ACCOUNT, definition=DEFINITION.replace("c", "d")))
    assert {} == faults(["group", "account"], first, first)


def test_a_fact_that_says_nothing_at_a_scope_is_a_fault() -> None:
    """A name is the caller's own within its subscription or its group alone."""
    group = {"kind": "word", "from": "caller.resource_group"}
    name = {"kind": "word", "from": "caller.resource_name"}
    condition = f"{CONTAINER} StringEquals '{{x}}'"
    managed = role("/providers/Microsoft.Management/managementGroups/m", condition)
    assert "in none" in faults([], managed, x=group)["azure_roles[0].scope"]
    assert "in none" in faults([], role(IN_SUB, condition), x=name)["azure_roles[0].scope"]
    assert {} == faults([], role(IN_SUB, condition), x=group)
    assert {} == faults([], role(IN_GROUP, condition), x=name)
    assert {} == faults([], managed, x={"kind": "word", "from": "caller.object_id"})


@pytest.mark.parametrize(
    ("scope", "parts"),
    [
        (IN_GROUP, [IN_GROUP]),
        (f"{IN_SUB}/resourceGroups/{{group}}", [IN_SUB]),
        (ACCOUNT, [IN_SUB]),
        (f"{IN_GROUP}/{STORAGE}/{{account}}", [IN_GROUP]),
        (
            f"{IN_GROUP}/{STORAGE}/acc/blobServices/default/containers/{{box}}",
            [f"{IN_GROUP}/{STORAGE}/acc/blobServices/default"],
        ),
        (f"{IN_GROUP}/providers/A.B/c/d/providers/E.F/g/{{name}}", [f"{IN_GROUP}/providers/A.B/c/d"]),
        (f"{IN_SUB}/providers/A.B/c/{{name}}", [IN_SUB]),
        ("/subscriptions/{sub}", [IN_SUB, f"/subscriptions/{OTHER}"]),
        ("/subscriptions/{sub}/resourceGroups/{group}", [IN_SUB, f"/subscriptions/{OTHER}"]),
        ("/subscriptions/{sub}/resourceGroups/app", [IN_GROUP, IN_GROUP.replace(SUB, OTHER)]),
        ("/subscriptions/{unknown}", []),
    ],
)
def test_the_constant_part_is_a_scope_above_the_first_hole(scope: str, parts: list[str]) -> None:
    """At least the subscription: one for each that is listed."""
    assert parts == [*constant_parts(template_scope(scope), parameters(**OF_A_KIND))]


def test_fillings_are_known_where_all_values_are_listed() -> None:
    """For each assignment in its place, also for a constant one. A subscription's own spelling of a definition goes with it."""
    names = {"kind": "resource_group", "allowed": ["a", "b"]}
    both = role("/subscriptions/{sub}/resourceGroups/{names}")
    found = fillings(
        parameters(sub=OF_A_KIND["sub"], names=names, account=ANY_ACCOUNT, group=GROUP), [both, role(IN_GROUP), role()]
    )
    assert found[0] is not None
    assert [f"/subscriptions/{sub}/resourceGroups/{name}" for sub in (SUB, OTHER) for name in "ab"] == [
        each.scope for each in found[0]
    ]
    assert {DEFINITION, DEFINITION.replace(SUB, OTHER)} == {each.definition_id for each in found[0]}
    assert ((role(IN_GROUP),), None) == found[1:]


def test_fillings_are_counted_first() -> None:
    """More than so many are not made. What no request can have is left out."""
    many = {f"p{at}": {"kind": "resource_name", "allowed": [f"x{each}" for each in range(64)]} for at in range(5)}
    scope = f"{IN_GROUP}/providers/A.B/c/{{p0}}/c/{{p1}}/c/{{p2}}/c/{{p3}}/c/{{p4}}"
    assert (None,) == fillings(parameters(**many), [role(scope)])
    assert 64 == len(fillings(parameters(**many), [role(f"{IN_GROUP}/providers/A.B/c/{{p0}}/c/{{p0}}")])[0] or ())
    assert (None,) == fillings(parameters(**many), [role(f"{IN_GROUP}/providers/A.B/c/{{p0}}")], most=63)
    long = {"x": {"kind": "resource_name", "allowed": ["a", "b" * 260]}}
    assert 1 == len(fillings(parameters(**long), [role(f"{IN_GROUP}/providers/A.B/c/{{x}}/c/{{x}}/c/{{x}}/c/{{x}}")])[0] or ())


@pytest.mark.parametrize(
    ("other", "meets"),
    [
        (f"{IN_SUB}/resourceGroups/app-broker", True),
        (f"{IN_SUB}/resourceGroups/APP-BROKER/{STORAGE}/x/blobServices/default", True),
        (IN_SUB, True),
        (f"{IN_SUB}/resourceGroups/broker", False),
        (f"/subscriptions/{OTHER}/resourceGroups/app-broker", False),
        (f"{IN_SUB}/resourceGroups/app-broker/providers/Microsoft.KeyVault/vaults/v-1", False),
        ("/providers/Microsoft.Management/managementGroups/m", False),
    ],
)
def test_a_hole_that_could_fill_to_a_scope_is_found(other: str, meets: bool) -> None:  # noqa: FBT001
    """At it, above it or below it, in whatever case."""
    given = parameters(group={"kind": "resource_group", "allowed": ["app-*"]}, account=ANY_ACCOUNT)
    assert meets is may_meet(template_scope(ACCOUNT), given, template_scope(other))


def test_the_places_of_kinds_are_those_of_the_segments() -> None:
    """One for each, of which the first is empty."""
    assert ["", "", "subscription", "", "resource_group", "", "", "", "storage_account"] == kinds_at(template_scope(ACCOUNT))
    assert {4: "group", 8: "account"} == holes_of_scope(template_scope(ACCOUNT))


@pytest.mark.parametrize(
    ("scope", "closed"), [(f"{IN_GROUP}/providers/microsoft.Authorization/locks/x", True), (IN_GROUP, False)]
)
def test_what_gives_access_is_closed(scope: str, closed: bool) -> None:  # noqa: FBT001
    """In any case."""
    assert closed is is_closed(template_scope(scope))


def test_a_trailing_slash_of_a_template_is_taken() -> None:
    """As of any scope."""
    assert "/subscriptions/{sub}/resourceGroups/app" == template_scope("/subscriptions/{sub}/resourceGroups/app/")

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.core.errors import Malformed, RoleOutdated
from shared.core.names import Scope
from shared.core.parameters.errors import Ambiguous, NotNarrowable, NotWithin
from shared.core.parameters.filling import fill, filled_scope
from shared.core.parameters.narrowing import narrow, read_within
from tests.unit.parameters.subjects import CONTAINER, DEFINITION, IN_SUB, OTHER, STORAGE, SUB, role

VALUES = {"group": "App-Web", "account": "acc"}
FILLED = f"{IN_SUB}/resourceGroups/App-Web/{STORAGE}/acc"
IN_GROUP = f"{IN_SUB}/resourceGroups/app"


def test_fills_scopes_and_conditions() -> None:
    """As the values were given; the rest of an assignment stays."""
    found = fill(
        [role(condition=f"{CONTAINER} StringEquals '{{account}}' AND {CONTAINER} StringEquals 'x'"), role(IN_SUB)], VALUES
    )
    assert (role(FILLED, f"{CONTAINER} StringEquals 'acc' AND {CONTAINER} StringEquals 'x'"), role(IN_SUB)) == found


def test_without_values_nothing_is_changed() -> None:
    """Not even two assignments that are the same: such a role is as before."""
    twice = (role(IN_SUB), role(IN_SUB, f"{CONTAINER} StringEquals '{{x}}'"))
    assert twice == fill(twice, {})


def test_a_definition_goes_with_the_subscription_that_is_filled_in() -> None:
    """It has one GUID in all. An id without a subscription stays."""
    of_all = DEFINITION.removeprefix(IN_SUB)
    found = fill(
        [role("/subscriptions/{sub}"), role("/subscriptions/{sub}/resourceGroups/a", definition=of_all)], {"sub": OTHER}
    )
    assert [DEFINITION.replace(SUB, OTHER), of_all] == [each.definition_id for each in found]
    assert DEFINITION == fill([role()], VALUES)[0].definition_id


def test_assignments_that_come_to_be_the_same_are_one() -> None:
    """Whatever the case. What is known of one is known of both."""
    same = replace(role(FILLED.upper().replace("/SUBSCRIPTIONS", "/subscriptions")), reaches_protected=True, gone=True)
    assert (replace(role(FILLED), reaches_protected=True, gone=True),) == fill([role(), same], VALUES)
    other = role(FILLED, definition=DEFINITION.replace("c", "d"))
    assert (role(FILLED), other) == fill([role(), other], VALUES)


def test_two_conditions_for_one_assignment_are_ambiguous() -> None:
    """Azure has one."""
    with pytest.raises(Ambiguous) as refused:
        fill([role(), role(FILLED, f"{CONTAINER} StringEquals 'x'")], VALUES)
    assert ("ambiguous", "parameters") == (refused.value.stable_code, refused.value.faults[0].path)


def test_a_scope_has_at_most_1024_characters() -> None:
    """And a condition 8 KiB. Both are counted as they are filled."""
    long = f"{IN_GROUP}/providers/A.B/c/{{x}}/c/{{x}}/c/{{x}}/c/{{x}}"
    assert 1024 >= len(fill([role(long)], {"x": "a" * 220})[0].scope)
    with pytest.raises(Malformed, match="at most 1024"):
        fill([role(long)], {"x": "a" * 260})
    condition = " OR ".join([f"{CONTAINER} StringEquals '{{x}}'"] * 80)
    assert 8192 >= len(fill([role(IN_SUB, condition)], {"x": "a"})[0].condition or "")
    with pytest.raises(Malformed, match="longer than 8192"):
        fill([role(IN_SUB, condition)], {"x": "a" * 64})


def test_values_are_never_filled_twice() -> None:
    """Even if a value were a hole, which no kind takes."""
    swapped = {"group": "{account}", "account": "{group}"}
    assert f"{IN_SUB}/resourceGroups/{{account}}/{STORAGE}/{{group}}" == filled_scope(role().scope, swapped)
    condition = f"{CONTAINER} StringEquals '{{group}}' OR {CONTAINER} StringEquals '{{account}}'"
    filled = fill([role(IN_SUB, condition)], swapped)[0].condition
    assert f"{CONTAINER} StringEquals '{{account}}' OR {CONTAINER} StringEquals '{{group}}'" == filled


@pytest.mark.parametrize(
    "value", ["a/b", "..", ".", "", "a/providers/Microsoft.Authorization/locks/x", "a%2fb", "a?b", "a\\b", " a"]
)
def test_a_value_that_no_kind_takes_makes_no_other_scope(value: str) -> None:
    """It never comes here. If it did, nothing would be made."""
    with pytest.raises(Malformed):
        fill([role()], {"group": value, "account": "acc"})


def test_a_hole_without_a_value_stops_the_role() -> None:
    """A template is never assigned at."""
    with pytest.raises(RoleOutdated):
        fill([role()], {"group": "app"})
    with pytest.raises(RoleOutdated):
        fill([role(IN_SUB, f"{CONTAINER} StringEquals '{{x}}'")], {"group": "app"})
    with pytest.raises(RoleOutdated):
        fill([replace(role(), condition="{")], VALUES)


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(
    "within", [FILLED, f"{FILLED}/blobServices/default/containers/$web", FILLED.replace("App-Web", "APP-web")]
)
def test_narrows_to_what_is_at_or_below_every_scope(within: str, slash: str) -> None:
    """As it was asked for, whatever its case."""
    other = role(f"{IN_SUB}/resourceGroups/app-web", definition=DEFINITION.replace("c", "d"))
    found = narrow([role(FILLED), other, role(IN_SUB)], read_within(within + slash))
    assert [(within, DEFINITION), (within, other.definition_id)] == [(each.scope, each.definition_id) for each in found]


@pytest.mark.parametrize(
    ("within", "outside"),
    [
        (IN_SUB, [IN_GROUP, f"{IN_GROUP}/{STORAGE}/acc"]),
        (IN_GROUP, [f"{IN_GROUP}/{STORAGE}/acc"]),
        (f"{IN_GROUP}/{STORAGE}/acc2", [f"{IN_GROUP}/{STORAGE}/acc"]),
        (f"{IN_GROUP}-2/{STORAGE}/acc", [IN_GROUP, f"{IN_GROUP}/{STORAGE}/acc"]),
        (f"/subscriptions/{OTHER}/resourceGroups/app/{STORAGE}/acc", [IN_SUB, IN_GROUP, f"{IN_GROUP}/{STORAGE}/acc"]),
        ("/providers/Microsoft.Management/managementGroups/m", [IN_SUB, IN_GROUP, f"{IN_GROUP}/{STORAGE}/acc"]),
    ],
)
def test_refuses_what_is_above_or_beside(within: str, outside: list[str]) -> None:
    """Each scope that is not above it is named."""
    with pytest.raises(NotWithin) as refused:
        narrow([role(IN_SUB), role(IN_GROUP), role(f"{IN_GROUP}/{STORAGE}/acc")], read_within(within))
    assert [f"is not at or below {scope}" for scope in outside] == [each.message for each in refused.value.faults]
    assert "not_within" == refused.value.stable_code


@pytest.mark.parametrize("name", ["\u212aeys", "key\u017f"])
def test_no_letter_but_a_to_z_is_folded(name: str) -> None:
    """A Kelvin sign is no K: that group is another one."""
    with pytest.raises(NotWithin):
        narrow([role(f"{IN_SUB}/resourceGroups/keys")], Scope(f"{IN_SUB}/resourceGroups/{name}/providers/A.B/c/d"))


def test_a_management_group_is_narrowed_to_itself_alone() -> None:
    """What it holds, its id does not tell."""
    group = "/providers/Microsoft.Management/managementGroups/m"
    assert (role(group),) == narrow([role(group)], read_within(group))
    with pytest.raises(NotWithin):
        narrow([role(group)], read_within(IN_SUB))


def test_two_conditions_may_meet_at_one_scope() -> None:
    """Then the request is ambiguous."""
    with pytest.raises(Ambiguous) as refused:
        narrow([role(IN_SUB), role(IN_GROUP, f"{CONTAINER} StringEquals 'x'")], read_within(IN_GROUP))
    assert ["within"] == [each.path for each in refused.value.faults]


def test_a_role_without_scopes_is_not_narrowed() -> None:
    """There is nothing that would become less."""
    with pytest.raises(NotNarrowable) as refused:
        narrow([], read_within(IN_SUB))
    assert "not_narrowable" == refused.value.stable_code


@pytest.mark.parametrize(
    "within",
    [
        *(None, 1, [IN_SUB], "", "/", "x", "/subscriptions", f"{IN_SUB}//", f"{IN_SUB}/..", IN_SUB.replace("1", "%31", 1)),
        *(
            f"{IN_GROUP}%2f..%2fother",
            f"{IN_GROUP}/providers/A.B/c/%252e%252e",
            f"{IN_GROUP} ",
        ),
        *(f"{IN_SUB}/resourceGroups/cafe\u0301", f"{IN_SUB}/resourceGroups/a\u202e", f"{IN_SUB}/resourceGroups/a\u200b"),
        *(f"{IN_GROUP}/providers/Microsoft.Authorization/locks/x", f"{IN_GROUP}/providers/microsoft.authorization/locks/x/y/z"),
        *("/providers/Microsoft.Capacity/x/y", "/subscriptions/{sub}", f"{IN_SUB}\\resourceGroups\\app", "x" * 2000),
    ],
)
def test_what_is_no_scope_or_gives_access_is_malformed(within: object) -> None:
    """Before anything is compared."""
    with pytest.raises(Malformed) as refused:
        read_within(within)
    assert ["within"] == [each.path for each in refused.value.faults]
    assert "malformed" == refused.value.stable_code

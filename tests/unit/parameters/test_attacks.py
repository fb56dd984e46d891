"""What an attacker would send: each is refused, whatever the role's bounds are."""

from __future__ import annotations

from typing import Any

import pytest

from shared.core.errors import Malformed
from shared.core.names import Scope
from shared.core.parameters.asked import outdated
from shared.core.parameters.errors import FactMissing, NotWithin, ParameterNotAllowed
from shared.core.parameters.filling import fill
from shared.core.parameters.kinds import KINDS
from shared.core.parameters.narrowing import narrow, read_within
from shared.core.protection import Protected
from tests.unit.parameters.subjects import (
    ANY_ACCOUNT,
    CONTAINER,
    GROUP,
    IN_SUB,
    MACHINE,
    OTHER,
    STORAGE,
    SUB,
    asked,
    machine,
    parameters,
    role,
)

IN_GROUP = role(f"{IN_SUB}/resourceGroups/{{group}}")
ANY_GROUP = {"kind": "resource_group", "any": True}
REFUSED_BY_ALL = {
    "dots": ["..", ".", "...", "a/..", "../a"],
    "empty": ["", " ", "\t"],
    "slashes": ["/", "a/b", "/a", "a/", "a\\b", "\\", "a\u2215b", "a\uff0fb"],
    "encoded": ["%2f", "a%2fb", "%252f", "a%252fb", "%2e%2e", "%00", "%"],
    "separators": ["a;b", "a?b", "a#b", "a&b=c", "a:b", "a|b"],
    "ends": ["a ", " a", "a.", "a\u3000", "a\xa0"],
    "holes": ["{group}", "{}", "{", "}", "{{group}}", "${group}"],
    "wildcards": ["*", "a*", "?", "**", "a-*"],
    "decomposed": ["cafe\u0301", "a\u0308bc", "\u1112\u1161\u11ab", "\u212a", "\u2126"],
    "combining": ["a\u0301\u0301", "abc\u0334", "\u0301abc"],
    "unseen": ["a\u200bb", "a\u200db", "a\u00adb", "a\ufeffb", "a\u2060b", "a\u3164b", "a\ufe0fb"],
    "control": ["a\x00b", "a\nb", "abc\n", "abc\r", "a\x1bb", "a\x7fb", "a\x85b", "a\u2028b"],
    "bidirectional": ["a\u202eb", "a\u202ab", "a\u2066b", "a\u200fb", "a\u061cb"],
    "quotes": ["a'b", "'", "''", "a')", "')) OR (1==1", 'a"b', "a` b`", "' OR ''='"],
    "surrogates": ["\ud800", "a\udfff", "\ud83d\ude00"],
    "long": ["a" * 261, "é" * 600],
}
MAY_BE = {
    "resource_name": {"a\u2215b", "abc\u0334", "a` b`"},
    "word": {"..", ".", "...", "a."},
}
"""A division sign is no slash, and a literal of a condition is no path: names of a strange resource, and words."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("sort", "value"), [(sort, value) for sort, values in REFUSED_BY_ALL.items() for value in values])
def test_no_kind_takes(kind: str, sort: str, value: str) -> None:
    """What would be another path, another literal, another name, or nothing that a reader sees."""
    assert sort
    refused = KINDS[kind].wrong(value) != ""
    assert refused or value in MAY_BE.get(kind, set())


@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_takes_more_than_its_length(kind: str) -> None:
    """One character more than the longest."""
    assert "" != KINDS[kind].wrong("a" * (KINDS[kind].longest + 1))


def test_91_characters_are_no_group() -> None:
    """90 are."""
    assert {"group": "a" * 90} == asked({"group": "a" * 90}, IN_GROUP, group=ANY_GROUP)
    with pytest.raises(Malformed):
        asked({"group": "a" * 91}, IN_GROUP, group=ANY_GROUP)


@pytest.mark.parametrize("value", ["sh\u0430red", "\uff53hared", "\u0455hared", "\u017fhared", "shar\u0435d", "shared\u0131"])
def test_a_letter_that_looks_alike_is_another_one(value: str) -> None:
    """Cyrillic, full width, long s: never inside bounds that name the Latin word."""
    with pytest.raises(ParameterNotAllowed):
        asked({"group": value}, IN_GROUP, group=GROUP)


@pytest.mark.parametrize("value", ["SHARED", "Shared", "App-X"])
def test_case_makes_no_other_group(value: str) -> None:
    """Inside the bounds, and a protected group in whatever case stays protected."""
    filled = fill([IN_GROUP], asked({"group": value}, IN_GROUP, group=GROUP))
    protected = Protected(scopes=(Scope(f"{IN_SUB}/resourceGroups/{value.lower()}"),))
    assert ["azure_roles[0].scope"] == [fault.path for fault in protected.faults(filled)]


@pytest.mark.parametrize("value", [["shared"], [], 1, 0, 1.5, None, True, {"x": "shared"}, {}])
def test_only_text_is_a_value(value: Any) -> None:
    """Nothing is coerced."""
    with pytest.raises(Malformed, match=r"parameters\.group: text wanted"):
        asked({"group": value}, IN_GROUP, group=GROUP)


@pytest.mark.parametrize("name", ["grup", "Group", "GROUP", "group ", "group\u200b", "__class__", "{group}", "gr\u043eup"])
def test_an_unknown_name_is_refused(name: str) -> None:
    """Beside all that are wanted, too."""
    with pytest.raises(Malformed) as refused:
        asked({"group": "shared", name: "x"}, IN_GROUP, group=GROUP)
    assert [f"parameters.{name}"] == [each.path for each in refused.value.faults]


def test_a_missing_one_is_refused() -> None:
    """An empty text is none either."""
    for given in ({}, {"group": ""}):
        with pytest.raises(Malformed, match=r"parameters\.group"):
            asked(given, IN_GROUP, group=GROUP)


@pytest.mark.parametrize("value", ["x') OR ('a' StringEquals 'a", "x' OR 'a", "x\\", "x''", "{box}", "*"])
@pytest.mark.parametrize("kind", ["container", "storage_account", "word"])
def test_a_condition_is_not_left(kind: str, value: str) -> None:
    """A value is one literal."""
    within = role(IN_SUB, f"{CONTAINER} StringEquals '{{box}}'")
    with pytest.raises(Malformed):
        asked({"box": value}, within, box={"kind": kind, "any": True})


def test_the_broker_is_not_reached_by_a_value() -> None:
    """What is filled in is judged as if it had been written."""
    own = Protected(scopes=(Scope(f"{IN_SUB}/resourceGroups/app-broker"),))
    values = asked({"group": "APP-Broker", "account": "acc"}, group=GROUP, account=ANY_ACCOUNT)
    assert ["azure_roles[0].scope"] == [fault.path for fault in own.faults(fill([role()], values))]


@pytest.mark.parametrize(
    "within",
    [
        *(
            IN_SUB,
            f"{IN_SUB}/resourceGroups/app-2",
            f"{IN_SUB}/resourceGroups/ap",
            f"{IN_SUB}/resourceGroups/app-2/{STORAGE}/acc",
        ),
        *(f"/subscriptions/{OTHER}/resourceGroups/app", "/providers/Microsoft.Management/managementGroups/app"),
        *(
            f"{IN_SUB}/providers/Microsoft.Web/sites/app",
            f"{IN_SUB}/resourceGroups/\u0430pp",
            f"{IN_SUB}/resourceGroups/\uff41pp",
        ),
    ],
)
def test_within_goes_down_alone(within: str) -> None:
    """Not above the role, not beside it, and ``app`` is not ``app-2``."""
    with pytest.raises(NotWithin):
        narrow([role(f"{IN_SUB}/resourceGroups/app")], read_within(within))


@pytest.mark.parametrize(
    "within",
    [f"{IN_SUB}/resourceGroups/app{rest}" for rest in ("%2f..", "%252f..", "/../app", "/./x", "//x/y", "/providers/a/b/%63")],
)
def test_within_is_not_decoded(within: str) -> None:
    """Once or twice encoded, or with dots, it is no scope."""
    with pytest.raises(Malformed, match="within"):
        read_within(within)


@pytest.mark.parametrize(
    "below",
    [
        *("resourceGroups/app\uff0fweb", "resourceGroups/app.", "resourceGroups/app\u2044web", f"resourceGroups/{'x' * 91}"),
        *(f"resourceGroups/app/{STORAGE}/{name}" for name in ("x\uff0fy", "x\uff1ay", "x:y", "\u0338x", "x.", "x\u202ey")),
        *("resourceGroups/app/providers/Microsoft\uff0eStorage\uff0f/x/y", "resourceGroups/providers/providers/A.B/c/d"),
    ],
)
def test_names_in_within_are_names_of_azures(below: str) -> None:
    """What looks like a slash, and what a normalisation would make one, is in no name that a parameter takes either."""
    with pytest.raises(Malformed, match="within"):
        narrow([role(IN_SUB)], read_within(f"{IN_SUB}/{below}"))


@pytest.mark.parametrize(
    "below", ["resourceGroups/M\u00fcnchen(1)_x", f"resourceGroups/app/{STORAGE}/acc/blobServices/default/containers/$root"]
)
def test_unusual_names_may_stand_in_within(below: str) -> None:
    """Azure has them."""
    (narrowed,) = narrow([role(IN_SUB)], read_within(f"{IN_SUB}/{below}"))
    assert f"{IN_SUB}/{below}" == narrowed.scope


@pytest.mark.parametrize("rest", ["", "/y/z"])
@pytest.mark.parametrize("name", ["a&b", "it's", "x:y", "x;y", "x|y"])
def test_names_that_the_role_itself_has_are_its_authors(name: str, rest: str) -> None:
    """Whoever has written the role has chosen them: any role takes ``within`` at its own scope, and below."""
    own = role(f"{IN_SUB}/resourceGroups/app/providers/Foo.Bar/x/{name}")
    (narrowed,) = narrow([own], read_within(f"{own.scope}{rest}"))
    assert f"{own.scope}{rest}" == narrowed.scope


def test_a_protected_scope_beneath_stays_protected() -> None:
    """A role above it that only reads may be written. Narrowed to it, the role reaches it."""
    own = Protected(scopes=(Scope(f"{IN_SUB}/resourceGroups/broker"),))
    assert () == own.faults([role(IN_SUB)])
    narrowed = narrow([role(IN_SUB)], read_within(f"{IN_SUB}/resourceGroups/BROKER/providers/A.B/c/d"))
    assert ["azure_roles[0].scope"] == [fault.path for fault in own.faults(narrowed)]


def test_an_identity_that_has_moved_is_noticed() -> None:
    """Its fact of today is not that of its lease."""
    own = parameters(group={"kind": "resource_group", "from": "caller.resource_group"})
    values = {"group": "app"}
    assert () == outdated(own, [IN_GROUP], values, machine())
    for moved in (MACHINE.replace("/app/", "/other/"), MACHINE.replace(SUB, OTHER)):
        assert ["parameters.group"] == [each.path for each in outdated(own, [IN_GROUP], values, machine(moved))]


def test_a_group_of_the_same_name_elsewhere_is_not_the_callers_own() -> None:
    """Whoever has a sandbox can make a group ``app``."""
    with pytest.raises(FactMissing):
        asked(
            {},
            IN_GROUP,
            facts=machine(MACHINE.replace(SUB, OTHER)),
            group={"kind": "resource_group", "from": "caller.resource_group"},
        )


def test_bounds_that_have_shrunk_are_noticed() -> None:
    """Between a request and what is handed out."""
    values = {"group": "app-1"}
    assert () == outdated(parameters(group=GROUP), [IN_GROUP], values, machine())
    smaller = parameters(group=GROUP | {"allowed": ["shared"]})
    assert ["parameters.group"] == [each.path for each in outdated(smaller, [IN_GROUP], values, machine())]

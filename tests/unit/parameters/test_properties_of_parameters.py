"""What holds for all templates, bounds, values and scopes."""

from __future__ import annotations

import re
from itertools import product
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from shared.core.condition import pieces_of
from shared.core.errors import Malformed
from shared.core.names import Scope, on_the_wire
from shared.core.parameters.asked import read_values
from shared.core.parameters.errors import Ambiguous, NotWithin, ParameterNotAllowed
from shared.core.parameters.filling import fill
from shared.core.parameters.holes import holes_of_scope
from shared.core.parameters.kinds import KINDS
from shared.core.parameters.known import constant_parts, fillings, may_meet
from shared.core.parameters.narrowing import narrow, read_within
from shared.core.parameters.parameter import Parameter
from shared.core.parameters.template import template_faults
from tests.support.full import IS_FULL
from tests.unit.parameters.subjects import CONTAINER, DEFINITION, IN_SUB, NOBODY, OTHER, STORAGE, SUB, parameters, role

many = settings(
    max_examples=10_000 if IS_FULL else 2_000, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
some_more = settings(max_examples=1_000, deadline=None, database=None)

FIELDS: dict[str, Any] = {
    "group": {"kind": "resource_group", "any": True},
    "account": {"kind": "storage_account", "any": True},
    "vault": {"kind": "key_vault", "any": True},
    "box": {"kind": "container", "any": True},
    "name": {"kind": "resource_name", "any": True},
    "sub": {"kind": "subscription", "allowed": [SUB, OTHER]},
    "tag": {"kind": "word", "any": True},
}
ALL = {each.name: each for each in parameters(**FIELDS)}
OF_STORAGE = f"resourceGroups/{{group}}/{STORAGE}/{{account}}"
TEMPLATES = (
    f"{IN_SUB}/resourceGroups/{{group}}",
    f"{IN_SUB}/{OF_STORAGE}",
    f"/subscriptions/{{sub}}/{OF_STORAGE}/blobServices/default/containers/{{box}}",
    f"{IN_SUB}/resourceGroups/{{group}}/providers/Microsoft.KeyVault/vaults/{{vault}}/secrets/{{name}}",
    f"{IN_SUB}/resourceGroups/app/providers/Microsoft.Web/sites/{{name}}/slots/{{name}}",
    f"{IN_SUB}/providers/A.B/c/{{name}}/providers/E.F/g/{{name}}",
    "/subscriptions/{sub}/resourceGroups/app",
)
CONDITION = " AND ".join(f"{CONTAINER} StringEquals '{{{name}}}'" for name in ("box", "tag", "account", "sub"))
ATTACKS = (
    "..",
    "/",
    "%2f",
    "{name}",
    "*",
    "a'b",
    "a\\b",
    "a b",
    " a",
    "a.",
    "e\u0301",
    "\u202e",
    "providers",
    "\u212a",
    "\uff0f",
    "a;b",
)
signs = some.sampled_from("aAbz09-_.() '\"/\\%?#&*{}<>:;|$@é\u0301я\u202e\x00\u2215\uff41")
values = some.one_of(
    some.text(signs, max_size=6),
    some.text("abz09", min_size=3, max_size=24),
    some.sampled_from((SUB, OTHER.upper(), "app", "App-Web", "a-1", "größe", "a b", *ATTACKS)),
)
answers = some.fixed_dictionaries({name: values for name in FIELDS if name != "sub"} | {"sub": some.sampled_from((SUB, OTHER))})


@given(some.sampled_from(TEMPLATES), values, some.sampled_from(["group", "account", "vault", "box", "name", "sub"]))
@many
def test_a_filled_scope_has_the_segments_of_its_template(template: str, value: str, name: str) -> None:
    """Whatever value is accepted: the same count, each constant one untouched, on the wire as well."""
    assigned = role(template)
    holes = holes_of_scope(assigned.scope)
    good = {"group": "app", "account": "acc", "vault": "v-1", "box": "box", "name": "n", "sub": SUB}
    used = [each for each in ALL.values() if each.name in holes.values()]
    given_values = {each.name: value if each.name == name else good[each.name] for each in used}
    try:
        filled = fill([assigned], read_values(used, [assigned], given_values, NOBODY))[0].scope
    except (Malformed, ParameterNotAllowed):
        return
    before, after = assigned.scope.split("/"), filled.split("/")
    assert len(before) == len(after) == len(on_the_wire(filled).split("/")) + 1
    assert [(at, segment) for at, segment in enumerate(before) if at not in holes] == [
        (at, segment) for at, segment in enumerate(after) if at not in holes
    ]
    assert {given_values[each] for each in holes.values()} == {after[at] for at in holes}
    assert filled == Scope.parse(filled)
    assert not any(segment in {"", ".", ".."} for segment in after[1:])


@given(values, values, values)
@some_more
def test_a_filled_condition_has_the_pieces_of_its_template(box: str, tag: str, account: str) -> None:
    """A value is one literal. Nothing else changes."""
    assigned = role(IN_SUB, CONDITION)
    used = [ALL[name] for name in ("box", "tag", "account", "sub")]
    given_values = {"box": box, "tag": tag, "account": account, "sub": SUB}
    try:
        filled = fill([assigned], read_values(used, [assigned], given_values, NOBODY))[0].condition or ""
    except Malformed:
        return
    before, after = pieces_of(CONDITION), pieces_of(filled)
    assert [(each.operator, each.negated) for each in before] == [(each.operator, each.negated) for each in after]
    assert [f"'{given_values[each.name]}'" for each in used] == [each.text for each in after if each.text.startswith("'")]


TEXTS = tuple("".join(letters) for count in range(1, 5) for letters in product("aAb-*", repeat=count))
patterns = some.sampled_from([text for text in TEXTS if text.strip("*")])
bounds = some.tuples(patterns, patterns, patterns) | some.tuples(patterns)
short = some.sampled_from([text for text in TEXTS if "*" not in text] + ["aAb-a", "abABab", "--aa--"])
kinds = some.sampled_from([KINDS[name] for name in ("resource_group", "resource_name", "word")])


@given(kinds, bounds, some.integers(0, 2), short)
@many
def test_less_in_the_bounds_never_lets_more_through(kind: Any, allowed: tuple[str, ...], at: int, value: str) -> None:
    """A value or a pattern taken away, and ``allowed`` in place of ``any``."""
    place = at % len(allowed)
    wider = Parameter("x", kind, allowed)
    narrower = Parameter("x", kind, (*allowed[:place], *allowed[place + 1 :]))
    every = Parameter("x", kind, any=True)
    assert narrower.allows(value) <= wider.allows(value) <= every.allows(value)


@given(kinds, bounds, short)
@some_more
def test_bounds_let_through_what_their_patterns_say(kind: Any, allowed: tuple[str, ...], value: str) -> None:
    """As a regular expression would: a star is one or more characters."""
    flags = re.IGNORECASE | re.ASCII if kind.folds else re.ASCII
    expressions = [".+".join(map(re.escape, each.split("*"))) for each in allowed]
    expected = any(re.fullmatch(each, value, flags) for each in expressions)
    assert expected is Parameter("x", kind, allowed).allows(value)


GROUPS = ("app", "App", "app-2", "ap", "\u212aey", "key")
BELOW = ("", "/c/D", "/c/d2", "/e/f", "/e/f/c/d", "/providers/G.H/i/j")
SCOPES = (
    *(IN_SUB, f"/subscriptions/{OTHER}", f"/subscriptions/{SUB.upper()}"),
    *(f"{IN_SUB}/resourceGroups/{group}" for group in GROUPS),
    *(f"{IN_SUB}/resourceGroups/{group}/providers/A.B/c/d{rest}" for group in GROUPS for rest in BELOW),
    *(f"/subscriptions/{OTHER}/resourceGroups/app{rest}" for rest in ("", "/providers/A.B/c/d")),
)
scopes = some.sampled_from(SCOPES)


def small(text: str) -> str:
    """Returns the text with A to Z small, and a Kelvin sign as it is."""
    return "".join(each.lower() if each.isascii() else each for each in text)


definitions = some.sampled_from((DEFINITION, DEFINITION.replace("c", "d")))
assignments = some.lists(some.tuples(scopes, definitions), min_size=1, max_size=3)


@given(assignments, scopes | some.just("/providers/Microsoft.Management/managementGroups/m"))
@many
def test_within_never_makes_an_assignment_above_or_beside(listed: list[tuple[str, str]], asked: str) -> None:
    """Of any scope of the role: each assignment lies at or below all of them, and no definition is added."""
    azure_roles = [role(scope, definition=definition) for scope, definition in listed]
    inside = all(f"{small(asked)}/".startswith(f"{small(scope)}/") for scope, _ in listed)
    try:
        found = narrow(azure_roles, Scope.parse(asked))
    except NotWithin:
        assert not inside
        return
    except Malformed:
        # A name below the role's scopes is none of Azure's.
        assert inside
        return
    assert inside
    assert {asked} == {each.scope for each in found}
    assert {definition for _, definition in listed} == {each.definition_id for each in found}
    assert len(found) == len({definition for _, definition in listed})


@given(some.sampled_from(TEMPLATES), bounds, scopes)
@some_more
def test_what_is_known_when_a_role_is_written_holds_for_each_request(
    template: str, allowed: tuple[str, ...], other: str
) -> None:
    """Every filling lies in a constant part. If one meets another scope, that was known."""
    listed = {"group": ["app", "app-2"], "account": ["acc", "bcc"], "vault": ["v-1"], "box": ["box"], "name": ["d", "D2"]}
    names = set(holes_of_scope(role(template).scope).values())
    chosen = {name: {"kind": FIELDS[name]["kind"], "allowed": listed.get(name, [SUB, OTHER])} for name in names}
    if "group" in chosen and len(allowed) > 1:
        chosen["group"]["allowed"] = ["app", *(each for each in allowed if not KINDS["resource_group"].wrong(each))]
    known = parameters(**chosen)
    assert [] == [*template_faults(known, {"azure_roles[0]": role(template)})]
    filled = fillings(known, [role(template)])[0]
    assert filled
    parts = constant_parts(role(template).scope, known)
    assert all(any(each.scope.within(part) for part in parts) for each in filled)
    target = Scope(other)
    met_one = any(each.scope.within(target) or target.within(each.scope) for each in filled)
    assert met_one <= may_meet(role(template).scope, known, target)


@given(assignments, scopes, answers)
@some_more
def test_filling_and_narrowing_never_add(listed: list[tuple[str, str]], asked: str, given_values: dict[str, str]) -> None:
    """No assignment more than the role has, and none of another definition."""
    azure_roles = [*(role(scope, definition=definition) for scope, definition in listed), role(TEMPLATES[0])]
    try:
        filled = fill(azure_roles, read_values([ALL["group"]], azure_roles, {"group": given_values["group"]}, NOBODY))
        found = narrow(filled, read_within(asked))
    except (Malformed, Ambiguous):
        return
    assert len(found) <= len(filled) <= len(azure_roles)
    assert {each.definition_id for each in found} <= {each.definition_id for each in azure_roles}

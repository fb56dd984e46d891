"""Rules with parameters: how they are written, and of which asks they speak."""

from __future__ import annotations

from typing import Any

import pytest

from shared.core.access.asked import NO_PARAMETERS, Asked, AskedValue, OneAsk
from shared.core.access.auth_role import AuthRole
from shared.core.access.bounds import Bounds, Constraint
from shared.core.access.decide import (
    Inline,
    PolicyLine,
    Rights,
    decide,
    decide_on_every_ask,
    decide_on_some_ask,
    decide_on_some_path,
    passed_over,
)
from shared.core.access.escalation import beyond_in_auth_role, beyond_in_policy
from shared.core.access.match import MATCHED, NotMatched
from shared.core.access.policy import (
    Policy,
    Rule,
    policy_cautions,
    read_policy,
    restore_policy,
    unknown_parameters,
    write_policy,
)
from shared.core.access.wanted import Wanted
from shared.core.errors import Malformed
from tests.fakes.world import ADMINISTRATOR, ALICE

PATH = "roles/app/leases"
GROUP = {"resource_group": ["team-a-*"]}


def rule(parameters: Any, *capabilities: str, path: str = PATH) -> dict[str, Any]:
    """Returns a rule as it is written, which gives ``issue`` unless something else is said."""
    return {"path": path, "capabilities": [*(capabilities or ("issue",))], "parameters": parameters}


def allow(path: str = PATH, **parameters: tuple[str, ...]) -> Rule:
    """Returns a rule that gives ``issue``."""
    return Rule(path, ("issue",), tuple(Wanted(name, parameters[name]) for name in sorted(parameters)))


def deny(path: str = PATH, **parameters: tuple[str, ...]) -> Rule:
    """Returns a rule that denies."""
    return Rule(path, (), tuple(Wanted(name, parameters[name]) for name in sorted(parameters)))


def rights(*rules: Rule) -> Rights:
    """Returns what a caller has by one policy."""
    return Rights(ALICE, (AuthRole("a", Bounds(), ("p",)),), (), {"p": Policy("p", rules)})


def asked(**values: str) -> Asked:
    """Returns the values of an ask that compare exactly."""
    return {name: AskedValue(text) for name, text in values.items()}


def folded(**values: str) -> Asked:
    """Returns the values of an ask that compare without regard to case."""
    return {name: AskedValue(text, folds=True) for name, text in values.items()}


@pytest.mark.parametrize(
    ("written", "paths"),
    [
        (rule(None), ["parameters"]),
        (rule([]), ["parameters"]),
        (rule({}), ["parameters"]),
        (rule("x"), ["parameters"]),
        (rule({f"p{n}": ["x"] for n in range(9)}), ["parameters"]),
        (rule({"Group": ["x"]}), ["parameters.Group"]),
        (
            rule({"": ["x"], "1a": ["x"], "a" * 33: ["x"], "a-b": ["x"]}),
            [f"parameters.{n}" for n in ("", "1a", "a-b", "a" * 33)],
        ),
        (rule({"a": []}), ["parameters.a"]),
        (rule({"a": "x"}), ["parameters.a"]),
        (rule({"a": None}), ["parameters.a"]),
        (rule({"a": ["x"] * 65}), ["parameters.a"]),
        (rule({"a": ["x", 5, None, "", " x", "x ", "\u202e", "x" * 261]}), [f"parameters.a[{n}]" for n in range(1, 8)]),
        (rule({"a": ["*", "**", "x*"]}), ["parameters.a[0]", "parameters.a[1]"]),
        (rule({"a": ["e\u0301", "\u00e9"]}), ["parameters.a[0]"]),
        (rule(GROUP, "issue", "revoke"), ["parameters"]),
        (rule(GROUP, "revoke"), ["parameters"]),
        (rule(GROUP, "read", path="audit"), ["parameters"]),
        (rule(GROUP, "deny", path="roles/app"), ["parameters"]),
        (rule(GROUP, "deny", path="leases/*"), ["parameters"]),
        (rule(GROUP, "deny", path="rolls/app"), ["path"]),
        (rule({"A": []}, "deny", "issue"), ["capabilities", "parameters", "parameters.A"]),
    ],
)
def test_every_fault_of_parameters_has_its_path(written: Any, paths: list[str]) -> None:
    """All of them, at once."""
    with pytest.raises(Malformed) as refused:
        read_policy("p", {"rules": [written]})
    assert sorted(f"rules[0].{path}" for path in paths) == sorted(fault.path for fault in refused.value.faults)


@pytest.mark.parametrize(
    "written",
    [
        rule(GROUP),
        rule(GROUP, "deny"),
        rule(GROUP, "deny", path="roles/*/*"),
        rule(GROUP, "issue", "issue", path="roles/*/leases"),
        rule({f"p{n}": ["x"] for n in range(8)}),
        rule({"a" * 32: [f"x{n}" for n in range(64)]}),
        rule({"a_1": ["x" * 260, "*x", "a*b*c", "a**", "\u00e9", "a b", "ABC"]}),
    ],
)
def test_parameters_within_their_bounds_are_kept(written: Any) -> None:
    """As they were written."""
    found = read_policy("p", {"rules": [written]})
    assert written["parameters"] == write_policy(found)["rules"][0]["parameters"]
    assert found == read_policy("p", write_policy(found))


def test_neither_the_order_of_names_nor_a_value_that_stands_twice_makes_another_rule() -> None:
    """A PUT of the same is no change."""
    one, other = ({"a": ["x", "y", "x"], "b": ["z"]}, {"b": ["z"], "a": ["x", "y"]})
    assert read_policy("p", {"rules": [rule(one)]}) == read_policy("p", {"rules": [rule(other)]})


def test_a_rule_without_parameters_is_written_without_the_field() -> None:
    """As every version has written it."""
    assert {"rules": [{"path": PATH, "capabilities": ["issue"]}]} == write_policy(Policy("p", (allow(),)))


@pytest.mark.parametrize(
    ("values", "of_the_ask", "allowed"),
    [
        (("team-a-*",), asked(group="team-a-web"), True),
        (("team-a-*",), asked(group="team-a-"), False),
        (("team-a-*",), asked(group="team-b-web"), False),
        (("team-a-*",), asked(group="Team-A-web"), False),
        (("team-a-*",), folded(group="Team-A-web"), True),
        (("Team-A-*",), folded(group="team-a-web"), True),
        (("x", "team-a-web"), asked(group="team-a-web"), True),
        (("\u00e9t\u00e9",), folded(group="\u00c9t\u00e9"), False),
        (("k",), folded(group="\u212a"), False),
        (("x",), asked(other="x"), False),
        (("x",), NO_PARAMETERS, False),
        (("x",), asked(group="x", other="y"), True),
        (("x",), asked(group="*"), False),
    ],
)
def test_an_allow_compares_as_the_kind_of_the_value_does(values: tuple[str, ...], of_the_ask: Asked, *, allowed: bool) -> None:
    """Exactly, or without regard to case for A to Z. An ask without such a parameter is not allowed."""
    given = rights(allow(group=values))
    assert allowed == decide(given, PATH, "issue", asked=of_the_ask).is_allowed


@pytest.mark.parametrize(
    ("values", "of_the_ask", "denied"),
    [
        (("prod-*",), asked(group="prod-web"), True),
        (("prod-*",), asked(group="PROD-web"), True),
        (("PROD-*",), asked(group="prod-web"), True),
        (("prod-*",), asked(group="test-web"), False),
        (("\u00e9t\u00e9",), asked(group="\u00c9T\u00c9"), True),
        (("\u00c9t\u00e9",), asked(group="e\u0301te\u0301"), True),
        (("stra\u00dfe",), asked(group="STRASSE"), True),
        (("k",), asked(group="\u212a"), True),
        (("x",), asked(other="x"), False),
        (("x",), NO_PARAMETERS, False),
    ],
)
def test_a_deny_compares_without_regard_to_case(values: tuple[str, ...], of_the_ask: Asked, *, denied: bool) -> None:
    """For every letter, and every way to write it. An ask without such a parameter is not denied."""
    given = rights(allow(), deny(group=values))
    assert denied == (not decide(given, PATH, "issue", asked=of_the_ask).is_allowed)


@pytest.mark.parametrize(
    ("of_the_ask", "allowed"),
    [
        (asked(group="a", account="x"), True),
        (asked(group="a", account="y"), False),
        (asked(group="b", account="x"), False),
        (asked(group="a"), False),
    ],
)
def test_every_named_parameter_must_match(of_the_ask: Asked, *, allowed: bool) -> None:
    """Of an allow and of a deny alike."""
    assert allowed == decide(rights(allow(group=("a",), account=("x",))), PATH, "issue", asked=of_the_ask).is_allowed
    denying = rights(allow(), deny(group=("a",), account=("x",)))
    assert allowed == (not decide(denying, PATH, "issue", asked=of_the_ask).is_allowed)


def test_a_deny_with_parameters_denies_issuing_alone() -> None:
    """Also where its pattern covers a path of which more is asked."""
    given = rights(Rule("roles/*/*", ("issue", "revoke")), deny("roles/*/*", group=("a",)))
    assert decide(given, PATH, "revoke", asked=asked(group="a")).is_allowed
    assert not decide(given, PATH, "issue", asked=asked(group="a")).is_allowed
    whole = rights(Rule("roles/*/*", ("issue", "revoke")), deny("roles/*/*"))
    assert not decide(whole, PATH, "revoke").is_allowed


def test_a_deny_with_parameters_wins_over_inline_bounds_and_not_over_an_administrator() -> None:
    """An administrator's decision says which deny it has overridden."""
    rules, of_the_ask = (deny(group=("a",)),), asked(group="A")
    assert PolicyLine("p", 0, PATH, "deny") == decide(rights(*rules), PATH, "issue", MATCHED, of_the_ask).by
    assert Inline("app") == decide(rights(*rules), PATH, "issue", MATCHED).by
    admin = Rights(ADMINISTRATOR, rights().matched, (), {"p": Policy("p", rules)})
    assert PolicyLine("p", 0, PATH, "deny") == decide(admin, PATH, "issue", asked=of_the_ask).overrode
    assert None is decide(admin, PATH, "issue").overrode


@pytest.mark.parametrize(
    ("rules", "one", "some", "some_of_group", "every"),
    [
        ((), False, False, False, False),
        ((allow(),), True, True, True, True),
        ((allow(group=("a",)),), False, True, True, False),
        ((allow(account=("a",)),), False, True, False, False),
        ((allow(group=("a",), account=("a",)),), False, True, False, False),
        ((allow(), allow(group=("a",))), True, True, True, True),
        ((allow(), deny(group=("a",))), True, True, True, False),
        ((allow(group=("a",)), deny(group=("a",))), False, True, True, False),
        ((allow(group=("a",)), deny()), False, False, False, False),
    ],
)
def test_some_ask_and_every_ask(rules: tuple[Rule, ...], *, one: bool, some: bool, some_of_group: bool, every: bool) -> None:
    """Of an ask without values, of any ask, of any ask for a role with one parameter, and of all asks."""
    given = rights(*rules)
    assert (one, some, some_of_group, every) == (
        decide(given, PATH, "issue").is_allowed,
        decide_on_some_ask(given, PATH).is_allowed,
        decide_on_some_ask(given, PATH, names=frozenset({"group"})).is_allowed,
        decide_on_every_ask(given, PATH).is_allowed,
    )


def test_a_rule_with_parameters_never_counts_for_some_path() -> None:
    """It neither allows what nobody has asked for, nor takes a whole rule away."""
    pattern = "roles/*/leases"
    assert not decide_on_some_path(rights(allow(group=("a",))), pattern, "issue").is_allowed
    assert decide_on_some_path(rights(allow(), deny(pattern, group=("a",))), pattern, "issue").is_allowed


def test_a_refusal_says_which_parameter_kept_a_rule_from_the_ask() -> None:
    """For the operator: the values of the rule, and that of the ask."""
    given = rights(allow(group=("a", "b", "c", "d")), allow("roles/other/leases", group=("x",)), deny(group=("x",)))
    why = decide(given, PATH, "issue", asked=asked(group="e")).why
    assert f"no policy gives issue on {PATH}; policy p, rule 0: group wants a, b, c and 1 more, has e" == why
    assert why.replace("has e", "has none") == decide(given, PATH, "issue").why
    inline = decide(given, PATH, "issue", NotMatched((Constraint.NOBODY,))).why
    assert "not matched: no_bounds; policy p, rule 0: group wants a, b, c and 1 more, has none" == inline
    assert f"no policy gives revoke on {PATH}" == decide(given, PATH, "revoke").why


def test_rules_that_are_passed_over_are_told_once_each() -> None:
    """An allow and a deny, with the parameters that fail and no others."""
    given = rights(allow(group=("a",), account=("x",)), deny(group=("b",)), allow(group=("c",)))
    twice = Rights(ALICE, (*given.matched, AuthRole("b", Bounds(), ("p",))), (), given.policies)
    found = passed_over(twice, PATH, OneAsk(asked(group="c", account="x")))
    assert [(0, "issue", ["group"]), (1, "deny", ["group"])] == [
        (each.line.rule, each.line.capability, [failed.name for failed in each.failed]) for each in found
    ]


@pytest.mark.parametrize(
    ("own", "written", "may"),
    [
        ((allow(),), allow(group=("a",)), True),
        ((allow(group=("a",)),), allow(), False),
        ((allow(group=("a",)),), allow(group=("a",)), True),
        ((allow(group=("a*",)),), allow(group=("ab", "a*b", "a*")), True),
        ((allow(group=("a*",)),), allow(group=("ab", "b")), False),
        ((allow(group=("a*",)),), allow(group=("Ab",)), False),
        ((allow(group=("ab",)),), allow(group=("a*",)), False),
        ((allow(group=("a",)),), allow(group=("a",), account=("x",)), True),
        ((allow(group=("a",), account=("x",)),), allow(group=("a",)), False),
        ((allow(group=("a",)),), allow(account=("a",)), False),
        ((allow(group=("a",)), allow(group=("b",))), allow(group=("a", "b")), False),
        ((allow("roles/*/leases", group=("a",)),), allow(group=("a",)), True),
        ((allow(group=("a",)),), allow("roles/*/leases", group=("a",)), False),
        ((allow(), deny(group=("prod-*",))), allow(), False),
        ((allow(), deny(group=("prod-*",))), allow(group=("PROD-x",)), False),
        ((allow(), deny(group=("prod-*",))), allow(group=("*-x",)), False),
        ((allow(), deny(group=("prod-*",))), allow(group=("test-*",)), True),
        ((allow(), deny(group=("prod-*",))), allow(account=("x",)), False),
        ((allow(), Rule(PATH, ("revoke",)), deny(group=("a",))), Rule(PATH, ("revoke",)), True),
        ((allow(), allow(group=("a",))), deny(group=("a",)), False),
    ],
)
def test_parameters_are_given_on_the_same_or_narrower(own: tuple[Rule, ...], written: Rule, *, may: bool) -> None:
    """By a policy, and by an auth role that names one. A deny of one's own is never given past."""
    given = rights(*own)
    assert may == (not [*beyond_in_policy(given, Policy("new", (written,)))])
    naming = AuthRole("new", Bounds(), ("one",))
    assert may == (not [*beyond_in_auth_role(given, naming, {"one": Policy("one", (written,))})])


@pytest.mark.parametrize(
    "now", [(), (deny(),), (deny(group=("a",)),), (deny(group=("a", "b", "c")),), (deny(group=("a", "b"), account=("x",)),)]
)
def test_a_deny_is_changed_by_an_administrator_alone(now: tuple[Rule, ...]) -> None:
    """Whether it gets narrower or wider. As it is, it may stay."""
    former = Policy("p", (deny(group=("a", "b")),))
    assert [*beyond_in_policy(rights(allow()), Policy("p", now), former)]
    assert [] == [*beyond_in_policy(rights(allow()), Policy("p", former.rules), former)]


@pytest.mark.parametrize(
    ("rules", "warned"),
    [
        ((allow(group=("a",)),), []),
        ((allow(group=("a",)), allow()), ["rules[0].parameters"]),
        ((allow("roles/*/leases"), allow(group=("a",))), ["rules[1].parameters"]),
        ((Rule("roles/*/*", ("issue", "revoke")), allow(group=("a",))), ["rules[1].parameters"]),
        ((allow(), allow("roles/*/leases", group=("a",))), []),
        ((allow(group=("a",)), Rule(PATH, ("revoke",))), []),
        ((allow(), deny(group=("a",))), []),
        ((allow(group=("a*",)), allow(group=("ab",))), []),
    ],
)
def test_an_allow_without_parameters_makes_those_beside_it_void(rules: tuple[Rule, ...], warned: list[str]) -> None:
    """If it covers the whole path."""
    found = [*policy_cautions(Policy("p", rules))]
    assert [(path, "void_parameters") for path in warned] == [(each.path, each.code) for each in found]


@pytest.mark.parametrize(
    ("written", "warned"),
    [
        (allow(group=("a",)), False),
        (allow("roles/*/leases", group=("a",)), False),
        (allow("roles/plain/leases", group=("a",)), True),
        (allow("roles/gone/leases", group=("a",)), False),
        (allow("roles/*/leases", group=("a",), account=("x",)), True),
        (allow("roles/*/leases", grupo=("a",)), True),
        (deny(group=("a",)), False),
        (deny("roles/*/leases", group=("a",)), True),
        (deny("roles/p*/leases", group=("a",)), True),
        (allow(), False),
    ],
)
def test_parameters_that_no_role_has_are_warned(written: Rule, *, warned: bool) -> None:
    """A deny is warned if any role of its path lacks them: it is not denied."""
    roles = {"app": {"group", "word"}, "store": {"group"}, "other": {"account"}, "plain": set[str]()}
    found = [*unknown_parameters(Policy("p", (allow(), written)), roles, roles.__getitem__)]
    expected = [("rules[1].parameters", "no_such_parameter")] if warned else []
    assert expected == [(each.path, each.code) for each in found]


def test_a_warning_says_which_roles_lack_a_parameter() -> None:
    """By name, or how many."""
    policy = Policy("p", (deny("roles/*/leases", b=("x",), a=("y",)), allow("roles/web/leases", a=("y",))))
    messages = [each.message for each in unknown_parameters(policy, ["app", "web"], lambda _: ())]
    assert [
        "role app and 1 more do not have all of the parameters a, b: the deny does not count there",
        "role web does not have all of the parameters a: the rule allows nothing there",
    ] == messages


@pytest.mark.parametrize(
    ("stored", "holds"),
    [
        ([rule(GROUP)], [allow(resource_group=("team-a-*",))]),
        ([rule(GROUP, "deny")], [deny(resource_group=("team-a-*",))]),
        ([rule({"a": ["*"]})], []),
        ([rule({})], []),
        ([rule(None)], []),
        ([rule(GROUP, "issue", "revoke")], []),
        ([rule(GROUP, "issue", "sign")], []),
        ([rule(GROUP) | {"until": 5}], []),
        ([rule({"a": ["*"]}, "deny")], [deny()]),
        ([rule(None, "deny")], [deny()]),
        ([rule(GROUP, "deny") | {"until": 5}], [deny()]),
        ([rule(GROUP, "deny", path="leases/*")], [deny("leases/*")]),
        ([None, rule(GROUP), rule(GROUP, "deny")], [allow(resource_group=("team-a-*",)), deny(resource_group=("team-a-*",))]),
    ],
)
def test_a_stored_rule_whose_parameters_cannot_be_read_never_gets_wider(stored: list[Any], holds: list[Rule]) -> None:
    """An allow gives nothing. A deny denies everything on its path."""
    assert holds == [*restore_policy("p", {"rules": stored}, "7").rules]

"""What holds for all rules with parameters, and for all asks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from unicodedata import normalize

from hypothesis import given, settings
from hypothesis import strategies as some

from shared.core.access.asked import Asked, AskedValue, OneAsk
from shared.core.access.auth_role import AuthRole
from shared.core.access.bounds import Bounds
from shared.core.access.decide import Decision, Rights, decide, decide_on_every_ask, decide_on_some_ask
from shared.core.access.escalation import beyond_in_policy
from shared.core.access.match import Unknown
from shared.core.access.policy import Policy, Rule, restore_policy, write_policy
from shared.core.access.wanted import Wanted, at_most, have_common
from tests.fakes.world import ALICE

PATH = "roles/app/leases"
WORTH = {"denied": 0, "unknown": 1, "allowed": 2}
NAMES = ("group", "account", "word")
TEXTS = ("x", "X", "xy", "Xy", "ax", "\u00e9", "\u00c9", "ss", "\u00df", "\u212a", "k", "\u01f0", "x*")
PATTERNS = (
    "x",
    "X",
    "x*",
    "*y",
    "*x",
    "X*",
    "\u00e9",
    "\u00c9*",
    "s*",
    "\u00df",
    "k",
    "*\u00df",
    "a*y",
    "J\u030c",
    "x*y",
    "*a*",
)
many = settings(max_examples=80, deadline=None)

wanted = some.lists(some.sampled_from(PATTERNS), min_size=1, max_size=3, unique=True).map(tuple)
parameters = some.dictionaries(some.sampled_from(NAMES), wanted, max_size=3).map(
    lambda drawn: tuple(Wanted(name, drawn[name]) for name in sorted(drawn))
)
asks = some.dictionaries(
    some.sampled_from(NAMES), some.builds(AskedValue, some.sampled_from(TEXTS), some.booleans()), max_size=3
)
allows = some.builds(
    lambda path, given: Rule(path, ("issue",), given), some.sampled_from([PATH, "roles/a*/leases"]), parameters
)
denies = some.builds(lambda path, given: Rule(path, (), given), some.sampled_from([PATH, "roles/*/leases"]), parameters)
rules = some.lists(allows | denies | some.just(Rule(PATH, ("revoke",))), max_size=4)


def rights(known: Iterable[Rule], doubtful: Iterable[Rule] = ()) -> Rights:
    """What a caller has whose auth role matches, and that of another one of which a fact could not be read."""
    policies = {"p": Policy("p", tuple(known)), "q": Policy("q", tuple(doubtful))}
    unread = ((AuthRole("b", Bounds(), ("q",)), Unknown("not read")),)
    return Rights(ALICE, (AuthRole("a", Bounds(), ("p",)),), unread, policies)


def like(pattern: str, text: str) -> bool:
    """Whether the text is one of the pattern's, said in another way than the product says it."""
    return re.fullmatch(".+".join(map(re.escape, pattern.split("*"))), text, re.DOTALL) is not None


def lower(text: str) -> str:
    """A to Z alone."""
    return "".join(chr(ord(each) + 32) if "A" <= each <= "Z" else each for each in text)


def caseless(text: str) -> str:
    """For every letter."""
    return normalize("NFC", normalize("NFC", text).casefold())


def speaks(rule: Rule, asked: Mapping[str, AskedValue]) -> bool:
    """Whether the rule speaks of the ask: every named parameter is there and matches."""
    for each in rule.parameters:
        if (value := asked.get(each.name)) is None:
            return False
        fold = caseless if rule.denies else lower if value.folds else str
        if not any(like(fold(pattern), fold(value.text)) for pattern in each.values):
            return False
    return True


def outcome(decision: Decision) -> int:
    """What it is worth."""
    return WORTH[decision.outcome]


@given(rules, rules, asks)
@many
def test_a_deny_dominates_and_else_an_allow_decides(known: list[Rule], doubtful: list[Rule], asked: Asked) -> None:
    """Both speak only of asks whose values they name. Of an auth role that may match, the denies count alone."""
    found = decide(rights(known, doubtful), PATH, "issue", asked=asked).outcome
    if any(rule.denies and speaks(rule, asked) for rule in (*known, *doubtful)):
        assert "denied" == found
    elif any("issue" in rule.capabilities and speaks(rule, asked) for rule in known):
        assert "allowed" == found
    else:
        may_be = any("issue" in rule.capabilities and speaks(rule, asked) for rule in doubtful)
        assert ("unknown" if may_be else "denied") == found


@given(rules, rules, asks, some.randoms())
@many
def test_no_order_of_rules_decides(known: list[Rule], doubtful: list[Rule], asked: Asked, chance: Any) -> None:
    """Nor that of the values in a rule."""
    mixed = [
        Rule(
            rule.path,
            rule.capabilities,
            tuple(Wanted(each.name, tuple(chance.sample(each.values, len(each.values)))) for each in rule.parameters),
        )
        for rule in chance.sample(known, len(known))
    ]
    one, other = rights(known, doubtful), rights(mixed, chance.sample(doubtful, len(doubtful)))
    assert decide(one, PATH, "issue", asked=asked).outcome == decide(other, PATH, "issue", asked=asked).outcome


@given(rules, rules, asks, allows, parameters, some.sampled_from(["matched", "unknown"]))
@many
def test_parameters_that_an_allow_gets_never_allow_more(
    known: list[Rule], doubtful: list[Rule], asked: Asked, allow: Rule, more: tuple[Wanted, ...], outcome_of: str
) -> None:
    """Further parameters beside those that it has, whoever has the rule."""
    named = {each.name for each in allow.parameters}
    narrower = Rule(allow.path, ("issue",), (*allow.parameters, *(each for each in more if each.name not in named)))
    before, after = (
        (rights([*known, each], doubtful) if outcome_of == "matched" else rights(known, [*doubtful, each]))
        for each in (allow, narrower)
    )
    assert outcome(decide(after, PATH, "issue", asked=asked)) <= outcome(decide(before, PATH, "issue", asked=asked))
    for capability in ("read", "revoke"):
        assert decide(after, PATH, capability) == decide(before, PATH, capability)


@given(rules, rules, asks, denies, parameters, some.sampled_from(["matched", "unknown"]))
@many
def test_parameters_that_a_deny_gets_never_deny_more(
    known: list[Rule], doubtful: list[Rule], asked: Asked, deny: Rule, more: tuple[Wanted, ...], outcome_of: str
) -> None:
    """And a deny with parameters takes no other capability away."""
    named = {each.name for each in deny.parameters}
    narrower = Rule(deny.path, (), (*deny.parameters, *(each for each in more if each.name not in named)))
    before, after = (
        (rights([*known, each], doubtful) if outcome_of == "matched" else rights(known, [*doubtful, each]))
        for each in (deny, narrower)
    )
    for capability in ("issue", "revoke", "read"):
        assert outcome(decide(after, PATH, capability, asked=asked)) >= outcome(decide(before, PATH, capability, asked=asked))
    if narrower.parameters:
        assert outcome(decide(rights(known, doubtful), PATH, "revoke")) == outcome(decide(after, PATH, "revoke"))


@given(rules, rules, asks)
@many
def test_one_ask_lies_between_every_ask_and_some_ask(known: list[Rule], doubtful: list[Rule], asked: Asked) -> None:
    """Who may issue every ask may issue this one. Who may issue this one may issue some."""
    given = rights(known, doubtful)
    one = outcome(decide(given, PATH, "issue", asked=asked))
    assert outcome(decide_on_every_ask(given, PATH)) <= one
    assert one <= outcome(decide_on_some_ask(given, PATH, names=frozenset(asked)))
    assert one <= outcome(decide_on_some_ask(given, PATH))


@given(rules, rules)
@many
def test_for_a_role_without_parameters_some_ask_is_the_one_ask(known: list[Rule], doubtful: list[Rule]) -> None:
    """Then nothing is left to be found out."""
    given = rights(known, doubtful)
    assert decide(given, PATH, "issue") == decide_on_some_ask(given, PATH, names=frozenset())


@given(rules, asks)
@many
def test_a_value_less_in_an_allow_never_allows_more(known: list[Rule], asked: Asked) -> None:
    """Whichever of several values goes."""
    before = outcome(decide(rights(known), PATH, "issue", asked=asked))
    for place, rule in enumerate(known):
        for each in rule.parameters if "issue" in rule.capabilities else ():
            for gone in each.values if len(each.values) > 1 else ():
                left = Wanted(each.name, tuple(it for it in each.values if it != gone))
                narrower = Rule(rule.path, rule.capabilities, tuple(left if it is each else it for it in rule.parameters))
                after = rights([*known[:place], narrower, *known[place + 1 :]])
                assert outcome(decide(after, PATH, "issue", asked=asked)) <= before


@given(parameters, parameters, asks)
@settings(max_examples=200, deadline=None)
def test_the_same_or_narrower_parameters_match_nothing_more(
    mine: tuple[Wanted, ...], others: tuple[Wanted, ...], asked: Asked
) -> None:
    """And two that have nothing in common match no ask both."""
    one = OneAsk(asked)
    if at_most(mine, others) and all(map(one.allowed_by, others)):
        assert all(map(one.allowed_by, mine))
    if not have_common(mine, others):
        assert not (all(map(one.denied_by, mine)) and all(map(one.denied_by, others)))
    assert at_most(mine, mine)
    assert have_common(mine, mine)


@given(rules, rules, asks)
@many
def test_what_a_caller_may_write_gives_nothing_that_it_does_not_have(own: list[Rule], given: list[Rule], asked: Asked) -> None:
    """Whoever gets the written policy may issue no ask that its writer may not."""
    if [*beyond_in_policy(rights(own), Policy("new", tuple(given)))]:
        return
    if decide(rights(given), PATH, "issue", asked=asked).is_allowed:
        assert decide(rights(own), PATH, "issue", asked=asked).is_allowed


@given(some.lists(allows | denies, min_size=1, max_size=4))
@many
def test_a_stored_policy_with_parameters_is_read_back_the_same(known: list[Rule]) -> None:
    """Whatever the order of its names."""
    document = write_policy(Policy("p", tuple(known)))
    for rule in document["rules"]:
        if "parameters" in rule:
            rule["parameters"] = dict(reversed(rule["parameters"].items()))
    stored = restore_policy("p", document, "7")
    assert (tuple(known), ()) == (stored.rules, stored.faults)

"""What holds for all auth roles and policies together, and for all patterns."""

from __future__ import annotations

import json
import re
from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as some

from shared.core.access.configuration import Configuration
from shared.core.access.decide import Decision, PolicyLine
from shared.core.access.documents import configuration_of, decided
from shared.core.access.facts import Facts
from shared.core.access.policy import Policy, Rule, read_policy, restore_policy, write_policy
from shared.core.access.stars import covers_text
from shared.core.caller import Caller
from tests.unit.access import arbitrary
from tests.unit.access.arbitrary import ASKS, NAMED, PATHS
from tests.unit.access.subjects import Json

type Documents = dict[str, Json]

many = settings(max_examples=60, deadline=None)
auth_roles = some.lists(arbitrary.auth_roles, max_size=4).map(lambda listed: {f"a{n}": each for n, each in enumerate(listed)})
policies = some.dictionaries(some.sampled_from(NAMED), arbitrary.policies, max_size=4)
inline = some.dictionaries(some.sampled_from(["app", "web"]), arbitrary.bounds(), max_size=2)
_TEXTS = ["".join(letters) for length in range(9) for letters in product("ab", repeat=length)]
_WORTH = {"denied": 0, "unknown": 1, "allowed": 2}


def every(configuration: Configuration, caller: Caller, facts: Facts) -> dict[tuple[str, str], Decision]:
    """Returns the decision for each path and capability."""
    return {(path, ask): decided(configuration, caller, facts, path, ask) for path, ask in product(PATHS, ASKS)}


def outcomes(configuration: Configuration, caller: Caller, facts: Facts) -> dict[tuple[str, str], str]:
    """Returns what each decision is."""
    return {asked: decision.outcome for asked, decision in every(configuration, caller, facts).items()}


def shuffled(documents: Documents, chance: Any) -> Documents:
    """Returns the same documents in another order, with the rules and the names in them in another."""
    return {
        name: {
            field: chance.sample(value, len(value)) if field in {"rules", "policies"} else value
            for field, value in documents[name].items()
        }
        for name in chance.sample([*documents], len(documents))
    }


@given(auth_roles, policies, inline, arbitrary.callers, arbitrary.facts, some.randoms())
@many
def test_no_order_decides(
    given_roles: Documents, given_policies: Documents, bounds: Documents, caller: Caller, facts: Facts, chance: Any
) -> None:
    """Neither that of auth roles nor of policies, nor of the rules and names in them."""
    one = configuration_of(given_roles, given_policies, bounds)
    other = configuration_of(shuffled(given_roles, chance), shuffled(given_policies, chance), shuffled(bounds, chance))
    assert outcomes(one, caller, facts) == outcomes(other, caller, facts)


@given(auth_roles, policies, inline, arbitrary.callers, arbitrary.facts)
@many
def test_a_deny_dominates(
    given_roles: Documents, given_policies: Documents, bounds: Documents, caller: Caller, facts: Facts
) -> None:
    """Of each auth role that matches or may. Only the app roles of the broker are above it."""
    configuration = configuration_of(given_roles, given_policies, bounds)
    rights = configuration.rights(caller, facts)
    named = {name for each in (*rights.matched, *(each for each, _ in rights.doubtful)) for name in each.policies}
    rules = [rule for name in named for rule in given_policies.get(name, {"rules": []})["rules"]]
    for (path, ask), decision in every(configuration, caller, facts).items():
        denied = any(rule["capabilities"] == ["deny"] and Rule(rule["path"]).covers(path) for rule in rules)
        assert not denied or decision.outcome == "denied" or (caller.is_auditor and ask in {"read", "list"})
        assert denied == (isinstance(decision.by, PolicyLine) and decision.by.capability == "deny") or caller.is_auditor


@given(auth_roles, policies, arbitrary.auth_roles, arbitrary.policies, arbitrary.callers, arbitrary.facts)
@many
def test_what_is_added_and_denies_nothing_takes_no_right_away(
    given_roles: Documents, given_policies: Documents, more: Json, allowing: Json, caller: Caller, facts: Facts
) -> None:
    """A further auth role with a policy of its own, and further rules in a policy that is there."""
    rules = [rule for rule in allowing["rules"] if rule["capabilities"] != ["deny"]]
    before = outcomes(configuration_of(given_roles, given_policies, {}), caller, facts)
    further = {"added": more | {"policies": ["added"]}}
    wider = {name: {"rules": [*each["rules"], *rules]} for name, each in given_policies.items()} | {"added": {"rules": rules}}
    after = outcomes(configuration_of(given_roles | further, wider, {}), caller, facts)
    assert [] == [asked for asked, outcome in before.items() if _WORTH[after[asked]] < _WORTH[outcome]]


@given(auth_roles, policies, arbitrary.policies, arbitrary.callers, arbitrary.facts)
@many
def test_a_deny_that_is_added_gives_no_right(
    given_roles: Documents, given_policies: Documents, more: Json, caller: Caller, facts: Facts
) -> None:
    """In any policy that is there."""
    denies = [rule | {"capabilities": ["deny"]} for rule in more["rules"]]
    narrower = {name: {"rules": [*each["rules"], *denies]} for name, each in given_policies.items()}
    before = outcomes(configuration_of(given_roles, given_policies, {}), caller, facts)
    after = outcomes(configuration_of(given_roles, narrower, {}), caller, facts)
    assert [] == [asked for asked, outcome in before.items() if _WORTH[after[asked]] > _WORTH[outcome]]


patterns = some.text("ab*", max_size=5)


@given(patterns, patterns)
@settings(max_examples=400, deadline=None)
def test_a_pattern_covers_another_if_it_covers_each_of_its_texts(mine: str, others: str) -> None:
    """Each star of the other is replaced by texts of one and two letters, of which one is in no pattern."""
    like = re.compile(".+".join(map(re.escape, mine.split("*"))))
    texts = (
        "".join(parts) for parts in product(*((["c", "a", "b", "cc", "ab"] if each == "*" else [each]) for each in others))
    )
    assert all(like.fullmatch(text) is not None for text in texts) == covers_text(mine, others)


@given(some.text("ab*/", max_size=6), some.text("ab*/", max_size=6))
@settings(max_examples=400, deadline=None)
def test_a_rule_covers_a_pattern_segment_by_segment(mine: str, others: str) -> None:
    """A star never stands for a slash."""
    like = re.compile("[^/]+".join(map(re.escape, mine.split("*"))))
    texts = ("".join(parts) for parts in product(*((["c", "a", "cc"] if each == "*" else [each]) for each in others)))
    listed = [*texts]
    assert all(like.fullmatch(text) is not None for text in listed) == Rule(mine).covers_pattern(others)
    assert [like.fullmatch(text) is not None for text in listed] == [Rule(mine).covers(text) for text in listed]


@given(some.text("ab*", max_size=4), some.text("ab*", max_size=4))
@settings(max_examples=400, deadline=None)
def test_two_patterns_overlap_if_some_text_is_one_of_both(one: str, other: str) -> None:
    """Eight letters are enough for patterns of four: the shortest such text has no more than both together."""
    mine, others = (re.compile(".+".join(map(re.escape, each.split("*")))) for each in (one, other))
    common = any(mine.fullmatch(text) and others.fullmatch(text) for text in _TEXTS)
    assert [common, common] == [Rule(one).overlaps(other), Rule(other).overlaps(one)]


@given(arbitrary.policies)
@many
def test_a_policy_that_is_stored_is_read_back_the_same(document: Json) -> None:
    """With the version of its row."""
    read = read_policy("p", document)
    assert Policy("p", read.rules, "7") == restore_policy("p", json.loads(json.dumps(write_policy(read))), "7")


anything = arbitrary.anything
capabilities = some.lists(some.sampled_from([*ASKS, "deny", "sign"]) | anything)
rules = some.fixed_dictionaries(
    {"path": some.sampled_from(PATHS) | anything, "capabilities": capabilities}, optional={"parameters": anything}
)
stored = some.fixed_dictionaries({"rules": some.lists(rules | anything, max_size=4) | anything}, optional={"until": anything})


@given(anything | stored)
@many
def test_a_damaged_policy_denies_what_it_denied_and_gives_nothing_new(document: Any) -> None:
    """Whatever is stored, nothing is raised."""
    restored = restore_policy("p", document, "7").rules
    listed = document.get("rules") if isinstance(document, dict) else None
    raw = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    for each in raw:
        path, named = each.get("path"), each.get("capabilities")
        if isinstance(path, str) and isinstance(named, list) and "deny" in named:
            assert Rule(path) in restored
    for rule in restored:
        for capability in rule.capabilities:
            assert any(
                each.keys() == {"path", "capabilities"} and rule.path == each["path"] and capability in each["capabilities"]
                for each in raw
            )

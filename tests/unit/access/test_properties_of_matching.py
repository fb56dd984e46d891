"""What holds for all auth roles, callers and facts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as some

from shared.core.access.auth_role import AuthRole, read_auth_role, restore_auth_role, write_auth_role
from shared.core.access.bounds import read_bounds, restore_bounds, write_bounds
from shared.core.access.configuration import Configuration, Stored
from shared.core.access.facts import NOT_ASKED, Facts
from shared.core.access.match import Matched, NotMatched, Outcome, match
from shared.core.caller import Caller
from shared.core.errors import Malformed
from shared.core.parsing import Reader
from tests.unit.access import arbitrary
from tests.unit.access.arbitrary import VALUES, bounds
from tests.unit.access.subjects import Json

documents = some.lists(arbitrary.auth_roles | arbitrary.auth_roles | arbitrary.damaged, max_size=6)
many = settings(max_examples=100, deadline=None)


def judged(fields: Json, caller: Caller, facts: Facts) -> Outcome:
    """Returns whether an auth role without faults speaks of the caller."""
    return match(read_auth_role("a", fields).bounds, caller, facts)


def rank(found: Outcome) -> int:
    """Returns 0 if it does not match, 1 if that is unknown, 2 if it matches."""
    return 2 if isinstance(found, Matched) else 0 if isinstance(found, NotMatched) else 1


def stored(listed: list[Any]) -> dict[str, Stored]:
    """Returns the documents as they are stored, the last of them first."""
    return {f"a{place}": Stored(json.dumps(each), "1") for place, each in [*enumerate(listed)][::-1]}


def found_by(configuration: Configuration, caller: Caller, facts: Facts) -> tuple[list[str], list[str]]:
    """Returns the names of the auth roles that match, and of those of which that is unknown."""
    rights = configuration.rights(caller, facts)
    return [each.name for each in rights.matched], [each.name for each, _ in rights.doubtful]


@given(bounds(), arbitrary.callers, arbitrary.facts, some.randoms())
@many
def test_the_order_of_kinds_and_values_decides_nothing(fields: Json, caller: Caller, facts: Facts, chance: Any) -> None:
    """Neither does a value that stands twice."""
    shuffled = {kind: chance.sample(fields[kind] * 2, len(fields[kind]) * 2) for kind in chance.sample([*fields], len(fields))}
    assert judged(fields, caller, facts) == judged(shuffled, caller, facts)


@given(bounds(), bounds(), arbitrary.callers, arbitrary.facts)
@many
def test_a_further_constraint_never_adds_a_match(fields: Json, more: Json, caller: Caller, facts: Facts) -> None:
    """Tenants apart: they say from where callers may come, and a tenant that is named admits others than the broker's own."""
    more = {kind: values for kind, values in more.items() if kind not in {*fields, "bound_tenant_ids"}}
    assert rank(judged(fields, caller, facts)) >= rank(judged(fields | more, caller, facts))


@given(bounds(), bounds(), arbitrary.callers, arbitrary.facts)
@many
def test_a_further_value_never_takes_a_match_away(fields: Json, more: Json, caller: Caller, facts: Facts) -> None:
    """Of a kind that is there."""
    wider = {kind: [*values, *more.get(kind, [])] for kind, values in fields.items()}
    assert rank(judged(fields, caller, facts)) <= rank(judged(wider, caller, facts))


@given(bounds(), arbitrary.callers, arbitrary.facts)
@many
def test_what_fails_are_kinds_that_are_there(fields: Json, caller: Caller, facts: Facts) -> None:
    """And the tenant. They are named in the order of documents."""
    found = judged(fields, caller, facts)
    failed = [kind.value for kind in found.failed] if isinstance(found, NotMatched) else []
    assert [kind for kind in VALUES if kind in failed] == failed
    assert {*failed} <= {*fields, "bound_tenant_ids"}


@given(documents, arbitrary.callers, arbitrary.facts)
@many
def test_the_index_leaves_out_nobody_who_matches_or_may(listed: list[Any], caller: Caller, facts: Facts) -> None:
    """The rights by the index are those by looking at each auth role."""
    each = [restore_auth_role(f"a{place}", document, "1") for place, document in enumerate(listed)]
    outcomes = {auth_role.name: rank(Configuration.outcome(auth_role, caller, facts)) for auth_role in each}
    expected = tuple([name for name, level in outcomes.items() if level == wanted] for wanted in (2, 1))
    assert expected == found_by(Configuration(stored(listed), {}), caller, facts)


@given(documents, arbitrary.callers, arbitrary.facts)
@many
def test_only_what_is_needed_is_read(listed: list[Any], caller: Caller, facts: Facts) -> None:
    """With the facts that the configuration asks for, the rights are those with all facts."""
    configuration = Configuration(stored(listed), {})
    needs = configuration.needs(caller)
    asked = Facts(facts.principal if needs.principal else NOT_ASKED, facts.groups if needs.groups else NOT_ASKED, NOT_ASKED)
    if configuration.needs_location(caller, asked):
        asked = Facts(asked.principal, asked.groups, facts.location)
    assert found_by(configuration, caller, facts) == found_by(configuration, caller, asked)


@given(some.lists(bounds(), max_size=4), arbitrary.callers, arbitrary.facts)
@many
def test_inline_bounds_need_what_auth_roles_need(listed: list[Json], caller: Caller, facts: Facts) -> None:
    """They are unnamed auth roles."""
    of_roles = {f"a{place}": read_auth_role("", each).bounds for place, each in enumerate(listed)}
    inline, named = Configuration({}, {}, of_roles), Configuration(stored(listed), {})
    assert named.needs(caller) == inline.needs(caller)
    assert named.needs_location(caller, facts) == inline.needs_location(caller, facts)


@given(arbitrary.auth_roles | arbitrary.damaged | arbitrary.anything, arbitrary.callers, arbitrary.facts)
@many
def test_a_damaged_auth_role_lets_nobody_in(document: Any, caller: Caller, facts: Facts) -> None:
    """What can be stored without a fault is read back the same. All else matches nobody, and nothing is raised."""
    restored = restore_auth_role("a", document, "1")
    if restored.faults:
        assert not isinstance(Configuration.outcome(restored, caller, facts), Matched)
        with pytest.raises(Malformed):
            read_auth_role("a", document)
    else:
        read = read_auth_role("a", document)
        assert AuthRole("a", read.bounds, read.policies, "1") == restored
        assert read == read_auth_role("a", json.loads(json.dumps(write_auth_role(read))))


@given(arbitrary.damaged, bounds(), arbitrary.callers, arbitrary.facts)
@many
def test_a_damaged_kind_excludes_nobody_for_sure(wrong: Json, fields: Json, caller: Caller, facts: Facts) -> None:
    """Whom the readable kinds do not exclude may be meant, so its denies count for him."""
    whole = restore_auth_role("a", fields, "1")
    assume(not isinstance(Configuration.outcome(whole, caller, facts), NotMatched))
    unreadable = {kind: [" "] for kind in wrong if kind in VALUES}
    assume(unreadable)
    restored = restore_auth_role("a", fields | unreadable, "1")
    assert 1 == rank(Configuration.outcome(restored, caller, facts))


@given(bounds() | arbitrary.damaged, arbitrary.callers, arbitrary.facts)
@many
def test_stored_inline_bounds_are_whole_or_none(document: Json, caller: Caller, facts: Facts) -> None:
    """A kind that cannot be read is never left out: without it, the others would let more callers in."""
    restored, reader = restore_bounds(document), Reader(document)
    read = read_bounds(reader)
    if restored is not None:
        match(restored, caller, facts)
        assert {kind for kind in document if kind.startswith("bound_")} == {kind.value for kind in restored.kinds}
    if not reader.faults:
        assert read == restore_bounds(write_bounds(read))

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shared.core.access.bounds import Bounds
from shared.core.access.facts import Facts
from shared.core.access.match import NotMatched, match
from shared.core.definition import Powers
from shared.core.errors import Fault, Malformed
from shared.core.role import Role, UnknownTarget
from shared.issuers.application_secret.schema import ApplicationSecretTarget
from shared.issuers.service_principal.schema import ServicePrincipalTarget
from shared.kinds import role_rules
from tests.fakes.world import ALICE, GROUPS, SCOPES, TENANT, WEB, application, guid, principal_target, role, secret_target
from tests.support.kinds import read_role, restore_role, store_role, write_role

anything: some.SearchStrategy[Any] = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False) | some.text(),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = [
    *store_role(role(max_leases=3, max_leases_per_caller=2)),
    "azure_groups",
    "tags",
    "bound_app_roles",
    "application_object_id",
    "pool",
    "new",
]
ROLES = (
    role(max_leases=3, max_leases_per_caller=2),
    role(secret_target(ready="token"), ttl=60),
    role(principal_target(tags=("a", "b"), ready="token")),
)


@pytest.fixture
def no_tags(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that has come since the roles were stored."""

    def without_tags(judged: Role) -> Iterator[Fault]:
        if isinstance(judged.target, ServicePrincipalTarget) and judged.target.tags:
            yield Fault("tags", "are not taken any more")

    monkeypatch.setattr("shared.kinds.role_document.RULES", (*role_rules.RULES, without_tags))


def test_what_keeps_the_rules_is_not_outdated() -> None:
    """It reads back as it was stored."""
    assert [()] * 3 == [restore_role(WEB, store_role(each), "").outdated for each in ROLES]
    assert list(ROLES) == [restore_role(WEB, store_role(each), "") for each in ROLES]


@pytest.mark.usefixtures("no_tags")
def test_a_new_rule_counts_where_a_role_is_written_and_not_where_it_is_read() -> None:
    """The stored role is what it was, and says what is wrong with it."""
    tagged = role(
        principal_target(tags=("a",), ready="token"),
        ttl=120,
        max_ttl=600,
        renewable=False,
        max_leases=9,
        max_leases_per_caller=8,
    )
    with pytest.raises(Malformed) as caught:
        read_role(WEB, write_role(tagged))
    stored = restore_role(WEB, store_role(tagged), "v")
    assert caught.value.faults == stored.outdated == (Fault("tags", "are not taken any more"),)
    assert (tagged.target, tagged.bounds, 120, 600, False, 9, 8) == (
        *(stored.target, stored.bounds, stored.ttl, stored.max_ttl),
        *(stored.renewable, stored.max_leases, stored.max_leases_per_caller),
    )


def test_an_app_role_with_a_star_from_before_keeps_its_bounds() -> None:
    """It matches that very text, as it did; it is told, and nothing is issued until the role is written again."""
    stored = restore_role(WEB, store_role(role()) | {"bound_app_roles": ["Any.*"]}, "v")
    assert (role().bounds.service_principal_ids, frozenset({"Any.*"})) == (
        stored.bounds.service_principal_ids,
        stored.bounds.app_roles,
    )
    assert ["bound_app_roles[0]"] == [fault.path for fault in stored.outdated]


@pytest.mark.usefixtures("no_tags")
def test_all_faults_are_told_at_once_and_each_field_once() -> None:
    """A rule does not judge what is left of a field that could not be read."""
    document = write_role(role(principal_target(tags=("a",)))) | {"ttl": "soon"}
    paths = []
    for wrong in (document, document | {"tags": ["a", "b c"]}):
        with pytest.raises(Malformed) as caught:
            read_role(WEB, wrong)
        paths.append([fault.path for fault in caught.value.faults])
    assert [["ttl", "tags"], ["tags[1]", "ttl"]] == paths


@given(
    some.sampled_from(ROLES),
    some.dictionaries(some.sampled_from(FIELDS), anything, max_size=3),
    some.sets(some.sampled_from(FIELDS)),
)
def test_whatever_is_stored_gives_a_role_and_lets_no_stranger_in(stored: Role, damage: dict[str, Any], lost: set[str]) -> None:
    """And what is not told to be outdated is what an administrator could have written."""
    document = {key: value for key, value in (store_role(stored) | damage).items() if key not in lost}
    found = restore_role(WEB, document, "v")
    assert isinstance(match(found.bounds, application(guid(0x999)), Facts()), NotMatched)
    if found.outdated:
        write_role(found)
    else:
        public = {key: value for key, value in document.items() if key != "resolved"}
        assert write_role(read_role(WEB, public)) == write_role(found)


@given(anything)
def test_anything_at_all_gives_a_role(stored: Any) -> None:
    """Open to nobody, minting nothing."""
    found = restore_role(WEB, stored, "v")
    assert isinstance(found.target, UnknownTarget)
    assert (isinstance(match(found.bounds, ALICE, Facts()), NotMatched), bool(found.outdated)) == (True, True)


@pytest.mark.parametrize(
    "bounds",
    [
        {"bound_service_principal_ids": 7},
        {"bound_service_principal_ids": [ALICE.object_id, 7]},
        {"bound_service_principal_ids": {ALICE.object_id: True}},
        {"bound_planets": ["earth"]},
        {"bound_application_ids": None},
    ],
)
def test_a_bound_that_cannot_be_read_lets_nobody_in(bounds: dict[str, Any]) -> None:
    """It would have taken callers away: without it there would be more of them."""
    found = restore_role(WEB, store_role(role()) | bounds, "")
    assert isinstance(match(found.bounds, ALICE, Facts()), NotMatched)
    assert found.outdated


@pytest.mark.parametrize(
    ("stored", "path"),
    [
        ({"resolved": {}}, "azure_roles[0]"),
        ({"resolved": {"definition_ids": ["d"]}}, "azure_roles[1]"),
        ({"resolved": None}, "azure_roles[0]"),
    ],
)
def test_a_role_whose_names_were_not_looked_up_is_outdated(stored: dict[str, Any], path: str) -> None:
    """An issue would not know what to assign."""
    found = restore_role(WEB, store_role(role(principal_target(roles=2))) | stored, "")
    assert path == found.outdated[0].path


def test_an_application_that_was_not_looked_up_is_outdated() -> None:
    """Nobody could sign in with its secret."""
    found = restore_role(WEB, store_role(role(secret_target())) | {"resolved": {}}, "")
    assert ["application_object_id"] == [fault.path for fault in found.outdated]


def test_what_a_later_version_has_added_is_told() -> None:
    """It may be a limit: this version cannot keep it."""
    found = restore_role(WEB, store_role(role()) | {"max_cost": 7}, "")
    assert (["max_cost"], role().target) == ([fault.path for fault in found.outdated], found.target)


def test_what_was_looked_up_may_hold_more_than_this_version_knows() -> None:
    """A later version may add to it."""
    document = store_role(role())
    document["resolved"]["names"] = [TENANT]
    assert () == restore_role(WEB, document, "").outdated


def test_the_places_of_an_outdated_role_are_kept() -> None:
    """A reconciliation looks there."""
    document = store_role(role(principal_target(roles=2, groups=2))) | {"ttl": 1}
    target = restore_role(WEB, document, "").target
    assert isinstance(target, ServicePrincipalTarget)
    assert (list(SCOPES[:2]), GROUPS[:2]) == ([each.scope for each in target.azure_roles], target.azure_groups)
    secret = restore_role(WEB, store_role(role(secret_target())) | {"ttl": 1}, "").target
    assert isinstance(secret, ApplicationSecretTarget)
    assert secret == secret_target()


def test_powers_that_were_kept_in_another_shape_are_read_as_far_as_they_are_understood() -> None:
    """What gives no role by name gives none; a definition of which nothing is kept has never been read."""
    stored = store_role(role())
    stored["resolved"]["powers"] = [{"gives_roles": ["a", 7, None], "only_reads": 1}, {}]
    target = restore_role(WEB, stored, "").target
    assert isinstance(target, ServicePrincipalTarget)
    assert [Powers(("a",), assigns_identities=False, only_reads=False), None] == [each.powers for each in target.azure_roles]


@pytest.mark.usefixtures("no_tags")
def test_a_role_that_breaks_a_new_rule_is_read_in_all_its_parts() -> None:
    """What a lease of it would be made of is what was written."""
    roles = tuple(replace(each, condition="ActionMatches{'x'}") for each in principal_target(roles=1).azure_roles)
    by_id = replace(roles[0], role_name=None, role_id=roles[0].definition_id, scope=SCOPES[1])
    target = ServicePrincipalTarget((*roles, by_id), GROUPS[:2], ("a", "b"), "AzureADMultipleOrgs", False, "token")
    written = role(target, bounds=Bounds(frozenset({guid(1)}), frozenset({guid(2)}), frozenset({"r"}), frozenset({TENANT})))
    stored = restore_role(WEB, store_role(written), "v")
    assert stored.outdated
    assert (written.target, written.bounds) == (stored.target, stored.bounds)


@pytest.mark.parametrize(
    "broken", [{"azure_roles": [{"role_name": "R", "scope": "x"}]}, {"azure_groups": [{"object_id": "x"}]}]
)
def test_a_target_of_which_a_part_cannot_be_read_is_unknown(broken: dict[str, Any]) -> None:
    """Nothing less than all of it is leased."""
    assert UnknownTarget() == restore_role(WEB, store_role(role()) | broken, "").target


@pytest.mark.parametrize("stored", [{}, {"closed": "", "owned": True}, {"closed": "tomorrow's", "owned": None}, {"closed": 7}])
def test_what_is_not_known_of_an_application_is_nothing_against_it(stored: dict[str, Any]) -> None:
    """Of roles from before it was looked at, and of what another version may have found."""
    document = store_role(role(secret_target(closed="denied", owned=False)))
    for name in ("closed", "owned"):
        del document["resolved"][name]
    document["resolved"] |= stored
    assert secret_target() == restore_role(WEB, document, "").target


@pytest.mark.parametrize("closed", ["marked", "denied"])
def test_what_is_known_against_an_application_is_kept(closed: str) -> None:
    """With the role."""
    stored = role(secret_target(closed=closed, owned=False))
    assert stored == restore_role(WEB, store_role(stored), "")

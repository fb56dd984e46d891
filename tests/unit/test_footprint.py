from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shared.core.footprint import Assignment, Footprint
from shared.core.names import ObjectId
from shared.issuers.application_secret.schema import ApplicationSecretFootprint
from shared.issuers.service_principal.schema import ServicePrincipalFootprint
from shared.kinds.registry import UnknownKind
from tests.fakes.world import EXISTING, GROUPS, SCOPES, guid
from tests.support.kinds import SCHEMAS

identities = some.none() | some.uuids().map(lambda value: ObjectId(str(value)))
assignments = some.builds(Assignment, some.sampled_from(SCOPES), some.uuids().map(str))
footprints: some.SearchStrategy[Footprint] = some.builds(
    ServicePrincipalFootprint,
    some.text(min_size=1),
    some.lists(assignments).map(tuple),
    some.lists(some.sampled_from(GROUPS)).map(tuple),
    some.booleans(),
    identities,
    identities,
    identities,
    identities,
    some.lists(some.uuids().map(str)).map(tuple),
    some.lists(some.uuids().map(lambda value: ObjectId(str(value)))).map(tuple),
) | some.builds(ApplicationSecretFootprint, some.just(EXISTING), some.text(min_size=1), identities)


@given(footprints)
def test_a_footprint_reads_back_from_json(footprint: Footprint) -> None:
    """Nothing is lost on the way through storage."""
    assert footprint == SCHEMAS.read_footprint(json.loads(json.dumps(SCHEMAS.write_footprint(footprint))))


def test_a_footprint_of_a_later_version_is_refused() -> None:
    """Undoing half of it would be worse than waiting."""
    with pytest.raises(UnknownKind, match="from a later version"):
        SCHEMAS.read_footprint({"type": "database_user"})


def test_a_stored_footprint_reads_for_ever() -> None:
    """Pinned: rows that were written long ago must be undone."""
    stored = {
        "type": "service_principal",
        "unique_name": "leasehold-web.01",
        "assignments": [{"scope": SCOPES[0], "name": "n"}],
        "groups": [GROUPS[0]],
        "purge": True,
        "application_id": guid(5),
        "app_id": None,
        "principal_id": None,
    }
    expected = ServicePrincipalFootprint(
        "leasehold-web.01", (Assignment(SCOPES[0], "n"),), (GROUPS[0],), purge=True, application_id=guid(5)
    )
    assert expected == SCHEMAS.read_footprint(stored)


def test_two_footprints_of_a_lease_combine_to_what_either_knows() -> None:
    """Two workers may have learned different ids."""
    one = ServicePrincipalFootprint("x", purge=False, application_id=guid(1), app_id=guid(2))
    other = ServicePrincipalFootprint("x", purge=False, principal_id=guid(3))
    expected = ServicePrincipalFootprint("x", (), (), purge=False, application_id=guid(1), app_id=guid(2), principal_id=guid(3))
    assert [expected, expected] == [SCHEMAS.combined(one, other), SCHEMAS.combined(other, one)]


@pytest.mark.parametrize("knowing", [0, 1])
@pytest.mark.parametrize("what", [{"purged": (guid(1),)}, {"unmade": (guid(1),)}])
def test_what_is_gone_or_was_never_made_is_not_forgotten(knowing: int, what: dict[str, Any]) -> None:
    """Whichever of the two knows it."""
    pair = [ServicePrincipalFootprint("x"), ServicePrincipalFootprint("x")]
    pair[knowing] = replace(pair[knowing], **what)
    assert SCHEMAS.combined(*pair) == pair[knowing]


def remains(footprint: Footprint) -> tuple[str, ...]:
    """What an operator reads of it."""
    return SCHEMAS.of(footprint).schema.remains(footprint)


def test_what_remains_is_told_by_name() -> None:
    """Enough for somebody to find each object."""
    assignment = Assignment(SCOPES[0], "n")
    planned = ServicePrincipalFootprint("leasehold-web.01", (assignment,), GROUPS[:1])
    known = replace(planned, application_id=guid(1), principal_id=guid(2))
    assert (f"role assignment n at {SCOPES[0]}", True) == (remains(planned)[-1], "leasehold-web.01" in remains(planned)[0])
    assert 4 == len(remains(known))
    assert all(str(each) in " ".join(remains(known)) for each in (guid(1), guid(2), GROUPS[0]))
    assert 2 == len(remains(replace(known, unmade=("n", GROUPS[0]))))
    assert (f"secret x on application {EXISTING}",) == remains(ApplicationSecretFootprint(EXISTING, "x"))

"""A lease as a row: nothing is lost on the way, and what rows of the first version lack has its default."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.cloud.storage.lease_reader import read_lease, read_parts
from shared.cloud.storage.lease_rows import lease_row
from shared.cloud.storage.tables import joined
from shared.core import ownership
from shared.core.errors import Unreadable
from shared.core.forms import LEASE, form_of
from shared.core.lease import FORM, Cause, Lease
from shared.core.readiness.record import Readiness
from shared.issuers.application_secret.schema import ApplicationSecretFootprint
from tests.contract.stores import lease
from tests.fakes.clock import START
from tests.fakes.world import EXISTING
from tests.stored.kept_store import STORES
from tests.support.kinds import SCHEMAS

OTHER_PART = ApplicationSecretFootprint(EXISTING, "web.01")
NEWER = {"key", "handed_out", "ending_held", "reissues", "reissuing_until", "target_digest", "undone_by"}
"""What the first version did not write."""


class Stored(dict[str, Any]):
    """As the SDK gives a row."""

    metadata = {"etag": 'W/"1"'}  # noqa: RUF012 - as the SDK's own


def stored(stored: Lease) -> Stored:
    """The row of a lease."""
    return Stored(lease_row(SCHEMAS, stored, "write-1"))


def test_a_row_says_everything_of_its_lease() -> None:
    """At each of its stages."""
    later = START + timedelta(seconds=60)
    active = replace(lease(), key_digest="k").activated(later, ready=True)
    repeated = active.rotating(later).proving(later + timedelta(seconds=5))
    ending = repeated.ending(Cause.REVOKED, later, later + timedelta(seconds=20))
    stuck = ending.failed(later, "azure_refused: X", 0.5).stuck_at_once(later, "azure_refused: X", 0.5)
    seen = Readiness(("token", "arm:/subscriptions/x"), ("certificate",), "westeurope", 41_250)
    proven = lease().activated(later, ready=True, readiness=seen)
    unproven = lease().activated(later, ready=False, readiness=replace(seen, seen=()))
    again = proven.rotating(later).rotated(
        lease().footprint, later, ready=True, maybe_more_secrets=False, now=later + timedelta(seconds=9), readiness=seen
    )
    unchecked = proven.rotating(later).rotated(lease().footprint, later, ready=False, maybe_more_secrets=True)
    two = replace(lease(), parts=(*lease().parts, OTHER_PART))
    parted = two.ending(Cause.REVOKED, later, later).without([1])
    proofs = (proven, unproven, again, unchecked)
    for each in (lease(), active, repeated, ending, stuck, ending.ended(later, timedelta(days=7)), two, parted, *proofs):
        assert replace(each, version='W/"1"') == read_lease(SCHEMAS, stored(each))


def test_a_lease_that_is_to_be_succeeded_is_of_a_form_that_an_earlier_version_does_not_end() -> None:
    """It is due before its end. Once it has a successor, and in every other respect, it is as any other lease."""
    rotated = replace(lease(), rotating_rule="sites", succeeds=lease().id).activated(START, ready=True)
    rows = [stored(each) for each in (rotated, rotated.seeking_successor(START + timedelta(seconds=700)), rotated.succeeded())]
    assert [4, 4, FORM] == [form_of(row) for row in rows]
    first, sought, succeeded = (read_lease(SCHEMAS, row) for row in rows)
    assert replace(rotated, version='W/"1"') == first
    assert (rotated.near_end, START + timedelta(seconds=700), None) == (
        *(it.successor_at for it in (first, sought, succeeded)),
    )


@pytest.mark.parametrize("cause", [Cause.SUBJECT_GONE, Cause.SUBJECT_REPLACED])
def test_a_version_that_does_not_know_a_cause_reads_a_general_one(cause: Cause) -> None:
    """It can end the lease. What it then writes says no more than that; a cause that this version does not know is as well."""
    ending = lease().ending(cause, START, START)
    row = stored(ending)
    assert (FORM, "revoked") == (form_of(row), json.loads(row["View"])["cause"])
    assert cause is read_lease(SCHEMAS, row).cause
    for former in (..., "subject_moved"):
        assert Cause.REVOKED is read_lease(SCHEMAS, with_view(row, exact_cause=former)).cause


def test_what_later_versions_say_of_a_proof_is_passed_over() -> None:
    """What they leave out has its default. Whoever has written a lease before has not said what was seen."""
    row = stored(lease())
    found = read_lease(SCHEMAS, with_own(row, readiness={"seen": ["token"], "colour": "green"}))
    assert Readiness(("token",)) == found.readiness
    before = read_lease(SCHEMAS, row)
    assert (None, False) == (before.readiness, before.unchecked)


@pytest.mark.parametrize("seen", ["token", [1], {"token": 1}, None])
def test_what_was_seen_is_a_list_of_texts(seen: object) -> None:
    """Otherwise the row is damaged."""
    with pytest.raises(Unreadable):
        read_lease(SCHEMAS, with_own(stored(lease()), readiness={"seen": seen}))


def test_a_row_is_of_the_oldest_form_that_can_hold_its_lease() -> None:
    """A lease with two parts needs the third: a version that knows the second would undo the first part alone."""
    two = replace(lease(), parts=(*lease().parts, OTHER_PART))
    assert (2, 3) == (form_of(stored(lease())), form_of(stored(two)))
    assert two.parts == read_parts(SCHEMAS, stored(two))
    assert {"other_parts", "undone_parts"} == own_of(stored(two)).keys() - own_of(stored(lease())).keys()


@pytest.mark.parametrize("name", [name for name in STORES if name != "983a077"])
def test_a_lease_of_one_part_is_written_as_ever(name: str) -> None:
    """Each row that an earlier version has written, read and written again: nothing is added, left out or renamed."""
    rows = [row for row in STORES[name].read("leases") if row["RowKey"].startswith("lease_") and row["Form"] == FORM]
    assert rows
    for row in rows:
        again = lease_row(SCHEMAS, read_lease(SCHEMAS, Stored(row)), row["Write"])
        assert row.keys() == again.keys()
        assert parsed(row) == parsed(again)


def parsed(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with its texts of JSON read."""
    return {**row, "View": json.loads(row["View"]), "Own0": json.loads(row["Own0"])}


def own_of(row: Stored) -> dict[str, Any]:
    """What the row says of the lease and callers are not told."""
    found: dict[str, Any] = json.loads(joined("Own", row))
    return found


def with_own(row: Stored, **changed: Any) -> Stored:
    """The row with other values there; ``...`` leaves one out."""
    own = {name: value for name, value in (own_of(row) | changed).items() if value is not ...}
    return Stored(row | {"Own0": json.dumps(own)})


def with_view(row: Stored, **changed: Any) -> Stored:
    """The same of what callers are told."""
    view = {name: value for name, value in (json.loads(row["View"]) | changed).items() if value is not ...}
    return Stored(row | {"View": json.dumps(view)})


ROW = stored(lease())
FOOTPRINT = own_of(ROW)["footprint"]
UNREADABLE = {
    "a later form": Stored(ROW | {"Form": LEASE.newest + 1}),
    "a form that is none": Stored(ROW | {"Form": "two"}),
    "cut off": Stored(ROW | {"View": ROW["View"][:-1]}),
    "cut off within": Stored(ROW | {"Own0": ROW["Own0"][:-1]}),
    "nested too deeply": Stored(ROW | {"Own0": "[" * 100_000}),
    "not told": Stored({name: value for name, value in ROW.items() if name != "View"}),
    "no object": Stored(ROW | {"View": "[]"}),
    **{f"no {name}": with_view(ROW, **{name: ...}) for name in ("id", "type", "state", "holder", "expires_at")},
    **{f"own {name} is missing": with_own(ROW, **{name: ...}) for name in ("footprint", "due_at")},
    "an unknown state": with_view(ROW, state="frozen"),
    "active without a holder": with_view(ROW, state="active", holder=None),
    "pooled with a holder": with_view(ROW, state="pooled"),
    "an unknown cause": with_view(ROW, cause="displaced"),
    "half a holder": with_view(ROW, holder=["a"]),
    "another's id": with_view(ROW, id="nobody"),
    "no instant": with_own(ROW, due_at="soon"),
    "an unknown other part": with_own(ROW, other_parts=[{"type": "database_user"}]),
    "an unknown footprint": with_own(ROW, footprint=FOOTPRINT | {"type": "database_user"}),
    **{
        f"a footprint without {name}": with_own(ROW, footprint={it: value for it, value in FOOTPRINT.items() if it != name})
        for name in ("type", "unique_name", "assignments", "groups")
    },
}


@pytest.mark.parametrize("how", UNREADABLE)
def test_what_would_be_ended_wrongly_is_not_read_at_all(how: str) -> None:
    """Every reader of it says so: whatever a default made of the lease would be acted on."""
    with pytest.raises(Unreadable):
        read_lease(SCHEMAS, UNREADABLE[how])
    with pytest.raises(Unreadable):
        read_parts(SCHEMAS, UNREADABLE[how])


def test_what_a_row_lacks_has_its_default_and_what_is_not_known_is_passed_over() -> None:
    """The least that a lease can be read with; it is never renewed, and absence is believed late."""
    stored = {"id", "type", "state", "holder", "expires_at"}
    least = with_view(ROW, surprise=1, **{name: ... for name in json.loads(ROW["View"]) if name not in stored})
    rest = (name for name in own_of(ROW) if name not in {"footprint", "due_at"})
    found = read_lease(SCHEMAS, with_own(least, surprise=1, **dict.fromkeys(rest, ...)))
    whole = read_lease(SCHEMAS, ROW)
    assert (whole.id, whole.holder, whole.footprint, whole.due_at) == (found.id, found.holder, found.footprint, found.due_at)
    assert (whole.expires_at, found.due_at, False, {}, "") == (
        *(found.max_expires_at, found.made_by, found.renewable, found.metadata, found.key_digest),
    )
    assert ownership.opened_at(whole.id) == found.planned_at == found.issued_at


def test_a_row_of_the_first_version_is_read_with_defaults() -> None:
    """Nobody had a key then, no secret was made again, and no generation was counted."""
    row = stored(lease())
    properties = sorted(name for name in row if name.startswith("Own"))
    own = json.loads("".join(row.pop(name) for name in properties))
    row["Own0"] = json.dumps({name: value for name, value in own.items() if name not in NEWER})
    view = json.loads(row["View"])
    row["View"] = json.dumps({name: value for name, value in view.items() if name != "generation"})
    row.pop("Form", None)
    found = read_lease(SCHEMAS, row)
    assert ("", False, False, 0, None, "", None, 0, 1) == (
        *(found.key_digest, found.handed_out, found.ending_held, found.rotations, found.rotating_until),
        *(found.target_digest, found.undone_by, found.generation, found.form),
    )

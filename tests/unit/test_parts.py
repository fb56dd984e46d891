"""The parts of a lease: what is known of each, what is left of them, and who answers for them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.core.lease import Cause
from shared.kinds.registry import Kinds, UnknownKind
from shared.resilience.outages import Service
from tests.contract.stores import lease
from tests.fakes.clock import START
from tests.fakes.world import world
from tests.support.kinds import SCHEMAS
from tests.support.toy_part import ParcelFootprint, parcels

PARCEL = ParcelFootprint("a parcel")
ONE = lease()
TWO = replace(ONE, parts=(*ONE.parts, PARCEL))
WORLD = world(parts=(parcels,))
KINDS = WORLD.ports.kinds


def test_what_is_learned_of_one_part_leaves_the_others_as_they_are() -> None:
    """The kind's own is the first."""
    known = replace(PARCEL, number="7")
    assert (ONE.footprint, known) == TWO.knowing(known, 1).parts
    other = replace(ONE.parts[0], unique_name="v")  # type: ignore[type-var]  # it is a dataclass
    assert (other, PARCEL) == TWO.knowing(other).parts
    assert other == TWO.knowing(other).footprint


def test_what_is_undone_is_left_no_more_and_keeps_its_place() -> None:
    """An ended lease has everything again that it ever had: its state says that nothing is left."""
    ending = TWO.ending(Cause.REVOKED, START, START)
    assert ({0: ONE.footprint, 1: PARCEL}, {0: ONE.footprint}) == (ending.left, ending.without([1]).left)
    assert {} == ending.without([1]).without([0]).left
    ended = ending.without([1]).ended(START, timedelta(days=7))
    assert (TWO.parts, frozenset()) == (ended.parts, ended.undone)


def test_whoever_answers_for_a_part_is_found_by_its_type() -> None:
    """A kind, or another part; a broker that has neither says so."""
    wanted = ["service_principal", "application_secret", "role_grant", "key_vault_secret", "parcel"]
    assert wanted == [each.type for each in KINDS.parts]
    assert {"service_principal", "application_secret", "role_grant"} == {kind.type for kind in KINDS}
    assert KINDS.part_of(ONE.footprint) is KINDS.of(ONE)
    assert PARCEL == KINDS.read_footprint(KINDS.write_footprint(PARCEL))
    with pytest.raises(UnknownKind):
        SCHEMAS.part_of(PARCEL)
    with pytest.raises(UnknownKind):
        KINDS.of(PARCEL)
    assert [] == [*Kinds().parts]


def test_what_is_said_of_a_lease_is_said_of_each_of_its_parts() -> None:
    """Of those that are left, but for the principals: what is undone may still show up as a caller."""
    whole = KINDS.remains(ONE)
    assert (*whole, "parcel a parcel") == KINDS.remains(TWO)
    assert (("parcel a parcel",), whole) == (KINDS.remains(TWO.without([0])), KINDS.remains(TWO.without([1])))
    azure = frozenset({Service.GRAPH, Service.RESOURCE_MANAGER})
    assert [azure, frozenset()] == KINDS.services(TWO)
    assert [frozenset()] == KINDS.services(TWO.without([0]))
    assert KINDS.principals(ONE) == KINDS.principals(TWO.without([0])) != frozenset()

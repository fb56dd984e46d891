from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shared.core.access.bounds import Bounds, Constraint
from shared.core.access.decide import Rights, decide
from shared.core.access.facts import Facts
from shared.core.access.match import Matched, NotMatched, match
from shared.core.caller import Caller, CallerType
from shared.core.names import ObjectId
from tests.fakes.world import ADMINISTRATOR, ALICE, BOB, TENANT, application, guid

APP = guid(0x401)
ME, CLIENT, APP_ROLE = Constraint.SERVICE_PRINCIPAL_IDS, Constraint.APPLICATION_IDS, Constraint.APP_ROLES


def bounds(principals: object = (), clients: object = (), app_roles: object = ()) -> Bounds:
    """Bounds of these values."""
    return Bounds(frozenset(principals), frozenset(clients), frozenset(app_roles))  # type: ignore[call-overload]  # any iterable


def failed(within: Bounds, caller: Caller) -> tuple[Constraint, ...]:
    """The kinds that did not match; none when the caller may."""
    outcome = match(within, caller, Facts())
    return outcome.failed if isinstance(outcome, NotMatched) else ()


def test_a_role_without_bounds_lets_nobody_in() -> None:
    """Nothing said is nothing allowed."""
    assert NotMatched((Constraint.NOBODY,)) == match(Bounds(), ALICE, Facts())


@pytest.mark.parametrize("within", [Bounds(), bounds([guid(9)], [guid(9)], ["x"])])
def test_an_admin_may_always(within: Bounds) -> None:
    """Bounds are for others."""
    outcome = match(within, ADMINISTRATOR, Facts())
    assert decide(Rights(ADMINISTRATOR), "roles/web/leases", "issue", outcome).is_allowed


def test_any_value_within_a_kind_suffices() -> None:
    """One of several principals."""
    assert () == failed(bounds([BOB.object_id, ALICE.object_id]), ALICE)


def test_every_kind_that_is_present_must_match() -> None:
    """The right principal, but not the app role."""
    assert (APP_ROLE,) == failed(bounds([ALICE.object_id], [APP], ["Reader"]), ALICE)


def test_all_kinds_that_fail_are_named() -> None:
    """For whoami and the audit trail, without their content."""
    outcome = match(bounds([BOB.object_id], [guid(9)], ["Reader"]), ALICE, Facts())
    assert NotMatched((ME, CLIENT, APP_ROLE)) == outcome
    decision = decide(Rights(ALICE), "roles/web/leases", "issue", outcome)
    assert "not matched: bound_service_principal_ids, bound_application_ids, bound_app_roles" == decision.why


def test_a_user_does_not_match_the_application_that_it_signed_in_with() -> None:
    """Else everybody who can use that program would be let in."""
    user = replace(ALICE, kind=CallerType.USER)
    assert [(), (CLIENT,)] == [failed(bounds(clients=[APP]), caller) for caller in (ALICE, user)]


def test_a_caller_without_client_id_matches_no_application() -> None:
    """Absence is no value."""
    assert (CLIENT,) == failed(bounds(clients=[APP]), replace(ALICE, app_id=None))


def test_a_user_matches_by_its_object_id() -> None:
    """Object ids are of people, too."""
    assert () == failed(bounds([ALICE.object_id]), replace(ALICE, kind=CallerType.USER))


def test_app_roles_match_without_ascii_case() -> None:
    """As they are compared elsewhere in Azure."""
    assert () == failed(bounds(app_roles=["DB.Reader"]), application(guid(1), app_roles=frozenset({"db.READER"})))


@pytest.mark.parametrize(
    ("bound", "held"),
    [
        ("admin", "adm\u0131n"),  # dotless i
        ("ADMIN", "ADM\u0130N"),  # dotted capital I
        ("kiosk", "\u212aiosk"),  # the Kelvin sign
        ("strasse", "stra\u00dfe"),
        ("sales", "\u017fales"),  # long s
        ("reader", "read"),
        ("reader", "reader "),
    ],
)
def test_no_letter_of_another_script_is_taken_for_one_of_ours(bound: str, held: str) -> None:
    """Only A to Z are folded."""
    caller = application(guid(1), app_roles=frozenset({held}))
    assert (APP_ROLE,) == failed(bounds(app_roles=[bound]), caller)


few = some.frozensets(some.integers(1, 4).map(guid), max_size=2)


@given(few, few, some.integers(1, 4).map(guid), some.integers(1, 4).map(guid))
def test_a_caller_is_allowed_exactly_when_each_kind_matches(
    principals: frozenset[ObjectId], clients: frozenset[ObjectId], me: ObjectId, client: ObjectId
) -> None:
    """The rule in one line, for every combination."""
    caller = Caller(me, TENANT, CallerType.APPLICATION, "f", app_id=client)
    expected = bool(principals | clients) and (not principals or me in principals) and (not clients or client in clients)
    assert expected is isinstance(match(Bounds(principals, clients), caller, Facts()), Matched)

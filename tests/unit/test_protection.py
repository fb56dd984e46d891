from __future__ import annotations

from dataclasses import replace

import pytest

from shared.core.definition import Powers
from shared.core.names import Scope
from shared.core.protection import Protected
from shared.issuers.application_secret.schema import ApplicationSecretSchema, ApplicationSecretTarget
from tests.fakes.world import EXISTING, EXISTING_APP_ID, EXISTING_PRINCIPAL, SCOPES, guid, principal_target, secret_target


@pytest.mark.parametrize(
    "protected",
    [SCOPES[1], Scope(SCOPES[1].upper().replace("/SUBSCRIPTIONS", "/subscriptions"))],
)
def test_a_scope_of_the_brokers_own_is_refused(protected: Scope) -> None:
    """In whatever case, and each that is wrong with its path."""
    found = Protected(scopes=(protected,)).faults(principal_target(roles=3).azure_roles)
    assert ["azure_roles[1].scope"] == [fault.path for fault in found]


@pytest.mark.parametrize(("own", "asked"), [("Cafe\u0301", "caf\u00e9"), ("caf\u00e9", "CAFE\u0301")])
def test_an_accented_letter_may_be_written_in_two_ways(own: str, asked: str) -> None:
    """Both mean the same: in doubt a role does not reach it."""
    group = SCOPES[0].rpartition("/")[0]
    azure_roles = [replace(principal_target(roles=1).azure_roles[0], scope=Scope(f"{group}/{asked}/providers/A.B/c/d"))]
    assert 1 == len(Protected(scopes=(Scope(f"{group}/{own}"),)).faults(azure_roles))
    above = [replace(azure_roles[0], scope=Scope(f"{group}/{asked}"), powers=Powers())]
    assert 1 == len(Protected(scopes=(Scope(f"{group}/{own}/providers/A.B/c/d"),)).faults(above))


def test_what_lies_below_is_refused_as_well() -> None:
    """A vault in the broker's resource group."""
    subscription = Scope.parse("/".join(SCOPES[0].split("/")[:3]))
    assert 2 == len(Protected(scopes=(subscription,)).faults(principal_target(roles=2).azure_roles))


def test_other_scopes_are_not() -> None:
    """Protection reaches no further than it says."""
    assert () == Protected(frozenset({guid(1)}), (SCOPES[7],)).faults(principal_target(roles=3).azure_roles)


@pytest.mark.parametrize("identity", [EXISTING, EXISTING_APP_ID, EXISTING_PRINCIPAL])
def test_the_brokers_own_application_is_refused_by_any_of_its_ids(identity: object) -> None:
    """Object id, client id and principal id."""
    own = Protected(identities=frozenset({identity}))  # type: ignore[arg-type]  # parametrized
    found = ApplicationSecretSchema().faults(secret_target(), own)
    assert ["application_object_id"] == [fault.path for fault in found]


def test_an_application_that_is_not_resolved_yet_is_judged_by_what_is_known() -> None:
    """Before the lookup only its object id is."""
    protected = Protected(frozenset({EXISTING_APP_ID}))
    assert () == ApplicationSecretSchema().faults(ApplicationSecretTarget(EXISTING), protected)

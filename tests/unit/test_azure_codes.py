from __future__ import annotations

import pytest

from shared.core.azure_codes import GRAPH, GRAPH_STATUSES, RESOURCE_MANAGER, RESOURCE_MANAGER_STATUSES, meaning
from shared.core.errors import Absent, AlreadyExists, ConcurrentChange, OutOfReach, Refused, Throttled, Unavailable, Upstream


def of_arm(status: int, *codes: str) -> type[Upstream]:
    """What Resource Manager's answer means."""
    return meaning(status, codes, RESOURCE_MANAGER, RESOURCE_MANAGER_STATUSES)


@pytest.mark.parametrize(
    "code", ["ResourceGroupNotFound", "ResourceNotFound", "ParentResourceNotFound", "RoleAssignmentNotFound"]
)
def test_an_absence_below_a_subscription_that_has_answered_is_one(code: str) -> None:
    """The group, the resource or the assignment is gone."""
    assert Absent is of_arm(404, code)


@pytest.mark.parametrize(
    ("status", "code"), [(404, "SubscriptionNotFound"), (400, "InvalidSubscriptionId"), (404, "NotFound"), (404, "")]
)
def test_what_the_broker_cannot_see_is_not_taken_for_gone(status: int, code: str) -> None:
    """A subscription that was lost, a management group, a 404 that does not say what it is about."""
    found = of_arm(status, code)
    assert OutOfReach is found
    assert not issubclass(found, Absent)


def test_the_status_decides_where_no_code_is_known() -> None:
    """Below 500 it is a definite no, but for a request that timed out; being throttled comes before every code."""
    assert (Refused, Unavailable, Unavailable, Throttled) == (
        of_arm(403, "AuthorizationFailed"),
        of_arm(408),
        of_arm(503),
        of_arm(429, "ScopeLocked"),
    )


def test_in_the_directory_every_404_is_an_absence_and_every_other_clash_an_object_that_exists() -> None:
    """There is but one directory, and the broker sees all of it."""
    found = [
        meaning(status, codes, GRAPH, GRAPH_STATUSES)
        for status, codes in ((404, ()), (409, ()), (409, ("Directory_ConcurrencyViolation",)))
    ]
    assert [Absent, AlreadyExists, ConcurrentChange] == found

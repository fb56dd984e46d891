"""What Resource Manager's answers mean: definitions, permissions, assignments, failures."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.exceptions import (
    AzureError,
    DeserializationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)

from shared.cloud.arm.authorization import Arm, _definition, _found, _permission, _upstream
from shared.cloud.limits import RateLimiters
from shared.core.definition import Definition, Permission
from shared.core.errors import Refused, Throttled, Unavailable, Unreachable, Upstream
from shared.core.footprint import Assignment
from shared.core.ports.inventory import FoundAssignment
from shared.issuers.service_principal.schema import ServicePrincipalFootprint, ServicePrincipalSchema
from shared.resilience.outages import Outages
from tests.cloud.scripted import Bearer
from tests.cloud.test_repeating import Service
from tests.fakes.clock import FakeClock
from tests.fakes.world import DEFINITION, SCOPES, guid


@dataclass
class Answer:
    """As the SDK shows one."""

    status_code: int | None
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    reason: str = "because"

    def text(self) -> str:
        """The body."""
        return self.body


def answered(answer: Answer | None) -> HttpResponseError:
    """The SDK's error for it."""
    return HttpResponseError("failed", response=answer)  # type: ignore[arg-type]  # all that is asked of one


def test_a_definition_says_what_it_allows_and_takes_back() -> None:
    """Four lists a permission, each of which may be missing."""
    full = SimpleNamespace(actions=["a"], not_actions=["b"], data_actions=["c"], not_data_actions=["d"])
    empty = SimpleNamespace(actions=None, not_actions=None, data_actions=None, not_data_actions=None)
    found: Any = SimpleNamespace(id=DEFINITION, role_name="Reader", permissions=[full, empty], assignable_scopes=["/x"])
    permissions = (Permission(("a",), ("b",), ("c",), ("d",)), Permission((), (), (), ()))
    assert Definition(DEFINITION, "Reader", permissions, ("/x",)) == _definition(found)
    bare: Any = SimpleNamespace(id=DEFINITION, role_name="Reader", permissions=None, assignable_scopes=None)
    assert Definition(DEFINITION, "Reader", (), ()) == _definition(bare)


def test_a_permission_is_read_from_its_four_lists() -> None:
    """A list that is missing or null holds nothing."""
    document = {"actions": ["a"], "notActions": ["b"], "dataActions": ["c"], "notDataActions": ["d"]}
    assert Permission(("a",), ("b",), ("c",), ("d",)) == _permission(document)
    assert Permission((), (), (), ()) == _permission({"actions": None})


def test_an_assignment_says_whose_it_is_and_since_when() -> None:
    """Ids in lower case, whatever Azure writes."""
    since = datetime(2030, 1, 1, tzinfo=UTC)
    found: Any = SimpleNamespace(
        scope=SCOPES[0],
        name="n",
        principal_id=guid(0xA).upper(),
        description=None,
        created_by=guid(0xB).upper(),
        created_on=since,
        role_definition_id=DEFINITION,
    )
    assert FoundAssignment(Assignment(SCOPES[0], "n"), guid(0xA), "", guid(0xB), since, DEFINITION) == _found(found)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (answered(None), Unavailable),
        (answered(Answer(None)), Unavailable),
        (answered(Answer(302)), Unavailable),
        (answered(Answer(400, "<html>")), Refused),
        (answered(Answer(403, '{"error": {"code": "AuthorizationFailed"}}')), Refused),
        (answered(Answer(429, "", {"retry-after": "7"})), Throttled),
        (answered(Answer(500)), Unavailable),
        (ServiceRequestError("no way there"), Unreachable),
        (ServiceResponseError("no answer"), Unreachable),
        (DeserializationError("not read"), Unavailable),
        (AzureError("something else"), Unavailable),
    ],
)
def test_a_failure_is_told_as_what_it_is(error: Exception, expected: type[Upstream]) -> None:
    """By status and code; what is no answer at all may have happened."""
    with pytest.raises(Upstream) as caught, _upstream():
        raise error
    assert expected is type(caught.value)
    assert caught.value.__cause__ is error


def arm_that_answers(*items: dict[str, Any]) -> Arm:
    """With a list of these."""
    service = Service({"bearer-of-tests"}, (200, json.dumps({"value": items}).encode()))
    return Arm("https://arm.example", Bearer(), service, RateLimiters(FakeClock()))


async def test_definitions_are_found_by_their_whole_name_in_any_case() -> None:
    """Whatever else Azure lists."""
    names = ["reader", "Reader 2", None]
    listed = [{"id": f"{DEFINITION}{at}", "properties": {"roleName": name}} for at, name in enumerate(names)]
    found = await arm_that_answers(*listed).definitions_named("READER", SCOPES[0])
    assert [f"{DEFINITION}0"] == [each.id for each in found]


async def test_assignments_above_the_scope_are_passed_over() -> None:
    """Azure lists them as well."""
    scopes = [SCOPES[0], SCOPES[0].upper(), SCOPES[0].rpartition("/resourceGroups")[0], SCOPES[1]]
    listed = [
        {"name": str(at), "properties": {"scope": scope, "principalId": guid(1), "createdBy": guid(2)}}
        for at, scope in enumerate(scopes)
    ]
    found = await arm_that_answers(*listed).assigned_at(SCOPES[0])
    assert ["0", "1"] == [each.assignment.name for each in found]


class Silent(Service):
    """Says nothing, in one way or the other."""

    silence: Exception

    async def send(self, *_: Any, **__: Any) -> Any:
        """Never answers."""
        raise self.silence


@pytest.mark.parametrize("silence", [ServiceRequestError("no way there"), ServiceResponseError("no answer")], ids=str)
async def test_silence_is_noted_as_an_outage_whichever_way_it_came(silence: Exception) -> None:
    """The next answer is a recovery."""
    result: list[str] = []
    limiters = RateLimiters(FakeClock(), Outages(lambda: result.append("there again")))
    service = Silent({"bearer-of-tests"}, (200, b""))
    service.silence = silence
    arm = Arm("https://arm.example", Bearer(), service, limiters)
    with pytest.raises(Unreachable):
        await arm.assigned_at(SCOPES[0])
    asked = ServicePrincipalSchema().services(ServicePrincipalFootprint("u", (Assignment(SCOPES[0], "n"),)))
    assert limiters.outages.concern(asked)
    assert [] == result

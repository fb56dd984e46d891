"""Calls to Resource Manager and storage whose answer may mean "not there"."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    IncompleteReadError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.data.tables.aio import TableServiceClient
from azure.storage.queue.aio import QueueClient

from shared.cloud.storage.queues import StorageRevocations
from shared.cloud.storage.table_operations import delete
from shared.cloud.storage.tables import Table
from shared.core.errors import Absent, LeaseholdError, LostRace, Throttled
from shared.core.footprint import Assignment
from shared.core.message import Batch
from shared.core.names import Scope
from shared.kinds.calls import Authorization
from tests.cloud.absence import OFTEN, is_no_absence
from tests.cloud.adapters import Adapters
from tests.cloud.test_inventory import census_of

_ABOVE = Scope.parse("/providers/Microsoft.Management/managementGroups/above")
_MANY = 1_000
"""As often as a census may ask in its minute."""
STANDING = "cccccccc-0000-4000-8000-000000000001"
ARMS_NOES: dict[str, object] = {
    "403": {"status": 403, "code": "AuthorizationFailed"},
    "401": {"status": 401, "code": "InvalidAuthenticationToken"},
    "404 without a known code": {"status": 404, "code": "NotFound"},
    "404 of a lost subscription": {"status": 404, "code": "SubscriptionNotFound"},
    "429": {"status": 429, "code": "SubscriptionRequestsThrottled"},
    "500": {"status": 500, "code": "InternalServerError"},
    "503": {"status": 503, "code": "ServiceUnavailable"},
    "no answer": "drop_after_effect",
}
ARMS: dict[str, Callable[[Authorization, Assignment], Awaitable[object]]] = {
    "unassign": lambda arm, made: arm.unassign(made),
    "definition": lambda arm, made: arm.definition(_definition(made)),
    "definitions_named": lambda arm, made: arm.definitions_named("Reader", made.scope),
    "definition_names_at": lambda arm, made: arm.definition_names_at(made.scope),
}


def _definition(made: Assignment) -> str:
    return f"{made.scope}/providers/Microsoft.Authorization/roleDefinitions/{STANDING}"


@pytest.mark.parametrize("answer", ARMS_NOES)
@pytest.mark.parametrize("name", ARMS)
async def test_resource_manager_that_does_not_answer_says_nothing(adapters: Adapters, name: str, answer: str) -> None:
    """Whatever the status, if no code says what is absent."""
    adapters.trouble("arm", ARMS_NOES[answer], OFTEN)
    await is_no_absence(lambda: ARMS[name](adapters.arm, Assignment(adapters.scope, STANDING)))


@pytest.mark.parametrize("answer", ARMS_NOES)
async def test_a_list_that_is_not_answered_is_not_empty(adapters: Adapters, answer: str) -> None:
    """A management group of which nobody knows what it holds may hold what is protected."""
    adapters.trouble("arm", ARMS_NOES[answer], OFTEN)
    await is_no_absence(lambda: adapters.arm.descendants(_ABOVE), frozenset())
    await is_no_absence(lambda: adapters.arm.permissions_at(adapters.scope), ())


@pytest.mark.parametrize("answer", ARMS_NOES)
async def test_a_second_look_that_fails_does_not_make_an_assignment_absent(adapters: Adapters, answer: str) -> None:
    """Where deleting is forbidden, a look tells whether there is anything to delete; here it tells nothing."""
    adapters.trouble("arm", ARMS_NOES["403"])
    adapters.trouble("arm", ARMS_NOES[answer], OFTEN)
    await is_no_absence(lambda: adapters.arm.unassign(Assignment(adapters.scope, STANDING)))


@pytest.mark.parametrize("answer", ARMS_NOES)
async def test_a_census_of_assignments_that_is_not_answered_says_nothing(adapters: Adapters, answer: str) -> None:
    """A scope that cannot be listed may hold what is the broker's own."""
    adapters.trouble("arm", ARMS_NOES[answer], _MANY)
    await is_no_absence(lambda: census_of(adapters).assignments_at(adapters.scope), ())


async def test_resource_managers_own_words_are_an_absence(adapters: Adapters) -> None:
    """204 for a deletion, a code for a role."""
    made = Assignment(adapters.scope, STANDING)
    with pytest.raises(Absent):
        await adapters.arm.unassign(made)
    with pytest.raises(Absent):
        await adapters.arm.definition(_definition(made))


def _http(kind: type[HttpResponseError], status: int, code: str = "") -> HttpResponseError:
    answer = SimpleNamespace(status_code=status, headers={"x-ms-error-code": code}, reason="because", content_type="")
    error = kind(message="because")
    error.response, error.status_code, error.reason = cast("Any", answer), status, "because"
    return error


STORAGES_NOES: dict[str, Callable[[], Exception]] = {
    "403": lambda: _http(ClientAuthenticationError, 403, "AuthorizationFailure"),
    "401": lambda: _http(ClientAuthenticationError, 401, "InvalidAuthenticationInfo"),
    "409": lambda: _http(HttpResponseError, 409, "AccountBeingCreated"),
    "429": lambda: _http(HttpResponseError, 429),
    "500": lambda: _http(HttpResponseError, 500, "OperationTimedOut"),
    "503": lambda: _http(HttpResponseError, 503, "ServerBusy"),
    "no answer": lambda: ServiceResponseError("late"),
    "no connection": lambda: ServiceRequestError("no route"),
    "half an answer": lambda: IncompleteReadError("short"),
    "garbage": lambda: DecodeError("no document"),
}


@dataclass
class Failing:
    """Storage's client, every method of which fails alike."""

    error: Exception
    made: list[str] = field(default_factory=list)

    def get_table_client(self, _name: str) -> Failing:
        """The one table."""
        return self

    async def get_entity(self, *_: object) -> object:
        """Fails."""
        raise self.error

    async def submit_transaction(self, *_: object) -> object:
        """Fails."""
        raise self.error

    def query_entities(self, *_: object, **__: object) -> Failing:
        """Fails at the first page."""
        return self

    def by_page(self, **_: object) -> Failing:
        """The pages."""
        return self

    def __aiter__(self) -> Failing:
        """The pages."""
        return self

    async def __anext__(self) -> object:
        """Fails."""
        raise self.error

    async def create_table(self) -> None:
        """Is noted."""
        self.made.append("table")

    async def send_message(self, *_: object, **__: object) -> object:
        """Fails."""
        raise self.error

    async def create_queue(self) -> None:
        """Is noted."""
        self.made.append("queue")


def _table(client: Failing) -> Table:
    return Table(cast("TableServiceClient", client), "leases")


async def _scanned(table: Table) -> list[object]:
    return [row async for row in table.scan("PartitionKey eq 'p'")]


@pytest.mark.parametrize("answer", STORAGES_NOES)
async def test_storage_that_does_not_answer_says_nothing_of_a_row(answer: str) -> None:
    """A lease that cannot be read is not forgotten, a role not deleted, a turn not free."""
    await is_no_absence(lambda: _table(Failing(STORAGES_NOES[answer]())).read("p", "r"), None)
    await is_no_absence(lambda: _scanned(_table(Failing(STORAGES_NOES[answer]()))), [])


@pytest.mark.parametrize("answer", STORAGES_NOES)
async def test_storage_that_does_not_answer_has_not_lost_a_race(answer: str) -> None:
    """Nor is its table or queue made anew."""
    client = Failing(STORAGES_NOES[answer]())
    with pytest.raises(LeaseholdError) as failure:
        await _table(client).write([delete({"PartitionKey": "p", "RowKey": "r"})])
    assert not isinstance(failure.value, Absent | LostRace)
    with pytest.raises(LeaseholdError):
        await StorageRevocations(cast("QueueClient", client)).send(Batch("b", ()))
    assert [] == client.made


@pytest.mark.parametrize("code", ["ResourceNotFound", "TableNotFound"])
async def test_storages_404_is_an_absence(code: str) -> None:
    """Of the row, or of the whole table."""
    client = Failing(_http(ResourceNotFoundError, 404, code))
    assert (None, []) == (await _table(client).read("p", "r"), await _scanned(_table(client)))


@pytest.mark.parametrize("status", [429, 503])
async def test_storage_that_is_busy_says_so(status: int) -> None:
    """It passes by itself: whoever asked waits, and nothing is told as refused."""
    client = Failing(_http(HttpResponseError, status, "ServerBusy"))
    with pytest.raises(Throttled):
        await _table(client).read("p", "r")
    with pytest.raises(Throttled):
        await _table(client).write([delete({"PartitionKey": "p", "RowKey": "r"})])

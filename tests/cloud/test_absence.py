"""Every call whose answer may mean "not there": what says so, and what does not, however little it says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

import httpx
import pytest

from shared.cloud.graph.calls import GraphCalls
from shared.cloud.graph.directory import Graph
from shared.cloud.inventory import AzureLists
from shared.cloud.limits import RateLimiters
from shared.core.errors import Absent
from shared.issuers.application_secret.schema import ApplicationSecretFootprint
from shared.resilience.retry import Retry
from tests.cloud.absence import OFTEN, is_no_absence, secret_stands
from tests.cloud.graph_answers import APPLICATION, CLIENT, ENDPOINT, GROUP, KEY, NAME, PRINCIPAL, found
from tests.cloud.scripted import Bearer, Scripted, Step, refused
from tests.fakes.clock import FakeClock, FixedIds

type Answer = Callable[[], Step]

NOES: dict[str, Answer] = {
    "403": lambda: refused(403, "Authorization_RequestDenied"),
    "401": lambda: refused(401, "InvalidAuthenticationToken"),
    "429": lambda: refused(429, "TooManyRequests"),
    "500": lambda: refused(500, "InternalServerError"),
    "503": lambda: refused(503, "ServiceUnavailable"),
    "504 in HTML": lambda: httpx.Response(504, text="<html>404 not found</html>"),
    "no answer": lambda: httpx.ReadTimeout("late"),
    "half an answer": lambda: httpx.RemoteProtocolError("disconnected"),
    "no connection": lambda: httpx.ConnectError("no route"),
}
GARBAGE: dict[str, Answer] = {
    "HTML": lambda: httpx.Response(200, text="<html>Sign in</html>"),
    "nothing": lambda: httpx.Response(200),
    "a list": lambda: httpx.Response(200, json=[]),
    "an empty object": lambda: httpx.Response(200, json={}),
    "other types": lambda: httpx.Response(
        200, json={"id": 7, "appId": None, "value": "none", "passwordCredentials": "none", "keyCredentials": None}
    ),
}
GONE: Answer = lambda: refused(404, "Request_ResourceNotFound")  # noqa: E731 - an answer like the others


@dataclass(frozen=True)
class Question:
    """One call. ``before`` are the answers to what it asks first; ``absent`` is its result when the last says 404."""

    call: Callable[[Graph], Awaitable[object]]
    absent: object = Absent
    before: tuple[Answer, ...] = ()


async def _principal_of(graph: Graph) -> object:
    return (await graph.read_application(APPLICATION)).principal_id


READS: dict[str, Question] = {
    "find_application": Question(lambda graph: graph.find_application(NAME)),
    "find_principal": Question(lambda graph: graph.find_principal(CLIENT)),
    "read_group": Question(lambda graph: graph.read_group(GROUP)),
    "credentials_of": Question(lambda graph: graph.credentials_of(APPLICATION)),
    "secrets_named": Question(lambda graph: graph.secrets_named(APPLICATION, NAME)),
    "read_application": Question(lambda graph: graph.read_application(APPLICATION)),
    "is_owner": Question(lambda graph: graph.is_owner(APPLICATION, CLIENT)),
    "read_application's principal": Question(_principal_of, absent=None, before=(lambda: found(id=APPLICATION, appId=CLIENT),)),
    "remove_secret's second look": Question(
        lambda graph: graph.remove_secret(APPLICATION, KEY), before=(lambda: refused(400, "Request_BadRequest"),)
    ),
}
DELETIONS: dict[str, Question] = {
    "delete_application": Question(lambda graph: graph.delete_application(APPLICATION)),
    "delete_principal": Question(lambda graph: graph.delete_principal(PRINCIPAL)),
    "purge": Question(lambda graph: graph.purge(APPLICATION)),
    "remove_member": Question(lambda graph: graph.remove_member(GROUP, PRINCIPAL)),
    "remove_secret": Question(lambda graph: graph.remove_secret(APPLICATION, KEY)),
}


def _answering(service: Scripted, ask: Question, answer: Answer) -> None:
    service.will(*(first() for first in ask.before), *(answer() for _ in range(OFTEN)))


@pytest.mark.parametrize("answer", [*NOES, *GARBAGE])
@pytest.mark.parametrize("name", READS)
async def test_graph_that_does_not_answer_says_nothing_of_an_object(
    graph: Graph, service: Scripted, name: str, answer: str
) -> None:
    """A look-up that was refused, or that got no object, is no absence."""
    _answering(service, READS[name], {**NOES, **GARBAGE}[answer])
    await is_no_absence(lambda: READS[name].call(graph), READS[name].absent)


@pytest.mark.parametrize("answer", NOES)
@pytest.mark.parametrize("name", DELETIONS)
async def test_graph_that_does_not_delete_says_nothing_of_an_object(
    graph: Graph, service: Scripted, name: str, answer: str
) -> None:
    """A deletion that was refused has not found that there is nothing to delete."""
    _answering(service, DELETIONS[name], NOES[answer])
    await is_no_absence(lambda: DELETIONS[name].call(graph))


@pytest.mark.parametrize("name", [*READS, *DELETIONS])
async def test_graphs_404_is_an_absence(graph: Graph, service: Scripted, name: str) -> None:
    """Nothing else is."""
    ask = {**READS, **DELETIONS}[name]
    _answering(service, ask, GONE)
    if ask.absent is Absent:
        with pytest.raises(Absent):
            await ask.call(graph)
    else:
        assert ask.absent == await ask.call(graph)


OF_A_SECRET = ApplicationSecretFootprint(APPLICATION, NAME, key_id=KEY)


@dataclass(frozen=True)
class Look:
    """One question of the reconciliation, and what it makes of an object that is gone."""

    call: Callable[[AzureLists], Awaitable[object]]
    absent: object
    before: tuple[Answer, ...] = ()


LOOKS: dict[str, Look] = {
    "secrets_on": Look(lambda inventory: inventory.secrets_on(APPLICATION), ()),
    "groups_of": Look(lambda inventory: inventory.groups_of(PRINCIPAL, (GROUP,)), ()),
    "an application stands": Look(lambda inventory: inventory.stands(APPLICATION, PRINCIPAL), absent=False),
    "its principal stands": Look(
        lambda inventory: inventory.stands(APPLICATION, PRINCIPAL),
        False,
        (lambda: found(passwordCredentials=[{"keyId": KEY}]),),
    ),
    "a secret stands": Look(lambda inventory: secret_stands(inventory, OF_A_SECRET), absent=False),
}


def _inventory(service: Scripted, bearer: Bearer) -> AzureLists:
    clock = FakeClock()
    calls = GraphCalls(ENDPOINT, bearer, service.client(), FixedIds(), RateLimiters(clock))
    return AzureLists(calls, cast("Any", None), CLIENT, Retry(clock, FixedIds()))


@pytest.mark.parametrize("answer", [*NOES, *GARBAGE])
@pytest.mark.parametrize("name", LOOKS)
async def test_a_census_that_is_not_answered_says_nothing(service: Scripted, bearer: Bearer, name: str, answer: str) -> None:
    """The reconciliation would end a lease that stands, or let go of what is its own."""
    for first in LOOKS[name].before:
        service.will(first())
    service.will(*({**NOES, **GARBAGE}[answer]() for _ in range(OFTEN)))
    await is_no_absence(lambda: LOOKS[name].call(_inventory(service, bearer)), LOOKS[name].absent)


@pytest.mark.parametrize("name", LOOKS)
async def test_a_census_takes_404_for_an_absence(service: Scripted, bearer: Bearer, name: str) -> None:
    """At either of its calls."""
    for first in LOOKS[name].before:
        service.will(first())
    assert LOOKS[name].absent == await LOOKS[name].call(_inventory(service.will(GONE()), bearer))

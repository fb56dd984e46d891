"""What the directory says of callers: over scripted answers, in virtual time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest

from shared.cloud.graph.calls import GraphCalls
from shared.core.access.configuration import Needs
from shared.core.access.facts import NOT_ASKED, Facts, Principal, Unread
from shared.core.caller import Caller
from shared.core.errors import IdentityRefused
from shared.core.names import ObjectId
from tests.cloud.graph_answers import ENDPOINT, GROUP, PRINCIPAL, found
from tests.cloud.scripted import Step, refused
from tests.cloud.scripted_facts import BOTH, CALLER, PERSON, PRINCIPALS, SYSTEM_ASSIGNED, VM, Azure, listed, principal, why
from tests.fakes.world import OTHER_TENANT, guid

TOO_MANY = "TooManyRequests"


@pytest.fixture
def azure() -> Azure:
    """A fresh worker."""
    return Azure()


# What is there


async def test_a_managed_identity_names_its_resource(azure: Azure) -> None:
    """One call, for three fields."""
    assert SYSTEM_ASSIGNED == await azure.principal(principal())
    path = f"GET /v1.0/servicePrincipals/{PRINCIPAL}?$select=id,servicePrincipalType,alternativeNames"
    assert [path] == azure.graph.lines


async def test_two_alternative_names_with_a_slash_are_both_reported(azure: Azure) -> None:
    """The decision is another's: such a principal has no resource."""
    names = ["isExplicit=False", VM, f"{VM}-2"]
    read = await azure.principal(principal(names=names))
    assert Principal("ManagedIdentity", tuple(names)) == read
    assert read is not None
    assert None is read.resource_id


async def test_an_application_is_reported_as_one(azure: Azure) -> None:
    """With the alternative names that its owner has written, which prove nothing."""
    read = await azure.principal(principal(kind="Application", names=[VM]))
    assert (Principal("Application", (VM,)), None) == (read, getattr(read, "resource_id", "none was read"))


async def test_the_case_of_an_id_does_not_make_it_another_principal(azure: Azure) -> None:
    """Graph may write it as it likes."""
    assert SYSTEM_ASSIGNED == await azure.principal(principal(PRINCIPAL.upper()))


@pytest.mark.parametrize(("caller", "kind"), [(CALLER, "servicePrincipals"), (PERSON, "users")])
async def test_groups_are_asked_for_by_the_type_of_the_caller(azure: Azure, caller: Caller, kind: str) -> None:
    """Security groups alone, and those above them. Ids are compared in lower case."""
    assert frozenset({GROUP}) == await azure.groups(found(value=[GROUP.upper()]), caller=caller)
    assert [f"POST /v1.0/{kind}/{caller.object_id}/getMemberGroups"] == azure.graph.lines
    assert {"securityEnabledOnly": True} == azure.graph.body()


async def test_a_caller_may_be_in_no_group(azure: Azure) -> None:
    """That is an answer, and it is remembered."""
    assert frozenset() == await azure.groups(found(value=[]))
    assert frozenset() == await azure.groups()


async def test_only_what_is_needed_is_asked_for(azure: Azure) -> None:
    """The rest was not asked for, and so is the location."""
    assert Facts(NOT_ASKED, NOT_ASKED, NOT_ASKED) == await azure.facts.read(CALLER, Needs())
    azure.graph.will(principal())
    assert Facts(SYSTEM_ASSIGNED, NOT_ASKED, NOT_ASKED) == await azure.facts.read(CALLER, PRINCIPALS)
    azure.graph.will(found(value=[GROUP]))
    assert Facts(SYSTEM_ASSIGNED, frozenset({GROUP}), NOT_ASKED) == await azure.facts.read(CALLER, BOTH)


async def test_a_person_has_no_service_principal(azure: Azure) -> None:
    """Nobody has to be asked for that."""
    assert (None, []) == (await azure.principal(caller=PERSON), azure.graph.lines)


async def test_nothing_is_asked_about_a_caller_of_another_tenant(azure: Azure) -> None:
    """In the broker's directory, its object id would be somebody else."""
    stranger = replace(CALLER, tenant_id=OTHER_TENANT, at_home=False)
    read = await azure.facts.read(stranger, BOTH)
    assert (None, "the caller's own tenant cannot be asked") == (read.principal, why(read.groups))
    assert "the caller's own tenant cannot be asked" == why(await azure.facts.location(stranger, SYSTEM_ASSIGNED))
    assert ([], []) == (azure.graph.lines, azure.arm.asked)


# What is not there, or cannot be read


async def test_a_deleted_principal_is_absent(azure: Azure) -> None:
    """That is known, and no failure."""
    gone = refused(404, "Request_ResourceNotFound")
    assert (None, None) == (await azure.principal(gone), await azure.groups(refused(404, "Request_ResourceNotFound")))


GARBAGE: dict[str, Callable[[], httpx.Response]] = {
    "no JSON": lambda: httpx.Response(200, text="<html>"),
    "a list": lambda: httpx.Response(200, json=[]),
    "an empty object": found,
    "another principal": lambda: principal(str(GROUP)),
    "no id": lambda: principal("me"),
    "a type that is no text": lambda: principal(kind=7),
    "no type": lambda: principal(kind=None),
    "names that are no list": lambda: principal(names=VM),
    "no names": lambda: principal(names=None),
    "a name that is no text": lambda: principal(names=[VM, 7]),
}
GARBAGE_OF_GROUPS: dict[str, Callable[[], httpx.Response]] = {
    "no JSON": lambda: httpx.Response(200, text="<html>"),
    "no list": lambda: found(value=None),
    "no ids": lambda: found(value=["everybody"]),
    "no texts": lambda: found(value=[{"id": GROUP}]),
    "a first page": lambda: found(value=[GROUP], **{"@odata.nextLink": f"{ENDPOINT}/v1.0/more"}),
}


@pytest.mark.parametrize("name", GARBAGE)
async def test_garbage_and_lies_are_no_facts(azure: Azure, name: str) -> None:
    """They are asked for again, and if Graph insists, nothing is known."""
    read = await azure.principal(*(GARBAGE[name]() for _ in range(20)))
    assert why(read).startswith("Microsoft Graph does not say what was asked of service principals")
    assert SYSTEM_ASSIGNED == await Azure().principal(GARBAGE[name](), principal())


@pytest.mark.parametrize("name", GARBAGE_OF_GROUPS)
async def test_garbage_is_no_list_of_groups(azure: Azure, name: str) -> None:
    """Nor is a part of the list: a group that is left out may be denied something."""
    read = await azure.groups(*(GARBAGE_OF_GROUPS[name]() for _ in range(20)))
    assert why(read).startswith("Microsoft Graph does not say what was asked of the groups of callers")


@dataclass(frozen=True)
class Trouble:
    """A failure: how Graph answers, how often it is asked, and what the operator reads."""

    answer: Callable[[], Step]
    asked: int
    why: str


TROUBLES = {
    "forbidden": Trouble(
        lambda: refused(403, "Authorization_RequestDenied"),
        1,
        "Microsoft Graph forbids the broker to read service principals (403 Authorization_RequestDenied): "
        "run infra/entra.sh permissions",
    ),
    "refused": Trouble(
        lambda: refused(400, "Directory_ResultSizeLimitExceeded"),
        1,
        "Microsoft Graph does not say what was asked of service principals (400 Directory_ResultSizeLimitExceeded)",
    ),
    "throttled for long": Trouble(
        lambda: refused(429, TOO_MANY, headers={"Retry-After": "30"}), 1, "Microsoft Graph limits the broker's requests"
    ),
    "throttled for short": Trouble(
        lambda: refused(429, TOO_MANY, headers={"Retry-After": "4"}), 3, "Microsoft Graph limits the broker's requests"
    ),
    "failing": Trouble(
        lambda: refused(500, "InternalServerError"),
        5,
        "Microsoft Graph does not say what was asked of service principals (500 InternalServerError)",
    ),
    "busy": Trouble(
        lambda: refused(503, "ServiceUnavailable", headers={"Retry-After": "20"}),
        1,
        "Microsoft Graph limits the broker's requests",
    ),
    "silent": Trouble(lambda: httpx.ReadTimeout("nothing"), 5, "Microsoft Graph does not answer in time"),
    "away": Trouble(lambda: httpx.ConnectError("nobody"), 5, "Microsoft Graph does not answer in time"),
}


@pytest.mark.parametrize("name", TROUBLES)
async def test_a_failure_is_no_fact_and_ends_within_ten_seconds(azure: Azure, name: str) -> None:
    """What may pass is tried again, what Azure says for good is not. Nothing is raised, and the operator reads why."""
    trouble, begun = TROUBLES[name], azure.clock.monotonic()
    read = await azure.principal(*(trouble.answer() for _ in range(20)))
    assert (trouble.why, trouble.asked) == (why(read), len(azure.graph.lines))
    assert azure.clock.monotonic() - begun < 10


@pytest.mark.parametrize("name", sorted(set(TROUBLES) - {"forbidden", "refused", "throttled for long", "busy"}))
async def test_a_failure_that_passes_costs_time_alone(azure: Azure, name: str) -> None:
    """The second answer counts."""
    assert SYSTEM_ASSIGNED == await azure.principal(TROUBLES[name].answer(), principal())


async def test_a_refused_identity_is_the_operators_trouble(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    """401, with another token as well."""

    async def send(*_: object) -> httpx.Response:
        raise IdentityRefused(status=401, azure_code="InvalidAuthenticationToken")

    monkeypatch.setattr(GraphCalls, "send", send)
    sentence = "Microsoft Graph does not take the token of the broker's own identity"
    assert (sentence, sentence) == (why(await azure.principal()), why(await azure.groups()))


async def test_a_forbidden_list_of_groups_names_the_option_that_allows_it(azure: Azure) -> None:
    """It is not among the permissions that every broker has."""
    read = await azure.groups(refused(403, "Authorization_RequestDenied"))
    assert why(read).endswith("run infra/entra.sh permissions --caller-groups")


async def test_a_service_that_never_answers_costs_ten_seconds(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the event loop's time: not even a call that hangs goes on longer."""
    monkeypatch.setattr("shared.cloud.directory_facts.LOOK_UP_SECONDS", 0.05)

    async def hang(*_: object) -> httpx.Response:
        await asyncio.get_running_loop().create_future()
        raise AssertionError("nobody answers")

    monkeypatch.setattr(GraphCalls, "send", hang)
    async with asyncio.timeout(5):
        assert "Microsoft Graph does not answer in time" == why(await azure.principal())


async def test_one_fact_may_be_read_while_another_is_not(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are asked for side by side, and each fails alone."""
    send = GraphCalls.send

    async def forbidding(calls: GraphCalls, method: str, path: str, body: Any = None) -> httpx.Response:
        answer = refused(403, "Authorization_RequestDenied") if path.endswith("getMemberGroups") else principal()
        azure.graph.will(answer)
        return await send(calls, method, path, body)

    monkeypatch.setattr(GraphCalls, "send", forbidding)
    read = await azure.facts.read(CALLER, BOTH)
    assert (SYSTEM_ASSIGNED, True) == (read.principal, isinstance(read.groups, Unread))


# What is remembered


async def test_a_fact_is_read_once_in_its_life(azure: Azure) -> None:
    """Five minutes, of each caller apart, and of a caller's principal apart from its groups."""
    assert SYSTEM_ASSIGNED == await azure.principal(principal())
    assert frozenset({GROUP}) == await azure.groups(found(value=[GROUP]))
    azure.clock.jump(299)
    assert (SYSTEM_ASSIGNED, frozenset({GROUP})) == (await azure.principal(), await azure.groups())
    other = replace(CALLER, object_id=guid(0x78))
    assert Principal("Application", ()) == await azure.principal(principal(guid(0x78), "Application", []), caller=other)
    azure.clock.jump(1)
    assert Principal("Application", (VM,)) == await azure.principal(principal(kind="Application", names=[VM]))
    assert frozenset() == await azure.groups(found(value=[]))


async def test_no_fact_outlives_its_life_while_graph_is_down(azure: Azure) -> None:
    """What is remembered serves on, then nothing is known, and when Graph is back, it is read again."""
    await azure.principal(principal())
    azure.clock.jump(299)
    assert SYSTEM_ASSIGNED == await azure.principal()
    azure.clock.jump(1)
    assert "Microsoft Graph does not answer in time" == why(await azure.principal(*[httpx.ConnectError("nobody")] * 5))
    azure.graph.steps.clear()
    assert SYSTEM_ASSIGNED == await azure.principal(principal())


async def test_absence_and_failure_are_never_remembered(azure: Azure) -> None:
    """The next request asks again."""
    assert None is await azure.principal(refused(404, "Request_ResourceNotFound"))
    assert "forbids" in why(await azure.principal(refused(403, "Authorization_RequestDenied")))
    assert SYSTEM_ASSIGNED == await azure.principal(principal())
    assert None is await azure.groups(refused(404, "Request_ResourceNotFound"))
    assert "forbids" in why(await azure.groups(refused(403, "Authorization_RequestDenied")))
    assert frozenset({GROUP}) == await azure.groups(found(value=[GROUP]))
    assert 6 == len(azure.graph.lines)


async def test_a_life_of_zero_remembers_nothing() -> None:
    """An operator may ask for that. The location is remembered all the same."""
    azure = Azure(life=0)
    await azure.principal(principal())
    await azure.principal(principal())
    await azure.groups(found(value=[]))
    await azure.groups(found(value=[]))
    await azure.location(listed({"id": VM, "location": "westeurope"}))
    assert ("westeurope", 4) == (await azure.location(), len(azure.graph.lines))


async def test_fifty_requests_of_a_caller_make_one_call(azure: Azure) -> None:
    """They share the answer. A failure is shared as well, and remembered by nobody."""
    azure.graph.will(principal())
    read = await asyncio.gather(*(azure.facts.read(CALLER, PRINCIPALS) for _ in range(50)))
    assert ({SYSTEM_ASSIGNED}, 1) == ({each.principal for each in read}, len(azure.graph.lines))
    failing = Azure()
    failing.graph.will(refused(403, "Authorization_RequestDenied"))
    read = await asyncio.gather(*(failing.facts.read(CALLER, PRINCIPALS) for _ in range(50)))
    assert (1, 1) == (len({each.principal for each in read}), len(failing.graph.lines))


async def test_the_same_object_id_in_another_tenant_is_another_caller(azure: Azure) -> None:
    """The key has both, whatever a caller claims to be."""
    await azure.principal(principal())
    elsewhere = replace(CALLER, tenant_id=OTHER_TENANT)
    assert Principal("Application", ()) == await azure.principal(principal(kind="Application", names=[]), caller=elsewhere)


async def test_nothing_secret_is_logged(azure: Azure, caplog: pytest.LogCaptureFixture) -> None:
    """A failure is logged with the caller's id, and without any token."""
    await azure.principal(refused(403, "Authorization_RequestDenied"))
    logged = json.dumps([each.getMessage() for each in caplog.records])
    assert (True, False) == (PRINCIPAL in logged, "bearer-of-tests" in logged)


def test_object_ids_of_the_tests_are_in_lower_case() -> None:
    """Else the test of a lie would compare two ways to write one id."""
    assert ObjectId.parse(PRINCIPAL) == PRINCIPAL

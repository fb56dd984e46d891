"""The census against the local cloud, over real connections; and how it follows pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shared.cloud.graph.calls import GraphCalls
from shared.cloud.inventory import AzureLists
from shared.cloud.limits import RateLimiters
from shared.core import ownership
from shared.core.directory import ApplicationIds, NewApplication
from shared.core.errors import Refused, Throttled, Unavailable
from shared.core.footprint import Assignment
from shared.core.names import LeaseId, ObjectId, Scope
from shared.core.ports.inventory import AzureInventory, DirectoryObject, FoundApplication, FoundPrincipal
from shared.issuers.application_secret.schema import ApplicationSecretFootprint
from shared.resilience.retry import Retry
from tests.cloud.absence import secret_stands
from tests.cloud.adapters import Adapters
from tests.cloud.graph_answers import APPLICATION, CLIENT, ENDPOINT, PRINCIPAL, found
from tests.cloud.scripted import Bearer, Scripted, refused
from tests.fakes.clock import FakeClock, FixedIds

LEASE = LeaseId.parse("reader.01jmdgfw000000000000000000")
NAME = ownership.unique_name(LEASE)
NEW = NewApplication(NAME, NAME, "AzureADMyOrg", (ownership.TAG,), "of a test")
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
NOBODY = ObjectId("dddddddd-0000-4000-8000-000000000001")


def census_of(adapters: Adapters) -> AzureLists:
    """As the broker's own identity."""
    client_id = ObjectId(adapters.cloud.identity("leasehold")["client_id"])
    return AzureLists(adapters.graph._calls, adapters.arm, client_id, Retry(FakeClock(), FixedIds()))


def census_at(adapters: Adapters, service: Scripted) -> AzureLists:
    """Over a scripted Graph."""
    calls = GraphCalls(ENDPOINT, Bearer(), service.client(), FixedIds(), RateLimiters(FakeClock()))
    return AzureLists(calls, adapters.arm, CLIENT, Retry(FakeClock(), FixedIds()))


async def made(adapters: Adapters, new: NewApplication = NEW) -> tuple[ApplicationIds, ObjectId, ObjectId]:
    """An application, its principal, and the key id of its secret."""
    application = await adapters.graph.upsert_application(new)
    secret = await adapters.graph.add_secret(application.object_id, LEASE, datetime.now(UTC) + timedelta(hours=1))
    return application, await adapters.graph.create_principal(application.app_id), secret.key_id


def is_now(instant: datetime | None) -> bool:
    """By the machine's clock, which the local cloud goes by; Graph cuts fractions."""
    return instant is not None and abs((instant - datetime.now(UTC)).total_seconds()) < 60


def test_satisfies_what_the_reconciliation_asks_for(adapters: Adapters) -> None:
    """A matter for the type checker."""
    inventory: AzureInventory = census_of(adapters)
    assert inventory is not None


async def test_tells_who_the_broker_is(adapters: Adapters) -> None:
    """By its object id, of which no setting tells."""
    assert adapters.cloud.identity("leasehold")["object_id"] == await census_of(adapters).identity()


async def test_lists_what_the_broker_owns_and_nothing_else(adapters: Adapters) -> None:
    """With all that a mark needs, and its age."""
    application, principal, _ = await made(adapters)
    everything = [item async for item in census_of(adapters).owned()]
    (its,) = [item for item in everything if item.object_id == application.object_id]
    assert isinstance(its, FoundApplication)
    assert (its.app_id, its.lease, its.has_secret, is_now(its.since)) == (application.app_id, LEASE, True, True)
    (other,) = [item for item in everything if item.object_id == principal]
    assert isinstance(other, FoundPrincipal)
    assert other.app_id == application.app_id
    owned = {
        each["object_id"]
        for each in adapters.cloud.control("GET", "state")["applications"]
        if await census_of(adapters).identity() in each["owners"]
    }
    assert owned == {item.object_id for item in everything if isinstance(item, FoundApplication)}


async def test_an_application_whose_secret_is_gone_says_so(adapters: Adapters) -> None:
    """A lease on it has nothing to stand on."""
    application, principal, key_id = await made(adapters)
    assert await census_of(adapters).stands(application.object_id, principal)
    await adapters.graph.remove_secret(application.object_id, key_id)
    assert not await census_of(adapters).stands(application.object_id, principal)
    (its,) = [item async for item in census_of(adapters).owned() if item.object_id == application.object_id]
    assert isinstance(its, FoundApplication)
    assert not its.has_secret


async def test_what_somebody_deleted_does_not_stand(adapters: Adapters) -> None:
    """The service principal alone, or the application."""
    application, principal, _ = await made(adapters)
    await adapters.graph.delete_principal(principal)
    assert not await census_of(adapters).stands(application.object_id, principal)
    await adapters.graph.delete_application(application.object_id)
    assert not await census_of(adapters).stands(application.object_id, principal)


@pytest.mark.usefixtures("groups")
async def test_lists_the_recycle_bin(adapters: Adapters) -> None:
    """With the instant at which things were put there."""
    application, principal, _ = await made(adapters)
    await adapters.graph.delete_application(application.object_id)
    binned: dict[ObjectId, DirectoryObject] = {item.object_id: item async for item in census_of(adapters).recycled()}
    its = binned[application.object_id]
    assert isinstance(its, FoundApplication)
    assert (its.lease, is_now(its.since)) == (LEASE, True)
    assert binned[principal].app_id == application.app_id
    assert [] == [item async for item in census_of(adapters).owned() if item.object_id == application.object_id]


async def test_lists_the_secrets_of_an_application(adapters: Adapters) -> None:
    """With their names and ages; none for an application that is not there."""
    application, _, key_id = await made(adapters)
    (secret,) = await census_of(adapters).secrets_on(application.object_id)
    assert (secret.key_id, secret.display_name, is_now(secret.since)) == (key_id, LEASE, True)
    assert () == await census_of(adapters).secrets_on(NOBODY)
    assert await secret_stands(census_of(adapters), ApplicationSecretFootprint(application.object_id, LEASE, key_id))
    assert not await secret_stands(census_of(adapters), ApplicationSecretFootprint(application.object_id, LEASE, NOBODY))


async def test_lists_the_assignments_at_a_scope_alone(adapters: Adapters) -> None:
    """Neither those above it nor those below; with maker, description and age. None where there is no such scope."""
    _, principal, _ = await made(adapters)
    reader = f"/subscriptions/{adapters.scope.subscription_id}/providers/Microsoft.Authorization/roleDefinitions/{READER}"
    name = ownership.assignment_name(LEASE, 0)
    await adapters.arm.assign(
        Assignment(adapters.scope, name), reader, principal, None, ownership.assignment_description(LEASE)
    )
    listed = await census_of(adapters).assignments_at(Scope.parse(adapters.scope.upper().replace("/SUB", "/sub")))
    (its,) = [each for each in listed if each.assignment.name == name]
    assert (its.lease, its.principal, is_now(its.since)) == (LEASE, principal, True)
    assert its.made_by == await census_of(adapters).identity()
    assert {adapters.scope.lower()} == {each.assignment.scope.lower() for each in listed}
    above = Scope.parse(f"/subscriptions/{adapters.scope.subscription_id}")
    adapters.cloud.control("POST", "role-assignments", {"identity": "leasehold", "role": "Reader", "scope": above})
    assert name not in {each.assignment.name for each in await census_of(adapters).assignments_at(above)}
    assert () == await census_of(adapters).assignments_at(Scope.parse(f"{above}/resourceGroups/nowhere"))


@pytest.mark.usefixtures("groups")
async def test_tells_in_which_groups_a_principal_is(adapters: Adapters) -> None:
    """Of those that are asked about, twenty a call; in none when it is not there."""
    _, principal, _ = await made(adapters)
    readers = ObjectId(adapters.cloud.control("GET", "state")["groups"][0]["object_id"])
    others = tuple(ObjectId(f"dddddddd-0000-4000-8000-{number:012d}") for number in range(20))
    assert () == await census_of(adapters).groups_of(principal, (readers,))
    await adapters.graph.add_member(readers, principal)
    assert (readers,) == await census_of(adapters).groups_of(principal, (*others, readers))
    assert () == await census_of(adapters).groups_of(NOBODY, (readers,))


async def test_follows_the_pages_of_a_list(adapters: Adapters) -> None:
    """By the link that Graph gives, as it stands."""
    service = Scripted().will(
        found(value=[principal_of(PRINCIPAL)], **{"@odata.nextLink": f"{ENDPOINT}/v1.0/next?$skiptoken=a%2Bb"}),
        found(value=[principal_of(APPLICATION)]),
    )
    assert [PRINCIPAL, APPLICATION] == [item.object_id async for item in census_at(adapters, service).owned()]
    assert "GET /v1.0/next?$skiptoken=a%2Bb" == service.lines[1]


def principal_of(object_id: ObjectId) -> dict[str, str]:
    """A service principal in a list."""
    return {"@odata.type": "#microsoft.graph.servicePrincipal", "id": object_id, "appId": CLIENT, "displayName": NAME}


async def test_what_lies_in_the_bin_tells_since_when(adapters: Adapters) -> None:
    """Of both kinds; an application that says nothing of its secrets is not taken for one that has lost them."""
    deleted = {"id": PRINCIPAL, "appId": CLIENT, "displayName": NAME, "deletedDateTime": "2026-03-02T09:00:00Z"}
    service = Scripted().will(found(value=[deleted]), found(value=[deleted]))
    application, principal = [item async for item in census_at(adapters, service).recycled()]
    assert [datetime(2026, 3, 2, 9, tzinfo=UTC)] * 2 == [application.since, principal.since]
    assert isinstance(application, FoundApplication)
    assert application.has_secret
    assert isinstance(principal, FoundPrincipal)
    assert ["$top=999"] * 2 == [line.rpartition("&")[2] for line in service.lines]


async def test_never_follows_a_link_to_another_host(adapters: Adapters) -> None:
    """The token would go there."""
    for elsewhere in ("https://graph.example.evil/v1.0/next", f"{ENDPOINT}/v1.0.evil/next"):
        service = Scripted().will(found(value=[], **{"@odata.nextLink": elsewhere}))
        with pytest.raises(Unavailable):
            [item async for item in census_at(adapters, service).owned()]
        assert 1 == len(service.calls)


async def test_groups_and_what_has_no_age_are_read_all_the_same(adapters: Adapters) -> None:
    """A group that the broker owns is none of its making; an instant that cannot be read is none."""
    listed = principal_of(PRINCIPAL) | {"@odata.type": "#microsoft.graph.application", "createdDateTime": "yesterday"}
    service = Scripted().will(found(value=[{"@odata.type": "#microsoft.graph.group", "id": PRINCIPAL}, listed]))
    (item,) = [item async for item in census_at(adapters, service).owned()]
    assert (PRINCIPAL, None) == (item.object_id, item.since)


async def test_a_read_that_fails_is_repeated_until_nothing_is_gained_by_it(adapters: Adapters) -> None:
    """Throttled and then answered, within a minute; refused for good."""
    service = Scripted().will(refused(429, "TooManyRequests", headers={"Retry-After": "7"}), found(id=PRINCIPAL))
    assert PRINCIPAL == await census_at(adapters, service).identity()
    with pytest.raises(Throttled):
        await census_at(
            adapters, Scripted().will(refused(429, headers={"Retry-After": "60.5"}), found(id=PRINCIPAL))
        ).identity()
    with pytest.raises(Refused):
        await census_at(adapters, Scripted().will(refused(403, "Authorization_RequestDenied"))).identity()


async def test_an_answer_without_a_list_is_none(adapters: Adapters) -> None:
    """Nothing must be taken for gone because an answer was not understood."""
    for answer in ({}, {"value": None}, {"value": "x"}):
        with pytest.raises(Unavailable):
            [item async for item in census_at(adapters, Scripted().will(found(**answer))).owned()]

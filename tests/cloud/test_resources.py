"""The subject of an event, as Resource Manager shows it: what each answer means, and for how long it is believed."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from shared.cloud.arm.authorization import Arm
from shared.cloud.arm.resources import AzureResources
from shared.cloud.limits import RateLimiters
from shared.core.errors import OutOfReach, Upstream
from shared.core.events.subject import SubjectPattern
from shared.core.names import Scope
from shared.core.ports.resources import ResourceState
from shared.resilience.retry import Retry
from tests.cloud.scripted import Bearer
from tests.cloud.test_scope_state import Scripting, refusal
from tests.fakes.clock import FakeClock, FixedIds
from tests.fakes.world import SCOPES, guid

SITE = Scope(f"{SCOPES[0]}/providers/Microsoft.Web/sites/web")
PATTERN = SubjectPattern.of_resources(SITE.replace("/web", "/*"))


def document(content: Any) -> tuple[int, bytes]:
    """An answer."""
    return 200, json.dumps(content).encode()


def provider(*versions: str, kind: str = "sites") -> tuple[int, bytes]:
    """What a provider says of its types."""
    return document({"namespace": "Microsoft.Web", "resourceTypes": [{"resourceType": kind, "apiVersions": [*versions]}]})


PROVIDER = provider("2025-03-01-preview", "2024-04-01", "2023-12-01")


def resources(*steps: Any) -> tuple[AzureResources, Scripting, FakeClock]:
    """Those of a broker whose Resource Manager answers so."""
    clock, service = FakeClock(), Scripting({"bearer-of-tests"}, (200, b"{}"), steps=list(steps))
    arm = Arm("https://arm.example", Bearer(), service, RateLimiters(clock))
    return AzureResources(arm, Retry(clock, FixedIds())), service, clock


async def test_a_resource_is_read_with_its_types_latest_stable_version() -> None:
    """The provider is asked once an hour, and says it to everybody."""
    read, service, clock = resources(PROVIDER, document({"id": SITE}), document({"id": SITE}))
    assert ResourceState.THERE is (await read.see(SITE)).state
    clock.jump(6)
    await read.see(Scope(SITE.upper()))
    asked = [each.removeprefix("GET https://arm.example") for each in service.asked]
    assert "/providers/microsoft.web?api-version=2021-04-01" == asked[0]
    assert f"{SITE}?api-version=2024-04-01" == asked[1]
    assert 3 == len(asked)


async def test_one_look_a_subject_is_kept_for_five_seconds() -> None:
    """However many ask at once, and in whatever case."""
    read, service, clock = resources(PROVIDER, document({}), document({}))
    await asyncio.gather(*(read.see(SITE) for _ in range(1000)), read.see(Scope(SITE.lower())))
    assert 2 == len(service.asked)
    clock.jump(5)
    await read.see(SITE)
    assert 3 == len(service.asked)


async def test_a_name_that_only_folds_to_another_is_looked_at_by_itself() -> None:
    """A Kelvin sign is no k, in Azure: a look at the one says nothing of the other."""
    site = Scope(SITE.replace("/web", "/kiosk"))
    read, service, _ = resources(PROVIDER, document({}), refusal(404, "ResourceNotFound"))
    assert ResourceState.THERE is (await read.see(site)).state
    assert ResourceState.GONE is (await read.see(Scope(site.replace("/kiosk", "/\u212aiosk")))).state
    assert 3 == len(service.asked)


async def test_a_thousand_looks_at_one_subject_make_at_most_fifty_reads() -> None:
    """A worker that acts on five events a second takes more than three minutes for as many."""
    read, service, clock = resources(PROVIDER, *(document({}) for _ in range(50)))
    for _ in range(1000):
        await read.see(SITE)
        clock.jump(0.2)
    assert 30 < len(service.asked) <= 50


@pytest.mark.parametrize(
    ("identity", "principal", "among"),
    [
        (None, None, 0),
        ({"type": "None"}, None, 0),
        ({"principalId": guid(1).upper()}, guid(1), 1),
        ({"userAssignedIdentities": {"/a": {"principalId": guid(2)}}}, guid(2), 1),
        ({"userAssignedIdentities": {"/a": {"principalId": guid(2)}, "/b": {"principalId": guid(3)}}}, None, 2),
        ({"principalId": guid(1), "userAssignedIdentities": {"/a": {"principalId": guid(2)}}}, guid(1), 2),
        ({"principalId": "nobody", "userAssignedIdentities": [7]}, None, 0),
    ],
)
async def test_an_identity_is_the_systems_or_the_only_one(identity: Any, principal: Any, among: int) -> None:
    """Of several user-assigned ones nobody knows which is meant."""
    read, *_ = resources(PROVIDER, document({"id": SITE, "identity": identity}))
    found = await read.see(SITE)
    assert (principal, among) == (found.identity, len(found.principals))


async def test_a_user_assigned_identity_is_its_own_principal() -> None:
    """It shows that in another place than other resources do."""
    identity = Scope(f"{SCOPES[0]}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/worker")
    versions = provider("2023-01-31", kind="userAssignedIdentities")
    read, *_ = resources(versions, document({"id": identity, "properties": {"principalId": guid(4), "clientId": guid(5)}}))
    assert frozenset({guid(4)}) == (await read.see(identity)).principals


@pytest.mark.parametrize("code", ["ResourceNotFound", "ResourceGroupNotFound", "ParentResourceNotFound"])
async def test_only_a_404_that_names_what_is_gone_is_gone(code: str) -> None:
    """A 403 says nothing of it."""
    read, *_ = resources(PROVIDER, refusal(404, code))
    assert ResourceState.GONE is (await read.see(SITE)).state
    read, *_ = resources(PROVIDER, refusal(403, "AuthorizationFailed"))
    assert ResourceState.REFUSED is (await read.see(SITE)).state


@pytest.mark.parametrize(
    "steps",
    [
        [PROVIDER, refusal(404, "SubscriptionNotFound")],
        [PROVIDER, refusal(404, "InvalidResourceType")],
        [PROVIDER, refusal(400, "NoRegisteredProviderFound")],
        [refusal(404, "InvalidResourceNamespace")],
        [refusal(404, "ResourceNotFound")],
        [provider("2024-04-01", kind="sites/slots")],
        [document({"resourceTypes": "none"})],
        [PROVIDER, (200, b"[]")],
    ],
)
async def test_what_proves_nothing_is_raised(steps: list[Any]) -> None:
    """Neither there nor gone, and not remembered."""
    read, *_ = resources(*steps, *[steps[-1]] * 20)
    with pytest.raises(Upstream):
        await read.see(SITE)


async def test_what_is_no_resource_is_not_asked_for() -> None:
    """A group, for one."""
    read, service, _ = resources()
    with pytest.raises(OutOfReach):
        await read.see(Scope(SCOPES[0]))
    assert [] == service.asked


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (document({"value": [{"actions": ["*/read"]}]}), True),
        (document({"value": [{"actions": ["Microsoft.Web/sites/read"]}]}), True),
        (document({"value": [{"actions": ["*/read"], "notActions": ["Microsoft.Web/*"]}]}), False),
        (document({"value": [{"actions": ["Microsoft.Storage/*/read"]}]}), False),
        (document({"value": []}), False),
        (refusal(403, "AuthorizationFailed"), False),
        (refusal(404, "ResourceGroupNotFound"), False),
        (refusal(404, "SubscriptionNotFound"), False),
    ],
)
async def test_the_broker_may_read_what_its_rights_at_the_group_say(answer: Any, *, expected: bool) -> None:
    """Of the type that the pattern names."""
    read, *_ = resources(answer)
    assert expected is await read.may_read(PATTERN)


async def test_matching_resources_are_those_of_the_groups_list() -> None:
    """By their type; and of these the pattern's own."""
    items = [{"id": SITE}, {"id": f"{SITE}-2"}, {"id": 7}, {"id": f"{SCOPES[1]}/providers/Microsoft.Web/sites/x"}]
    read, service, _ = resources(document({"value": items}))
    found = await read.matching(PATTERN, 20)
    assert ((SITE, f"{SITE}-2"), True) == (found.resource_ids, found.is_complete)
    assert "resourceType%20eq%20%27Microsoft.Web%2Fsites%27" in service.asked[0]

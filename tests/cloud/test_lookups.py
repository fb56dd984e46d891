"""What Azure has of bounds: in the local Azure, and by scripted answers where the local Azure never answers so."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from shared.cloud.arm.authorization import Arm
from shared.cloud.graph.calls import GraphCalls
from shared.cloud.limits import RateLimiters
from shared.cloud.lookups import AzureLookups
from shared.core.access.bounds import Bounds, Constraint
from shared.core.errors import Unavailable, Unreachable
from shared.core.ports.access import Existence, ManagedIdentities
from shared.resilience.retry import Retry
from tests.cloud.adapters import Adapters
from tests.cloud.scripted import Bearer, Scripted, refused
from tests.fakes.clock import FakeClock, FixedIds
from tests.fakes.world import guid

NOBODY = guid(0x999)
ANY = Bounds()
MISSING, UNREADABLE = Existence(exists=False), Existence(exists=None)


class Place:
    """The local Azure, with what a test puts into it."""

    def __init__(self, adapters: Adapters) -> None:
        document = adapters.cloud.document
        self._adapters = adapters
        self.subscription, self.tenant = str(document["subscription_id"]), str(document["tenant_id"])
        self.lookups = AzureLookups(
            adapters.graph._calls,
            adapters.arm,
            adapters.probe.client,
            document["endpoints"]["entra"],
            Retry(FakeClock(), FixedIds()),
        )
        self.within = Bounds(subscription_ids=frozenset({self.subscription}))

    def made(self, path: str, **body: Any) -> dict[str, Any]:
        """Makes something by the control API."""
        found: dict[str, Any] = self._adapters.cloud.control("POST", path, body)
        return found

    def identity(self, group: str, kind: str, location: str = "westeurope") -> str:
        """Makes a resource with a managed identity. Returns the resource's id as the directory writes it."""
        resource = f"/subscriptions/{self.subscription}/resourceGroups/{group}/providers/{kind}"
        self.made("identities", name=kind.rpartition("/")[2], kind="system_assigned", resource_id=resource, location=location)
        return resource.replace("/resourceGroups/", "/resourcegroups/")


@pytest.fixture
def place(adapters: Adapters) -> Place:
    """The local Azure."""
    return Place(adapters)


async def test_groups_principals_and_applications_are_found_by_their_ids(place: Place) -> None:
    """With the names that the directory has for them; what is not there is missing.

    ``infra/entra.sh permissions --caller-groups`` lets the broker read groups.
    """
    place.made("app-roles", identity="leasehold", app_roles=["Application.Read.All", "GroupMember.Read.All"])
    somebody = place.made("identities", name="somebody", kind="application")
    group = place.made("groups", name="staff", members=["somebody"])
    find = place.lookups.find
    assert Existence(exists=True, name="staff") == await find(Constraint.GROUP_IDS, group["object_id"], ANY)
    expected = Existence(exists=True, name="somebody")
    assert expected == await find(Constraint.SERVICE_PRINCIPAL_IDS, somebody["object_id"], ANY)
    assert expected == await find(Constraint.APPLICATION_IDS, somebody["client_id"], ANY)
    for kind in (Constraint.GROUP_IDS, Constraint.SERVICE_PRINCIPAL_IDS, Constraint.APPLICATION_IDS):
        assert MISSING == await find(kind, NOBODY, ANY)


async def test_a_group_that_the_broker_may_not_read_may_be_there(place: Place) -> None:
    """Without a permission for groups, Graph shows none."""
    group = place.made("groups", name="staff", members=[])
    assert UNREADABLE == await place.lookups.find(Constraint.GROUP_IDS, group["object_id"], ANY)


async def test_a_tenant_is_one_that_publishes_where_its_tokens_come_from(place: Place) -> None:
    """No permission is needed to ask."""
    assert Existence(exists=True) == await place.lookups.find(Constraint.TENANT_IDS, place.tenant, ANY)
    assert MISSING == await place.lookups.find(Constraint.TENANT_IDS, NOBODY, ANY)


async def test_a_subscription_that_the_broker_does_not_see_may_be_there(place: Place) -> None:
    """Resource Manager answers the same for one that does not exist."""
    assert UNREADABLE == await place.lookups.find(Constraint.SUBSCRIPTION_IDS, NOBODY, ANY)
    place.made("role-assignments", identity="leasehold", role="Reader", scope=f"/subscriptions/{place.subscription}")
    found = await place.lookups.find(Constraint.SUBSCRIPTION_IDS, place.subscription, ANY)
    assert (True, True) == (found.exists, bool(found.name))


async def test_a_resource_group_is_looked_for_in_the_subscriptions_of_the_bounds(place: Place) -> None:
    """Without any, in those that the broker sees: then nobody knows whether it is in another."""
    place.made("role-assignments", identity="leasehold", role="Reader", scope=f"/subscriptions/{place.subscription}")
    find = place.lookups.find
    found = await find(Constraint.RESOURCE_GROUPS, "app", place.within)
    assert (True, f"/subscriptions/{place.subscription}/resourceGroups/app") == (found.exists, found.name)
    assert found == await find(Constraint.RESOURCE_GROUPS, "app", ANY)
    assert MISSING == await find(Constraint.RESOURCE_GROUPS, "nowhere", place.within)
    assert UNREADABLE == await find(Constraint.RESOURCE_GROUPS, "nowhere", ANY)
    foreign = Bounds(subscription_ids=frozenset({NOBODY}))
    assert UNREADABLE == await find(Constraint.RESOURCE_GROUPS, "app", foreign)


async def test_a_scale_set_is_looked_for_in_the_groups_of_the_bounds(place: Place) -> None:
    """Without any, in the subscriptions."""
    place.made("role-assignments", identity="leasehold", role="Reader", scope=f"/subscriptions/{place.subscription}")
    place.identity("app", "Microsoft.Compute/virtualMachineScaleSets/web")
    beside = Bounds(subscription_ids=place.within.subscription_ids, resource_groups=frozenset({"app", "nowhere"}))
    find = place.lookups.find
    for bounds in (beside, place.within, ANY):
        found = await find(Constraint.SCALE_SETS, "web", bounds)
        assert (True, False) == (found.exists, found.is_flexible), bounds
        assert found.name.endswith("/virtualMachineScaleSets/web")
    assert MISSING == await find(Constraint.SCALE_SETS, "other", beside)
    assert UNREADABLE == await find(Constraint.SCALE_SETS, "other", place.within)


async def test_the_managed_identities_are_listed_with_their_resources(place: Place) -> None:
    """And no application, whatever its owner has written into its names."""
    machine = place.identity("app", "Microsoft.Compute/virtualMachines/one")
    place.made("identities", name="somebody", kind="application")
    found = await place.lookups.managed_identities(20)
    assert found is not None
    assert (True, True) == (machine in found.resource_ids, found.is_complete)
    assert all(each.startswith("/subscriptions/") for each in found.resource_ids)


def scripted(*answers: httpx.Response | Exception) -> tuple[AzureLookups, Scripted]:
    """Look-ups in a Graph that answers so, and in an Entra ID that does."""
    service, clock = Scripted().will(*answers), FakeClock()
    client = service.client()
    calls = GraphCalls("https://graph.microsoft.com", Bearer(), client, FixedIds(), RateLimiters(clock))
    arm: Arm = None  # type: ignore[assignment] # these tests ask Graph and Entra ID alone
    return AzureLookups(calls, arm, client, "https://login.microsoftonline.com", Retry(clock, FixedIds())), service


def listed(*names: list[Any], following: str | None = None) -> httpx.Response:
    """A page of service principals with these alternative names."""
    more = {"@odata.nextLink": following} if following else {}
    return httpx.Response(200, json={"value": [{"id": "x", "alternativeNames": each} for each in names], **more})


NEXT = "https://graph.microsoft.com/v1.0/servicePrincipals?$skiptoken=a"
SITE = "/subscriptions/s/resourcegroups/g/providers/Microsoft.Web/sites/one"


async def test_what_the_broker_may_not_read_is_not_said_to_be_missing() -> None:
    """403 of Graph."""
    lookups, _ = scripted(refused(403, "Authorization_RequestDenied"), refused(403, "Authorization_RequestDenied"))
    assert UNREADABLE == await lookups.find(Constraint.GROUP_IDS, NOBODY, ANY)
    assert None is await lookups.managed_identities(20)


async def test_so_many_pages_are_read_and_no_more() -> None:
    """What is left is not said to be there, or not."""
    pages = [listed(["isExplicit=False", SITE], following=NEXT) for _ in range(3)]
    lookups, service = scripted(*pages)
    assert ManagedIdentities((SITE, SITE), is_complete=False) == await lookups.managed_identities(2)
    assert 2 == len(service.calls)
    assert "servicePrincipalType%20eq%20%27ManagedIdentity%27" in service.lines[0]
    assert "$top=999" in service.lines[0]
    assert "skiptoken" in service.lines[1]


async def test_an_identity_that_shows_no_resource_is_passed_over() -> None:
    """None of its names, or two of them, begins with a slash, or what it has are no texts."""
    lookups, _ = scripted(listed(["isExplicit=True"], [SITE, SITE + "2"], [1, None], [SITE]))
    assert ManagedIdentities((SITE,)) == await lookups.managed_identities(20)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, json={"value": None}),
        httpx.Response(200, json={"value": [], "@odata.nextLink": "https://elsewhere.example/x"}),
        httpx.Response(500),
    ],
)
async def test_an_answer_that_says_nothing_is_a_failure(answer: httpx.Response) -> None:
    """And not an empty directory. The token goes to Graph alone."""
    lookups, _ = scripted(*[answer] * 20)
    with pytest.raises(Unavailable):
        await lookups.managed_identities(20)


async def test_an_entra_id_that_fails_is_a_failure() -> None:
    """A tenant that is not there is answered 400."""
    silent, _ = scripted(*[httpx.ConnectError("no")] * 20)
    with pytest.raises(Unreachable):
        await silent.find(Constraint.TENANT_IDS, NOBODY, ANY)
    failing, _ = scripted(*[httpx.Response(503)] * 20)
    with pytest.raises(Unavailable):
        await failing.find(Constraint.TENANT_IDS, NOBODY, ANY)
    absent, service = scripted(httpx.Response(400, json={"error": "invalid_tenant"}))
    assert MISSING == await absent.find(Constraint.TENANT_IDS, NOBODY, ANY)
    assert [f"GET /{NOBODY}/v2.0/.well-known/openid-configuration"] == service.lines


@pytest.mark.parametrize("kind", [Constraint.APP_ROLES, Constraint.LOCATIONS, Constraint.RESOURCE_IDS])
async def test_nothing_is_asked_about_other_kinds(kind: Constraint) -> None:
    """They name nothing that could be there."""
    lookups, service = scripted()
    assert (UNREADABLE, []) == (await lookups.find(kind, "x", ANY), service.calls)


class Flexible:
    """A Resource Manager in which every scale set is a flexible one."""

    async def read(self, path: str) -> dict[str, Any]:
        """See ``Arm.read``."""
        return {"id": path.partition("?")[0], "properties": {"orchestrationMode": "Flexible"}}


async def test_a_flexible_scale_set_is_known_by_its_mode() -> None:
    """https://learn.microsoft.com/rest/api/compute/virtual-machine-scale-sets/get#orchestrationmode."""
    lookups, _ = scripted()
    lookups._arm = Flexible()  # type: ignore[assignment] # it reads one document
    bounds = Bounds(subscription_ids=frozenset({guid(2)}), resource_groups=frozenset({"app"}))
    assert (await lookups.find(Constraint.SCALE_SETS, "web", bounds)).is_flexible

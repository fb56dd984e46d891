"""Who a caller would be, as Graph tells it: by scripted answers, and in the local Azure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from shared.cloud.graph.calls import GraphCalls
from shared.cloud.graph.subjects import GraphSubjects
from shared.cloud.limits import RateLimiters
from shared.core.access.facts import Principal, Unread
from shared.core.errors import Refused, Unavailable, Upstream
from shared.core.names import ObjectId
from shared.core.ports.access import Subject
from shared.resilience.retry import Retry
from tests.cloud.adapters import Adapters
from tests.cloud.graph_answers import CLIENT, ENDPOINT, GROUP, PRINCIPAL, found
from tests.cloud.scripted import Bearer, Scripted, Step, refused
from tests.fakes.clock import FakeClock, FixedIds
from tests.fakes.world import guid

API_CLIENT, API, ADMIN_ROLE, ROBOT_ROLE = guid(0x700), guid(0x701), guid(0xAD), guid(0xB0)
VM = f"/subscriptions/{guid(2)}/resourcegroups/app/providers/Microsoft.Compute/virtualMachines/web"
NAMES = ("isExplicit=False", VM)
MANAGED = Principal("ManagedIdentity", NAMES)
CALLER_GROUPS = ("Application.Read.All", "GroupMember.Read.All", "User.ReadBasic.All")
"""What ``infra/entra.sh permissions --caller-groups`` gives beside the rest."""


@dataclass
class Directory:
    """Subjects over a Graph that answers as planned, in virtual time."""

    graph: Scripted = field(default_factory=Scripted)
    clock: FakeClock = field(default_factory=FakeClock)
    api: tuple[ObjectId, ...] = (API_CLIENT,)

    async def find(self, *answers: Step) -> Subject | None:
        """The subject, after these answers."""
        self.graph.will(*answers)
        calls = GraphCalls(ENDPOINT, Bearer(), self.graph.client(), FixedIds(), RateLimiters(self.clock))
        return await GraphSubjects(calls, self.api, Retry(self.clock, FixedIds())).find(PRINCIPAL)


@pytest.fixture
def directory() -> Directory:
    """A Graph that has not been asked yet."""
    return Directory()


def principal(**changes: Any) -> httpx.Response:
    """A service principal's fields."""
    fields: dict[str, Any] = {
        "id": PRINCIPAL,
        "appId": CLIENT,
        "displayName": "web",
        "servicePrincipalType": MANAGED.type,
        "alternativeNames": [*NAMES],
    }
    return found(**{name: value for name, value in (fields | changes).items() if value is not ...})


def groups(*ids: str) -> httpx.Response:
    """All groups of a subject."""
    return found(value=[*ids])


def api() -> httpx.Response:
    """The broker's own API, with its app roles."""
    listed = [{"id": ADMIN_ROLE.upper(), "value": "Leasehold.Admin"}, {"id": ROBOT_ROLE, "value": "Robot"}]
    return found(id=API, appRoles=listed)


def assigned(*pairs: tuple[str, str], **more: str) -> httpx.Response:
    """Who has which app role of the API: a page of the list."""
    return found(value=[{"principalId": holder, "appRoleId": role} for holder, role in pairs], **more)


GONE: Callable[[], httpx.Response] = lambda: refused(404, "Request_ResourceNotFound")  # noqa: E731 - an answer is read once


async def test_a_service_principal_is_found_with_all_that_a_token_would_say(directory: Directory) -> None:
    """Its client, resource, groups and app roles: those that it has itself.

    Entra ID puts no app role of a group into a service principal's token.
    """
    given = assigned((PRINCIPAL.upper(), ROBOT_ROLE.upper()), (GROUP, ADMIN_ROLE), (guid(0x999), ADMIN_ROLE))
    subject = await directory.find(principal(), groups(GROUP.upper()), api(), given)
    assert (
        Subject(
            is_user=False,
            name="web",
            app_id=CLIENT,
            app_roles=frozenset({"Robot"}),
            groups=frozenset({GROUP}),
            principal=MANAGED,
        )
        == subject
    )
    assert [
        (
            f"GET /v1.0/servicePrincipals/{PRINCIPAL}"
            "?$select=id,appId,displayName,servicePrincipalType,alternativeNames,accountEnabled"
        ),
        f"POST /v1.0/servicePrincipals/{PRINCIPAL}/getMemberGroups",
        f"GET /v1.0/servicePrincipals(appId='{API_CLIENT}')?$select=id,appRoles",
        f"GET /v1.0/servicePrincipals/{API}/appRoleAssignedTo?$top=999",
    ] == directory.graph.lines


async def test_app_roles_of_others_and_of_no_name_are_not_the_subjects(directory: Directory) -> None:
    """Neither another holder's, nor one that the API does not have any more."""
    given = assigned((guid(0x999), ADMIN_ROLE), (PRINCIPAL, guid(0x998)), (PRINCIPAL, "00000000-0000-0000-0000-000000000000"))
    subject = await directory.find(principal(), groups(), api(), given)
    assert subject is not None
    assert (frozenset(), frozenset()) == (subject.app_roles, subject.groups)


async def test_assignments_are_read_page_by_page(directory: Directory) -> None:
    """The subject's may stand on any of them."""
    following = f"{ENDPOINT}/v1.0/servicePrincipals/{API}/appRoleAssignedTo?$skiptoken=x"
    pages = (assigned((GROUP, ADMIN_ROLE), **{"@odata.nextLink": following}), assigned((PRINCIPAL, ROBOT_ROLE)))
    subject = await directory.find(principal(), groups(), api(), *pages)
    assert subject is not None
    assert frozenset({"Robot"}) == subject.app_roles
    assert f"GET /v1.0/servicePrincipals/{API}/appRoleAssignedTo?$skiptoken=x" == directory.graph.lines[-1]


async def test_more_assignments_than_are_read_are_no_answer(directory: Directory) -> None:
    """Twenty pages. A part of the list would deny what the subject may do."""
    following = f"{ENDPOINT}/v1.0/servicePrincipals/{API}/appRoleAssignedTo?$skiptoken=x"
    pages = [assigned((GROUP, ADMIN_ROLE), **{"@odata.nextLink": following}) for _ in range(21)]
    with pytest.raises(Unavailable, match="more than 19980 assignments"):
        await directory.find(principal(), groups(), api(), *pages)
    assert 1 == len(directory.graph.steps)


async def test_a_page_elsewhere_is_never_asked_for(directory: Directory) -> None:
    """The broker's token would go there."""
    page = assigned((PRINCIPAL, ROBOT_ROLE), **{"@odata.nextLink": "https://evil.example/v1.0/more"})
    with pytest.raises(Upstream):
        await directory.find(principal(), groups(), api(), page)
    assert {"graph.example"} == {call.url.host for call in directory.graph.calls}


async def test_the_first_of_the_brokers_audiences_that_is_there_counts() -> None:
    """A setting may name several client ids. Without any, there are no app roles."""
    directory = Directory(api=(guid(0x777), API_CLIENT))
    subject = await directory.find(principal(), groups(), GONE(), api(), assigned((PRINCIPAL, ROBOT_ROLE)))
    assert subject is not None
    assert frozenset({"Robot"}) == subject.app_roles
    alone = Directory(api=())
    subject = await alone.find(principal(), groups())
    assert subject is not None
    assert (frozenset(), 2) == (subject.app_roles, len(alone.graph.lines))


async def test_who_is_no_service_principal_is_a_user_if_it_has_groups(directory: Directory) -> None:
    """A user has its own app roles and those of its groups. Its name would take another permission."""
    given = assigned((GROUP, ADMIN_ROLE), (PRINCIPAL, ROBOT_ROLE), (guid(0x999), ADMIN_ROLE))
    subject = await directory.find(GONE(), groups(GROUP), api(), given)
    expected = Subject(is_user=True, groups=frozenset({GROUP}), app_roles=frozenset({"Leasehold.Admin", "Robot"}))
    assert expected == subject
    assert f"POST /v1.0/users/{PRINCIPAL}/getMemberGroups" == directory.graph.lines[1]


async def test_who_is_neither_is_nobody(directory: Directory) -> None:
    """And nothing more is asked."""
    assert None is await directory.find(GONE(), GONE())
    assert 2 == len(directory.graph.lines)


async def test_without_the_permission_for_groups_they_are_unread(directory: Directory) -> None:
    """The rest is told."""
    forbidden = refused(403, "Authorization_RequestDenied")
    subject = await directory.find(principal(), forbidden, api(), assigned((PRINCIPAL, ROBOT_ROLE), (GROUP, ADMIN_ROLE)))
    assert subject is not None
    assert isinstance(subject.groups, Unread)
    assert "Microsoft Graph does not let the broker read groups" in subject.groups.why
    assert frozenset({"Robot"}) == subject.app_roles


async def test_a_user_whose_groups_may_not_be_read_may_be_nobody(directory: Directory) -> None:
    """Graph refuses before it looks, so a user of that id is assumed. App roles that a group gives cannot be told."""
    given = assigned((GROUP, ADMIN_ROLE), (PRINCIPAL, ROBOT_ROLE))
    subject = await directory.find(GONE(), refused(403, "Authorization_RequestDenied"), api(), given)
    assert subject is not None
    assert (True, True, frozenset({"Robot"})) == (subject.is_user, isinstance(subject.groups, Unread), subject.app_roles)


async def test_a_name_is_for_people_and_may_be_missing() -> None:
    """Nothing is decided by it."""
    for name in (..., None, ""):
        subject = await Directory().find(principal(displayName=name), groups(), api(), assigned())
        assert subject is not None
        assert None is subject.name


LIES: dict[str, Callable[[], list[Step]]] = {
    "no id": lambda: [principal(id="me")],
    "no client": lambda: [principal(appId=None)],
    "no type": lambda: [principal(servicePrincipalType=...)],
    "names that are no list": lambda: [principal(alternativeNames=VM)],
    "groups that are no ids": lambda: [principal(), groups("everybody")],
    "a part of the groups": lambda: [principal(), found(value=[GROUP], **{"@odata.nextLink": f"{ENDPOINT}/v1.0/more"})],
    "an API without app roles": lambda: [principal(), groups(), found(id=API)],
    "an API without an id": lambda: [principal(), groups(), found(appRoles=[])],
    "no list of assignments": lambda: [principal(), groups(), api(), found(value=None)],
    "no JSON": lambda: [httpx.Response(200, text="<html>")],
}


async def test_another_principals_answer_is_not_taken_for_the_subjects(directory: Directory) -> None:
    """However well all else fits."""
    with pytest.raises(Unavailable, match="about another service principal"):
        await directory.find(principal(id=GROUP), groups(), api(), assigned())


@pytest.mark.parametrize("name", LIES)
async def test_what_graph_says_of_somebody_else_or_not_at_all_is_no_answer(directory: Directory, name: str) -> None:
    """If Graph insists, the operator reads that it failed, and no wrong explanation."""
    before = LIES[name]()[:-1]
    with pytest.raises(Unavailable):
        await directory.find(*before, *[LIES[name]()[-1] for _ in range(30)])


async def test_what_passes_is_tried_again(directory: Directory) -> None:
    """Each call by itself."""
    trouble = (refused(503, "ServiceUnavailable"), refused(429, "TooManyRequests", headers={"Retry-After": "2"}))
    answers: list[Step] = [
        *(trouble[0], principal(), trouble[1], groups(), httpx.ReadTimeout("nothing"), api()),
        *(refused(500, "InternalServerError"), assigned((PRINCIPAL, ROBOT_ROLE))),
    ]
    subject = await directory.find(*answers)
    assert subject is not None
    assert frozenset({"Robot"}) == subject.app_roles


@pytest.mark.parametrize("place", range(4))
async def test_what_does_not_pass_is_raised(place: int) -> None:
    """Whichever call it is. Only a refusal to list groups is an answer of its own."""
    answers: list[Step] = [principal(), groups(), api(), assigned()]
    answers[place] = refused(400, "Request_BadRequest")
    directory = Directory()
    if place == 1:
        subject = await directory.find(*answers)
        assert subject is not None
        assert isinstance(subject.groups, Unread)
        return
    with pytest.raises(Refused):
        await directory.find(*answers[: place + 1])


# In the local Azure


@dataclass(frozen=True)
class Place:
    """The local Azure, and the product's own look-up there."""

    adapters: Adapters

    async def find(self, object_id: str) -> Subject | None:
        """Looks up."""
        audience = ObjectId.parse(str(self.adapters.cloud.document["audience"]).removeprefix("api://"))
        retry = Retry(FakeClock(), FixedIds())
        return await GraphSubjects(self.adapters.graph._calls, [audience], retry).find(ObjectId.parse(object_id))

    def made(self, path: str, **body: Any) -> dict[str, Any]:
        """Makes something by the control API."""
        answer: dict[str, Any] = self.adapters.cloud.control("POST", path, body)
        return answer

    def let_groups_be_read(self) -> None:
        """Gives the broker the permissions for that."""
        self.made("app-roles", identity="leasehold", app_roles=[*CALLER_GROUPS])


@pytest.fixture
def place(adapters: Adapters) -> Place:
    """The local Azure."""
    return Place(adapters)


async def test_a_machine_is_found_with_its_resource_in_the_local_azure(place: Place) -> None:
    """And with an app role that it has itself."""
    place.let_groups_be_read()
    subscription = place.adapters.cloud.document["subscription_id"]
    resource = f"/subscriptions/{subscription}/resourceGroups/app/providers/Microsoft.Compute/virtualMachines/vm9"
    made = place.made("identities", name="vm9", kind="system_assigned", resource_id=resource, app_roles=["Leasehold.Auditor"])
    group = place.made("groups", name="staff", members=["vm9"])
    subject = await place.find(made["object_id"])
    shown = resource.replace("/resourceGroups/", "/resourcegroups/")
    expected = Subject(
        is_user=False,
        name="vm9",
        app_id=ObjectId(made["client_id"]),
        app_roles=frozenset({"Leasehold.Auditor"}),
        groups=frozenset({group["object_id"]}),
        principal=Principal("ManagedIdentity", ("isExplicit=False", shown)),
    )
    assert expected == subject


async def test_a_person_is_found_with_groups_above_groups_in_the_local_azure(place: Place) -> None:
    """And with app roles. Graph tells no name without another permission."""
    place.let_groups_be_read()
    made = place.made("identities", name="Ada", kind="user", app_roles=["Leasehold.Admin"])
    inner = place.made("groups", name="inner", members=["Ada"])
    outer = place.made("groups", name="outer", members=[inner["object_id"]])
    subject = await place.find(made["object_id"])
    expected = Subject(
        is_user=True,
        app_roles=frozenset({"Leasehold.Admin"}),
        groups=frozenset({inner["object_id"], outer["object_id"]}),
    )
    assert expected == subject


async def test_nobody_is_found_by_an_id_that_is_not_there_in_the_local_azure(place: Place) -> None:
    """Where the broker may read groups; and neither is a group or an application."""
    place.let_groups_be_read()
    group = place.made("groups", name="staff", members=[])
    assert [None, None] == [await place.find(guid(0x999)), await place.find(group["object_id"])]


async def test_without_the_permission_the_local_azure_tells_no_groups(place: Place) -> None:
    """The permissions of a plain deployment are enough for all else."""
    made = place.made("identities", name="vm9", kind="system_assigned", app_roles=["Leasehold.Auditor"])
    subject = await place.find(made["object_id"])
    assert subject is not None
    assert (True, frozenset({"Leasehold.Auditor"})) == (isinstance(subject.groups, Unread), subject.app_roles)

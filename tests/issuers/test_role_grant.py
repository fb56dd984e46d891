"""Roles that are granted to the lease's holder: what is made, whose what is there already is, and what an undo leaves alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from shared.core import ownership
from shared.core.caller import CallerType
from shared.core.errors import (
    Absent,
    AlreadyExists,
    Conflict,
    Forbidden,
    Locked,
    NotReplicated,
    Refused,
    Unreachable,
    Upstream,
)
from shared.core.footprint import Assignment
from shared.core.names import LeaseId, ObjectId
from shared.core.protection import Protected
from shared.issuers.role_grant.footprint import RoleGrantFootprint
from shared.issuers.role_grant.schema import RoleGrantTarget
from tests.fakes.cloud_state import Granted, Thing
from tests.fakes.world import (
    ALICE,
    BROKER,
    BROKER_APP_ID,
    DEFINITION,
    OTHER_TENANT,
    SCOPES,
    TENANT,
    World,
    world,
)
from tests.issuers.orders import Job
from tests.support.grants import grant_target

BY_HAND = "5c0d7a5e-0000-4000-8000-000000000001"
OTHER = LeaseId.parse("web.01kjpwpbk0rb77xn6nfcf2ztw9")


def job(roles: int = 2, scene: World | None = None, **more: Any) -> Job:
    """One order of Alice's, by the product's own issuer."""
    return Job(scene or world(), grant_target(roles, **more))


def by_hand(scene: World, index: int = 0, name: str = BY_HAND, description: str = "by hand") -> Assignment:
    """Somebody else has given the role to Alice, at the scope of that number."""
    made = Assignment(SCOPES[index], name)
    scene.cloud.assign(made, Granted(DEFINITION, ALICE.object_id, None, description))
    return made


def granted(one: Job) -> RoleGrantFootprint:
    """The footprint, as it is known best."""
    assert isinstance(one.footprint, RoleGrantFootprint)
    return one.footprint


def names(one: Job) -> list[str]:
    """Of what was planned."""
    return [each.name for each in granted(one).grants]


async def refused(work: Awaitable[object]) -> Conflict:
    """The conflict that it comes to."""
    with pytest.raises(Conflict) as caught:
        await work
    return caught.value


async def test_the_holder_gets_each_role_under_a_name_of_the_leases() -> None:
    """Described as a grant, and with the condition of the role."""
    first, second = grant_target().azure_roles
    one = Job(world(), RoleGrantTarget((first, replace(second, condition="x"))))
    await one.mint()
    description = f"leasehold grant {one.order.lease_id}"
    assert {
        Assignment(SCOPES[index], ownership.assignment_name(one.order.lease_id, index)): Granted(
            DEFINITION, ALICE.object_id, condition, description
        )
        for index, condition in ((0, None), (1, "x"))
    } == one.world.cloud.assignments


async def test_the_credential_names_what_was_made_and_has_no_secret() -> None:
    """With the subscription, where all of it lies in one."""
    one = job()
    fields: dict[str, Any] = dict((await one.mint()).fields())
    made = [each.resource_id for each in granted(one).grants]
    assert [(each, str(scope), DEFINITION) for each, scope in zip(made, SCOPES, strict=False)] == [
        (each["id"], each["scope"], each["role_definition_id"]) for each in fields.pop("role_assignments")
    ]
    assert {
        "tenant_id": TENANT,
        "client_id": ALICE.app_id,
        "object_id": ALICE.object_id,
        "subscription_id": SCOPES[0].subscription_id,
        "left_out": [],
    } == fields


async def test_a_user_gets_it_as_a_user_where_the_deployment_allows_that() -> None:
    """Without a client id: that is the program's with which the user has signed in."""
    scene = world()
    issuer = replace(scene.issuers.grants, to_users=True)
    one = job(1, scene)
    order = replace(one.order, holder_type=CallerType.USER)
    made = await issuer.prepare(order, issuer.plan(order), lambda _: None)
    assert [CallerType.USER] == [each.principal_type for each in scene.cloud.assignments.values()]
    assert None is dict((await issuer.credential(order, made, lambda _: None)).credential.fields())["client_id"]


@pytest.mark.parametrize(
    "change",
    [
        {"holder_type": CallerType.USER},
        {"tenant_id": OTHER_TENANT},
    ],
)
def test_a_holder_to_whom_nothing_can_be_assigned_is_refused_before_anything_is_made(change: dict[str, Any]) -> None:
    """A user, unless the deployment says otherwise; and whoever is of another tenant, of which Azure knows no principal."""
    one = job()
    holder = replace(one.order.holder, tenant_id=change.pop("tenant_id", TENANT))
    with pytest.raises(Conflict) as caught:
        one.issuer.plan(replace(one.order, holder=holder, **change))
    assert ("grant_unsupported", []) == (caught.value.stable_code, one.world.calls.made)


@pytest.mark.parametrize("identity", [BROKER, BROKER_APP_ID])
def test_an_identity_of_the_brokers_own_is_given_nothing(identity: ObjectId) -> None:
    """By its object id or its client id."""
    one = job(scene=world(protected=Protected(frozenset({identity}))))
    own = replace(one.order.holder, object_id=BROKER, app_id=BROKER_APP_ID)
    with pytest.raises(Forbidden) as caught:
        one.issuer.plan(replace(one.order, holder=own))
    assert "protected_target" == caught.value.stable_code


async def test_what_somebody_else_has_given_refuses_the_request_and_stays() -> None:
    """Azure arbitrates, and one read says whose it is. Nothing was begun, so nothing is noted."""
    one = job()
    theirs = by_hand(one.world)
    error = await refused(one.mint())
    assert ("already_held", "", []) == (error.stable_code, error.lease, one.noted)
    assert [theirs] == [*one.world.cloud.assignments]
    assert ["authorization.assign", "authorization.assigned_to"] == [call.name for call in one.world.calls.made]


async def test_what_another_lease_has_given_refuses_the_request_and_names_the_lease() -> None:
    """Even where what is there already is left out: the other lease takes it back when that ends."""
    one = job(on_existing="ignore")
    other = by_hand(one.world, 0, ownership.assignment_name(OTHER, 4), ownership.grant_description(OTHER))
    error = await refused(one.mint())
    assert ("already_granted", OTHER) == (error.stable_code, error.lease)
    assert [other] == [*one.world.cloud.assignments]


async def test_a_description_alone_makes_no_lease() -> None:
    """Somebody has copied it: the name is not the lease's."""
    one = job()
    by_hand(one.world, description=ownership.grant_description(OTHER))
    assert "already_held" == (await refused(one.mint())).stable_code


@pytest.mark.parametrize("index", [0, 1])
async def test_what_is_there_already_is_left_out_if_the_role_says_so(index: int) -> None:
    """It is told in the answer, and it is no scope of the lease. The end of the lease leaves it alone."""
    one = job(on_existing="ignore")
    theirs = by_hand(one.world, index)
    fields: dict[str, Any] = dict((await one.mint()).fields())
    left, made = SCOPES[index], SCOPES[1 - index]
    assert [{"scope": left, "role_definition_id": DEFINITION, "code": "already_held"}] == fields["left_out"]
    assert [made] == [each["scope"] for each in fields["role_assignments"]]
    assert [made] == [*one.kind.schema.places_of(one.footprint).scopes]
    assert [f"role assignment {names(one)[1 - index]} at {made}"] == [*one.kind.schema.remains(one.footprint)]
    one.world.calls.made.clear()
    assert await one.undo()
    assert [theirs] == [*one.world.cloud.assignments]
    assert ["authorization.unassign"] == [call.name for call in one.world.calls.made]


async def test_where_nothing_is_left_to_make_the_request_is_refused() -> None:
    """Although the role leaves out what is there already."""
    one = job(on_existing="ignore")
    theirs = [by_hand(one.world, 0), by_hand(one.world, 1, BY_HAND.replace("1", "2"))]
    assert ("already_held", []) == ((await refused(one.mint())).stable_code, one.noted)
    assert theirs == [*one.world.cloud.assignments]


async def test_what_was_made_before_a_refusal_is_noted_and_undone() -> None:
    """The second role is held already: the first goes, and what somebody else has given stays."""
    one = job()
    theirs = by_hand(one.world, 1)
    assert "already_held" == (await refused(one.mint())).stable_code
    first, second = names(one)
    assert ((first,), (second,), False) == (granted(one).made, granted(one).unmade, granted(one).granted)
    one.world.calls.made.clear()
    assert await one.undo()
    assert [theirs] == [*one.world.cloud.assignments]
    assert 1 == len(one.world.calls.made)


class Between:
    """Somebody acts after the broker has read, and before Azure is told to make the assignment."""

    def __init__(self, scene: World, act: Callable[[], object]) -> None:
        self.inner, self.act = scene.issuers.grants.authorization, act

    async def assign(self, *what: Any) -> None:
        """Somebody comes first."""
        act, self.act = self.act, lambda: None
        act()
        await self.inner.assign(*what)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@pytest.mark.parametrize("on_existing", ["refuse", "ignore"])
async def test_a_grant_that_appears_between_the_read_and_the_change_is_left_alone(on_existing: str) -> None:
    """Azure has refused the change, so that there is nothing of this name to take back."""
    scene = world()
    one = job(scene=scene, on_existing=on_existing)
    issuer = replace(scene.issuers.grants, authorization=Between(scene, lambda: by_hand(scene)))
    (made,) = await asyncio.gather(issuer.prepare(one.order, granted(one), one._note), return_exceptions=True)
    if isinstance(made, RoleGrantFootprint):
        assert ("ignore", (names(one)[0],)) == (on_existing, made.left_out)
    else:
        assert isinstance(made, Conflict)
        assert ("refuse", "already_held") == (on_existing, made.stable_code)
    await one.undo()
    assert [Thing("assignment", BY_HAND, SCOPES[0])] == scene.leftovers()


async def test_a_lost_answer_is_found_again_by_its_name() -> None:
    """Nobody takes it for somebody else's."""
    one = job()
    one.world.calls.fail("authorization.assign", Unreachable(), after=True, times=2)
    await one.mint()
    assert (2, (), True) == (len(granted(one).made), granted(one).left_out, granted(one).granted)
    assert await one.undo()
    assert [] == one.world.leftovers()


async def test_what_azure_refuses_as_existing_is_the_leases_own_if_it_has_its_name() -> None:
    """Some of Azure's servers answer so to a repeat of the same change."""
    one = job(1)
    own = granted(one).grants[0]
    by_hand(one.world, 0, own.name, ownership.grant_description(one.order.lease_id))
    one.world.calls.fail("authorization.assign", AlreadyExists(status=409, azure_code="RoleAssignmentExists"))
    await one.mint()
    assert (own.name,) == granted(one).made


async def test_what_may_have_been_made_before_a_refusal_is_looked_for_at_the_end() -> None:
    """The answer to the first try was lost; then somebody else came first. The try may still come to Azure, late."""
    one = job(1)
    one.world.calls.fail("authorization.assign", Unreachable())
    by_hand(one.world)
    assert "already_held" == (await refused(one.mint())).stable_code
    (name,) = names(one)
    assert ((name,), ()) == (granted(one).made, granted(one).unmade)
    del one.world.cloud.assignments[Assignment(SCOPES[0], BY_HAND)]
    by_hand(one.world, 0, name, ownership.grant_description(one.order.lease_id))
    assert await one.undo()
    assert [] == one.world.leftovers()


async def test_what_exists_and_is_not_listed_is_looked_for_again() -> None:
    """It has ended meanwhile: then it is made."""
    one = job(1, world(latency=1.0))
    theirs = by_hand(one.world)

    async def ends() -> None:
        await asyncio.sleep(0)
        one.world.cloud._fresh_until[theirs] = one.world.clock.monotonic() + 60
        await one.world.clock.sleep(4)
        del one.world.cloud.assignments[theirs]

    await asyncio.gather(one.mint(), ends())
    assert names(one) == [each.name for each in one.world.cloud.assignments]


async def test_what_exists_and_is_never_listed_is_told_to_the_caller_as_too_fresh() -> None:
    """Whose it is nobody knows, so nothing is left out."""
    one = job(1, world(lag=600.0), on_existing="ignore")
    by_hand(one.world)
    began = one.world.clock.monotonic()
    with pytest.raises(NotReplicated):
        await one.mint()
    assert [] == one.noted
    assert 8 <= one.world.clock.monotonic() - began <= 10


@pytest.mark.parametrize("failure", [Absent("gone", status=404), Refused("no", status=403)])
async def test_where_nothing_can_be_read_the_failure_is_azures(failure: Upstream) -> None:
    """Nothing was made, and nothing is left out."""
    one = job(1, on_existing="ignore")
    by_hand(one.world)
    one.world.calls.fail("authorization.assigned_to", failure)
    with pytest.raises(type(failure)):
        await one.mint()
    assert [] == one.noted


@pytest.mark.parametrize("roles", [1, 3])
async def test_of_two_leases_that_one_holder_asks_for_at_once_one_gets_all(roles: int) -> None:
    """The other is told which, has made nothing, and takes nothing away."""
    scene = world(latency=1.0)
    jobs = [job(roles, scene), job(roles, scene)]
    answers = await asyncio.gather(*(each.mint() for each in jobs), return_exceptions=True)
    (error,) = [each for each in answers if isinstance(each, BaseException)]
    loser, winner = sorted(jobs, key=lambda each: granted(each).granted)
    assert isinstance(error, Conflict)
    assert ("already_granted", winner.order.lease_id) == (error.stable_code, error.lease)
    assert [] == loser.noted
    await loser.undo()
    assert sorted(names(winner)) == sorted(each.name for each in scene.cloud.assignments)


async def test_a_failure_leaves_the_rest_unmade_and_says_so() -> None:
    """The first grant goes ahead: where it fails, nothing else was tried."""
    one = job(3)
    one.world.calls.fail("authorization.assign", Refused("no", status=403))
    with pytest.raises(Refused):
        await one.mint()
    assert ([], 1) == (one.noted, len(one.world.calls.made))


async def test_an_undo_goes_on_after_a_failure_and_names_the_scope() -> None:
    """An operator has to look there."""
    one = job(3)
    await one.mint()
    one.world.cloud.locked_scopes.add(SCOPES[1])
    with pytest.raises(Locked) as caught:
        await one.undo()
    assert SCOPES[1] == caught.value.where
    assert [Thing("assignment", names(one)[1], SCOPES[1])] == one.world.leftovers()


async def test_a_fresh_grant_that_is_hidden_is_looked_for_again() -> None:
    """For some seconds."""
    one = job(1, world(lag=5.0))
    await one.mint()
    assert await one.undo(fresh=True)
    assert [] == one.world.leftovers()

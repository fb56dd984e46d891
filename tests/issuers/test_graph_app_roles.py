"""Service principals with application permissions of Microsoft Graph: what is allowed, given, proven, and gone in the end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.core.errors import Absent, AmbiguousRefusal, Malformed, NotReplicated, Refused, RoleOutdated, Unreachable
from shared.core.graph_app_roles import GraphAppRole, names_of
from shared.core.pool import Pool
from shared.issuers.service_principal.choice import SECRET, CredentialChoice
from shared.issuers.service_principal.graph_app_roles import GraphPermissions
from shared.kinds.proof import Proof
from tests.fakes.app_roles import ALL_GROUPS, OFFERED, USERS, FakeAppRoles, carried
from tests.fakes.world import REPLICAS, SCOPES, Replicas, World, principal_target, world
from tests.issuers.orders import Job
from tests.support.every_kind import ARM
from tests.support.kinds import as_principal

OF_GRAPH = "https://graph.microsoft.com/.default"
TOKENS = CredentialChoice("token", (ARM, OF_GRAPH))
BOTH = (USERS, ALL_GROUPS)


def job(made: World | None = None, *, roles: int = 1, groups: int = 0, **more: Any) -> Job:
    """One order with both permissions."""
    return Job(made or world(), principal_target(roles, groups, **({"graph_app_roles": BOTH} | more)))


def named(*names: str) -> tuple[GraphAppRole, ...]:
    """As they are in a document."""
    return tuple(GraphAppRole(each) for each in names)


def struck_off(one: Job, *left: str) -> Any:
    """The issuer once the operator allows these alone."""
    calls = FakeAppRoles(one.world.calls, one.world.cloud)
    return replace(one.world.issuers.principals, graph_permissions=GraphPermissions(calls, frozenset(left)))


def given(one: Job) -> frozenset[str]:
    """What tokens of the lease's application carry."""
    app_id = as_principal(one.footprint).app_id
    assert app_id is not None
    return carried(one.world.cloud, app_id)


# The role is written


async def resolved(*names: str, **more: Any) -> Any:
    """What becomes of a role with these permissions."""
    return await world().issuers.principals.resolve(principal_target(1, 0, graph_app_roles=named(*names), **more))


async def refusal(*names: str, **more: Any) -> tuple[str, list[str]]:
    """Why it is refused, and where."""
    with pytest.raises(Malformed) as caught:
        await resolved(*names, **more)
    return caught.value.stable_code, [fault.path for fault in caught.value.faults]


async def test_permissions_are_looked_up_when_the_role_is_written() -> None:
    """By their names: so an issue looks nothing up."""
    found = await resolved("User.Read.All", "Group.Read.All")
    assert BOTH == found.graph_app_roles


async def test_a_role_without_them_asks_nothing() -> None:
    """Most roles."""
    made = world()
    await made.issuers.principals.resolve(principal_target())
    assert [] == made.calls.named("app_roles")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("User.Read.All", "Mail.Send"), ("graph_app_roles_disabled", ["graph_app_roles[1]"])),
        (("user.read.all",), ("graph_app_roles_disabled", ["graph_app_roles[0]"])),
        (("Mail.Send", "RoleManagement.ReadWrite.Directory"), ("graph_app_role_forbidden", ["graph_app_roles[1]"])),
        (("User.Read.All", "Nothing.Of.The.Kind"), ("unresolvable", ["graph_app_roles[1]"])),
    ],
)
async def test_which_permissions_are_refused(names: tuple[str, ...], expected: tuple[str, list[str]]) -> None:
    """What the operator does not list, what no role may have, and what Graph does not offer."""
    assert expected == await refusal(*names)


async def test_nothing_is_allowed_where_the_operator_lists_nothing() -> None:
    """And nothing is asked."""
    one = job()
    with pytest.raises(Malformed) as caught:
        await struck_off(one).resolve(one.target)
    assert "graph_app_roles_disabled" == caught.value.stable_code
    assert [] == one.world.calls.made


async def test_no_setting_allows_what_no_role_may_have() -> None:
    """Whatever the operator lists."""
    one, target = job(), principal_target(graph_app_roles=named("Directory.ReadWrite.All"))
    with pytest.raises(Malformed) as caught:
        await struck_off(one, "Directory.ReadWrite.All").resolve(target)
    assert "graph_app_role_forbidden" == caught.value.stable_code


async def test_every_fault_of_a_role_is_told_at_once() -> None:
    """Groups and permissions alike."""
    made = world()
    made.calls.fail("directory.read_group", Absent(status=404))
    with pytest.raises(Malformed) as caught:
        await made.issuers.principals.resolve(principal_target(0, 1, graph_app_roles=named("Nothing.Of.The.Kind")))
    assert ["azure_groups[0].object_id", "graph_app_roles[0]"] == [fault.path for fault in caught.value.faults]


async def test_a_tenant_without_graph_offers_nothing() -> None:
    """The whole field is at fault."""
    made = world()
    made.calls.fail("app_roles.offered", Absent(status=404))
    with pytest.raises(Malformed) as caught:
        await made.issuers.principals.resolve(principal_target(1, 0, graph_app_roles=named("User.Read.All")))
    assert ["graph_app_roles"] == [fault.path for fault in caught.value.faults]


async def test_tokens_for_graph_take_permissions_there() -> None:
    """Otherwise they would be good for nothing, or for more than the role says."""
    assert BOTH == (await resolved("User.Read.All", "Group.Read.All", credential=TOKENS)).graph_app_roles
    assert ("malformed", ["token_scopes[1]"]) == await refusal(credential=TOKENS)


async def test_permissions_alone_show_themselves() -> None:
    """`ready: access` needs no probe for them, and goes on needing one for groups."""
    one = principal_target(0, 0, graph_app_roles=named("User.Read.All"), ready="access")
    assert (USERS,) == (await world().issuers.principals.resolve(one)).graph_app_roles
    with pytest.raises(Malformed) as caught:
        await world().issuers.principals.resolve(replace(one, azure_groups=principal_target(0, 1).azure_groups))
    assert "not_observable" == caught.value.stable_code


# A lease is issued


@pytest.mark.parametrize("choice", [SECRET, TOKENS])
async def test_each_permission_is_one_call(choice: CredentialChoice) -> None:
    """Beside the assignments; the principal then has all, and the footprint names them."""
    one = job(credential=choice)
    await one.mint()
    assert 2 == len(one.world.calls.named("app_roles.give"))
    assert {*names_of(BOTH)} == given(one)
    assert names_of(BOTH) == as_principal(one.footprint).graph_app_roles


async def test_they_are_given_side_by_side_with_the_assignments() -> None:
    """All of it takes as long as one call."""
    one = Job(world(latency=1.0), principal_target(3, 2, graph_app_roles=BOTH))
    await one.mint()
    given = [call.began for call in one.world.calls.made if call.name in {"app_roles.give", "authorization.assign"}]
    assert (5, 1) == (len(given), len({*given}))


async def test_a_repeat_gives_nothing_twice() -> None:
    """The answer was lost, or another worker goes on."""
    one = job()
    one.world.calls.fail("app_roles.give", Unreachable(), after=True)
    await one.mint()
    await one.mint()
    assert [2] == [len(each) for each in one.world.cloud.app_roles.values()]
    assert {*names_of(BOTH)} == given(one)


@pytest.mark.parametrize("error", [Absent(status=404), AmbiguousRefusal(status=400), NotReplicated()])
async def test_a_fresh_principal_may_not_be_known_for_minutes(error: Any) -> None:
    """It is waited for as long as the order allows."""
    one = job()
    one.world.calls.fail("app_roles.give", error, times=60)
    began = one.world.clock.monotonic()
    await one.mint()
    assert 45 < one.world.clock.monotonic() - began < one.seconds


async def test_a_broker_that_may_not_give_them_makes_nothing_that_stays() -> None:
    """It lacks AppRoleAssignment.ReadWrite.All: no second try."""
    one = job(groups=1)
    one.world.calls.fail("app_roles.give", Refused(status=403, azure_code="Authorization_RequestDenied"))
    with pytest.raises(Refused):
        await one.mint()
    assert 2 == len(one.world.calls.named("app_roles.give"))
    assert await one.undo()
    assert [] == one.world.leftovers()


async def test_undoing_takes_no_call_for_them() -> None:
    """They go with the principal."""
    with_them, without = job(), job(graph_app_roles=())
    for one in (with_them, without):
        await one.mint()
        one.world.calls.made.clear()
        assert await one.undo()
    assert without.world.calls.names() == with_them.world.calls.names()
    assert frozenset() == given(with_them)


async def test_what_remains_of_a_lease_names_the_principal_and_not_them() -> None:
    """Whoever deletes that has deleted them."""
    one = job()
    await one.mint()
    remains = one.kind.schema.remains(one.footprint)
    assert any(f"service principal {as_principal(one.footprint).principal_id}" in each for each in remains)
    assert not any(name in each for each in remains for name in OFFERED)


async def test_what_the_operator_has_struck_off_is_issued_no_more() -> None:
    """Neither planned nor made nor handed out again, whatever the stored role says."""
    one = job()
    await one.mint()
    before, issuer = len(one.world.calls.made), struck_off(one, "User.Read.All")
    with pytest.raises(RoleOutdated) as planning:
        issuer.plan(one.order)
    with pytest.raises(RoleOutdated) as preparing:
        await issuer.prepare(one.order, one.footprint, lambda _: None)
    with pytest.raises(RoleOutdated) as repeating:
        await issuer.credential(replace(one.order, rotating=True), one.footprint, lambda _: None)
    for caught in (planning, preparing, repeating):
        assert caught.value.audit_reason.startswith("graph_app_roles[1]: LEASEHOLD_GRAPH_APP_ROLES does not list it")
        assert () == caught.value.faults
    assert before == len(one.world.calls.made)


# It is proven


async def test_a_token_for_graph_carries_all_or_is_not_handed_out() -> None:
    """Entra ID hears of them late."""
    token = REPLICAS.set(Replicas("typical", 3))
    try:
        made = world()
    finally:
        REPLICAS.reset(token)
    one = job(made, credential=TOKENS)
    one.order = replace(one.order, asked=OF_GRAPH)
    minted = await one.mint()
    assert OF_GRAPH == minted.fields()["scope"]
    assert len(made.calls.named("sign_in.token")) > 1


async def test_no_token_for_graph_before_the_orders_end() -> None:
    """As with every other link."""
    one = job(credential=TOKENS)
    one.order = replace(one.order, asked=OF_GRAPH)
    one.world.calls.fail("sign_in.token", NotReplicated(), times=1000)
    with pytest.raises(NotReplicated):
        await one.mint()
    assert await one.undo()
    assert [] == one.world.leftovers()


@pytest.mark.parametrize(
    ("scope", "ready", "is_proof"),
    [(OF_GRAPH, "token", True), (ARM, "token", False), (ARM, "access", False), (ARM, "none", True), (OF_GRAPH, "none", True)],
)
async def test_which_token_is_the_proof(scope: str, ready: str, is_proof: bool) -> None:  # noqa: FBT001 - a column
    """One for Resource Manager says nothing of Graph."""
    one = job(credential=TOKENS, ready=ready)
    order = replace(one.order, asked=scope)
    made = await one.issuer.prepare(order, one.footprint, lambda _: None)
    assert is_proof is (await one.issuer.credential(order, made, lambda _: None)).proven


@pytest.mark.parametrize("choice", [SECRET, TOKENS])
@pytest.mark.parametrize(
    ("ready", "seen"),
    [("token", ("token", "graph_app_roles")), ("access", ("token", "graph_app_roles", f"arm:{SCOPES[0]}"))],
)
async def test_they_are_seen_in_tokens(choice: CredentialChoice, ready: str, seen: tuple[str, ...]) -> None:
    """Wherever the role asks for a proof."""
    one = job(credential=choice, ready=ready)
    credential = await one.mint()
    assert Proof(True, seen) == await one.issuer.prove(one.order, credential, deadline=one.order.deadline)


async def test_a_credential_whose_tokens_lack_them_is_not_ready() -> None:
    """Though it signs in."""
    one = job(ready="token")
    credential = await one.mint()
    one.world.cloud.app_roles.clear()
    assert Proof(False, ("token",), ("graph_app_roles",)) == await one.issuer.prove(
        one.order, credential, deadline=one.order.deadline
    )


async def test_a_prepared_lease_is_proven_by_the_brokers_own_link() -> None:
    """Before there is a secret."""
    one = job(ready="token")
    made = await one.issuer.prepare(one.order, one.footprint, lambda _: None)
    proof = await one.world.issuers.principals.prove_prepared(one.order, as_principal(made), deadline=one.order.deadline)
    assert Proof(True, ("token", "graph_app_roles")) == proof


async def test_a_role_that_wants_no_proof_gets_none() -> None:
    """No token is asked for."""
    one = job(ready="none")
    credential = await one.mint()
    await one.issuer.prove(one.order, credential, deadline=one.order.deadline)
    assert [] == one.world.calls.named("access.sees")


# In a pool


async def test_a_claim_gives_what_the_pool_has_not() -> None:
    """Until then the principal has no permission; the footprint says so."""
    one = job(ready="token", pool=Pool(size=1))
    issuer = one.world.issuers.principals
    pooled = replace(one.order, pooled=True)
    made = await issuer.prepare(pooled, issuer.plan_pooled(pooled), lambda _: None)
    assert ((), []) == (made.graph_app_roles, one.world.calls.named("app_roles.give"))
    claimed = replace(one.order, claimed=True)
    one.footprint = await issuer.prepare(claimed, issuer.plan_claimed(claimed, made), lambda _: None)
    assert names_of(BOTH) == as_principal(one.footprint).graph_app_roles
    assert {*names_of(BOTH)} == given(one)
    assert await one.undo()
    assert [] == one.world.leftovers()

"""Service principals of a pool: what is made before anybody asks, what a claim makes, and who else has been at them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from shared.broker.issue.mint import Minting
from shared.core.directory import ApplicationIds, LookedAt, NewTrust
from shared.core.errors import Absent, Malformed, Refused, Unavailable, Unreachable, Upstream
from shared.core.footprint import Footprint
from shared.core.names import ObjectId
from shared.core.pool import Pool
from shared.issuers.service_principal.choice import SECRET
from shared.issuers.service_principal.pooling import PoolWatch, require_poolable
from shared.issuers.service_principal.target import ServicePrincipalFootprint, ServicePrincipalTarget
from shared.kinds.kind import Order
from shared.kinds.pooling import FOREIGN, UNSEEN, VANISHED, pool_issuer
from tests.fakes.world import BOB, BROKER, EXCHANGE, World, principal_target, world
from tests.issuers.orders import order
from tests.support.every_kind import CERTIFICATES, FEDERATED, TOKENS, works
from tests.support.kinds import as_principal

CHOICES = {"secret": SECRET, "token": TOKENS, "federated": FEDERATED, "certificate": CERTIFICATES}
CREDENTIAL = {
    "secret": ["directory.add_secret"],
    "token": [],
    "federated": ["directory.add_federated"],
    "certificate": ["directory.add_key"],
}
"""What the credential itself takes."""
PRINCIPAL = ["directory.upsert_application", "directory.create_principal", "directory.add_federated"]
"""What every lease of a pool takes: the last is the broker's own trust."""
GIVEN = ["authorization.assign", "authorization.assign", "directory.add_member"]


def target(name: str, **more: Any) -> ServicePrincipalTarget:
    """Of a role with two assignments and a group."""
    return principal_target(2, 1, credential=CHOICES[name], pool=Pool(1, assigned=more.pop("assigned", None)), **more)


def writes(made: World) -> list[str]:
    """What was written in Azure, sorted."""
    return sorted(call.name for call in made.calls.made if call.service in {"directory", "authorization"})


class Pooled:
    """One lease of a pool, carried out by hand."""

    def __init__(self, wanted: ServicePrincipalTarget) -> None:
        self.world, self.target = world(), wanted
        self.kind = self.world.ports.kinds.of(wanted)
        self.issuer = pool_issuer(self.kind)
        self.order = replace(order(self.world, wanted), pooled=True, asked=None)
        self.footprint: Any = None
        self.noted: list[Footprint] = []

    async def fill(self) -> None:
        """Makes what waits for a caller. Forgets the calls."""
        self.footprint = await self.kind.issuer.prepare(self.order, self.issuer.plan_pooled(self.order), self.noted.append)

    def claim(self) -> tuple[Order, Any]:
        """A caller's order for what stands there, and its plan. Forgets the calls of the filling."""
        self.world.calls.made.clear()
        wanted = replace(order(self.world, self.target), lease_id=self.order.lease_id, claimed=True)
        planned = self.issuer.plan_claimed(wanted, self.footprint)
        assert [] == self.world.calls.made
        return wanted, planned


@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.parametrize("assigned", [True, False])
async def test_what_a_pool_makes_and_what_a_claim_makes(name: str, *, assigned: bool) -> None:
    """Together it is what a lease takes that is made for its caller, with the broker's own trust. Nothing is made twice."""
    pooled = Pooled(target(name, assigned=assigned))
    await pooled.fill()
    assert sorted([*PRINCIPAL, *(GIVEN if assigned else ())]) == writes(pooled.world)
    assert (assigned, name) == (pooled.footprint.held.given, pooled.footprint.held.name)
    wanted, planned = pooled.claim()
    minting = Minting(pooled.kind, wanted, planned)
    credential = await minting.run()
    assert sorted([*CREDENTIAL[name], *(() if assigned else GIVEN)]) == writes(pooled.world)
    assert works(pooled.world, credential)
    learned = as_principal(minting.learned)
    assert learned.held.given
    assert pooled.footprint.principal_id == learned.principal_id


@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.parametrize("assigned", [True, False])
async def test_a_second_worker_prepares_the_same_once_more(name: str, *, assigned: bool) -> None:
    """The first one has died. The caller's certificate, assignments and memberships are there once."""
    pooled = Pooled(target(name, assigned=assigned))
    await pooled.fill()
    wanted, planned = pooled.claim()
    before = {*pooled.world.cloud.assignments}
    made = [await pooled.kind.issuer.prepare(wanted, planned, pooled.noted.append) for _ in range(2)]
    assert made[0] == made[1]
    assert 2 == len(pooled.world.cloud.assignments)
    assert before == ({*pooled.world.cloud.assignments} if assigned else set())
    (application,) = [e for e in pooled.world.cloud.applications.values() if e.unique_name == planned.unique_name]
    key = application.wanted.key if application.wanted else None
    assert (name == "certificate") is (key is not None)
    assert {} == application.secrets
    assert {"lh-broker"} == {*application.trusted}


@pytest.mark.parametrize("name", CHOICES)
async def test_what_stands_ready_takes_no_call_to_prepare(name: str) -> None:
    """But for a certificate, which nobody had before."""
    pooled = Pooled(target(name))
    await pooled.fill()
    wanted, planned = pooled.claim()
    await pooled.kind.issuer.prepare(wanted, planned, pooled.noted.append)
    assert (["directory.add_key"] if name == "certificate" else []) == writes(pooled.world)


async def test_a_claimed_application_that_is_not_there_is_told_at_once() -> None:
    """It was known everywhere: nobody waits for it to appear."""
    pooled = Pooled(target("secret"))
    await pooled.fill()
    wanted, planned = pooled.claim()
    pooled.world.cloud.delete_application(planned.application_id)
    began = pooled.world.ports.clock.monotonic()
    with pytest.raises(Absent):
        await Minting(pooled.kind, wanted, planned).run()
    assert pooled.world.ports.clock.monotonic() - began < 5.0


@pytest.mark.parametrize("name", CHOICES)
async def test_what_was_claimed_is_undone_whole(name: str) -> None:
    """Also what only the claim has made."""
    pooled = Pooled(target(name, assigned=False))
    before = pooled.world.leftovers()
    await pooled.fill()
    wanted, planned = pooled.claim()
    minting = Minting(pooled.kind, wanted, planned)
    await minting.run()
    deadline = pooled.world.ports.within(60.0)
    assert await pooled.kind.issuer.undo(minting.learned, fresh=False, deadline=deadline)
    assert before == pooled.world.leftovers()


def test_the_pools_of_roles_with_holes_are_assigned_at_the_claim() -> None:
    """Nobody has given the values yet. A role that wants it otherwise is refused."""
    hole: Any = {"group": object()}
    require_poolable(replace(target("token", assigned=False), parameters=hole))
    require_poolable(replace(target("token"), parameters=hole))
    with pytest.raises(Malformed) as refused:
        require_poolable(replace(target("token", assigned=True), parameters=hole))
    assert ("pool_needs_constant_scopes", ["pool.assigned"]) == (
        refused.value.stable_code,
        [each.path for each in refused.value.faults],
    )


OWN = NewTrust("lh-broker", EXCHANGE.issuer, BROKER, EXCHANGE.audience)
CLEAN = LookedAt("AzureADMyOrg", trusted=(OWN,), owners=(BROKER,))
KEY = ObjectId("77777777-0000-4000-8000-000000000007")


@pytest.mark.parametrize(
    ("seen", "code"),
    [
        (CLEAN, None),
        (replace(CLEAN, owners=()), None),
        (None, VANISHED),
        (replace(CLEAN, trusted=()), VANISHED),
        (replace(CLEAN, secrets=(KEY,)), FOREIGN),
        (replace(CLEAN, certificates=(KEY,)), FOREIGN),
        (replace(CLEAN, trusted=(OWN, replace(OWN, name="other", subject=BOB.object_id))), FOREIGN),
        (replace(CLEAN, trusted=(replace(OWN, subject=BOB.object_id),)), FOREIGN),
        (replace(CLEAN, trusted=(replace(OWN, issuer="https://elsewhere"),)), FOREIGN),
        (replace(CLEAN, owners=(BROKER, BOB.object_id)), FOREIGN),
        (replace(CLEAN, sign_in_audience="AzureADMultipleOrgs"), FOREIGN),
        (replace(CLEAN, redirects=1), FOREIGN),
        (replace(CLEAN, app_roles=1), FOREIGN),
        (replace(CLEAN, has_principal=False), VANISHED),
        (replace(CLEAN, is_enabled=False), VANISHED),
        (replace(CLEAN, secrets=(KEY,), has_principal=False), FOREIGN),
        (replace(CLEAN, secrets=(KEY,), trusted=()), FOREIGN),
        (Refused("no", status=403), FOREIGN),
        (Unavailable("busy"), UNSEEN),
    ],
)
async def test_what_a_look_says_of_one_lease(seen: LookedAt | Upstream | None, code: str | None) -> None:
    """Whoever could sign in as it is a stranger, but for the broker. A key is told by its id."""
    pooled = Pooled(target("token"))
    await pooled.fill()
    watch = PoolWatch(_Says(pooled.kind.issuer.means, [seen]), _gone)  # type: ignore[attr-defined,arg-type]
    (trouble,) = await watch.look_at([(pooled.target, pooled.footprint)])
    assert code == (trouble.code if trouble else None)
    has_key = isinstance(seen, LookedAt) and (seen.secrets or seen.certificates)
    assert (KEY if has_key else None) == (trouble.key_id if trouble else None)


async def _gone(_footprint: ServicePrincipalFootprint) -> bool:
    return False


@pytest.mark.parametrize("seen", [None, replace(CLEAN, has_principal=False)])
@pytest.mark.parametrize("answer", [None, Unavailable("busy")])
async def test_what_a_list_does_not_show_is_read_before_it_is_believed(
    seen: LookedAt | None, answer: Unavailable | None
) -> None:
    """A list may be behind, and a lease that somebody could claim would end with an alarm."""

    async def stands(_footprint: ServicePrincipalFootprint) -> bool:
        if answer is not None:
            raise answer
        return True

    pooled = Pooled(target("token"))
    await pooled.fill()
    watch = PoolWatch(_Says(pooled.kind.issuer.means, [seen]), stands)  # type: ignore[attr-defined,arg-type]
    (trouble,) = await watch.look_at([(pooled.target, pooled.footprint)])
    assert trouble is not None
    assert UNSEEN == trouble.code


class _Says:
    """Means whose directory has seen this."""

    def __init__(self, means: Any, seen: Sequence[LookedAt | Upstream | None]) -> None:
        self.federation, self.directory, self._seen = means.federation, self, seen

    async def look_at(self, _wanted: Sequence[ApplicationIds]) -> Sequence[LookedAt | Upstream | None]:
        return self._seen


async def test_ten_leases_are_looked_at_in_one_call() -> None:
    """And in their order."""
    pooled = Pooled(target("token"))
    await pooled.fill()
    footprint = pooled.footprint
    assert isinstance(footprint, ServicePrincipalFootprint)
    gone = replace(footprint, application_id=KEY, app_id=KEY)
    pooled.world.calls.made.clear()
    troubles = await pooled.issuer.look_at_pooled([(pooled.target, each) for each in (gone, *[footprint] * 9)])
    assert [VANISHED, *[None] * 9] == [each.code if each else None for each in troubles]
    assert ["directory.look_at"] == [call.name for call in pooled.world.calls.made if call.service == "directory"]
    pooled.world.calls.fail("directory.look_at", Unreachable("no answer"))
    with pytest.raises(Unreachable):
        await pooled.issuer.look_at_pooled([(pooled.target, footprint)])

"""Callers of several tenants: a role is for those of the broker's own unless it names others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.broker.configure.roles import put_role, read
from shared.broker.inspect import list_leases, may_issue, read_lease
from shared.core.access.bounds import Bounds
from shared.core.access.decide import Rights, decide
from shared.core.access.facts import Facts
from shared.core.access.match import Matched, match
from shared.core.caller import Caller
from shared.core.errors import Malformed, NotFound
from shared.core.names import RoleName
from shared.core.ports.leases import LeaseQuery
from tests.broker.scenes import issued
from tests.fakes.world import ADMINISTRATOR, ALICE, OTHER_TENANT, SCOPES, TENANT, WATCHER, guid, request, role, world
from tests.support.kinds import read_role


def abroad(caller: Caller) -> Caller:
    """The same of another tenant: every id and app role alike."""
    return replace(caller, tenant_id=OTHER_TENANT, at_home=False)


@pytest.mark.parametrize("caller", [ADMINISTRATOR, WATCHER])
async def test_another_tenants_administrator_is_nobody_here(caller: Caller) -> None:
    """Each tenant hands out a multi-tenant application's app roles itself."""
    scene = world(role())
    assert not abroad(caller).is_admin
    assert not abroad(caller).is_auditor
    assert not decide(Rights(abroad(caller)), "roles", "list").is_allowed
    assert not decide(Rights(abroad(caller)), "audit", "read").is_allowed
    assert () == (await may_issue(scene.ports, request(abroad(caller)))).roles


@pytest.mark.parametrize(
    "bounds",
    [
        Bounds(service_principal_ids=frozenset({ALICE.object_id})),
        Bounds(application_ids=frozenset({ALICE.app_id or ALICE.object_id})),
        Bounds(app_roles=frozenset({"Deployer"})),
    ],
)
@pytest.mark.parametrize(
    ("tenants", "home", "other"),
    [((), True, False), ((TENANT,), True, False), ((OTHER_TENANT,), False, True), ((TENANT, OTHER_TENANT), True, True)],
)
def test_every_kind_speaks_of_the_tenants_that_are_named(bounds: Bounds, tenants: Any, *, home: bool, other: bool) -> None:
    """Of the broker's own where none is."""
    bound = replace(bounds, tenant_ids=frozenset(tenants))
    caller = replace(ALICE, app_roles=frozenset({"Deployer"}))
    assert (home, other) == tuple(isinstance(match(bound, each, Facts()), Matched) for each in (caller, abroad(caller)))


def test_a_tenant_alone_lets_nobody_in() -> None:
    """It says nothing of who."""
    assert not isinstance(match(Bounds(tenant_ids=frozenset({TENANT})), ALICE, Facts()), Matched)


DOCUMENT = {"type": "service_principal", "azure_roles": [{"role_name": "Reader", "scope": SCOPES[0]}]}
WHO = {"bound_service_principal_ids": [ALICE.object_id]}


@pytest.mark.parametrize(
    ("bounds", "path"),
    [
        ({"bound_tenant_ids": [TENANT]}, "bound_tenant_ids"),
        ({**WHO, "bound_tenant_ids": []}, "bound_tenant_ids"),
        ({**WHO, "bound_tenant_ids": ["home"]}, "bound_tenant_ids[0]"),
        ({**WHO, "bound_tenant_ids": [guid(0x999)]}, "bound_tenant_ids"),
    ],
)
def test_refuses_tenants_that_mean_nothing(bounds: dict[str, Any], path: str) -> None:
    """Alone, none, no id, or one whose callers are never let in."""
    with pytest.raises(Malformed) as caught:
        read(world().ports, RoleName("web"), {**DOCUMENT, **bounds})
    assert [path] == [fault.path for fault in caught.value.faults]


async def test_tenants_are_kept() -> None:
    """The broker's own may be named as well."""
    scene = world()
    document = {**DOCUMENT, **WHO, "bound_tenant_ids": [OTHER_TENANT.upper(), TENANT, TENANT]}
    await put_role(scene.ports, request(ADMINISTRATOR), read_role(RoleName("web"), document))
    stored = await scene.ports.roles.get(RoleName("web"))
    assert stored is not None
    assert {TENANT, OTHER_TENANT} == stored.bounds.tenant_ids
    await issued(scene, request(abroad(ALICE)))


async def test_a_holder_is_an_object_id_in_its_tenant() -> None:
    """The same object id in another tenant is somebody else: it neither reads nor lists the lease."""
    scene = world(role())
    made = await issued(scene)
    for caller, expected in ((ALICE, [made.lease.id]), (abroad(ALICE), [])):
        assert expected == [each.id for each in (await list_leases(scene.ports, request(caller), LeaseQuery())).items]
    with pytest.raises(NotFound):
        await read_lease(scene.ports, request(abroad(ALICE)), made.lease.id)

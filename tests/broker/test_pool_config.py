"""Writing roles with pools: what is refused, what is warned of, and how much may stand in all pools together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.broker.configure.imports import import_configuration
from shared.broker.configure.roles import put_role
from shared.core.definition import Permission
from shared.core.errors import Malformed
from shared.core.limits import Limits
from shared.core.names import RoleName
from shared.core.pool import Pool
from tests.fakes.own_identity import SYSTEM_ASSIGNED
from tests.fakes.world import ADMINISTRATOR, ALICE, DEFINITION, SCOPES, WEB, World, request, world
from tests.support.kinds import read_role

API = RoleName("api")
READER = {"role_name": "Reader", "scope": SCOPES[0]}
OTHER = {"role_name": "Reader", "scope": SCOPES[1]}
WRITES = (Permission(("Microsoft.Storage/storageAccounts/write",)),)


def document(size: int, **more: Any) -> dict[str, Any]:
    """A role with so many leases in its pool, of two assignments each."""
    pool = {"size": size} | {name: more.pop(name) for name in ("assigned", "max_age") if name in more}
    return {
        "type": "service_principal",
        "azure_roles": [READER, OTHER],
        "bound_service_principal_ids": [ALICE.object_id],
        "pool": pool,
        **more,
    }


async def put(scene: World, wanted: dict[str, Any], name: RoleName = WEB, **more: Any) -> Any:
    """An administrator writes the role."""
    return await put_role(scene.ports, request(ADMINISTRATOR), read_role(name, wanted), **more)


async def refused(scene: World, wanted: dict[str, Any], name: RoleName = WEB, **more: Any) -> tuple[str, list[str]]:
    """The code and the paths."""
    with pytest.raises(Malformed) as caught:
        await put(scene, wanted, name, **more)
    return caught.value.stable_code, [fault.path for fault in caught.value.faults]


@pytest.mark.parametrize("dry_run", [True, False])
async def test_the_pools_of_all_roles_have_room_for_so_many(*, dry_run: bool) -> None:
    """Size times assignments, over all roles. What is assigned at the claim does not count."""
    scene = world(limits=Limits(pool_assignments=10))
    await put(scene, document(3))
    assert ("pool_too_large", ["pool.size"]) == await refused(scene, document(3), API, dry_run=dry_run)
    await put(scene, document(2), API)
    assert ("pool_too_large", ["pool.size"]) == await refused(scene, document(4), WEB, dry_run=dry_run)
    await put(scene, document(50, assigned=False), RoleName("bare"), dry_run=dry_run)
    await put(scene, document(0), RoleName("none"), dry_run=dry_run)


async def test_a_pool_that_gets_no_larger_is_not_refused() -> None:
    """However low the setting is by now: the role can be changed, and made smaller."""
    scene = world()
    await put(scene, document(50))
    scene.ports = replace(scene.ports, limits=Limits(pool_assignments=0))
    await put(scene, document(50, tags=["team:web"]))
    await put(scene, document(40))
    assert "pool_too_large" == (await refused(scene, document(41)))[0]


async def test_an_import_counts_what_there_is_after_it() -> None:
    """Each role that makes the pools too large is named. What the import deletes or makes smaller leaves room."""
    scene = world(limits=Limits(pool_assignments=10))
    await put(scene, document(5))
    wanted = {"form": 1, "roles": {"web": document(1), "api": document(5), "new": document(2)}}
    actor = request(ADMINISTRATOR)
    with pytest.raises(Malformed) as caught:
        await import_configuration(scene.ports, actor, wanted)
    assert "pool_too_large" == caught.value.stable_code
    assert ["roles.api.pool.size", "roles.new.pool.size"] == sorted(fault.path for fault in caught.value.faults)
    await import_configuration(scene.ports, actor, {"form": 1, "roles": {"web": document(1), "api": document(4)}})


async def test_a_pool_is_not_assigned_at_scopes_that_only_a_caller_knows() -> None:
    """Nor is that the default of such a role."""
    scene = world()
    hole = {"role_name": "Reader", "scope": SCOPES[0].rpartition("/")[0] + "/{group}"}
    holes = {"azure_roles": [hole], "parameters": {"group": {"kind": "resource_group", "allowed": ["rg*"]}}}
    assert ("pool_needs_constant_scopes", ["pool.assigned"]) == await refused(scene, document(1, assigned=True, **holes))
    written = (await put(scene, document(1, **holes))).document
    assert not written.target.assigns_in_pool


async def test_a_pool_takes_a_broker_that_applications_can_trust() -> None:
    """Whatever the credential."""
    scene = world()
    scene.cloud.broker = SYSTEM_ASSIGNED
    assert ("broker_identity_unsuitable", ["pool"]) == await refused(scene, document(1))
    await put(scene, document(0))


async def test_the_author_of_a_pool_that_holds_writes_is_warned() -> None:
    """If the author says that it is assigned. If nothing is said, it is not."""
    scene = world()
    scene.cloud.permissions[DEFINITION] = WRITES
    warned = await put(scene, document(1, assigned=True))
    assert ["pool_holds_writes"] == [each.code for each in warned.warnings]
    silent = await put(scene, document(1))
    assert [] == [each.code for each in silent.warnings]
    assert not silent.document.target.assigns_in_pool
    scene.cloud.permissions.clear()
    reads = await put(scene, document(1, assigned=True))
    assert [] == [each.code for each in reads.warnings]
    assert Pool(1, assigned=True) == reads.document.target.pool

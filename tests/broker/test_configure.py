from __future__ import annotations

from typing import Any

import pytest

from shared.broker.configure.policies import delete_policy
from shared.broker.configure.roles import delete_role, get_role, put_role, read
from shared.broker.revoke import Revoking
from shared.core.access.policy import PolicyName
from shared.core.audit import Outcome
from shared.core.errors import Conflict, Malformed, NotFound, PreconditionFailed, Unavailable
from shared.core.lease import State
from shared.core.limits import Limits
from shared.core.ports.documents import ABSENT, ANY, Expect, Version
from shared.core.protection import Protected
from shared.issuers.service_principal.schema import ServicePrincipalTarget
from shared.kinds.stored_role import store_role
from tests.broker.scenes import issued, swept
from tests.fakes.world import (
    ADMINISTRATOR,
    DEFINITION,
    EXISTING,
    EXISTING_APP_ID,
    GROUPS,
    SCOPES,
    WEB,
    World,
    request,
    role,
    world,
)
from tests.support.kinds import SCHEMAS
from tests.support.rights import keep_auth_role, keep_policy

ANOTHER, THIRD = (DEFINITION[:-2] + end for end in ("a1", "a2"))
DOCUMENT: dict[str, Any] = {"type": "service_principal", "azure_roles": [{"role_name": "Reader", "scope": SCOPES[0]}]}
ADMIN = request(ADMINISTRATOR)


async def put(scene: World, document: Any = DOCUMENT, expected: Expect = ANY, **more: Any) -> Any:
    """An admin writes the role."""
    return (await put_role(scene.ports, ADMIN, read(scene.ports, WEB, document), expected=expected, **more)).document


async def test_a_role_is_stored_with_what_its_names_mean_today() -> None:
    """Issuing looks nothing up."""
    scene = world()
    stored = await put(scene)
    assert isinstance(stored.target, ServicePrincipalTarget)
    assert DEFINITION == stored.target.azure_roles[0].definition_id
    assert stored == await get_role(scene.ports, WEB)
    assert [("put_role", "done")] == scene.audit.told()


async def test_a_dry_run_checks_and_changes_nothing() -> None:
    """But asks Azure."""
    scene = world()
    await put(scene, dry_run=True)
    assert ["roles.get", "authorization.permissions_at", "authorization.definitions_named"] == scene.calls.names()


async def test_a_document_with_faults_is_not_looked_up() -> None:
    """Azure is asked only about what can be read."""
    scene = world()
    with pytest.raises(Malformed):
        await put(scene, {"type": "service_principal"})


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({"max_ttl": 3601}, ["max_ttl"]),
        ({"ttl": 3601, "max_ttl": 3602}, ["ttl", "max_ttl"]),
        ({"ttl": 3601}, ["ttl"]),
    ],
)
async def test_no_role_may_name_a_longer_lifetime_than_the_setting(times: dict[str, int], expected: list[str]) -> None:
    """A fault of the bounds is told with it. A dry run says the same."""
    scene = world(limits=Limits(max_ttl=3600))
    stranger = {"bound_tenant_ids": [GROUPS[0]], "bound_app_roles": ["x"]}
    for dry_run in (False, True):
        with pytest.raises(Malformed) as caught:
            await put(scene, DOCUMENT | times | stranger, dry_run=dry_run)
        paths = [fault.path for fault in caught.value.faults]
        assert expected == [each for each in paths if each != "bound_tenant_ids"]
        assert len(expected) < len(paths)
    assert () == await scene.ports.roles.list()


@pytest.mark.parametrize(
    ("times", "longest", "expected"),
    [
        ({"ttl": 3600, "max_ttl": 3600}, 3600, (3600, 3600)),
        ({}, 3600, (900, 3600)),
        ({"ttl": 3000}, 3600, (3000, 3600)),
        ({}, 600, (600, 600)),
        ({"max_ttl": 300}, 600, (300, 300)),
        ({}, 86400, (900, 14400)),
        ({"ttl": 20000}, 86400, (20000, 20000)),
    ],
)
async def test_a_lifetime_that_a_role_does_not_name_is_within_the_setting(
    times: dict[str, int], longest: int, expected: tuple[int, int]
) -> None:
    """Nobody is refused for a field that it has not written."""
    stored = await put(world(limits=Limits(max_ttl=longest)), DOCUMENT | times)
    assert expected == (stored.ttl, stored.max_ttl)


async def test_a_lifetime_above_the_setting_does_not_hide_other_faults() -> None:
    """Every fault of a role is told at once."""
    scene = world(limits=Limits(max_ttl=3600))
    with pytest.raises(Malformed) as caught:
        await put(scene, DOCUMENT | {"ttl": 4000, "max_ttl": 5000, "colour": "red", "bound_group_ids": ["x"]})
    assert {"ttl", "max_ttl", "colour", "bound_group_ids[0]"} == {fault.path for fault in caught.value.faults}


async def test_names_that_mean_nothing_are_refused() -> None:
    """And nothing is stored."""
    scene = world()
    with pytest.raises(Malformed) as caught:
        await put(scene, {"type": "service_principal", "azure_roles": [{"role_name": "Nothing", "scope": SCOPES[0]}]})
    assert "unresolvable" == caught.value.stable_code
    assert () == await scene.ports.roles.list()


@pytest.mark.parametrize(
    ("protected", "document"),
    [
        (Protected(scopes=(SCOPES[0],)), DOCUMENT),
        (Protected(frozenset({EXISTING})), {"type": "application_secret", "application_object_id": EXISTING}),
        (Protected(frozenset({EXISTING_APP_ID})), {"type": "application_secret", "application_object_id": EXISTING}),
    ],
)
async def test_a_role_may_not_target_the_broker_itself(protected: Protected, document: Any) -> None:
    """Its resources, its application, by whichever id."""
    scene = world(protected=protected)
    with pytest.raises(Malformed) as caught:
        await put(scene, document)
    assert "protected_target" == caught.value.stable_code
    assert () == await scene.ports.roles.list()


async def test_a_protected_target_is_not_even_looked_up() -> None:
    """What the document itself says is judged first."""
    scene = world(protected=Protected(scopes=(SCOPES[0],)))
    with pytest.raises(Malformed):
        await put(scene)


async def test_versions_are_honoured() -> None:
    """Nobody overwrites what another has written meanwhile."""
    scene = world()
    first = await put(scene, expected=ABSENT)
    with pytest.raises(PreconditionFailed):
        await put(scene, expected=ABSENT)
    second = await put(scene, DOCUMENT | {"ttl": 120}, expected=Version(first.version))
    with pytest.raises(PreconditionFailed):
        await delete_role(scene.ports, ADMIN, WEB, expected=Version(first.version), revoking=False)
    assert await delete_role(scene.ports, ADMIN, WEB, expected=Version(second.version), revoking=False) is None


async def test_a_role_that_is_not_there_is_told() -> None:
    """To admins."""
    scene = world()
    with pytest.raises(NotFound) as caught:
        await get_role(scene.ports, WEB)
    assert "role_not_found" == caught.value.stable_code
    with pytest.raises(NotFound):
        await delete_role(scene.ports, ADMIN, WEB, revoking=False)


async def test_a_role_with_live_leases_stays_unless_they_go_as_well() -> None:
    """With ``revoking`` it is gone at once, and its leases at the next sweeps."""
    scene = world(role())
    for _ in range(3):
        await issued(scene)
    with pytest.raises(Conflict) as caught:
        await delete_role(scene.ports, ADMIN, WEB, revoking=False)
    assert "role_has_leases" == caught.value.stable_code
    assert Revoking(3, scene.clock.now()) == await delete_role(scene.ports, ADMIN, WEB, revoking=True)
    result = [(event.operation, event.outcome, event.role, event.caller) for event in scene.audit.events[-2:]]
    assert [(name, Outcome.DONE, WEB, ADMINISTRATOR) for name in ("revoke_role", "delete_role")] == result
    await swept(scene, after=300)
    assert [] == scene.leftovers()


async def test_a_role_whose_leases_have_ended_is_deleted() -> None:
    """Ended leases keep nothing alive."""
    scene = world(role(ttl=60))
    await issued(scene)
    await swept(scene, after=60)
    assert await delete_role(scene.ports, ADMIN, WEB, revoking=False) is None


async def test_what_is_not_recorded_is_an_error() -> None:
    """Though the role is stored."""
    scene = world()
    scene.calls.fail("audit.record", Unavailable())
    with pytest.raises(Unavailable):
        await put(scene)


async def test_a_repeated_deletion_ends_the_leases_that_a_dead_worker_left() -> None:
    """The first one had taken the role away and died; the repeat must not answer that there is no such role and stop there."""
    scene = world(role())
    lease = (await issued(scene)).lease
    scene.calls.fail("generations.advance", Unavailable())
    with pytest.raises(Unavailable):
        await delete_role(scene.ports, ADMIN, WEB, revoking=True)
    assert Revoking(1, scene.clock.now()) == await delete_role(scene.ports, ADMIN, WEB, revoking=True)
    await swept(scene)
    assert State.ENDED is scene.leases.rows[lease.id].state
    with pytest.raises(NotFound):
        await delete_role(scene.ports, ADMIN, WEB, revoking=True)


async def test_a_definition_is_found_by_its_name_in_any_case() -> None:
    """As Azure compares."""
    stored = await put(world(), {"type": "service_principal", "azure_roles": [{"role_name": "rEADER", "scope": SCOPES[0]}]})
    assert DEFINITION == stored.target.azure_roles[0].definition_id


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        *((name, "Reader") for name in (" Reader", "Reader ", " reader ", "Rea der")),
        *((name, "Storage Blob Data Reader") for name in ("StorageBlobDataReader", "storage  blob dataReader")),
        ("Two Blanks", "Two  Blanks"),
    ],
)
async def test_a_name_of_which_only_the_blanks_differ_is_told(name: str, meant: str) -> None:
    """With the one that is meant, wherever either has blanks: it is not taken for it."""
    scene = world()
    scene.cloud.definitions |= {"Storage Blob Data Reader": (ANOTHER,), "Two  Blanks": (THIRD,)}
    with pytest.raises(Malformed) as caught:
        await put(scene, {"type": "service_principal", "azure_roles": [{"role_name": name, "scope": SCOPES[0]}]})
    assert f"'{meant}'" in caught.value.faults[0].message


async def test_names_that_are_missed_at_one_scope_are_looked_for_in_one_list() -> None:
    """It is long; and a name that is like none says so."""
    scene = world()
    missed = [{"role_name": name, "scope": SCOPES[0]} for name in ("Rea der", "Wri ter")]
    with pytest.raises(Malformed) as caught:
        await put(scene, {"type": "service_principal", "azure_roles": missed})
    assert 1 == scene.calls.names().count("authorization.definition_names_at")
    assert ["'Reader'" in fault.message for fault in caught.value.faults] == [True, False]


@pytest.mark.parametrize("revoking", [False, True])
async def test_deleting_what_is_not_there_says_so(*, revoking: bool) -> None:
    """By its own code."""
    scene = world()
    with pytest.raises(NotFound) as caught:
        await delete_role(scene.ports, request(ADMINISTRATOR), WEB, revoking=revoking)
    assert ("role_not_found", "There is no role web.") == (caught.value.stable_code, caught.value.detail)


async def test_a_role_that_breaks_a_rule_of_today_is_mended_by_the_same_document() -> None:
    """It is written again, although what can be read of it is what is wanted."""
    scene = world()
    stored = (await put(scene)).version
    outdated = store_role(SCHEMAS, await get_role(scene.ports, WEB)) | {"surprise": 1}
    scene.roles.keep_document(WEB, outdated)
    mended = await put(scene)
    assert (True, ()) == (mended.version != stored, (await get_role(scene.ports, WEB)).outdated)


async def test_a_condition_is_looked_at_before_auth_roles_are_changed() -> None:
    """Of a policy that has changed since it was read, nothing is taken away."""
    scene = world()
    keep_policy(scene, "readers", ("roles/web/leases", "issue"))
    keep_auth_role(scene, "staff", "readers", bound_app_roles=["Robot"])
    before = scene.access.contents()
    with pytest.raises(PreconditionFailed):
        await delete_policy(scene.ports, ADMIN, PolicyName("readers"), expected=Version("another"), force=True)
    assert before == scene.access.contents()

"""What role assignments let a caller do with blobs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from local.cloud.disturbances.consistency import PROFILES, Delay, Observer, Profile
from local.cloud.tenant.directory import Group
from tests.local.arm.calls import CONTRIBUTOR as MANAGER
from tests.local.arm.calls import GROUP, ROOT, STORE, TENANT, assignment
from tests.local.arm.calls import OWNER as OWNER_OF_RESOURCES
from tests.local.arm.calls import READER as READER_OF_RESOURCES
from tests.local.blob.calls import CONTRIBUTOR, OWNER, READER, Storage, code

RAW = f"{STORE}/blobServices/default/containers/raw"
REFUSED = (403, "AuthorizationPermissionMismatch")
_TEN: dict[tuple[str, Observer], Delay] = {(kind, "blob"): Delay(10, 10.001, 10) for kind in ("assignment", "member")}
SLOW = Profile("slow", {("assignment", "arm"): Delay(1, 1.001, 1)}, {}, data_planes=Profile("ten", _TEN, {}, _TEN))


@pytest.mark.parametrize("scope", ["/", f"/providers/Microsoft.Management/managementGroups/{TENANT}", ROOT, GROUP, STORE, RAW])
def test_a_role_counts_at_its_scope_and_below(storage: Storage, scope: str) -> None:
    """From the tenant's root down to the container."""
    reader = storage.holder(READER, scope)

    assert ((200, "1"), ["one"]) == (storage.read("/raw/one", reader), storage.listed("raw", reader))


def test_a_role_on_one_container_opens_no_other(storage: Storage) -> None:
    """Nor the list of containers, nor one whose name begins alike."""
    storage.fill("raw-2", two="2")
    reader = storage.holder(READER, RAW)

    containers = storage.call("GET", "/", reader, {"comp": "list"})

    assert [REFUSED, REFUSED] == [storage.read("/reports/index", reader), storage.read("/raw-2/two", reader)]
    assert REFUSED == (containers.status, code(containers))


@pytest.mark.parametrize("scope", [f"{ROOT}/resourceGroups/else", f"{GROUP}/providers/Microsoft.Storage/storageAccounts/on"])
def test_a_role_elsewhere_opens_nothing(storage: Storage, scope: str) -> None:
    """Another group, another account."""
    assert REFUSED == storage.read("/raw/one", storage.holder(READER, scope))


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        (READER, [200, 200, 200, 403, 403]),
        (CONTRIBUTOR, [200, 200, 200, 201, 202]),
        (OWNER, [200, 200, 200, 201, 202]),
        (READER_OF_RESOURCES, [200, 403, 403, 403, 403]),
        (MANAGER, [200, 403, 403, 403, 403]),
        (OWNER_OF_RESOURCES, [200, 403, 403, 403, 403]),
    ],
)
def test_data_takes_a_role_for_data(storage: Storage, role: str, expected: list[int]) -> None:
    """Whoever manages the account sees its containers, which is no data action."""
    holder = storage.holder(role)

    calls = [
        storage.call("GET", "/", holder, {"comp": "list"}),
        storage.call("GET", "/raw", holder, {"restype": "container", "comp": "list"}),
        storage.call("HEAD", "/raw/one", holder),
        storage.call("PUT", "/raw/one", holder, headers={"x-ms-blob-type": "BlockBlob"}, body=b"2"),
        storage.call("DELETE", "/raw/one", holder),
    ]

    assert expected == [reply.status for reply in calls]


def test_the_refusal_does_not_tell_what_exists(storage: Storage) -> None:
    """Rights come before existence."""
    nobody = storage.azure.principal()

    asked = ["/raw/one", "/raw/none", "/none/none"]

    assert [REFUSED] * 3 == [storage.read(path, nobody) for path in asked]
    assert [REFUSED] * 2 == [storage.listed(name, nobody) for name in ("raw", "none")]


def test_a_role_of_a_group_counts(storage: Storage) -> None:
    """For its members."""
    member, group = storage.azure.principal(), storage.azure.world.guid()
    storage.azure.world.directory.groups[group] = Group(group, storage.azure.clock.at, {}, [member])
    storage.azure.grant(group, READER, RAW)

    assert (200, "1") == storage.read("/raw/one", member)


def test_assignments_arrive_and_go_later_than_at_resource_manager(storage: Storage) -> None:
    """A data plane is an observer of its own."""
    azure, reader, name = storage.azure, storage.azure.principal(), storage.azure.world.guid()
    azure.world.consistency.profile = SLOW
    seen = []

    azure.assign(reader, READER, RAW, name=name)
    for wait in (0, 5, 6):
        azure.clock.at += wait
        seen.append(storage.read("/raw/one", reader)[0])
    azure.call("DELETE", assignment(RAW, name))
    for wait in (0, 5, 6):
        azure.clock.at += wait
        seen.append(storage.read("/raw/one", reader)[0])

    assert [403, 403, 200, 200, 200, 403] == seen


def test_a_token_outlives_its_principal(storage: Storage) -> None:
    """So it is in Azure until the token expires or the assignment goes."""
    reader = storage.holder()
    storage.azure.world.directory.service_principals[reader].deleted = storage.azure.clock.at

    assert (200, "1") == storage.read("/raw/one", reader)


def test_what_data_planes_see_is_drawn_apart(storage: Storage) -> None:
    """A profile that names them changes nothing of what the others see, whatever the seed."""
    drawn = []
    for profile in (PROFILES["typical"], replace(PROFILES["typical"], data_planes=None)):
        consistency = storage.azure.world.consistency
        consistency.configure("typical", seed=5)
        consistency.profile = profile
        for name in ("a", "b"):
            consistency.wrote("assignment", name)
        drawn.append(dict(consistency._seen_from))
    assert drawn[0] == drawn[1]


def test_memberships_arrive_later_as_well(storage: Storage) -> None:
    """Those of a group that has the role."""
    azure, member = storage.azure, storage.azure.principal()
    azure.world.consistency.profile = SLOW
    group = Group(azure.world.guid(), azure.clock.at, {}, [member])
    azure.world.directory.groups[group.id] = group
    azure.grant(group.id, READER, RAW)
    azure.world.consistency.wrote("member", group.id, member)

    early = storage.read("/raw/one", member)[0]
    azure.clock.at += 11

    assert [403, 200] == [early, storage.read("/raw/one", member)[0]]

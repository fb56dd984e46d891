"""Writing roles that deliver: whose the vaults are, whether they answer, and who else delivers there."""

from __future__ import annotations

from typing import Any

import pytest

from shared.broker.configure.roles import put_role, read
from shared.core.delivery import Delivery
from shared.core.errors import Malformed
from shared.core.names import RoleName
from tests.fakes.vaults import FOREIGN_VAULT, OTHER_VAULT, UNKNOWN_VAULT, VAULT
from tests.fakes.world import ADMINISTRATOR, ALICE, BOB, SCOPES, WEB, World, request, world
from tests.support.rights import give

OTHER = RoleName("other")
ADMIN = request(ADMINISTRATOR)


def document(*vaults: str, of: Any = ALICE, **delivery: Any) -> dict[str, Any]:
    """A role that delivers into these vaults."""
    reader = {"azure_roles": [{"role_name": "Reader", "scope": SCOPES[0]}]}
    bounds = {"bound_service_principal_ids": [of.object_id]}
    given = {"type": "key_vault", "vaults": [*(vaults or (VAULT,))], **delivery}
    return {"type": "service_principal", "delivery": given, **reader, **bounds}


async def put(scene: World, written: dict[str, Any], name: RoleName = WEB, actor: Any = ADMIN, **more: Any) -> list[str]:
    """Somebody writes the role. Returns the codes of the warnings, with their places."""
    answer = await put_role(scene.ports, actor, read(scene.ports, name, written), **more)
    return [f"{each.path} {each.code}" for each in answer.warnings if "vault" in each.code]


async def refused(scene: World, written: dict[str, Any], name: RoleName = WEB, **more: Any) -> tuple[str, list[str]]:
    """The code of a refusal, and the places of its faults. Nothing is stored."""
    before = await scene.ports.roles.list()
    with pytest.raises(Malformed) as found:
        await put(scene, written, name, **more)
    assert before == await scene.ports.roles.list()
    return found.value.stable_code, [each.path for each in found.value.faults]


async def test_a_vault_of_another_tenant_is_refused_whoever_writes() -> None:
    """A credential never goes there."""
    scene = world()
    expected = ("vault_foreign", ["delivery.vaults[1]"])
    assert expected == await refused(scene, document(VAULT, FOREIGN_VAULT))
    assert expected == await refused(scene, document(VAULT, FOREIGN_VAULT), is_untried=True)


async def test_a_vault_that_does_not_answer_is_refused_unless_an_administrator_says_otherwise() -> None:
    """Its first lease will tell."""
    scene = world()
    expected = ("vault_unreachable", ["delivery.vaults[0]"])
    assert expected == await refused(scene, document(UNKNOWN_VAULT))
    give(scene, ALICE, ("roles/*", "write"), ("roles/*/leases", "issue"))
    assert expected == await refused(scene, document(UNKNOWN_VAULT), is_untried=True, actor=request(ALICE))
    await put(scene, document(UNKNOWN_VAULT), is_untried=True)
    stored = await scene.ports.roles.get(WEB)
    assert stored is not None
    assert stored.delivery == Delivery((UNKNOWN_VAULT,))


async def test_a_vault_is_asked_once_for_a_delivery() -> None:
    """A role that is written again with the same one needs no vault: it may be away."""
    scene = world()
    await put(scene, document())
    scene.calls.made.clear()
    await put(scene, document() | {"ttl": "20m"})
    assert [] == scene.calls.named("vaults")
    await put(scene, document(VAULT, OTHER_VAULT))
    assert 2 == len(scene.calls.named("vaults.tenant_of"))


async def test_a_dry_run_lists_a_page_of_each_vault() -> None:
    """It is known before the first ask that a right is missing."""
    scene = world()
    scene.vaults.refusing[OTHER_VAULT] = "ForbiddenByRbac"
    assert ["delivery.vaults[1] vault_refuses"] == await put(scene, document(VAULT, OTHER_VAULT), dry_run=True)
    assert () == await scene.ports.roles.list()


@pytest.mark.parametrize(
    ("one", "other", "is_free"),
    [
        ("app-{holder}", "app-{holder}", False),
        ("app-{holder}", "APP-{holder}", False),
        ("app-{holder}", "{role}-{holder}", True),
        ("web-{holder}", "app-{holder}", True),
        ("other", "{role}", False),
        ("lh-{ulid}", "lh-{ulid}", True),
        ("lh-{ulid}", f"lh-{'0' * 26}", False),
    ],
)
async def test_a_name_in_a_vault_is_one_role_s(one: str, other: str, *, is_free: bool) -> None:
    """Consumers would read another role's credential by it. In another vault it is free."""
    scene = world()
    await put(scene, document(name=one))
    if is_free:
        await put(scene, document(name=other), OTHER)
    else:
        assert ("malformed", ["delivery.name"]) == await refused(scene, document(name=other), OTHER)
    await put(scene, document(OTHER_VAULT, name=other), OTHER)


async def test_whoever_shares_a_vault_with_strangers_is_warned() -> None:
    """Whoever may read the whole vault reads the credentials of both."""
    scene = world()
    assert [] == await put(scene, document())
    assert [] == await put(scene, document(), OTHER)
    assert ["delivery.vaults[0] vault_shared"] == await put(scene, document(of=BOB), OTHER)
    assert [] == await put(scene, document(OTHER_VAULT, of=BOB), OTHER)

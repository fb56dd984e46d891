"""The end of a delivered lease: what becomes of its secret, and what keeps it in the vault for a while."""

from __future__ import annotations

import pytest

from shared.broker.reconcile.reconcile import reconcile
from shared.broker.revoke import revoke
from shared.core.errors import Absent, Refused
from shared.core.lease import State
from tests.broker.scenes import issued, stored, swept
from tests.fakes.vaults import PROTECTED_VAULT, VAULT
from tests.fakes.world import request
from tests.support.deliveries import SHARED, lying, to_a_vault


async def test_an_ended_lease_has_nothing_in_the_vault() -> None:
    """The access ends first. Deleting and purging takes two calls."""
    world = to_a_vault()
    lease = (await issued(world)).lease
    ended = await revoke(world.ports, request(), lease.id)
    assert State.ENDED is ended.state
    names = world.calls.names()
    assert names.index("directory.delete_application") < names.index("vaults.delete")
    assert ["vaults.delete", "vaults.purge"] == [call.name for call in world.calls.named("vaults")][1:]
    assert [] == world.leftovers()
    assert ended.delivery is not None
    assert "ended" == ended.delivery.state


async def test_what_a_vault_does_not_purge_is_success_and_is_told() -> None:
    """Purge protection: the retention ends it, and nobody can read it meanwhile."""
    world = to_a_vault(vaults=(PROTECTED_VAULT,))
    lease = (await issued(world)).lease
    ended = await revoke(world.ports, request(), lease.id)
    assert State.ENDED is ended.state
    assert ended.delivery is not None
    assert "kept_by_azure" == ended.delivery.state
    assert [("end", "purge_protected")] == [(each.operation, each.code) for each in world.audit.events if each.code]
    with pytest.raises(Absent):
        lying(world, lease)


async def test_a_deletion_that_takes_its_time_holds_back_nothing_else() -> None:
    """The access has ended at once. The vault is asked again after five seconds and more, and no attempt has failed."""
    world = to_a_vault()
    world.vaults.deletion = 40.0
    lease = (await issued(world)).lease
    ending = await revoke(world.ports, request(), lease.id)
    assert (State.ENDING, "vault_deleting", 0) == (ending.state, ending.last_error, ending.attempts)
    assert [] == [each for each in world.cloud.applications.values() if each.wanted]
    for _ in range(5):
        await swept(world, after=30)
    assert State.ENDED is stored(world).state
    assert not [event for event in world.audit.events if event.operation == "end" and event.outcome == "failed"]


@pytest.mark.parametrize("code", ["ForbiddenByFirewall", "ForbiddenByRbac"])
async def test_a_vault_that_refuses_does_not_make_the_lease_stuck_within_a_week(code: str) -> None:
    """The lease is ending for that part alone, and says so; afterwards it is what any refusal is."""
    world = to_a_vault()
    lease = (await issued(world)).lease
    world.vaults.refusing[VAULT] = code
    ending = await revoke(world.ports, request(), lease.id)
    assert (State.ENDING, f"vault_unreachable: {code}") == (ending.state, ending.last_error)
    assert ending.delivery is not None
    assert "ending" == ending.delivery.state
    for _ in range(20):
        await swept(world, after=7500)
    assert (State.ENDING, 0) == (stored(world).state, stored(world).attempts)
    for _ in range(300):
        await swept(world, after=3600)
    assert State.STUCK is stored(world).state
    world.vaults.refusing.clear()
    await swept(world, after=7200)
    assert State.ENDED is stored(world).state
    assert [] == world.leftovers()


async def test_of_a_shared_secret_the_lease_s_version_is_disabled_and_the_others_stay() -> None:
    """Key Vault deletes no single version."""
    world = to_a_vault(name=SHARED)
    older, newer = (await issued(world)).lease, (await issued(world)).lease
    await revoke(world.ports, request(), older.id)
    with pytest.raises(Refused, match="SecretDisabled"):
        lying(world, older)
    assert lying(world, newer)
    await revoke(world.ports, request(), newer.id)
    with pytest.raises(Refused, match="SecretDisabled"):
        lying(world, newer)
    assert [] == world.leftovers()


async def test_ending_the_newest_version_while_older_ones_live_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever reads by the name is refused, which is the safe side."""
    world = to_a_vault(name=SHARED)
    _, newer = (await issued(world)).lease, (await issued(world)).lease
    await revoke(world.ports, request(), newer.id)
    assert "newest_version_disabled" in caplog.text


@pytest.mark.parametrize("may_look", [True, False])
async def test_a_shared_secret_that_somebody_has_deleted_is_kept_by_azure(*, may_look: bool) -> None:
    """Whoever recovers it finds the lease's version as it was. If the broker may not look, it says so as well."""
    world = to_a_vault(name=SHARED)
    lease = (await issued(world)).lease
    assert lease.delivery is not None
    await world.vaults.delete(VAULT, lease.delivery.name)
    if not may_look:
        world.calls.fail("vaults.is_deleted", Refused(status=403, azure_code="AccessDenied"))
    ended = await revoke(world.ports, request(), lease.id)
    assert State.ENDED is ended.state
    assert ended.delivery is not None
    assert "kept_by_azure" == ended.delivery.state
    assert [("end", "secret_deleted")] == [(each.operation, each.code) for each in world.audit.events if each.code]


async def test_a_shared_secret_that_somebody_has_purged_is_gone() -> None:
    """Nothing can be recovered."""
    world = to_a_vault(name=SHARED)
    lease = (await issued(world)).lease
    assert lease.delivery is not None
    await world.vaults.delete(VAULT, lease.delivery.name)
    await world.vaults.purge(VAULT, lease.delivery.name)
    ended = await revoke(world.ports, request(), lease.id)
    assert ended.delivery is not None
    assert "ended" == ended.delivery.state


async def test_a_shared_secret_that_was_recovered_after_the_end_is_disabled_by_the_reconciliation() -> None:
    """It was readable until then, and opened nothing."""
    world = to_a_vault(name=SHARED)
    lease = (await issued(world)).lease
    assert lease.delivery is not None
    await world.vaults.delete(VAULT, lease.delivery.name)
    await revoke(world.ports, request(), lease.id)
    world.vaults.recover(VAULT, lease.delivery.name)
    assert lying(world, lease)
    world.clock.jump(2 * 3600)
    assert ["removed"] == [each.result for each in (await reconcile(world.ports, "r")).findings]
    with pytest.raises(Refused, match="SecretDisabled"):
        lying(world, lease)


async def test_what_the_reconciliation_cannot_purge_is_told_as_well() -> None:
    """A secret without a lease, in a vault that protects it."""
    world = to_a_vault(vaults=(PROTECTED_VAULT,))
    lease = (await issued(world)).lease
    del world.leases.rows[lease.id]
    world.clock.jump(2 * 3600)
    await reconcile(world.ports, "r")
    coded = [(each.operation, each.code, each.lease) for each in world.audit.events if each.code]
    assert [("reconcile", "purge_protected", lease.id)] == coded

"""Delivery into a key vault: where the credential lies, what its caller is told, and what becomes of it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.broker.issue.collect import collect
from shared.broker.issue.dry_run import would_issue
from shared.broker.issue.idempotent import issue_once
from shared.broker.issue.issue import Issued, IssueRequest, issue
from shared.broker.issue.preparations import Accepted, Preference
from shared.broker.issue.prepare import prepare
from shared.broker.renew import renew
from shared.broker.revoke import revoke
from shared.core.delivery import Delivered, Delivery, DeliveryAsk
from shared.core.errors import Conflict, Malformed, Refused, Throttled, Unavailable, Unreachable
from shared.core.lease import Cause, Lease, State
from shared.core.preparing import PreparationFailed
from shared.kinds.delivering import Content
from tests.broker.scenes import issued, stored, swept
from tests.fakes.vaults import OTHER_VAULT, PROTECTED_VAULT, VAULT
from tests.fakes.world import BOB, TENANT, WEB, World, principal_target, request, role, secret_target
from tests.support.deliveries import SHARED, lying, to_a_vault

_KINDS = [pytest.param(None, id="service principal"), pytest.param(secret_target(ready="token"), id="application secret")]


def delivered(made: Issued) -> Delivered:
    """What the caller was told. Raises ``AssertionError`` if that is a secret."""
    assert isinstance(made.credential, Delivered)
    return made.credential


@pytest.mark.parametrize("target", _KINDS)
async def test_the_credential_lies_in_the_vault_and_is_in_no_answer(target: Any) -> None:
    """The answer names the version, and what lies there signs in."""
    world = to_a_vault(target)
    made = await issued(world)
    lease, answered = made.lease, delivered(made)
    assert f"{VAULT}/secrets/lh-web-{lease.id.ulid}/{answered.secret_version}" == answered.secret_id
    lies = json.loads(lying(world, lease))
    assert "expires_at" not in lies
    assert {"type", "credential", "client_id", "client_secret", "tenant_id"} <= {*lies}
    version = world.vaults.newest(VAULT, answered.secret_name)
    assert (lease.issued_at, lease.expires_at) == (version.begins, version.expires)
    assert {
        "lease": lease.id,
        "role": "web",
        "client-id": lies["client_id"],
        "tenant-id": TENANT,
    }.items() <= version.shown.tags.items()
    assert f"{lease.expires_at:%Y-%m-%dT%H:%M:%SZ}" == version.shown.tags["expires"]
    assert "application/vnd.leasehold.credential+json" == version.shown.content_type


async def test_a_delivery_takes_one_call_more() -> None:
    """Under a name of the lease's own there is nothing to be found out."""
    world = to_a_vault()
    await issued(world)
    assert ["vaults.set_secret"] == [call.name for call in world.calls.named("vaults")]


async def test_under_a_shared_name_the_versions_are_listed_first() -> None:
    """Two calls: the name may be another's."""
    world = to_a_vault(name=SHARED)
    await issued(world)
    assert ["vaults.versions", "vaults.set_secret"] == [call.name for call in world.calls.named("vaults")]


@pytest.mark.parametrize(("form", "begins"), [("env", "AZURE_TENANT_ID="), ("value", "")])
async def test_what_lies_there_has_the_form_that_the_role_names(form: Any, begins: str) -> None:
    """Lines of a dotenv file, or the bare secret, whose ids are in the tags."""
    world = to_a_vault(format=form)
    lease = (await issued(world)).lease
    text = lying(world, lease)
    assert text.startswith(begins)
    secrets = {each.text for app in world.cloud.applications.values() for each in app.secrets.values()}
    assert {text if form == "value" else text.splitlines()[2].removeprefix("AZURE_CLIENT_SECRET=")} <= secrets


async def test_the_ask_chooses_among_the_vaults_of_the_role() -> None:
    """The first is the usual one. Another one is refused before anything is made."""
    world = to_a_vault(vaults=(VAULT, OTHER_VAULT))
    assert VAULT == delivered(await issued(world)).vault
    assert OTHER_VAULT == delivered(await issued(world, delivery=DeliveryAsk(OTHER_VAULT))).vault
    began = len(world.leases.rows)
    with pytest.raises(Malformed) as refused:
        await issued(world, delivery=DeliveryAsk(PROTECTED_VAULT))
    assert ["delivery.vault"] == [fault.path for fault in refused.value.faults]
    assert began == len(world.leases.rows)


async def test_a_role_that_does_not_require_it_answers_unless_it_is_asked() -> None:
    """With the credential itself."""
    world = to_a_vault(required=False)
    assert not isinstance((await issued(world)).credential, Delivered)
    assert VAULT == delivered(await issued(world, delivery=DeliveryAsk())).vault


async def test_a_dry_run_says_where_it_would_lie() -> None:
    """As far as that is known before."""
    world = to_a_vault()
    would = await would_issue(world.ports, request(), IssueRequest(WEB))
    assert would.delivery is not None
    assert (VAULT, "lh-{role}-{ulid}") == (would.delivery.vault, would.delivery.name)
    assert [] == world.calls.named("vaults")


async def test_a_name_that_is_another_s_is_refused_before_anything_is_made() -> None:
    """Somebody has put a secret of that name there."""
    world = to_a_vault(name="database")
    await _put_by_hand(world, "database")
    with pytest.raises(Conflict) as refused:
        await issued(world)
    assert "secret_name_taken" == refused.value.stable_code
    assert {} == world.leases.rows
    assert [] == [each for each in world.cloud.applications.values() if each.wanted]


async def test_a_deleted_secret_of_the_name_is_refused_and_everything_is_undone() -> None:
    """The vault's owner recovers or purges it."""
    world = to_a_vault(name="database", vaults=(PROTECTED_VAULT,))
    await _put_by_hand(world, "database", PROTECTED_VAULT)
    await world.vaults.delete(PROTECTED_VAULT, "database")
    with pytest.raises(Conflict) as refused:
        await issued(world)
    assert "secret_name_deleted" == refused.value.stable_code
    await swept(world, after=600)
    assert [] == [each for each in world.cloud.applications.values() if each.wanted]


async def _put_by_hand(world: World, name: str, vault: str = VAULT) -> None:
    now = world.clock.now()
    content = Content("x", {"client_secret": "y"}, "json")
    await world.vaults.set_secret(vault, name, content, tags={}, begins=now, expires=now + timedelta(days=1))


async def test_a_live_lease_of_other_values_keeps_its_shared_name() -> None:
    """Consumers who know the name would read what they were not granted."""
    world = to_a_vault(name="app")
    lease = (await issued(world)).lease
    world.leases.rows[lease.id] = _granted_other(world, lease)
    with pytest.raises(Conflict) as refused:
        await issued(world)
    assert "secret_name_taken" == refused.value.stable_code
    await revoke(world.ports, request(), lease.id)
    await issued(world)


def _granted_other(world: World, lease: Lease) -> Lease:
    return replace(world.leases.rows[lease.id], target_digest="another")


@pytest.mark.parametrize("name", ["lh-{role}-{ulid}", SHARED])
@pytest.mark.parametrize("after", [False, True])
async def test_a_lost_answer_of_the_vault_is_found_out(name: str, after: bool) -> None:  # noqa: FBT001 - a parameter
    """By the lease's tag: no second version is put there if the first one is."""
    world = to_a_vault(name=name)
    world.calls.fail("vaults.set_secret", Unreachable(), after=after)
    lease = (await issued(world)).lease
    assert lease.delivery is not None
    assert 1 == len(world.vaults.secrets_of[VAULT][lease.delivery.name.lower()].versions)
    assert lying(world, lease)


@pytest.mark.parametrize(
    "error", [Refused(status=403, azure_code="ForbiddenByFirewall"), Unavailable(status=500), Unreachable()]
)
async def test_a_vault_that_does_not_take_it_undoes_the_issue(error: Any) -> None:
    """The caller is told why, and nothing is left."""
    world = to_a_vault()
    world.calls.fail("vaults.set_secret", error, times=1000)
    with pytest.raises(type(error)):
        await issued(world)
    world.calls.heal()
    await swept(world, after=600)
    assert [] == world.leftovers()


async def test_rights_that_are_fresh_are_waited_for_and_later_ones_are_not() -> None:
    """Within ten minutes after the role was written: roles at a vault count some minutes after they were assigned."""
    world = to_a_vault()
    refusal = Refused(status=403, azure_code="ForbiddenByRbac")
    world.calls.fail("vaults.set_secret", refusal, times=3)
    assert lying(world, (await issued(world)).lease)
    world.clock.jump(601)
    world.calls.fail("vaults.set_secret", refusal, times=3)
    with pytest.raises(Refused):
        await issued(world)


async def test_a_throttled_vault_leaves_the_rest_to_the_sweep() -> None:
    """As any throttled issue does."""
    world = to_a_vault()
    world.calls.fail("vaults.set_secret", Throttled(status=429, retry_after=500.0), times=1000)
    with pytest.raises(Throttled):
        await issued(world)
    world.calls.heal()
    await swept(world, after=600)
    assert [] == world.leftovers()


async def test_a_repeat_under_a_key_is_told_the_same_version_and_writes_nothing() -> None:
    """The credential itself stays as it is."""
    world = to_a_vault()
    first = await issue_once(world.ports, request(), IssueRequest(WEB), "k")
    began = len(world.calls.made)
    again = await issue_once(world.ports, request(), IssueRequest(WEB), "k")
    assert first.credential == again.credential
    writes = [call.name for call in world.calls.made[began:] if call.service in {"directory", "applications", "vaults"}]
    assert [] == writes
    assert ["issue", "reissue"] == [event.operation for event in world.audit.events]
    with pytest.raises(Conflict, match="another request"):
        await issue_once(world.ports, request(), IssueRequest(WEB, delivery=DeliveryAsk(VAULT)), "k")


async def test_its_holder_may_ask_where_it_lies_as_often_as_it_likes() -> None:
    """It is no secret."""
    world = to_a_vault()
    made = await issued(world)
    world.clock.jump(200)
    for _ in range(2):
        found = await collect(world.ports, request(), made.lease.id, Preference())
        assert isinstance(found, Issued)
        assert made.credential == found.credential


@pytest.mark.parametrize("target", _KINDS)
async def test_a_lease_for_which_nobody_waits_is_delivered_by_its_worker(target: Any) -> None:
    """Nobody collects it: 202 before, and then where it lies."""
    world = to_a_vault(target)
    asked = await issue(world.ports, request(), IssueRequest(WEB), preference=Preference(wait=0))
    assert isinstance(asked, Accepted)
    assert asked.lease.delivery is not None
    assert "pending" == asked.lease.delivery.state
    waiting = await collect(world.ports, request(), asked.lease.id, Preference(wait=0))
    assert isinstance(waiting, Accepted)
    lease = await prepare(world.ports, "worker", asked.lease.id)
    assert lease is not None
    assert State.ACTIVE is lease.state
    assert lease.ready
    assert lying(world, lease)
    found = await collect(world.ports, request(), lease.id, Preference())
    assert isinstance(found, Issued)
    assert isinstance(found.credential, Delivered)
    assert ["prepare", "deliver"] == [event.operation for event in world.audit.events]


async def test_a_worker_that_died_after_the_put_leaves_one_good_credential() -> None:
    """The next one makes another, and removes the former."""
    world = to_a_vault(secret_target(ready="token"))
    asked = await issue(world.ports, request(), IssueRequest(WEB), preference=Preference(wait=0))
    world.calls.fail("leases.swap", Unreachable(), nth=2, times=1)
    await prepare(world.ports, "worker", asked.lease.id)
    assert State.PLANNED is stored(world).state
    await swept(world, after=90)
    lease = await prepare(world.ports, "worker", asked.lease.id)
    assert lease is not None
    assert State.ACTIVE is lease.state
    secrets = [each.text for app in world.cloud.applications.values() for each in app.secrets.values()]
    assert [json.loads(lying(world, lease))["client_secret"]] == secrets


async def test_a_delivery_that_was_changed_meanwhile_fails_the_lease() -> None:
    """The role of today puts leases elsewhere."""
    world = to_a_vault()
    asked = await issue(world.ports, request(), IssueRequest(WEB), preference=Preference(wait=0))
    world.roles.keep(role(principal_target(1, 0, ready="token"), ttl=300, max_ttl=600, delivery=Delivery((OTHER_VAULT,))))
    await prepare(world.ports, "worker", asked.lease.id)
    with pytest.raises(PreparationFailed) as failed:
        await collect(world.ports, request(), asked.lease.id, Preference())
    assert "role_changed" == failed.value.failed_with
    assert [] == world.leftovers()


async def test_a_renewal_tells_the_vault() -> None:
    """The version's end is the lease's."""
    world = to_a_vault()
    lease = (await issued(world)).lease
    world.clock.jump(100)
    renewed = await renew(world.ports, request(), lease.id, None)
    assert lease.delivery is not None
    version = world.vaults.newest(VAULT, lease.delivery.name)
    assert renewed.expires_at == version.expires
    assert f"{renewed.expires_at:%Y-%m-%dT%H:%M:%SZ}" == version.shown.tags["expires"]
    assert lease.id == version.shown.tags["lease"]


async def test_a_renewal_of_a_lease_whose_secret_somebody_has_deleted_is_no_failure() -> None:
    """The vault answers. There is nothing there that could say when the lease ends, and no sweep has anything to do."""
    world = to_a_vault()
    lease = (await issued(world)).lease
    assert lease.delivery is not None
    await world.vaults.delete(VAULT, lease.delivery.name)
    world.clock.jump(60)
    renewed = await renew(world.ports, request(), lease.id, None)
    assert ("", renewed.expires_at) == (renewed.last_error, renewed.due_at)


async def test_a_renewal_does_not_wait_for_a_vault_that_is_away() -> None:
    """The lease is renewed and says so; a sweep tells the vault, and the lease lives on."""
    world = to_a_vault()
    lease = (await issued(world)).lease
    world.clock.jump(100)
    world.vaults.refusing[VAULT] = "ForbiddenByFirewall"
    renewed = await renew(world.ports, request(), lease.id, None)
    assert "vault_unreachable" == renewed.last_error
    world.vaults.refusing.clear()
    await swept(world, after=61)
    answered = stored(world)
    assert (State.ACTIVE, "", renewed.expires_at) == (answered.state, answered.last_error, answered.due_at)
    assert lease.delivery is not None
    assert renewed.expires_at == world.vaults.newest(VAULT, lease.delivery.name).expires
    await swept(world, after=400)
    assert (State.ENDED, Cause.EXPIRED) == (stored(world).state, stored(world).cause)


async def test_the_holder_s_id_may_be_in_the_name() -> None:
    """Each holder has a secret of its own, which its template knows."""
    world = to_a_vault(name=SHARED)
    bobs = await issued(world, request(BOB))
    assert f"app-{BOB.object_id}" == delivered(bobs).secret_name


@pytest.mark.parametrize("prefers", [None, Preference(wait=0)])
async def test_what_was_to_be_answered_is_not_once_the_role_delivers(prefers: Preference | None) -> None:
    """Neither to a repeat under a key nor to whoever collects: the secret would be in an answer."""
    world = to_a_vault(required=False)
    made = await issue_once(world.ports, request(), IssueRequest(WEB), "k", prefers)
    if prefers is not None:
        await prepare(world.ports, "worker", made.lease.id)
    target = principal_target(1, 0, ready="token")
    world.roles.keep(role(target, ttl=300, max_ttl=600, delivery=Delivery((VAULT,))))
    with pytest.raises(Conflict) as refused:
        await collect(world.ports, request(), made.lease.id, Preference())
    assert "role_changed" == refused.value.stable_code

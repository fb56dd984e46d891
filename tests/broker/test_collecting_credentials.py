"""Credentials that are no secrets, for those who do not wait: what the ask has said is known to whoever collects."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.broker.configure.roles import put_role
from shared.broker.issue.asking import AskedFor
from shared.broker.issue.idempotent import issue_once
from shared.broker.issue.issue import Issued, IssueRequest
from shared.broker.issue.preparations import Accepted, Preference
from shared.broker.revoke import revoke
from shared.core.errors import Conflict, Gone, Malformed, NotReplicated
from shared.core.lease import State
from shared.core.preparing import PreparationFailed
from shared.core.readiness.record import Readiness
from shared.issuers.service_principal.choice import CredentialChoice
from tests.broker.preparing import AT_ONCE, LENIENT, asked, collected, handed_out, prepared, taken
from tests.broker.scenes import stored, swept
from tests.fakes.calls import Died
from tests.fakes.cloud import FakeAccess, FakeLeaseSignIn
from tests.fakes.own_identity import SYSTEM_ASSIGNED
from tests.fakes.world import ADMINISTRATOR, SCOPES, WEB, World, principal_target, request, role, world
from tests.support.certificates import certificate
from tests.support.every_kind import ARM, CERTIFICATES, EVERY_KIND, FEDERATED, TOKENS, WORKLOAD, works

OTHER = replace(WORKLOAD, subject="repo:acme@1/other@3:environment:prod")
BOTH = replace(FEDERATED, federated_identities=(WORKLOAD, OTHER))
CREDENTIALS = {"token": TOKENS, "federated": BOTH, "certificate": CERTIFICATES}
UNSEEN = {"token": (), "federated": ("federated_credential",), "certificate": ("certificate",)}
STORAGE = "https://storage.azure.com/.default"
EACH = pytest.mark.parametrize("name", CREDENTIALS)
READY = pytest.mark.parametrize("ready", ["none", "token", "access"])


def scene_of(name: str, ready: str = "token", **more: Any) -> World:
    """A role of that kind. An ask says what the kind needs."""
    return world(role(principal_target(1, 0, ready=ready, credential=CREDENTIALS[name]), **more))


def writes(scene: World) -> list[str]:
    """What was called of Azure but for sign-ins and looks."""
    return [each.name for each in scene.calls.made if each.service in {"directory", "authorization"}]


@EACH
async def test_many_instances_of_one_workload_collect_at_once(name: str) -> None:
    """None of them waits for another: nothing is replaced. A token's end is known of the one that lasts longest."""
    scene = scene_of(name)
    await prepared(scene)
    await handed_out(scene)
    found = await asyncio.gather(*(collected(scene) for _ in range(5)))
    given = [each for each in found if isinstance(each, Issued)]
    assert 5 == len(given)
    assert all(works(scene, each.credential) for each in given)
    latest = max((each.credential.ends_at for each in given if each.credential.ends_at), default=None)
    assert latest == stored(scene).tokens_until


@EACH
def test_a_collector_that_died_keeps_nobody_waiting(name: str) -> None:
    """Of an active lease whose credential is handed out again, at whichever call it dies."""
    scene = scene_of(name)
    scene.run(lambda: prepared(scene))
    scene.run(lambda: handed_out(scene))
    before = len(scene.calls.made)
    scene.run(lambda: handed_out(scene))
    calls, deaths = len(scene.calls.made) - before, 0
    for ordinal in range(1, calls + 1):
        scene.calls.fail_at(len(scene.calls.made) + ordinal, Died(), after=True)
        try:
            scene.run(lambda: collected(scene))
        except Died:
            deaths += 1
        scene.calls.revive()
        assert isinstance(scene.run(lambda: collected(scene, AT_ONCE)), Issued)
    assert deaths >= calls - 1


@EACH
@READY
async def test_each_kind_is_prepared_and_collected_as_often_as_its_holder_wants(name: str, ready: str) -> None:
    """Until the lease ends. No collection writes to Azure, but for the workload's own link, once."""
    scene = scene_of(name, ready, ttl=3000)
    lease = await prepared(scene)
    assert (State.PREPARED, ready != "none") == (lease.state, lease.ready_at is not None)
    before = writes(scene)
    first = await handed_out(scene)
    assert (["directory.add_federated"] if name == "federated" else []) == writes(scene)[len(before) :]
    before = writes(scene)
    scene.clock.jump(2900)
    again = await handed_out(scene, AT_ONCE)
    assert before == writes(scene)
    assert works(scene, again.credential)
    assert first.lease.id == again.lease.id
    assert (ready != "none" or name == "token") is again.lease.ready
    scene.clock.jump(100)
    with pytest.raises(Gone):
        await collected(scene)


@EACH
async def test_what_was_proven_before_it_is_collected_is_not_proven_again(name: str) -> None:
    """The sign-in, and the looks with fresh tokens, go by the broker's own link. The answer says what was seen."""
    scene = scene_of(name, "access")
    await asked(scene)
    assert EVERY_KIND[name].ask == stored(scene).asked
    lease = await taken(scene)
    assert lease is not None
    seen = Readiness(("token", f"arm:{SCOPES[0]}"), UNSEEN[name], "", 0)
    assert seen == lease.readiness
    proofs = len(scene.calls.named("sign_in.signs_in")), len(scene.calls.named("access.sees"))
    assert (1, 1) == proofs
    given = await handed_out(scene)
    assert (True, seen) == (given.lease.ready, given.lease.readiness)
    assert proofs == (len(scene.calls.named("sign_in.signs_in")), len(scene.calls.named("access.sees")))


@EACH
async def test_a_lease_that_is_revoked_before_it_is_collected_leaves_nothing(name: str) -> None:
    """Neither in Azure nor for a collector."""
    scene = scene_of(name)
    lease = await prepared(scene)
    await revoke(scene.ports, request(), lease.id)
    assert [] == [*scene.cloud.things()]
    with pytest.raises(Gone):
        await collected(scene)
    assert stored(scene).tokens_until is None


@EACH
async def test_nothing_of_it_is_removed_if_it_is_not_proven_in_time(name: str) -> None:
    """There is no secret. It is collected when Azure has caught up."""
    scene = scene_of(name, "access")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeAccess, "sees", _sees_nothing)
        assert isinstance(await asked(scene, Preference(wait=10)), Accepted)
    lease = stored(scene)
    assert (State.PREPARED, False, None) == (lease.state, lease.maybe_more_secrets, lease.ready_at)
    assert not [each for each in writes(scene) if "remove" in each or "delete" in each]
    given = await handed_out(scene)
    assert (True, True) == (given.lease.ready, works(scene, given.credential))


@EACH
async def test_a_lenient_holder_gets_what_is_not_proven(name: str) -> None:
    """A token says that it is accepted, and that its access was not seen."""
    scene = scene_of(name, "access")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeAccess, "sees", _sees_nothing)
        given = await asked(scene, replace(LENIENT, wait=5))
    assert isinstance(given, Issued)
    assert (State.ACTIVE, False, False) == (given.lease.state, given.lease.ready, given.lease.unchecked)
    assert given.lease.readiness is not None
    assert (("token",), (f"arm:{SCOPES[0]}", *UNSEEN[name])) == (given.lease.readiness.seen, given.lease.readiness.unseen)


async def _sees_nothing(access: FakeAccess, *_: object, deadline: float, **_more: object) -> bool:
    await access.calls.clock.sleep(max(0.0, deadline - access.calls.clock.monotonic()))
    return False


@pytest.mark.parametrize(
    ("in_the_ask", "of_the_request", "got"),
    [({}, {}, ARM), ({"scope": STORAGE}, {}, STORAGE), ({"scope": STORAGE}, {"scope": ARM}, ARM)],
)
async def test_a_token_is_for_the_scope_of_the_request_or_of_the_ask_or_the_first(
    in_the_ask: dict[str, Any], of_the_request: dict[str, Any], got: str
) -> None:
    """Each time that it is collected."""
    scene = scene_of("token", "none")
    await asked(scene, ask=AskedFor(credential=in_the_ask))
    await taken(scene)
    for _ in range(2):
        given = await handed_out(scene, **of_the_request)
        assert (got, True) == (given.credential.fields()["scope"], given.lease.ready)


@pytest.mark.parametrize("name", [*CREDENTIALS, "secret"])
async def test_a_scope_that_the_role_does_not_have_harms_no_lease(name: str) -> None:
    """The holder asks again without it."""
    scene = scene_of(name) if name != "secret" else world(role(principal_target(1, 0, ready="token")))
    await prepared(scene)
    with pytest.raises(Malformed) as caught:
        await collected(scene, scope="https://vault.azure.net/.default")
    assert ["scope"] == [each.path for each in caught.value.faults]
    assert State.PREPARED is stored(scene).state
    await handed_out(scene)


async def test_a_scope_that_is_a_place_is_told_apart() -> None:
    """There is another field for that."""
    scene = scene_of("token", "none")
    with pytest.raises(Malformed) as caught:
        await asked(scene, ask=AskedFor(credential={"scope": SCOPES[0]}))
    (fault,) = caught.value.faults
    assert fault.message.endswith("; did you mean within?")


@pytest.mark.parametrize("is_active", [False, True])
async def test_a_role_that_has_lost_the_scope_of_an_ask_has_changed(*, is_active: bool) -> None:
    """The request that collects has named none, and is not at fault. It may name another."""
    scene = scene_of("token", "none")
    await asked(scene, ask=AskedFor(credential={"scope": STORAGE}))
    await taken(scene)
    if is_active:
        await handed_out(scene)
    scene.roles.keep(role(principal_target(1, 0, ready="none", credential=CredentialChoice("token", (ARM,)))))
    if is_active:
        given = await handed_out(scene, scope=ARM)
        assert ARM == given.credential.fields()["scope"]
    with pytest.raises(Conflict) as caught:
        await collected(scene)
    assert "role_changed" == caught.value.stable_code
    assert is_active is (State.ACTIVE is stored(scene).state)


async def test_the_end_of_a_token_is_stored_before_it_is_answered_on_each_way() -> None:
    """The latest of them, whichever it was."""
    scene = scene_of("token", ttl=3000)
    lease = await prepared(scene)
    ends = []
    for _ in range(3):
        given = await handed_out(scene)
        ends.append(given.credential.ends_at)
        assert max(end for end in ends if end) == stored(scene).tokens_until == given.lease.tokens_until
        scene.clock.jump(300)
    lease = await revoke(scene.ports, request(), lease.id)
    assert ends[-1] == lease.residual_until


async def test_a_token_that_cannot_be_had_yet_is_waited_for() -> None:
    """The lease stays prepared, and no token is told of."""
    scene = scene_of("token", "none")
    await prepared(scene)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeLeaseSignIn, "token", _not_replicated)
        assert isinstance(await collected(scene, Preference(wait=5)), Accepted)
    assert (State.PREPARED, None) == (stored(scene).state, stored(scene).tokens_until)
    await handed_out(scene)


async def _not_replicated(*_: object, **_more: object) -> object:
    raise NotReplicated


async def test_a_workload_that_the_role_does_not_name_any_more_is_not_prepared() -> None:
    """Nor collected, if it was prepared before: what was made is undone."""
    scene = scene_of("federated")
    changed = principal_target(1, 0, ready="token", credential=replace(FEDERATED, federated_identities=(OTHER,)))
    await prepared(scene)
    written = await put_role(scene.ports, request(ADMINISTRATOR), role(changed))
    assert written.warnings == ()
    with pytest.raises(Conflict):
        await collected(scene)
    assert [] == [*scene.cloud.things()]
    with pytest.raises(PreparationFailed):
        await collected(scene)


async def test_a_certificate_lasts_on_its_application_until_the_lease_may_end() -> None:
    """However late it is prepared and collected, and whoever prepares it again."""
    scene = scene_of("certificate", ttl=3600, renewable=False)
    await asked(scene)
    opened = stored(scene).planned_at
    scene.clock.jump(600)
    await taken(scene)
    (application,) = [each for each in scene.cloud.applications.values() if each.wanted]
    assert application.wanted is not None
    assert application.wanted.key is not None
    assert opened + timedelta(seconds=stored(scene).max_ttl, minutes=10 + 30) == application.wanted.key.end


@EACH
async def test_one_lease_for_the_post_and_the_get_under_a_key(name: str) -> None:
    """Another ask about the credential is another request."""
    scene = scene_of(name)
    wanted = IssueRequest(WEB, ask=scene.ask)
    found = await issue_once(scene.ports, request(), wanted, "k", AT_ONCE)
    assert isinstance(found, Accepted)
    await taken(scene)
    given = await issue_once(scene.ports, request(), wanted, "k", Preference())
    assert isinstance(given, Issued)
    again = await handed_out(scene)
    assert found.lease.id == given.lease.id == again.lease.id
    another = certificate(last=datetime(2055, 1, 1, tzinfo=UTC))
    others: dict[str, dict[str, Any]] = {"token": {"scope": STORAGE}, "federated": {"federated_identity": OTHER.document()}}
    other = IssueRequest(WEB, ask=AskedFor(credential=others.get(name, {"certificate": another})))
    with pytest.raises(Conflict, match="another request"):
        await issue_once(scene.ports, request(), other, "k", AT_ONCE)


async def test_a_secret_for_nobody_who_waits_is_proven_by_the_brokers_own_link() -> None:
    """Before there is a secret; and the secret itself when it is collected."""
    scene = world(role(principal_target(1, 0, ready="access")))
    lease = await prepared(scene)
    assert lease.readiness is not None
    assert ("token", f"arm:{SCOPES[0]}") == lease.readiness.seen
    assert ["directory.own_principal", "directory.add_federated"] == writes(scene)[-2:]
    assert [] == scene.calls.named("probe.signs_in")
    given = await handed_out(scene)
    assert (True, 1) == (given.lease.ready, len(scene.calls.named("probe.signs_in")))


async def test_a_broker_that_cannot_be_trusted_proves_a_secret_when_it_is_collected() -> None:
    """A system-assigned identity is no issuer of assertions."""
    scene = world(role(principal_target(1, 0, ready="token")))
    scene.cloud.broker = SYSTEM_ASSIGNED
    lease = await prepared(scene)
    assert (State.PREPARED, None, None) == (lease.state, lease.ready_at, lease.readiness)
    assert "directory.add_federated" not in writes(scene)
    assert (await handed_out(scene)).lease.ready


async def test_what_is_not_seen_while_it_is_prepared_is_looked_for_again() -> None:
    """The sweep sends the message again."""
    scene = scene_of("federated", "access")
    await asked(scene)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeAccess, "sees", _sees_nothing)
        lease = await taken(scene)
    assert lease is not None
    assert State.PLANNED is lease.state
    await swept(scene, after=15)
    lease = await taken(scene)
    assert lease is not None
    assert State.PREPARED is lease.state


@pytest.mark.parametrize("name", ["federated", "certificate"])
async def test_what_was_handed_out_without_a_proof_is_told_again_without_one(name: str) -> None:
    """Although the role asks for a proof by now: nothing was made by which the broker could see it."""
    scene = scene_of(name, "none")
    await asked(scene, Preference(wait=10))
    await put_role(
        scene.ports, request(ADMINISTRATOR), role(principal_target(1, 0, ready="token", credential=CREDENTIALS[name]))
    )
    given = await handed_out(scene)
    assert (True, False) == (given.lease.unchecked, given.lease.ready)
    assert [] == scene.calls.named("sign_in.signs_in")

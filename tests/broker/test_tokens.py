"""Leases whose credential is no secret: what is stored before an answer, what a repeat gets, and what is told of the end."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.broker.configure.roles import put_role
from shared.broker.issue.asking import AskedFor
from shared.broker.issue.dry_run import would_issue
from shared.broker.issue.idempotent import issue_once
from shared.broker.issue.issue import Issued, IssueRequest, issue
from shared.broker.reconcile.reconcile import reconcile
from shared.broker.revoke import revoke
from shared.core.access.facts import MANAGED_IDENTITY, Principal
from shared.core.errors import Conflict, DirectoryUnavailable, Gone, Malformed, Refused
from shared.core.lease import State
from shared.core.role import Target
from tests.broker.scenes import stored
from tests.fakes.calls import Died, MadeCall
from tests.fakes.world import ADMINISTRATOR, ALICE, TENANT, WEB, World, principal_target, request, role, world
from tests.support.certificates import plain
from tests.support.every_kind import ARM, CERTIFICATES, FEDERATED, TOKENS, WORKLOAD, token_works
from tests.support.kinds import as_principal

TARGETS: dict[str, tuple[Target, dict[str, Any]]] = {
    "token": (principal_target(1, 0, credential=TOKENS), {}),
    "federated": (principal_target(1, 0, ready="token", credential=FEDERATED), {"federated_identity": WORKLOAD.document()}),
    "certificate": (principal_target(1, 0, ready="token", credential=CERTIFICATES), {"certificate": plain()}),
}
AZURE = {"directory", "authorization"}


def scene_of(name: str, **more: Any) -> World:
    """A role of that kind."""
    return world(role(TARGETS[name][0], **more))


def wanted(name: str, **fields: Any) -> IssueRequest:
    """An ask of it."""
    return IssueRequest(WEB, ask=AskedFor(credential=TARGETS[name][1] | fields))


async def once(scene: World, name: str, **fields: Any) -> Issued:
    """The same under a key."""
    return await issue_once(scene.ports, request(), wanted(name, **fields), "k")


def writes(scene: World) -> int:
    """How often Azure was called."""
    return len([call for call in scene.calls.made if call.service in AZURE])


@pytest.mark.parametrize("name", TARGETS)
async def test_it_is_ready_and_secret_to_nobody(name: str) -> None:
    """A token is the proof, even if the role wants none; the others are proven by the broker's own link."""
    scene = scene_of(name)
    made = await issue(scene.ports, request(), wanted(name))
    assert made.lease.ready
    assert made.lease == stored(scene)
    assert made.lease.ready_at is not None


async def test_the_end_of_a_token_is_stored_before_it_is_answered() -> None:
    """In the write that makes the lease active: a worker that dies before has answered nobody."""
    scene = scene_of("token")
    made = await issue(scene.ports, request(), wanted("token"))
    assert made.credential.ends_at == stored(scene).tokens_until == scene.ports.now() + timedelta(hours=1)
    assert stored(scene).residual_until is None


async def test_a_worker_that_dies_with_a_token_in_hand_has_told_nobody() -> None:
    """The lease is not active: the sweep ends it."""
    scene = scene_of("token")

    def die_after(call: MadeCall) -> None:
        if call.name == "sign_in.token":
            scene.calls.fail_at(call.ordinal + 1, Died(), after=False)

    scene.calls.watch = die_after
    with pytest.raises(Died):
        await issue(scene.ports, request(), wanted("token"))
    assert (State.PLANNED, None) == (stored(scene).state, stored(scene).tokens_until)


@pytest.mark.parametrize("name", TARGETS)
async def test_a_repeat_changes_nothing_in_azure(name: str) -> None:
    """The same lease, and what stands for it: of tokens a fresh one."""
    scene = scene_of(name)
    first = await once(scene, name)
    before = writes(scene)
    scene.clock.jump(600)
    again = await once(scene, name)
    assert (first.lease.id, before) == (again.lease.id, writes(scene))
    assert again.lease.ready
    former, latter = ({**each.credential.fields()} for each in (first, again))
    if name == "token":
        assert former.pop("access_token") != latter.pop("access_token")
        assert str(former.pop("token_expires_at")) < str(latter.pop("token_expires_at"))
        assert again.credential.ends_at == stored(scene).tokens_until
        assert all(token_works(scene, each.credential) for each in (first, again))
    assert former == latter


async def test_the_latest_token_counts() -> None:
    """Whichever was answered last."""
    scene = scene_of("token")
    first, now = await once(scene, "token"), scene.ports.now()
    rotating = stored(scene).rotating(now)
    for ends, latest in ((now, first.credential.ends_at), (now + timedelta(hours=9), now + timedelta(hours=9))):
        after = rotating.rotated(rotating.footprint, now, ready=True, maybe_more_secrets=False, tokens_until=ends)
        assert latest == after.tokens_until


async def test_a_repeat_asks_for_what_it_asked_for() -> None:
    """Another scope is another request."""
    scene = scene_of("token")
    await once(scene, "token")
    with pytest.raises(Conflict) as caught:
        await once(scene, "token", scope=TOKENS.token_scopes[1])
    assert "idempotency_key_reused" == caught.value.stable_code


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("token", principal_target(1, 0, credential=replace(TOKENS, token_scopes=TOKENS.token_scopes[1:]))),
        ("federated", principal_target(1, 0, ready="token", credential=replace(FEDERATED, federated_identities=()))),
        ("federated", principal_target(1, 0, ready="token", credential=CERTIFICATES)),
        ("certificate", principal_target(1, 0)),
    ],
)
async def test_a_role_that_would_not_hand_it_out_any_more(name: str, changed: Target) -> None:
    """A repeat is refused."""
    fields = {"scope": ARM} if name == "token" else {}
    scene = scene_of(name)
    await once(scene, name, **fields)
    scene.roles.keep(role(changed))
    with pytest.raises((Conflict, Malformed)):
        await once(scene, name, **fields)
    assert State.ACTIVE is stored(scene).state


async def test_after_the_end_the_lease_says_until_when_a_token_may_be_about() -> None:
    """Nobody can revoke it. No more are handed out."""
    scene = scene_of("token")
    made = await once(scene, "token")
    ended = await revoke(scene.ports, request(), made.lease.id)
    assert (State.ENDED, made.credential.ends_at) == (ended.state, ended.residual_until)
    assert not token_works(scene, made.credential)
    with pytest.raises(Gone):
        await once(scene, "token")


@pytest.mark.parametrize("name", TARGETS)
async def test_a_reconciliation_takes_none_for_vanished(name: str) -> None:
    """It has no secret, and was never to have one. It makes no closer look."""
    scene = scene_of(name, ttl=14000)
    made = await issue(scene.ports, request(), wanted(name))
    scene.clock.jump(3 * 3600)
    found = await reconcile(scene.ports, "r")
    assert (State.ACTIVE, 0) == (stored(scene).state, len(scene.calls.named("inventory.stands")))
    assert () == found.findings
    application_id = as_principal(made.lease.footprint).application_id
    assert application_id is not None
    scene.cloud.delete_application(application_id)
    await reconcile(scene.ports, "r")
    assert State.ENDED is stored(scene).state


# Whose tokens


async def test_the_lease_and_the_audit_trail_say_whose_tokens_are_taken() -> None:
    """They need not be the holder's."""
    scene = scene_of("federated")
    made = await issue(scene.ports, request(), wanted("federated"))
    assert WORKLOAD == made.lease.used_by == stored(scene).used_by
    (event,) = [each for each in scene.audit.events if each.operation == "issue"]
    assert event.granted is not None
    assert WORKLOAD.document() == event.granted["federated_identity"]


async def of_own_identity(scene: World, principal: Principal | None) -> Issued:
    """An ask that names nobody, by a caller that the directory knows so."""
    if principal is not None:
        scene.callers.principals[ALICE.object_id] = principal
    return await issue(scene.ports, request(), IssueRequest(WEB))


async def test_a_user_assigned_identity_asks_for_itself() -> None:
    """The directory says that it is one."""
    scene = scene_of("federated")
    made = await of_own_identity(scene, Principal(MANAGED_IDENTITY, ("isExplicit=True", "/subscriptions/s/x")))
    fields = made.credential.fields()
    assert (f"https://login.microsoftonline.com/{TENANT}/v2.0", ALICE.object_id) == (fields["issuer"], fields["subject"])


@pytest.mark.parametrize(
    "principal", [None, Principal("Application"), Principal(MANAGED_IDENTITY, ("isExplicit=False", "/subscriptions/s/x"))]
)
async def test_another_caller_is_told_that_it_cannot(principal: Principal | None) -> None:
    """Nothing was made, and no lease is left."""
    scene = scene_of("federated")
    with pytest.raises(Conflict) as caught:
        await of_own_identity(scene, principal)
    assert ("federation_unsupported", {}) == (caught.value.stable_code, scene.leases.rows)


async def test_a_directory_that_does_not_answer_is_told_as_such() -> None:
    """It might be such an identity."""
    scene = scene_of("federated")
    scene.calls.fail("graph.principal", Refused(), times=10)
    with pytest.raises(DirectoryUnavailable):
        await issue(scene.ports, request(), IssueRequest(WEB))


# Dry runs, and roles


@pytest.mark.parametrize(
    ("name", "fields"), [("token", {"scope": "x"}), ("certificate", {"certificate": "x"}), ("federated", {"scope": ARM})]
)
async def test_a_dry_run_reads_the_ask(name: str, fields: dict[str, Any]) -> None:
    """And refuses what an issue would."""
    scene = scene_of(name)
    with pytest.raises(Malformed):
        await would_issue(scene.ports, request(), wanted(name, **fields))
    assert WEB == (await would_issue(scene.ports, request(), wanted(name))).role.name


async def test_a_certificate_must_last_for_all_renewals() -> None:
    """And for as long as the lease may wait to be prepared and collected: half an hour, before its time begins."""
    scene = scene_of("certificate", ttl=900, max_ttl=30 * 86400)
    await issue(scene.ports, request(), wanted("certificate"))
    (application,) = [each for each in scene.cloud.applications.values() if each.wanted]
    assert application.wanted is not None
    assert application.wanted.key is not None
    assert scene.ports.now() + timedelta(days=30, minutes=10 + 30) == application.wanted.key.end


async def test_a_stored_warning_is_told_and_audited() -> None:
    """To the role's author."""
    scene = world()
    names = replace(FEDERATED, federated_identities=(replace(WORKLOAD, subject="repo:acme/app:ref:refs/heads/main"),))
    written = await put_role(scene.ports, request(ADMINISTRATOR), role(principal_target(credential=names)))
    assert ["name_only_subject"] == [each.code for each in written.warnings]
    assert "name_only_subject" in scene.audit.events[-1].reason

"""Credentials of service principals that are no secrets: what each takes to make, to prove, to hand out again, and to end."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.core import ownership
from shared.core.directory import NewTrust
from shared.core.errors import Absent, Conflict, Malformed, NotReplicated, Refused, RoleOutdated, Unreachable
from shared.core.federated_identity import FederatedIdentity
from shared.core.secret import Secret
from shared.core.tenant_policy import PolicyForbids
from shared.issuers.service_principal.choice import CredentialChoice
from shared.issuers.service_principal.resources import TokenResources
from shared.kinds.kind import Asker, Asking
from shared.kinds.proof import Proof
from tests.fakes.own_identity import SYSTEM_ASSIGNED
from tests.fakes.world import ALICE, BROKER, EXCHANGE, TENANT, World, principal_target, world
from tests.issuers.orders import Job
from tests.support.certificates import plain
from tests.support.every_kind import ARM, CERTIFICATES, FEDERATED, TOKENS, WORKLOAD
from tests.support.kinds import as_principal

CHOICES = {"token": TOKENS, "federated": FEDERATED, "certificate": CERTIFICATES}
BROKERS = NewTrust("lh-broker", EXCHANGE.issuer, BROKER, EXCHANGE.audience)


def job(name: str, roles: int = 2, groups: int = 1, **more: Any) -> Job:
    """One order in a world of its own."""
    return Job(world(), principal_target(roles, groups, credential=CHOICES[name], **more))


def writes(made: World) -> list[str]:
    """What was written in Azure."""
    return [call.name for call in made.calls.made if call.service in {"directory", "authorization"}]


@pytest.mark.parametrize(("roles", "groups"), [(1, 0), (2, 1), (8, 8)])
@pytest.mark.parametrize(
    ("name", "ready", "calls"),
    [
        *[("token", "none", 3), ("token", "token", 3)],
        *[("federated", "none", 3), ("federated", "token", 4)],
        *[("certificate", "none", 2), ("certificate", "token", 3)],
    ],
)
async def test_what_minting_writes(name: str, ready: str, calls: int, roles: int, groups: int) -> None:
    """R and G, and: application, principal, the broker's own trust where it proves or signs in, the workload's."""
    one = job(name, roles, groups, ready=ready)
    await one.mint()
    assert calls + roles + groups == len(writes(one.world))


@pytest.mark.parametrize("name", CHOICES)
async def test_nothing_secret_is_made(name: str) -> None:
    """The application says so itself, so that nobody looks for a secret that has vanished."""
    one = job(name, ready="token")
    await one.mint()
    (application,) = [each for each in one.world.cloud.applications.values() if each.wanted]
    assert {} == application.secrets
    assert application.wanted is not None
    assert (ownership.TAG, ownership.NO_SECRET) == application.wanted.tags
    assert await one.issuer.stands(one.footprint)


@pytest.mark.parametrize(("name", "ready"), [("token", "none"), ("federated", "token"), ("certificate", "token")])
async def test_the_application_trusts_the_broker_and_nobody_else_of_its_tenant(name: str, ready: str) -> None:
    """By the object id of its identity, beside the workload that the ask has named."""
    one = job(name, ready=ready)
    await one.mint()
    (application,) = [each for each in one.world.cloud.applications.values() if each.wanted]
    trusted = [trust for _, trust in application.trusted.values()]
    workload = [NewTrust("lh-caller", WORKLOAD.issuer, WORKLOAD.subject, EXCHANGE.audience)] if name == "federated" else []
    assert [BROKERS, *workload] == trusted


@pytest.mark.parametrize("name", ["federated", "certificate"])
async def test_a_role_that_wants_no_proof_trusts_no_broker(name: str) -> None:
    """One call less."""
    one = job(name)
    await one.mint()
    (application,) = [each for each in one.world.cloud.applications.values() if each.wanted]
    assert {"federated": {"lh-caller"}, "certificate": set()}[name] == {*application.trusted}


async def test_a_token_is_asked_for_when_all_that_it_is_for_is_there() -> None:
    """One from before would not know its groups."""
    one = job("token", 3, 2)
    await one.mint()
    assert "sign_in.token" == one.world.calls.names()[-1]


async def test_a_token_says_how_long_it_lasts_and_is_proven() -> None:
    """It is the proof."""
    one = job("token")
    minted = await one.issuer.credential(one.order, await prepared(one), lambda _: None)
    assert minted.proven
    assert one.world.cloud.clock.truth() + timedelta(hours=1) == minted.credential.ends_at
    fields = minted.credential.fields()
    assert isinstance(fields["access_token"], Secret)
    assert ("token", "Bearer", ARM) == (fields["credential"], fields["token_type"], fields["scope"])
    assert "2026-03-02T10:00:00.000Z" == fields["token_expires_at"]


async def prepared(one: Job) -> Any:
    """All but the credential."""
    return await one.issuer.prepare(one.order, one.footprint, lambda _: None)


@pytest.mark.parametrize("name", CHOICES)
async def test_handed_out_again_nothing_changes_in_azure(name: str) -> None:
    """No call to Graph or Resource Manager; and nothing former is to be removed."""
    one = job(name, ready="token")
    first = await one.mint()
    before = len(writes(one.world))
    order = replace(one.order, rotating=True)
    again = await one.issuer.credential(order, one.footprint, lambda _: None)
    assert await one.issuer.remove_former(order, one.footprint, maybe_more=True)
    assert before == len(writes(one.world))
    assert {"token": False, "federated": True, "certificate": True}[name] is again.unchanged
    varies = {"access_token"}
    assert {k: v for k, v in first.fields().items() if k not in varies} == {
        k: v for k, v in again.credential.fields().items() if k not in varies
    }


@pytest.mark.parametrize(("name", "proofs"), [("token", 0), ("federated", 1), ("certificate", 1)])
async def test_what_the_broker_does_not_hold_is_proven_by_its_own_link(name: str, proofs: int) -> None:
    """The principal is. What it cannot try it names."""
    one = job(name, ready="token")
    credential = await one.mint()
    unseen = {"token": (), "federated": ("federated_credential",), "certificate": ("certificate",)}
    assert Proof(True, ("token",), unseen[name]) == await one.issuer.prove(one.order, credential, deadline=one.order.deadline)
    assert proofs == len(one.world.calls.named("sign_in.signs_in"))


@pytest.mark.parametrize("call", ["directory.add_federated", "directory.create_principal"])
async def test_a_fresh_application_may_not_be_known_everywhere(call: str) -> None:
    """It is doubted that it is not there."""
    one = job("federated", ready="token")
    one.world.calls.fail(call, Absent(status=404), times=2)
    await one.mint()
    assert await one.undo()
    assert [] == one.world.leftovers()


async def test_a_principal_whose_sibling_failed_is_noted() -> None:
    """So that it is undone by its id."""
    one = job("token")
    one.world.calls.fail("directory.add_federated", Refused(status=400))
    with pytest.raises(Refused):
        await one.mint()
    assert as_principal(one.footprint).principal_id is not None
    assert await one.undo()
    assert [] == one.world.leftovers()


async def test_a_token_that_entra_refuses_for_good_ends_the_attempt() -> None:
    """And everything is undone."""
    one = job("token")
    one.world.calls.fail("sign_in.token", Refused(status=401, azure_code="AADSTS700236"))
    with pytest.raises(Refused):
        await one.mint()
    assert await one.undo()
    assert [] == one.world.leftovers()


async def test_no_token_is_waited_for_beyond_the_orders_time() -> None:
    """Entra has not heard of the trust."""
    one = job("token")
    one.world.calls.fail("sign_in.token", NotReplicated(), times=1000)
    with pytest.raises(NotReplicated):
        await one.mint()
    assert one.order.deadline >= one.world.clock.monotonic() > one.order.deadline - 5


async def test_a_resource_that_the_operator_has_struck_off_gets_no_more_tokens() -> None:
    """Whatever the stored role says."""
    one = job("token")
    made, issuer = await prepared(one), one.world.issuers.principals
    issuer = replace(issuer, federation=replace(issuer.federation, resources=TokenResources()))
    with pytest.raises(RoleOutdated):
        await issuer.credential(one.order, made, lambda _: None)
    assert [] == one.world.calls.named("sign_in.token")


# Asks


def asked(name: str, fields: dict[str, Any], *, identity: bool = True) -> Any:
    """What the kind reads of an ask."""
    made = world()
    target = principal_target(credential=CHOICES[name])
    now = made.ports.now()
    asking = Asking(fields, Asker(ALICE.object_id, is_user_assigned=identity), now, now + timedelta(hours=1))
    return made.ports.kinds.of(target).schema.asked(target, asking)


@pytest.mark.parametrize(
    ("name", "fields", "path"),
    [
        ("token", {"scope": "https://vault.azure.net/.default"}, "scope"),
        ("token", {"scope": 7}, "scope"),
        ("token", {"certificate": plain()}, "certificate"),
        ("token", {"federated_identity": WORKLOAD.document()}, "federated_identity"),
        ("federated", {"scope": ARM}, "scope"),
        ("federated", {"federated_identity": "x"}, "federated_identity"),
        ("federated", {"federated_identity": {"issuer": WORKLOAD.issuer, "subject": "x"}}, "federated_identity"),
        (
            "federated",
            {"federated_identity": {"issuer": WORKLOAD.issuer, "subject": WORKLOAD.subject.upper()}},
            "federated_identity",
        ),
        ("certificate", {}, "certificate"),
        ("certificate", {"certificate": "x"}, "certificate"),
        ("certificate", {"certificate": plain(), "scope": ARM}, "scope"),
    ],
)
def test_faults_of_an_ask_stand_at_their_fields(name: str, fields: dict[str, Any], path: str) -> None:
    """To the letter."""
    with pytest.raises(Malformed) as caught:
        asked(name, fields)
    assert path == caught.value.faults[0].path


def test_an_ask_chooses_among_the_roles_tokens() -> None:
    """The first, if it says nothing."""
    assert TOKENS.token_scopes == (asked("token", {}), asked("token", {"scope": TOKENS.token_scopes[1]}))


async def test_a_user_assigned_identity_asks_for_itself() -> None:
    """Its tokens are those of the broker's own tenant."""
    one = job("federated")
    one.order = replace(one.order, asked=asked("federated", {}))
    one.footprint = one.issuer.plan(one.order)
    credential = await one.mint()
    own = {"issuer": f"https://login.microsoftonline.com/{TENANT}/v2.0", "subject": ALICE.object_id}
    assert own | {"audience": "api://AzureADTokenExchange"} == {
        name: credential.fields()[name] for name in ("issuer", "subject", "audience")
    }
    assert FederatedIdentity(**own) == one.world.ports.kinds.used_by(one.footprint)


@pytest.mark.parametrize(("is_own", "expected"), [(True, ("AADSTS700231",)), (False, None)])
async def test_an_identity_is_told_which_refusal_stays(is_own: bool, expected: object) -> None:  # noqa: FBT001 - a parameter
    """A token that was itself got by federation is no assertion. Another issuer's tokens are not got so."""
    one = job("federated")
    one.order = replace(one.order, asked=asked("federated", {} if is_own else {"federated_identity": WORKLOAD.document()}))
    one.footprint = one.issuer.plan(one.order)
    assert expected == (await one.mint()).fields().get("hopeless_on")


def test_another_caller_has_no_tokens_that_would_do() -> None:
    """Then the answer says which kinds can serve it."""
    with pytest.raises(Conflict) as caught:
        asked("federated", {}, identity=False)
    assert "federation_unsupported" == caught.value.stable_code
    assert "token or certificate" in caught.value.detail


# The role is written


@pytest.mark.parametrize("name", CHOICES)
async def test_a_system_assigned_broker_serves_none_that_must_trust_it(name: str) -> None:
    """The directory says what it is. Without a proof, only tokens need it."""
    one = job(name, ready="token")
    one.world.cloud.broker = SYSTEM_ASSIGNED
    with pytest.raises(Malformed) as caught:
        await one.issuer.resolve(one.target)
    assert "broker_identity_unsuitable" == caught.value.stable_code
    assert ["credential"] == [fault.path for fault in caught.value.faults]
    unproven = principal_target(credential=CHOICES[name])
    if name == "token":
        with pytest.raises(Malformed):
            await one.issuer.resolve(unproven)
    else:
        await one.issuer.resolve(unproven)


async def test_a_broker_that_the_directory_does_not_know_serves_none() -> None:
    """It may not read itself, or was deleted."""
    one = job("token")
    one.world.calls.fail("directory.own_principal", Absent(status=404))
    with pytest.raises(Malformed) as caught:
        await one.issuer.resolve(one.target)
    assert "broker_identity_unsuitable" == caught.value.stable_code


@pytest.mark.parametrize("name", CHOICES)
async def test_a_user_assigned_broker_serves_all(name: str) -> None:
    """With one call more than the definitions take; a role of secrets takes none."""
    one = job(name, ready="token")
    await one.issuer.resolve(one.target)
    assert 1 == len(one.world.calls.named("directory.own_principal"))
    await one.issuer.resolve(principal_target())
    assert 1 == len(one.world.calls.named("directory.own_principal"))


async def test_tokens_for_what_the_operator_does_not_allow_are_refused() -> None:
    """Each at its place."""
    scopes = ("https://api.example.net/.default", "https://graph.microsoft.com/.default", "https://other.example/.default")
    target = principal_target(credential=CredentialChoice("token", scopes))
    with pytest.raises(Malformed) as caught:
        await job("token").world.issuers.principals.resolve(target)
    assert ["token_scopes[1]", "token_scopes[2]"] == [fault.path for fault in caught.value.faults]


async def test_a_policy_of_the_tenants_is_told_as_one() -> None:
    """With the kinds that need no secret."""
    one = Job(world(), principal_target())
    one.world.calls.fail("directory.add_secret", PolicyForbids(status=400, azure_code="CredentialTypeNotAllowedAsPerAppPolicy"))
    with pytest.raises(PolicyForbids) as caught:
        await one.mint()
    assert "azure_policy_forbids" == caught.value.stable_code
    assert all(name in caught.value.detail for name in ("`token`", "`federated`", "`certificate`"))
    await one.undo()
    assert [] == one.world.leftovers()


async def test_no_step_begins_after_the_orders_time() -> None:
    """A step that took too long is the last one."""
    one = Job(world(latency=10.0), principal_target(credential=TOKENS), seconds=15.0)
    with pytest.raises(Unreachable):
        await one.mint()
    assert "authorization.assign" not in one.world.calls.names()

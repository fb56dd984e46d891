"""User delegation SAS of service principals: what one takes to make, how long it lasts, and what it is signed with."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest

from shared.core.errors import Conflict, Malformed, NotReplicated, Refused, RoleOutdated
from shared.core.secret import Secret
from shared.issuers.service_principal.choice import CredentialChoice
from shared.issuers.service_principal.held import Held
from shared.issuers.service_principal.storage_sas import StorageSas
from shared.kinds.kind import Asker, Asking
from shared.kinds.proof import Proof
from tests.fakes.own_identity import SYSTEM_ASSIGNED
from tests.fakes.world import ACCOUNT, ALICE, CONTAINER, principal_target, sas_target, world
from tests.issuers.orders import Job
from tests.support.kinds import as_principal

SAS = CredentialChoice("storage_sas")


def job(**more: Any) -> Job:
    """One order in a world of its own: a container of an account."""
    return Job(world(), sas_target(**{"ready": "token"} | more))


async def prepared(one: Job) -> Any:
    """All but the credential."""
    return await one.issuer.prepare(one.order, one.footprint, lambda _: None)


def fields_of(credential: Any) -> dict[str, str]:
    """What stands in the signature."""
    return {name: value for name, (value,) in parse_qs(credential.sas_token.reveal()).items()}


def writes(one: Job) -> list[str]:
    """What was written in Azure."""
    return [call.name for call in one.world.calls.made if call.service in {"directory", "authorization"}]


async def test_what_minting_writes() -> None:
    """Application, principal, the broker's own trust, and a call for each assignment; the signature writes nothing."""
    one = job()
    await one.mint()
    assert 3 + 2 == len(writes(one))
    assert ["sign_in.token", "blobs.key"] == one.world.calls.names()[-2:]


async def test_says_where_and_what_for() -> None:
    """In words that Azure's clients take: an account's address and a token, or one address with all in it."""
    one = job()
    credential = await one.mint()
    fields = credential.fields()
    assert ("storage_sas", "https://acme.blob.core.windows.net", "reports", "racwdl") == tuple(
        fields[name] for name in ("credential", "account_url", "container", "permissions")
    )
    token, url = fields["sas_token"], fields["url"]
    assert isinstance(token, Secret)
    assert isinstance(url, Secret)
    assert f"https://acme.blob.core.windows.net/reports?{token.reveal()}" == url.reveal()
    assert ("racwdl", "c", as_principal(one.footprint).principal_id) == tuple(
        fields_of(credential)[name] for name in ("sp", "sr", "skoid")
    )


@pytest.mark.parametrize(
    ("lease", "expected"), [(timedelta(hours=1), timedelta(hours=1)), (timedelta(days=30), timedelta(days=7, minutes=-5))]
)
async def test_lasts_as_long_as_the_lease_may_or_as_its_key(lease: timedelta, expected: timedelta) -> None:
    """A key lasts seven days at most, from five minutes ago: clocks differ."""
    one = job()
    footprint, now = await prepared(one), one.world.ports.now().replace(microsecond=0)
    order = replace(one.order, credential_end=now + lease)
    credential: Any = (await one.issuer.credential(order, footprint, lambda _: None)).credential
    inside = fields_of(credential)
    texts = [f"{each:%Y-%m-%dT%H:%M:%SZ}" for each in (now - timedelta(minutes=5), now + expected)]
    assert (*texts, now + expected) == (inside["st"], inside["se"], credential.ends_at)
    assert (inside["skt"], inside["ske"]) == (inside["st"], inside["se"])


async def test_the_key_is_the_proof() -> None:
    """Whoever has got it has signed in, and holds an assignment that counts."""
    one = job()
    minted = await one.issuer.credential(one.order, await prepared(one), lambda _: None)
    assert minted.proven
    until = one.world.ports.within(60)
    assert Proof(works=True, seen=("token",)) == await one.issuer.prove(one.order, minted.credential, deadline=until)


async def test_a_role_that_asks_for_access_has_the_container_read() -> None:
    """By the broker's own link, as of every kind of which it holds nothing."""
    one = job(ready="access", azure_roles=sas_target(CONTAINER).azure_roles)
    minted = await one.issuer.credential(one.order, await prepared(one), lambda _: None)
    proof = await one.issuer.prove(one.order, minted.credential, deadline=one.world.ports.within(60))
    assert Proof(works=True, seen=("token", "probe:acme.blob.core.windows.net")) == proof


async def test_handed_out_again_nothing_changes_in_azure() -> None:
    """A fresh signature, and nothing former to be removed."""
    one = job()
    await one.mint()
    before = len(writes(one))
    order = replace(one.order, rotating=True)
    again = await one.issuer.credential(order, one.footprint, lambda _: None)
    assert (None, True) == (again.credential_id, await one.issuer.remove_former(order, one.footprint, maybe_more=True))
    assert before == len(writes(one))


async def test_waits_for_an_assignment_that_storage_does_not_know_yet() -> None:
    """And says in the end that Azure has not taken notice in time: nothing stays that was made."""
    one = job()
    footprint = await prepared(one)
    one.world.calls.fail("blobs.key", NotReplicated("not yet"), times=3)
    minted = await one.issuer.credential(one.order, footprint, lambda _: None)
    assert minted.proven
    assert 4 == len(one.world.calls.named("blobs.key"))
    one.world.calls.fail("blobs.key", NotReplicated("not yet"), times=999)
    order = replace(one.order, deadline=one.world.ports.within(20))
    with pytest.raises(NotReplicated):
        await one.issuer.credential(order, footprint, lambda _: None)


async def test_a_refusal_that_stays_is_told_at_once() -> None:
    """A firewall in front of the account, say."""
    one = job()
    footprint = await prepared(one)
    one.world.calls.fail("blobs.key", Refused("firewall", status=403, azure_code="AuthorizationFailure"))
    with pytest.raises(Refused):
        await one.issuer.credential(one.order, footprint, lambda _: None)
    assert 1 == len(one.world.calls.named("blobs.key"))


async def test_an_assignment_that_is_gone_gives_no_key_any_more() -> None:
    """So no fresh signature either."""
    one = job()
    await one.mint()
    one.world.cloud.assignments.clear()
    order = replace(one.order, deadline=one.world.ports.within(20), rotating=True)
    with pytest.raises(NotReplicated):
        await one.issuer.credential(order, one.footprint, lambda _: None)


async def test_what_a_definition_gives_no_more_is_not_signed() -> None:
    """It was changed since the role was written: an administrator has to look at it."""
    one = job()
    footprint = await prepared(one)
    weaker = tuple(replace(each, powers=principal_target(1, 0).azure_roles[0].powers) for each in one.target.azure_roles)  # type: ignore[attr-defined]
    order = replace(one.order, target=sas_target(azure_roles=weaker))
    with pytest.raises(RoleOutdated) as caught:
        await one.issuer.credential(order, footprint, lambda _: None)
    assert caught.value.audit_reason.startswith("not_signable: ")
    assert [] == one.world.calls.named("blobs.key")


async def test_takes_a_broker_whose_identity_can_be_trusted() -> None:
    """A system-assigned one cannot."""
    one = job()
    one.world.cloud.broker = SYSTEM_ASSIGNED
    with pytest.raises(Malformed) as caught:
        await one.issuer.resolve(one.target)
    assert "broker_identity_unsuitable" == caught.value.stable_code


async def test_a_role_is_judged_when_it_is_written() -> None:
    """By what its definitions allow."""
    one = job()
    assert one.target == await one.issuer.resolve(one.target)
    (_, writer) = sas_target().azure_roles
    with pytest.raises(Malformed) as caught:
        await one.issuer.resolve(sas_target(azure_roles=(writer,)))
    assert "not_signable" == caught.value.stable_code


# What an ask says


def asked(*scopes: Any, **fields: Any) -> Any:
    """What is read of an ask of a role for these."""
    made = world()
    target, now = sas_target(*scopes), made.ports.now()
    asking = Asking(fields, Asker(ALICE.object_id), now, now)
    return made.ports.kinds.of(target).schema.asked(target, asking)


def test_an_ask_names_a_container() -> None:
    """Unless the role has one alone."""
    assert ("raw", None) == (asked(ACCOUNT, container="raw"), asked())


@pytest.mark.parametrize("wrong", [{"container": 7}, {"container": ["raw"]}, {"scope": "x"}, {"certificate": "x"}])
def test_fields_of_other_kinds_and_of_other_types_are_refused(wrong: dict[str, Any]) -> None:
    """Whatever they say."""
    with pytest.raises(Malformed) as caught:
        asked(ACCOUNT, **wrong)
    assert [*wrong] == [fault.path for fault in caught.value.faults]


def test_a_repeat_says_what_the_ask_has_said() -> None:
    """A role that hands out something else by now does not hand this out."""
    kind = StorageSas()
    assert "raw" == kind.asked_again(SAS, Held("storage_sas"), {"container": "raw"})
    with pytest.raises(Conflict) as caught:
        kind.asked_again(CredentialChoice(), Held("storage_sas"), {})
    assert "role_changed" == caught.value.stable_code

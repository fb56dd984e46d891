"""The adapters against the local cloud, over real connections: what no scripted answer proves."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate

from shared.cloud.entra.unverified_token import read
from shared.core.caller import CallerType
from shared.core.directory import ApplicationIds, HeldCredentials, LookedAt, NewApplication, NewKey, NewTrust
from shared.core.errors import (
    Absent,
    AlreadyExists,
    AmbiguousRefusal,
    Full,
    NotReplicated,
    Refused,
    Throttled,
    Unauthenticated,
    Unavailable,
    Unreachable,
)
from shared.core.names import ObjectId
from shared.core.secret import Secret
from shared.issuers.service_principal.broker_trust import BrokerTrust
from tests.cloud.adapters import Adapters
from tests.support.certificates import certificate, plain

NEW = NewApplication("leasehold-test.01", "leasehold-test.01", "AzureADMyOrg", ("leasehold", "team:web"), "of a test")
NOBODY = ObjectId("dddddddd-0000-4000-8000-000000000001")
NO_KEY = ObjectId("dddddddd-0000-4000-8000-000000000002")


def in_an_hour() -> datetime:
    """The local cloud goes by the machine's clock."""
    return datetime.now(UTC) + timedelta(hours=1)


async def made(adapters: Adapters) -> tuple[ApplicationIds, ObjectId]:
    """An application and its service principal."""
    application = await adapters.graph.upsert_application(NEW)
    return application, await adapters.graph.create_principal(application.app_id)


def group(adapters: Adapters) -> ObjectId:
    """The sample's group."""
    groups = adapters.cloud.control("GET", "state")["groups"]
    return ObjectId(groups[0]["object_id"])


async def soon(adapters: Adapters, secret: Secret, client_id: ObjectId) -> bool:
    """Whether the secret signs in before long."""
    return await adapters.probe.signs_in(client_id, secret, deadline=adapters.probe.clock.monotonic() + 20)


async def trusting(adapters: Adapters) -> ApplicationIds:
    """An application that trusts the broker's identity."""
    application, _ = await made(adapters)
    await BrokerTrust(adapters.graph, adapters.lease_sign_in, adapters.exchange).add(application.object_id)
    return application


# Graph


async def test_an_application_is_made_once_and_found_by_its_name(adapters: Adapters) -> None:
    """However often it is asked for."""
    first, again = await adapters.graph.upsert_application(NEW), await adapters.graph.upsert_application(NEW)
    assert first == again == await adapters.graph.find_application(NEW.unique_name)


@pytest.mark.parametrize("audience", ["AzureADandPersonalMicrosoftAccount", "PersonalMicrosoftAccount", "AzureADMultipleOrgs"])
async def test_an_application_is_made_for_every_audience(adapters: Adapters, audience: str) -> None:
    """With what Graph needs for it."""
    longest = f"leasehold-{'r' * 53}.{'0' * 26}"
    application = await adapters.graph.upsert_application(replace(NEW, sign_in_audience=audience, display_name=longest))
    assert audience == (await adapters.graph.credentials_of(application.object_id)).sign_in_audience


async def test_a_service_principal_is_made_once_and_found_by_its_client_id(adapters: Adapters) -> None:
    """However often it is asked for."""
    application, principal = await made(adapters)
    assert principal == await adapters.graph.create_principal(application.app_id)
    assert principal == await adapters.graph.find_principal(application.app_id)


async def test_a_service_principal_of_no_application_is_too_early(adapters: Adapters) -> None:
    """So Graph answers also for an application that it has not heard of yet."""
    with pytest.raises((NotReplicated, AmbiguousRefusal)):
        await adapters.graph.create_principal(NOBODY)


async def test_a_secret_is_added_found_and_removed(adapters: Adapters) -> None:
    """And absent afterwards."""
    application, _ = await made(adapters)
    secret = await adapters.graph.add_secret(application.object_id, "lease", in_an_hour())
    assert (secret.key_id,) == await adapters.graph.secrets_named(application.object_id, "lease")
    await adapters.graph.remove_secret(application.object_id, secret.key_id)
    assert () == await adapters.graph.secrets_named(application.object_id, "lease")
    with pytest.raises(Absent):
        await adapters.graph.remove_secret(application.object_id, secret.key_id)


async def test_credentials_are_counted_until_entra_refuses_another(adapters: Adapters) -> None:
    """Graph's own words for an application without room."""
    application = await adapters.graph.upsert_application(NEW)
    adapters.cloud.control("PUT", "limits", {"graph": {"credentials_per_object": 2}})
    for held in range(2):
        assert HeldCredentials(held, 0, "AzureADMyOrg", marked=True) == await adapters.graph.credentials_of(
            application.object_id
        )
        await adapters.graph.add_secret(application.object_id, "lease", in_an_hour())
    with pytest.raises(Full):
        await adapters.graph.add_secret(application.object_id, "lease", in_an_hour())


async def test_secrets_of_no_application_are_absent(adapters: Adapters) -> None:
    """Whatever is asked about them."""
    with pytest.raises(Absent):
        await adapters.graph.secrets_named(NOBODY, "lease")
    with pytest.raises(Absent):
        await adapters.graph.remove_secret(NOBODY, NO_KEY)
    with pytest.raises(Absent):
        await adapters.graph.add_secret(NOBODY, "lease", in_an_hour())


async def test_an_application_is_read_with_its_service_principal(adapters: Adapters) -> None:
    """If it has one here."""
    application = await adapters.graph.upsert_application(NEW)
    assert (await adapters.graph.read_application(application.object_id)).principal_id is None
    principal = await adapters.graph.create_principal(application.app_id)
    found = await adapters.graph.read_application(application.object_id)
    assert (application.object_id, application.app_id, principal) == (found.object_id, found.app_id, found.principal_id)


@pytest.mark.usefixtures("groups")
async def test_a_membership_is_given_twice_and_taken_once(adapters: Adapters) -> None:
    """Being in the group already is success; not being in it is absence."""
    _, principal = await made(adapters)
    readers = group(adapters)
    for _ in range(2):
        await adapters.graph.add_member(readers, principal)
    await adapters.graph.remove_member(readers, principal)
    with pytest.raises(Absent):
        await adapters.graph.remove_member(readers, principal)


@pytest.mark.usefixtures("groups")
async def test_a_group_that_is_not_there_is_absent(adapters: Adapters) -> None:
    """And known not to exist."""
    _, principal = await made(adapters)
    assert "" == (await adapters.graph.read_group(group(adapters))).why_closed
    with pytest.raises(Absent):
        await adapters.graph.read_group(NOBODY)
    with pytest.raises(Absent):
        await adapters.graph.add_member(NOBODY, principal)


async def test_nothing_is_left_of_what_is_deleted_and_purged(adapters: Adapters) -> None:
    """Neither in the directory nor in its recycle bin."""
    application, principal = await made(adapters)
    await adapters.graph.delete_principal(principal)
    await adapters.graph.delete_application(application.object_id)
    for object_id in (principal, application.object_id):
        await adapters.graph.purge(object_id)
        with pytest.raises(Absent):
            await adapters.graph.purge(object_id)
    state = adapters.cloud.control("GET", "state")
    assert principal not in str(state)
    assert application.object_id not in str(state)


async def test_deleting_twice_is_absence(adapters: Adapters) -> None:
    """The second time."""
    application, principal = await made(adapters)
    await adapters.graph.delete_application(application.object_id)
    with pytest.raises(Absent):
        await adapters.graph.delete_application(application.object_id)
    with pytest.raises(Absent):
        await adapters.graph.delete_principal(principal)


async def test_what_the_broker_does_not_own_is_refused(adapters: Adapters) -> None:
    """Its permission is for applications of its own."""
    others = [each for each in adapters.cloud.control("GET", "state")["applications"] if each["display_name"] == "admin"]
    with pytest.raises(Refused) as refused:
        await adapters.graph.delete_application(ObjectId(others[0]["object_id"]))
    assert (403, "Authorization_RequestDenied") == (refused.value.status, refused.value.azure_code)


async def test_graph_is_asked_once_for_each_call(adapters: Adapters) -> None:
    """Also when it is throttled: nobody below the broker's patience repeats."""
    adapters.fail("graph", 429, "TooManyRequests", retry_after=7)
    with pytest.raises(Throttled) as throttled:
        await adapters.graph.find_principal(NOBODY)
    assert 7.0 == throttled.value.retry_after
    assert ["GET 429"] == adapters.calls("graph")


async def test_graphs_lost_answer_leaves_it_open(adapters: Adapters) -> None:
    """The secret has been made; its name leads to it."""
    application, _ = await made(adapters)
    adapters.trouble("graph", "drop_after_effect")
    with pytest.raises(Unreachable):
        await adapters.graph.add_secret(application.object_id, "lease", in_an_hour())
    assert 1 == len(await adapters.graph.secrets_named(application.object_id, "lease"))


async def test_graph_in_trouble_is_unavailable(adapters: Adapters) -> None:
    """It says so itself."""
    adapters.fail("graph", 500, "InternalServerError")
    with pytest.raises(Unavailable):
        await adapters.graph.find_principal(NOBODY)


# Entra ID


async def test_a_fresh_secret_signs_in(adapters: Adapters) -> None:
    """Three times in a row."""
    application, _ = await made(adapters)
    secret = await adapters.graph.add_secret(application.object_id, "lease", in_an_hour())
    assert await soon(adapters, secret.secret, application.app_id)


async def test_a_wrong_secret_never_signs_in(adapters: Adapters) -> None:
    """It cannot be told from one that is not replicated yet, so the time is used up."""
    application, _ = await made(adapters)
    until = adapters.probe.clock.monotonic() + 0.5
    assert not await adapters.probe.signs_in(application.app_id, Secret("wrong"), deadline=until)


async def test_a_managed_identitys_token_is_verified(adapters: Adapters) -> None:
    """As an application, by its ids."""
    identity = adapters.cloud.identity("vm-web")
    caller = await adapters.verifier.verify(broker_token(adapters, "vm-web"))
    found = (caller.object_id, caller.app_id, caller.kind, caller.is_admin)
    assert (identity["object_id"], identity["client_id"], CallerType.APPLICATION, False) == found


def broker_token(adapters: Adapters, name: str, **options: Any) -> str:
    """An identity's token for the broker."""
    return adapters.cloud.token(name, adapters.cloud.document["audience"], **options)


async def test_an_administrators_token_says_so(adapters: Adapters) -> None:
    """By its app role."""
    assert (await adapters.verifier.verify(broker_token(adapters, "admin"))).is_admin


@pytest.mark.parametrize(
    "options",
    [
        {"sign_with": "unpublished"},
        {"sign_with": "none"},
        {"header": {"alg": "HS256"}},
        {"header": {"alg": "RS384"}},
        {"header": {"kid": "invented"}},
        {"header": {"kid": None}},
        {"overrides": {"aud": "https://graph.microsoft.com"}},
        {"overrides": {"iss": "https://sts.windows.net/dddddddd-0000-4000-8000-000000000001/"}},
        {"overrides": {"tid": NOBODY}},
        {"overrides": {"exp": 1_000_000_000}},
        {"overrides": {"exp": None}},
        {"overrides": {"nbf": 4_000_000_000}},
        {"overrides": {"oid": None}},
    ],
)
async def test_a_forged_token_is_refused(adapters: Adapters, options: dict[str, Any]) -> None:
    """In each of these ways."""
    with pytest.raises(Unauthenticated):
        await adapters.verifier.verify(broker_token(adapters, "vm-web", **options))


async def test_a_hundred_first_callers_cost_entra_four_requests(adapters: Adapters) -> None:
    """Two descriptions, two lists of keys."""
    token = broker_token(adapters, "vm-web")
    adapters.cloud.control("DELETE", "calls")
    await asyncio.gather(*(adapters.verifier.verify(token) for _ in range(100)))
    assert ["GET 200"] * 4 == adapters.calls("entra")


# Signing in as a lease's application


async def test_the_broker_signs_in_as_an_application_that_trusts_it(adapters: Adapters) -> None:
    """With an assertion of its managed identity alone. The token says how long it lasts."""
    application, signing_in = await trusting(adapters), adapters.lease_sign_in
    until = signing_in.clock.monotonic() + 60
    found = await signing_in.token(application.app_id, signing_in.scope, deadline=until)
    claims = read(found.token.reveal()).claims
    assert application.app_id == claims["appid"]
    assert datetime.fromtimestamp(claims["exp"], UTC) == found.end
    assert await signing_in.signs_in(application.app_id, deadline=until)


async def test_what_stands_in_a_pool_is_looked_at_in_one_call(adapters: Adapters) -> None:
    """Whose it is, who is trusted, and what credentials there are; nothing of one that is not there."""
    application, broker = await trusting(adapters), await adapters.lease_sign_in.subject()
    key_id = (await adapters.graph.add_secret(application.object_id, "mine", in_an_hour())).key_id
    before = len(adapters.calls("graph"))
    seen, gone = await adapters.graph.look_at([application, ApplicationIds(NOBODY, NOBODY)])
    assert gone is None
    assert isinstance(seen, LookedAt)
    assert (seen.owners, seen.secrets, seen.certificates, seen.redirects) == ((broker,), (key_id,), (), 0)
    assert [("lh-broker", broker)] == [(each.name, each.subject) for each in seen.trusted]
    assert (True, True) == (seen.has_principal, seen.is_enabled)
    assert ["POST 200"] == [each for each in adapters.calls("graph")[before:] if each.startswith("POST")]


async def test_a_service_principal_that_is_gone_is_seen(adapters: Adapters) -> None:
    """By the same look."""
    application, principal = await made(adapters)
    await adapters.graph.delete_principal(principal)
    (seen,) = await adapters.graph.look_at([application])
    assert isinstance(seen, LookedAt)
    assert not seen.has_principal


async def test_a_certificate_is_added_beside_another(adapters: Adapters) -> None:
    """Twice is once, and the first one stays."""
    application, _ = await made(adapters)
    for number in (1, 1, 2):
        pem = certificate() if number > 1 else plain()
        der = load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)
        key = NewKey(ObjectId(f"dddddddd-0000-4000-8000-00000000000{number}"), f"web.{number}", der, in_an_hour())
        await adapters.graph.add_key(application.object_id, key)
    seen = (await adapters.graph.look_at([application]))[0]
    assert isinstance(seen, LookedAt)
    assert {f"dddddddd-0000-4000-8000-00000000000{number}" for number in (1, 2)} == {*seen.certificates}


async def test_the_broker_is_trusted_once_however_often_it_asks(adapters: Adapters) -> None:
    """And another content under that name is refused."""
    application = await trusting(adapters)
    await BrokerTrust(adapters.graph, adapters.lease_sign_in, adapters.exchange).add(application.object_id)
    other = NewTrust("lh-broker", "https://login.example/", "somebody", adapters.exchange.audience)
    with pytest.raises(AlreadyExists):
        await adapters.graph.add_federated(application.object_id, other)


async def test_an_application_that_does_not_trust_the_broker(adapters: Adapters) -> None:
    """It might, in a moment: so the broker waits for as long as it may."""
    application, _ = await made(adapters)
    until = adapters.lease_sign_in.clock.monotonic() + 5
    with pytest.raises(NotReplicated) as caught:
        await adapters.lease_sign_in.token(application.app_id, "https://graph.microsoft.com/.default", deadline=until)
    assert caught.value.azure_code.startswith("AADSTS70")


async def test_the_directory_tells_what_the_brokers_identity_is(adapters: Adapters) -> None:
    """A user-assigned one, which alone can be trusted."""
    own = ObjectId(adapters.cloud.document["identities"]["leasehold"]["client_id"])
    assert (await adapters.graph.own_principal(own)).is_user_assigned

"""The adapters against the local cloud, over real connections: what no scripted answer proves."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.core.caller import CallerType
from shared.core.directory import ApplicationIds, HeldCredentials, NewApplication
from shared.core.errors import (
    Absent,
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
from tests.cloud.stage import Stage

NEW = NewApplication("leasehold-test.01", "leasehold-test.01", "AzureADMyOrg", ("leasehold", "team:web"), "of a test")
NOBODY = ObjectId("dddddddd-0000-4000-8000-000000000001")
NO_KEY = ObjectId("dddddddd-0000-4000-8000-000000000002")


def in_an_hour() -> datetime:
    """The local cloud goes by the machine's clock."""
    return datetime.now(UTC) + timedelta(hours=1)


async def made(stage: Stage) -> tuple[ApplicationIds, ObjectId]:
    """An application and its service principal."""
    application = await stage.graph.upsert_application(NEW)
    return application, await stage.graph.create_principal(application.app_id)


def group(stage: Stage) -> ObjectId:
    """The sample's group."""
    groups = stage.cloud.control("GET", "state")["groups"]
    return ObjectId(groups[0]["object_id"])


async def soon(stage: Stage, secret: Secret, client_id: ObjectId) -> bool:
    """Whether the secret signs in before long."""
    return await stage.probe.signs_in(client_id, secret, deadline=stage.probe.clock.monotonic() + 20)


# Graph


async def test_an_application_is_made_once_and_found_by_its_name(stage: Stage) -> None:
    """However often it is asked for."""
    first, again = await stage.graph.upsert_application(NEW), await stage.graph.upsert_application(NEW)
    assert first == again == await stage.graph.find_application(NEW.unique_name)


@pytest.mark.parametrize("audience", ["AzureADandPersonalMicrosoftAccount", "PersonalMicrosoftAccount", "AzureADMultipleOrgs"])
async def test_an_application_is_made_for_every_audience(stage: Stage, audience: str) -> None:
    """With what Graph needs for it."""
    longest = f"leasehold-{'r' * 53}.{'0' * 26}"
    application = await stage.graph.upsert_application(replace(NEW, sign_in_audience=audience, display_name=longest))
    assert audience == (await stage.graph.credentials_of(application.object_id)).sign_in_audience


async def test_a_service_principal_is_made_once_and_found_by_its_client_id(stage: Stage) -> None:
    """However often it is asked for."""
    application, principal = await made(stage)
    assert principal == await stage.graph.create_principal(application.app_id)
    assert principal == await stage.graph.find_principal(application.app_id)


async def test_a_service_principal_of_no_application_is_too_early(stage: Stage) -> None:
    """So Graph answers also for an application that it has not heard of yet."""
    with pytest.raises((NotReplicated, AmbiguousRefusal)):
        await stage.graph.create_principal(NOBODY)


async def test_a_secret_is_added_found_and_removed(stage: Stage) -> None:
    """And absent afterwards."""
    application, _ = await made(stage)
    secret = await stage.graph.add_secret(application.object_id, "lease", in_an_hour())
    assert (secret.key_id,) == await stage.graph.secrets_named(application.object_id, "lease")
    await stage.graph.remove_secret(application.object_id, secret.key_id)
    assert () == await stage.graph.secrets_named(application.object_id, "lease")
    with pytest.raises(Absent):
        await stage.graph.remove_secret(application.object_id, secret.key_id)


async def test_credentials_are_counted_until_entra_refuses_another(stage: Stage) -> None:
    """Graph's own words for an application without room."""
    application = await stage.graph.upsert_application(NEW)
    stage.cloud.control("PUT", "limits", {"graph": {"credentials_per_object": 2}})
    for held in range(2):
        assert HeldCredentials(held, 0, "AzureADMyOrg", marked=True) == await stage.graph.credentials_of(application.object_id)
        await stage.graph.add_secret(application.object_id, "lease", in_an_hour())
    with pytest.raises(Full):
        await stage.graph.add_secret(application.object_id, "lease", in_an_hour())


async def test_secrets_of_no_application_are_absent(stage: Stage) -> None:
    """Whatever is asked about them."""
    with pytest.raises(Absent):
        await stage.graph.secrets_named(NOBODY, "lease")
    with pytest.raises(Absent):
        await stage.graph.remove_secret(NOBODY, NO_KEY)
    with pytest.raises(Absent):
        await stage.graph.add_secret(NOBODY, "lease", in_an_hour())


async def test_an_application_is_read_with_its_service_principal(stage: Stage) -> None:
    """If it has one here."""
    application = await stage.graph.upsert_application(NEW)
    assert (await stage.graph.read_application(application.object_id)).principal_id is None
    principal = await stage.graph.create_principal(application.app_id)
    found = await stage.graph.read_application(application.object_id)
    assert (application.object_id, application.app_id, principal) == (found.object_id, found.app_id, found.principal_id)


@pytest.mark.usefixtures("groups")
async def test_a_membership_is_given_twice_and_taken_once(stage: Stage) -> None:
    """Being in the group already is success; not being in it is absence."""
    _, principal = await made(stage)
    readers = group(stage)
    for _ in range(2):
        await stage.graph.add_member(readers, principal)
    await stage.graph.remove_member(readers, principal)
    with pytest.raises(Absent):
        await stage.graph.remove_member(readers, principal)


@pytest.mark.usefixtures("groups")
async def test_a_group_that_is_not_there_is_absent(stage: Stage) -> None:
    """And known not to exist."""
    _, principal = await made(stage)
    assert "" == (await stage.graph.read_group(group(stage))).why_closed
    with pytest.raises(Absent):
        await stage.graph.read_group(NOBODY)
    with pytest.raises(Absent):
        await stage.graph.add_member(NOBODY, principal)


async def test_nothing_is_left_of_what_is_deleted_and_purged(stage: Stage) -> None:
    """Neither in the directory nor in its recycle bin."""
    application, principal = await made(stage)
    await stage.graph.delete_principal(principal)
    await stage.graph.delete_application(application.object_id)
    for object_id in (principal, application.object_id):
        await stage.graph.purge(object_id)
        with pytest.raises(Absent):
            await stage.graph.purge(object_id)
    state = stage.cloud.control("GET", "state")
    assert principal not in str(state)
    assert application.object_id not in str(state)


async def test_deleting_twice_is_absence(stage: Stage) -> None:
    """The second time."""
    application, principal = await made(stage)
    await stage.graph.delete_application(application.object_id)
    with pytest.raises(Absent):
        await stage.graph.delete_application(application.object_id)
    with pytest.raises(Absent):
        await stage.graph.delete_principal(principal)


async def test_what_the_broker_does_not_own_is_refused(stage: Stage) -> None:
    """Its permission is for applications of its own."""
    others = [each for each in stage.cloud.control("GET", "state")["applications"] if each["display_name"] == "admin"]
    with pytest.raises(Refused) as refused:
        await stage.graph.delete_application(ObjectId(others[0]["object_id"]))
    assert (403, "Authorization_RequestDenied") == (refused.value.status, refused.value.azure_code)


async def test_graph_is_asked_once_for_each_call(stage: Stage) -> None:
    """Also when it is throttled: nobody below the broker's patience repeats."""
    stage.fail("graph", 429, "TooManyRequests", retry_after=7)
    with pytest.raises(Throttled) as throttled:
        await stage.graph.find_principal(NOBODY)
    assert 7.0 == throttled.value.retry_after
    assert ["GET 429"] == stage.calls("graph")


async def test_graphs_lost_answer_leaves_it_open(stage: Stage) -> None:
    """The secret has been made; its name leads to it."""
    application, _ = await made(stage)
    stage.trouble("graph", "drop_after_effect")
    with pytest.raises(Unreachable):
        await stage.graph.add_secret(application.object_id, "lease", in_an_hour())
    assert 1 == len(await stage.graph.secrets_named(application.object_id, "lease"))


async def test_graph_in_trouble_is_unavailable(stage: Stage) -> None:
    """It says so itself."""
    stage.fail("graph", 500, "InternalServerError")
    with pytest.raises(Unavailable):
        await stage.graph.find_principal(NOBODY)


# Entra ID


async def test_a_fresh_secret_signs_in(stage: Stage) -> None:
    """Three times in a row."""
    application, _ = await made(stage)
    secret = await stage.graph.add_secret(application.object_id, "lease", in_an_hour())
    assert await soon(stage, secret.secret, application.app_id)


async def test_a_wrong_secret_never_signs_in(stage: Stage) -> None:
    """It cannot be told from one that is not replicated yet, so the time is used up."""
    application, _ = await made(stage)
    until = stage.probe.clock.monotonic() + 0.5
    assert not await stage.probe.signs_in(application.app_id, Secret("wrong"), deadline=until)


async def test_a_managed_identitys_token_is_verified(stage: Stage) -> None:
    """As an application, by its ids."""
    identity = stage.cloud.identity("vm-web")
    caller = await stage.verifier.verify(broker_token(stage, "vm-web"))
    found = (caller.object_id, caller.app_id, caller.kind, caller.is_admin)
    assert (identity["object_id"], identity["client_id"], CallerType.APPLICATION, False) == found


def broker_token(stage: Stage, name: str, **options: Any) -> str:
    """An identity's token for the broker."""
    return stage.cloud.token(name, stage.cloud.document["audience"], **options)


async def test_an_administrators_token_says_so(stage: Stage) -> None:
    """By its app role."""
    assert (await stage.verifier.verify(broker_token(stage, "admin"))).is_admin


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
async def test_a_forged_token_is_refused(stage: Stage, options: dict[str, Any]) -> None:
    """In each of these ways."""
    with pytest.raises(Unauthenticated):
        await stage.verifier.verify(broker_token(stage, "vm-web", **options))


async def test_a_hundred_first_callers_cost_entra_four_requests(stage: Stage) -> None:
    """Two descriptions, two lists of keys."""
    token = broker_token(stage, "vm-web")
    stage.cloud.control("DELETE", "calls")
    await asyncio.gather(*(stage.verifier.verify(token) for _ in range(100)))
    assert ["GET 200"] * 4 == stage.calls("entra")

"""What every key vault promises: the fake of the tests, and the product's own adapter on the local Key Vault."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from azure.keyvault.secrets._shared import http_challenge_cache

from shared.cloud.azure_connections import InTime
from shared.cloud.entra.identity import broker_credential
from shared.cloud.key_vault.vaults import FOREIGN, KeyVault
from shared.cloud.system import SystemClock
from shared.core.errors import Absent, AlreadyExists, Conflict, NotReplicated, Refused, Throttled, Unavailable, Unreachable
from shared.core.names import ObjectId
from shared.core.secret import Secret
from shared.kinds.delivering import Content, Vaults
from tests.fakes.calls import Calls
from tests.fakes.clock import FakeClock, FixedIds
from tests.fakes.cloud_state import CloudState
from tests.fakes.vaults import FakeVaults
from tests.fakes.world import OTHER_TENANT, TENANT
from tests.local.conftest import Cloud

_SUFFIX = "vault.azure.net"
OPEN, PROTECTED, FOREIGN_VAULT = (f"https://{name}.{_SUFFIX}" for name in ("app", "protected", "foreign"))
BEGINS = datetime(2031, 5, 17, 12, 0, tzinfo=UTC)
EXPIRES = BEGINS + timedelta(hours=1)
TAGS = {"lease": "web.01kjpwd6m0v3rs3dtr98h6bcfn", "role": "web"}
CONTENT = Content(
    "service_principal",
    {"client_id": "c", "client_secret": Secret("s3cr3t"), "tenant_id": "t"},
    "json",
)


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two. ``tenant`` is the broker's."""

    vaults: Vaults
    tenant: ObjectId


def _fake() -> Side:
    clock = FakeClock()
    vaults = FakeVaults(Calls(clock), CloudState(clock, FixedIds()), clock, TENANT)
    vaults.purge_protected, vaults.tenants = {PROTECTED}, {FOREIGN_VAULT: OTHER_TENANT}
    return Side(vaults, TENANT)


@pytest.fixture
async def on_azure(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Side]:
    """The adapter, through the port that serves all of Azure's names."""
    identity = cloud.identity("leasehold")
    monkeypatch.setenv("IDENTITY_ENDPOINT", identity["identity_endpoint"])
    monkeypatch.setenv("IDENTITY_HEADER", identity["identity_header"])
    monkeypatch.setenv("SSL_CERT_FILE", cloud.ca_bundle)
    for name, more in (("protected", {"purge_protection": True}), ("foreign", {"tenant_id": OTHER_TENANT})):
        made = cloud.control("POST", "vaults", {"name": name, **more})
        cloud.control(
            "POST", "role-assignments", {"identity": "leasehold", "role": "Leasehold Courier (app)", "scope": made["id"]}
        )
    # The library remembers challenges for the whole process: those of another cloud's vaults, too.
    http_challenge_cache.clear()
    clock, tenant = SystemClock(), ObjectId(cloud.document["tenant_id"])
    transport = InTime(gateway=cloud.endpoints["all_tls"], repeats=False)
    async with transport:
        credential = broker_credential(identity["client_id"], transport=InTime(), clock=clock)
        async with credential:
            yield Side(KeyVault(credential, transport, _SUFFIX, tenant), tenant)


@pytest.fixture(params=["fake", "local Azure"])
def side(request: pytest.FixtureRequest) -> Side:
    """Each test runs on both."""
    found: Side = _fake() if request.param == "fake" else request.getfixturevalue("on_azure")
    return found


async def put(side: Side, vault: str = OPEN, name: str = "db") -> str:
    """A version, by its name."""
    made = await side.vaults.set_secret(vault, name, CONTENT, tags=TAGS, begins=BEGINS, expires=EXPIRES)
    assert made.is_enabled
    assert (vault != PROTECTED) is made.purges
    return made.version


async def test_a_vault_names_its_tenant_to_anybody(side: Side) -> None:
    """Ours, or another's."""
    assert side.tenant == await side.vaults.tenant_of(OPEN)
    assert OTHER_TENANT == await side.vaults.tenant_of(FOREIGN_VAULT)


async def test_versions_are_listed_with_their_tags(side: Side) -> None:
    """Of a secret that is not there, there are none."""
    assert [] == [*await side.vaults.versions(OPEN, "db")]
    one, two = await put(side), await put(side)
    found = await side.vaults.versions(OPEN, "db")
    assert {one, two} == {each.version for each in found}
    assert all(each.tags == TAGS and each.is_enabled and each.created is not None for each in found)


async def test_a_version_is_changed_and_what_is_not_named_stays(side: Side) -> None:
    """Disabled, or with another end and other tags."""
    one, two = await put(side), await put(side)
    await side.vaults.update(OPEN, "db", one, is_enabled=False)
    await side.vaults.update(OPEN, "db", two, tags={**TAGS, "more": "x"}, expires=EXPIRES + timedelta(hours=1))
    by_version = {each.version: each for each in await side.vaults.versions(OPEN, "db")}
    assert (False, TAGS) == (by_version[one].is_enabled, by_version[one].tags)
    assert (True, {**TAGS, "more": "x"}) == (by_version[two].is_enabled, by_version[two].tags)
    with pytest.raises(Absent):
        await side.vaults.update(OPEN, "db", "0" * 32, is_enabled=False)


@pytest.mark.parametrize("is_enabled", [True, False])
async def test_a_deleted_secret_is_there_until_it_is_purged(side: Side, *, is_enabled: bool) -> None:
    """A disabled one is not shown, and is there all the same."""
    version = await put(side)
    assert not await side.vaults.is_deleted(OPEN, "db")
    await side.vaults.update(OPEN, "db", version, is_enabled=is_enabled)
    await side.vaults.delete(OPEN, "db")
    assert [] == [*await side.vaults.versions(OPEN, "db")]
    assert await side.vaults.is_deleted(OPEN, "db")
    await side.vaults.purge(OPEN, "db")
    assert not await side.vaults.is_deleted(OPEN, "db")


async def test_a_secret_is_deleted_and_purged(side: Side) -> None:
    """Each says whether there was something."""
    await put(side)
    assert await side.vaults.delete(OPEN, "db")
    with pytest.raises((Absent, AlreadyExists)):
        await side.vaults.delete(OPEN, "db")
    await side.vaults.purge(OPEN, "db")
    with pytest.raises(Absent):
        await side.vaults.purge(OPEN, "db")
    assert [] == [*await side.vaults.secrets(OPEN)]
    await put(side)


async def test_a_deleted_name_is_not_free_before_it_is_purged(side: Side) -> None:
    """Whoever puts it there again is told so."""
    await put(side)
    await side.vaults.delete(OPEN, "db")
    with pytest.raises(AlreadyExists):
        await put(side)


async def test_a_protected_vault_purges_nothing(side: Side) -> None:
    """It says so beforehand, and refuses."""
    await put(side, PROTECTED)
    assert not await side.vaults.delete(PROTECTED, "db")
    with pytest.raises(Refused) as refused:
        await side.vaults.purge(PROTECTED, "db")
    assert 403 == refused.value.status


async def test_the_secrets_of_a_vault_are_listed(side: Side) -> None:
    """With the tags of their newest version."""
    await side.vaults.try_to_list(OPEN)
    await put(side)
    await put(side, name="other")
    found = {each.name: each for each in await side.vaults.secrets(OPEN)}
    assert {"db", "other"} == {*found}
    assert TAGS == found["db"].tags


async def test_a_deletion_under_way_is_told(cloud: Cloud, on_azure: Side) -> None:
    """By Azure's own code: it takes a while."""
    await put(on_azure)
    cloud.control("PUT", "consistency", {"profile": "typical", "seed": 3})
    await on_azure.vaults.delete(OPEN, "db")
    with pytest.raises(NotReplicated) as deleting:
        await on_azure.vaults.purge(OPEN, "db")
    assert "ObjectIsBeingDeleted" == deleting.value.azure_code


async def test_no_token_goes_to_another_tenants_vault(cloud: Cloud, on_azure: Side) -> None:
    """Whatever its challenge says: no call of ours carries one."""
    with pytest.raises(Refused) as refused:
        await put(on_azure, FOREIGN_VAULT)
    assert FOREIGN == refused.value.azure_code
    calls = cloud.control("GET", "calls")
    found = [each for each in (calls["calls"] if isinstance(calls, dict) else calls) if "foreign" in str(each.get("host"))]
    assert {401} == {each["status"] for each in found}


async def test_what_lies_there_is_what_the_form_says(cloud: Cloud, on_azure: Side) -> None:
    """A consumer reads it; the broker may not."""
    await put(on_azure)
    cloud.control("POST", "identities", {"name": "consumer", "kind": "application"})
    scope = f"/subscriptions/{cloud.document['subscription_id']}/resourceGroups/app"
    cloud.control("POST", "role-assignments", {"identity": "consumer", "role": "Key Vault Secrets User", "scope": scope})
    url = f"{cloud.endpoints['key_vault']}/app/secrets/db?api-version=7.4"

    def read(identity: str) -> tuple[int, dict[str, object]]:
        token = cloud.token(identity, "https://vault.azure.net")
        answer = cloud.http.get(url, headers={"authorization": f"Bearer {token}"})
        return answer.status_code, answer.json()

    status, found = read("consumer")
    assert 200 == status
    assert {"type": "service_principal", "client_id": "c", "client_secret": "s3cr3t", "tenant_id": "t"} == json.loads(
        str(found["value"])
    )
    attributes = found["attributes"]
    assert isinstance(attributes, dict)
    assert (BEGINS.timestamp(), EXPIRES.timestamp()) == (attributes["nbf"], attributes["exp"])
    assert 403 == read("leasehold")[0]


async def test_a_refusal_has_the_finer_code(cloud: Cloud, on_azure: Side) -> None:
    """That of ``innererror``: a firewall, missing rights."""
    cloud.control("PUT", "vaults/app", {"firewall": True})
    with pytest.raises(Refused) as walled:
        await put(on_azure)
    assert "ForbiddenByFirewall" == walled.value.azure_code
    made = cloud.control("POST", "vaults", {"name": "others"})
    assert made["uri"]
    with pytest.raises(Refused) as refused:
        await put(on_azure, made["uri"])
    assert "ForbiddenByRbac" == refused.value.azure_code


@pytest.mark.parametrize(
    ("effect", "error"),
    [
        ({"status": 429, "retry_after": 7}, Throttled),
        ({"status": 500}, Unavailable),
        ("drop_after_effect", Unreachable),
    ],
)
async def test_a_call_is_made_once_whatever_it_is_answered(
    cloud: Cloud, on_azure: Side, effect: object, error: type[Exception]
) -> None:
    """The SDK repeats nothing: another ``PUT`` would be another version."""
    await side_warm(on_azure)
    before = _sets(cloud)
    cloud.control("POST", "faults", [{"service": "key_vault", "times": 1, "effect": effect}])
    with pytest.raises(error):
        await put(on_azure)
    assert before + 1 == _sets(cloud)


async def side_warm(side: Side) -> None:
    """The vault's challenge is known."""
    await side.vaults.try_to_list(OPEN)


def _sets(cloud: Cloud) -> int:
    calls = cloud.control("GET", "calls")
    listed = calls["calls"] if isinstance(calls, dict) else calls
    return sum(each["method"] == "PUT" and each["service"] == "key_vault" for each in listed)


async def test_a_dotenv_file_that_would_need_quotes_is_refused(side: Side) -> None:
    """Before anything is put there."""
    content = Content("x", {"client_id": "c", "client_secret": Secret("a b"), "tenant_id": "t"}, "env")
    with pytest.raises(Conflict) as refused:
        await side.vaults.set_secret(OPEN, "db", content, tags=TAGS, begins=BEGINS, expires=EXPIRES)
    assert "delivery_format_unsuitable" == refused.value.stable_code
    assert [] == [*await side.vaults.versions(OPEN, "db")]

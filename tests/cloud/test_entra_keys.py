from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import RSAAlgorithm

from shared.cloud.entra.keys import KeyPolicy, TenantKeys, Unknown
from shared.cloud.entra.verifier import EntraVerifier
from shared.core.errors import Unauthenticated, Unavailable, Unreachable
from shared.core.names import ObjectId
from tests.cloud.key_server import AUDIENCE, AUTHORITY, OTHER_TENANT, TENANT, KeyServer, issuer, jwk, private_key, token
from tests.fakes.clock import FakeClock

V1, V2 = issuer(1), issuer(2)
HOUR = 3600.0
DAY = 24 * HOUR


@pytest.fixture
def keys(server: KeyServer, clock: FakeClock) -> TenantKeys:
    """What is tested."""
    return TenantKeys(AUTHORITY, ObjectId(TENANT), server.client(), clock)


async def settle() -> None:
    """Lets everybody run as far as they get."""
    for _ in range(60):
        await asyncio.sleep(0)


def same(found: RSAPublicKey, name: str) -> bool:
    """Whether it is the key of that name."""
    return found.public_numbers() == private_key(name).public_key().public_numbers()


async def why_unknown(keys: TenantKeys, of: str, kid: str) -> str:
    """What is not known."""
    with pytest.raises(Unknown) as unknown:
        await keys.find(of, kid)
    return unknown.value.what


async def test_finds_each_issuers_keys(keys: TenantKeys) -> None:
    """Several are valid at once; the order means nothing."""
    found = [await keys.find(of, kid) for of in (V1, V2) for kid in ("one", "two")]
    assert all(same(key, name) for key, name in zip(found, ("one", "two") * 2, strict=True))


async def test_a_hundred_first_callers_cost_one_reading(keys: TenantKeys, server: KeyServer) -> None:
    """Two descriptions and two lists of keys: four requests."""
    await asyncio.gather(*(keys.find(of, "two") for of in (V1, V2) * 50))
    assert 4 == len(server.asked)
    assert 4 == len(set(server.asked))


async def test_keys_known_cost_nothing(keys: TenantKeys, server: KeyServer, clock: FakeClock) -> None:
    """For an hour."""
    for _ in range(10):
        await keys.find(V2, "two")
        clock.jump(HOUR / 10)
    await settle()
    assert 1 == server.readings


async def test_one_list_for_both_issuers_is_read_once(keys: TenantKeys, server: KeyServer) -> None:
    """Where both descriptions name the same address."""
    server.metadata = {"jwks_uri": f"{AUTHORITY}/common/discovery/keys"}
    await keys.find(V2, "two")
    assert 3 == len(server.asked)


async def test_old_keys_are_renewed_behind_the_callers_back(keys: TenantKeys, server: KeyServer, clock: FakeClock) -> None:
    """The caller gets the known key at once; a withdrawn key is gone afterwards."""
    await keys.find(V2, "two")
    server.publish(jwk("two"), jwk("three"))
    clock.jump(HOUR + 1)
    assert same(await keys.find(V2, "one"), "one")
    await settle()
    assert "key" == await why_unknown(keys, V2, "one")
    assert same(await keys.find(V2, "three"), "three")
    assert 2 == server.readings - 1


async def test_many_callers_renew_old_keys_once(keys: TenantKeys, server: KeyServer, clock: FakeClock) -> None:
    """One reading at a time."""
    await keys.find(V2, "two")
    clock.jump(HOUR + 1)
    await asyncio.gather(*(keys.find(V2, "two") for _ in range(50)))
    await settle()
    assert 2 == server.readings


async def test_a_new_key_is_found_at_once(keys: TenantKeys, server: KeyServer, clock: FakeClock) -> None:
    """Entra ID signs with a key that it has just published."""
    await keys.find(V2, "two")
    clock.jump(10)
    server.publish(jwk("two"), jwk("three"))
    assert same(await keys.find(V2, "three"), "three")
    assert 2 == server.readings


async def test_two_rotations_in_a_row_are_followed(keys: TenantKeys, server: KeyServer, clock: FakeClock) -> None:
    """Ten seconds apart."""
    await keys.find(V2, "two")
    for name in ("three", "four"):
        server.publish(jwk(name))
        assert same(await keys.find(V2, name), name)
        clock.jump(10)
    assert 3 == server.readings


async def test_a_reading_that_brought_its_key_counts_as_well(keys: TenantKeys, server: KeyServer, clock: FakeClock) -> None:
    """One in ten seconds, whoever asks."""
    await keys.find(V2, "two")
    server.publish(jwk("three"))
    await keys.find(V2, "three")
    clock.jump(9.9)
    assert "key" == await why_unknown(keys, V2, "invented")
    assert 2 == server.readings


async def test_many_callers_with_a_new_key_cost_one_reading(keys: TenantKeys, server: KeyServer) -> None:
    """They share it."""
    await keys.find(V2, "two")
    server.publish(jwk("three"))
    await asyncio.gather(*(keys.find(V2, "three") for _ in range(50)))
    assert 2 == server.readings


async def test_invented_key_ids_cost_one_reading_in_ten_seconds(keys: TenantKeys, server: KeyServer, clock: FakeClock) -> None:
    """Whoever sends rubbish must not have the broker ask Entra ID each time."""
    await keys.find(V2, "two")
    for number in range(50):
        assert "key" == await why_unknown(keys, V2, f"invented {number}")
        clock.jump(1)
    assert 1 + 5 == server.readings


async def test_one_invented_key_id_is_looked_for_ever_more_rarely(
    keys: TenantKeys, server: KeyServer, clock: FakeClock
) -> None:
    """After 10, 20, 40, 80, 160 seconds and then every 300."""
    await keys.find(V2, "two")
    for _ in range(620):
        assert "key" == await why_unknown(keys, V2, "invented")
        clock.jump(1)
    assert 1 + 7 == server.readings


async def test_a_new_key_is_found_however_much_rubbish_comes(keys: TenantKeys, server: KeyServer, clock: FakeClock) -> None:
    """Rubbish of one kind does not keep it out at all, rubbish of many kinds for ten seconds."""
    await keys.find(V2, "two")
    await why_unknown(keys, V2, "invented")
    clock.jump(10)
    await why_unknown(keys, V2, "two too")
    server.publish(jwk("three"))
    clock.jump(9.9)
    await why_unknown(keys, V2, "invented 2")
    clock.jump(0.1)
    await why_unknown(keys, V2, "invented 3")
    assert same(await keys.find(V2, "three"), "three")


async def test_a_key_that_was_asked_for_too_early_is_found_soon(keys: TenantKeys, server: KeyServer, clock: FakeClock) -> None:
    """A replica of Entra ID did not publish it yet."""
    await keys.find(V2, "two")
    await why_unknown(keys, V2, "three")
    server.publish(jwk("three"))
    clock.jump(10)
    assert same(await keys.find(V2, "three"), "three")


async def test_no_more_than_256_missing_key_ids_are_remembered(keys: TenantKeys, clock: FakeClock) -> None:
    """Memory is not the sender's."""
    await keys.find(V2, "two")
    for number in range(300):
        clock.jump(10)
        await why_unknown(keys, V2, f"invented {number}")
    assert 256 == len(keys._missing)


async def test_a_missing_key_ends_the_wait_for_old_ones(keys: TenantKeys, server: KeyServer, clock: FakeClock) -> None:
    """Keys older than an hour are renewed behind the caller's back, but not for a caller whose key is not among them."""
    await keys.find(V2, "two")
    server.publish(jwk("three"))
    clock.jump(HOUR + 1)
    assert same(await keys.find(V2, "three"), "three")


async def test_the_first_reading_counts_as_a_look(keys: TenantKeys, server: KeyServer) -> None:
    """A key that is not among keys just read is not looked for again."""
    assert "key" == await why_unknown(keys, V2, "invented")
    assert "key" == await why_unknown(keys, V2, "invented")
    assert 1 == server.readings


async def test_the_pause_is_a_setting(server: KeyServer, clock: FakeClock) -> None:
    """Tests and cautious operators differ."""
    keys = TenantKeys(AUTHORITY, ObjectId(TENANT), server.client(), clock, KeyPolicy(pause=0, longest_pause=0))
    for _ in range(3):
        await why_unknown(keys, V2, "invented")
    assert 3 == server.readings


async def test_an_unknown_issuer_costs_nothing(keys: TenantKeys, server: KeyServer) -> None:
    """It does not become known by looking again."""
    await keys.find(V2, "two")
    assert "issuer" == await why_unknown(keys, issuer(2, OTHER_TENANT), "two")
    assert 1 == server.readings


async def test_without_keys_an_outage_is_told(keys: TenantKeys, server: KeyServer) -> None:
    """Nobody can be let in or turned away."""
    server.down = True
    with pytest.raises(Unreachable):
        await keys.find(V2, "two")


async def test_the_end_of_an_outage_is_noticed_at_once(keys: TenantKeys, server: KeyServer) -> None:
    """By the next caller."""
    server.down = True
    with pytest.raises(Unreachable):
        await keys.find(V2, "two")
    server.down = False
    assert same(await keys.find(V2, "two"), "two")


async def test_known_keys_serve_through_an_outage(keys: TenantKeys, server: KeyServer, clock: FakeClock) -> None:
    """For a day beyond the hour; Entra ID is asked meanwhile, but not by every caller."""
    await keys.find(V2, "two")
    server.down = True
    clock.jump(25 * HOUR)
    asked = len(server.asked)
    for _ in range(50):
        assert same(await keys.find(V2, "two"), "two")
        await settle()
    assert 2 == len(server.asked) - asked


async def test_keys_older_than_a_day_and_an_hour_are_not_trusted(keys: TenantKeys, server: KeyServer, clock: FakeClock) -> None:
    """They may have been withdrawn for good reason."""
    await keys.find(V2, "two")
    server.down = True
    clock.jump(25 * HOUR + 1)
    with pytest.raises(Unreachable):
        await keys.find(V2, "two")


async def test_an_unknown_key_in_an_outage_is_not_called_bad(keys: TenantKeys, server: KeyServer, clock: FakeClock) -> None:
    """It may be a new one. Entra ID is asked once in ten seconds."""
    await keys.find(V2, "two")
    server.down = True
    asked = len(server.asked)
    for _ in range(10):
        with pytest.raises(Unreachable):
            await keys.find(V2, "three")
    assert 2 == len(server.asked) - asked
    server.down = False
    server.publish(jwk("three"))
    clock.jump(10)
    assert same(await keys.find(V2, "three"), "three")


async def test_a_caller_that_gives_up_leaves_the_others_the_reading(keys: TenantKeys, server: KeyServer) -> None:
    """The first caller's connection broke."""
    first, second = asyncio.ensure_future(keys.find(V2, "two")), asyncio.ensure_future(keys.find(V2, "two"))
    await asyncio.sleep(0)
    first.cancel()
    assert same(await second, "two")
    assert 1 == server.readings


@pytest.mark.parametrize("status", [404, 429, 500, 503])
async def test_a_broken_answer_is_an_outage(keys: TenantKeys, server: KeyServer, status: int) -> None:
    """Of any kind."""
    server.broken = status
    with pytest.raises(Unavailable):
        await keys.find(V2, "two")


async def test_a_page_instead_of_metadata_is_an_outage(keys: TenantKeys, server: KeyServer) -> None:
    """A proxy answered."""
    server.broken = 200
    with pytest.raises(Unavailable):
        await keys.find(V2, "two")


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": None},
        {"issuer": issuer(2, OTHER_TENANT)},
        {"issuer": f"https://login.example/{TENANT}x/v2.0"},
        {"issuer": "https://login.example/{tenantid}/v2.0"},
        {"jwks_uri": None},
        {"jwks_uri": 7},
        {"jwks_uri": "http://login.example/common/discovery/keys"},
    ],
)
async def test_metadata_of_anybody_else_is_not_taken(keys: TenantKeys, server: KeyServer, metadata: dict[str, Any]) -> None:
    """An issuer names the tenant, and keys come over TLS."""
    server.publish(jwk("two"))
    server.metadata = metadata
    with pytest.raises(Unavailable):
        await keys.find(V2, "two")


@pytest.mark.parametrize("published", [[], [{}], [jwk("two", use="enc")], [jwk("two", kty="EC")]])
async def test_a_list_without_usable_keys_is_an_outage(
    keys: TenantKeys, server: KeyServer, clock: FakeClock, published: list[dict[str, Any]]
) -> None:
    """What was known before serves on."""
    await keys.find(V2, "two")
    server.publish(*published)
    clock.jump(2 * HOUR)
    await keys.find(V2, "two")
    await settle()
    assert same(await keys.find(V2, "two"), "two")


def short_key() -> dict[str, Any]:
    """An RSA key of 1024 bits."""
    numbers = RSAAlgorithm.to_jwk(private_key("short", 1024).public_key(), as_dict=True)
    return jwk("two", kid="odd", n=numbers["n"], e=numbers["e"])


def whole_key() -> dict[str, Any]:
    """A private key that somebody published."""
    return {**RSAAlgorithm.to_jwk(private_key("whole"), as_dict=True), "kid": "odd", "use": "sig"}


@pytest.mark.parametrize(
    "odd",
    [
        jwk("two", kid="odd", use="enc"),
        jwk("two", kid="odd", alg="RS512"),
        jwk("two", kid="odd", alg=None),
        jwk("two", kid="odd", kty="oct", k="c2VjcmV0"),
        jwk("two", kid="odd", n="!!!"),
        jwk("two", kid="odd", n=7),
        jwk("two", kid="odd", e="AA"),
        jwk("two", kid="odd", issuer=issuer(2, OTHER_TENANT)),
        jwk("two", kid="odd", issuer=7),
        {"kid": "odd"},
        short_key(),
        whole_key(),
    ],
)
async def test_other_keys_in_the_list_are_passed_over(keys: TenantKeys, server: KeyServer, odd: dict[str, Any]) -> None:
    """Only public RSA keys of this tenant's that sign, of 2048 bits or more; the others do no harm to those."""
    server.publish(odd, jwk("two"))
    assert same(await keys.find(V2, "two"), "two")
    assert "key" == await why_unknown(keys, V2, "odd")


@pytest.mark.parametrize("kid", [None, 7, ["two"]])
async def test_a_key_without_an_id_is_passed_over(keys: TenantKeys, server: KeyServer, kid: object) -> None:
    """Nobody could name it; nor what is no key at all."""
    odd: Any = ["two", None]
    server.publish(*odd, jwk("one", kid=kid), jwk("two"))
    assert same(await keys.find(V2, "two"), "two")


async def test_a_key_for_every_tenant_names_its_issuer_by_a_template(keys: TenantKeys, server: KeyServer) -> None:
    """As the list for all tenants writes it."""
    server.publish(jwk("two", issuer=f"{AUTHORITY}/{{tenantid}}/v2.0", alg="RS256"))
    assert same(await keys.find(V2, "two"), "two")


async def test_each_tenant_has_its_own_pause(server: KeyServer, clock: FakeClock) -> None:
    """Rubbish about one does not keep a new key of another from being found."""
    server.second = [jwk("two")]
    tenants = [ObjectId(TENANT), ObjectId(OTHER_TENANT)]
    verifier = EntraVerifier(authority=AUTHORITY, tenants=tenants, audiences=[AUDIENCE], client=server.client(), clock=clock)
    elsewhere: dict[str, Any] = {"tid": OTHER_TENANT, "iss": issuer(2, OTHER_TENANT)}
    await verifier.verify(token(**elsewhere))
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            await verifier.verify(token("evil"))
    server.second = [jwk("three")]
    assert OTHER_TENANT == (await verifier.verify(token("three", **elsewhere))).tenant_id


@pytest.mark.parametrize(("status", "around"), [(500, (b"", b"")), (200, (b"[", b"]"))])
async def test_what_only_looks_like_a_document_is_none(server: KeyServer, clock: FakeClock, status: int, around: Any) -> None:
    """A 500 may repeat what an attacker, or an old cache, has put there; a list is no object."""
    result = server.client()

    async def failing(request: httpx.Request) -> httpx.Response:
        answer = await result.send(httpx.Request(request.method, request.url))
        return httpx.Response(status, content=answer.content.join(around), headers={"content-type": "application/json"})

    async with result, httpx.AsyncClient(transport=httpx.MockTransport(failing)) as client:
        with pytest.raises(Unavailable):
            await TenantKeys(AUTHORITY, ObjectId(TENANT), client, clock).find(V2, "one")

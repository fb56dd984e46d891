from __future__ import annotations

import hmac
import json
import logging
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as some

from shared.cloud.entra import EntraVerifier
from shared.core.caller import Caller, CallerKind
from shared.core.errors import Unauthenticated
from shared.core.names import ObjectId
from tests.cloud.key_server import (
    AUDIENCE,
    AUDIENCE_URI,
    AUTHORITY,
    CALLER,
    CLIENT,
    NOW,
    OTHER_TENANT,
    TENANT,
    KeyServer,
    claims,
    issuer,
    jwk,
    private_key,
    raw_token,
    signed_payload,
    token,
)
from tests.fakes.clock import FakeClock


def verifier_of(server: KeyServer, clock: FakeClock, *tenants: str) -> EntraVerifier:
    """One for the broker's two audiences."""
    return EntraVerifier(
        authority=AUTHORITY,
        tenants=[ObjectId(each) for each in tenants or (TENANT,)],
        audiences=[AUDIENCE, AUDIENCE_URI],
        client=server.client(),
        clock=clock,
    )


@pytest.fixture
def server() -> KeyServer:
    """Entra ID."""
    return KeyServer()


@pytest.fixture
def clock() -> FakeClock:
    """Time."""
    return FakeClock()


@pytest.fixture
def verifier(server: KeyServer, clock: FakeClock) -> EntraVerifier:
    """What is tested."""
    return verifier_of(server, clock)


async def refusal(verifier: EntraVerifier, bad: str) -> str:
    """Why the token is refused, in the words that its sender reads."""
    with pytest.raises(Unauthenticated) as refused:
        await verifier.verify(bad)
    assert "unauthenticated" == refused.value.stable_code
    return refused.value.detail


MALFORMED = "The access token is malformed."
NOT_SIGNED = "The access token is not signed by a key of its issuer."
NO_ISSUER = "The access token's issuer is not trusted by this broker."
NO_AUDIENCE = "The access token is for another audience than this broker."
EXPIRED = "The access token has expired."
TOO_EARLY = "The access token is not valid yet."
NO_LIFETIME = "The access token's lifetime is missing or malformed."
NO_IDENTITY = "The access token does not say who the caller is: it has no oid claim."
TWO_CLIENTS = "The access token names two different clients."


async def test_a_good_token_makes_a_caller(verifier: EntraVerifier) -> None:
    """Everything that the broker goes by comes from the token."""
    good = token(roles=["Leasehold.Admin"], app_displayname="orders")
    fingerprint = sha256(good.encode()).hexdigest()[:32]
    expected = Caller(
        object_id=ObjectId(CALLER),
        tenant_id=ObjectId(TENANT),
        kind=CallerKind.APPLICATION,
        token_fingerprint=fingerprint,
        app_id=ObjectId(CLIENT),
        name="orders",
        app_roles=frozenset({"Leasehold.Admin"}),
    )
    assert expected == await verifier.verify(good)


async def test_takes_a_token_of_version_1(verifier: EntraVerifier) -> None:
    """Its issuer, its audience and its client claim differ."""
    caller = await verifier.verify(token(iss=issuer(1), aud=AUDIENCE_URI, azp=None, appid=CLIENT, ver="1.0"))
    assert CLIENT == caller.app_id


async def test_takes_a_token_of_any_tenant_on_the_list(server: KeyServer, clock: FakeClock) -> None:
    """Each by its own issuer."""
    server.second = [jwk("two")]
    both = verifier_of(server, clock, TENANT, OTHER_TENANT)
    caller = await both.verify(token(tid=OTHER_TENANT, iss=issuer(2, OTHER_TENANT)))
    assert OTHER_TENANT == caller.tenant_id


async def test_identifiers_are_read_in_any_case(verifier: EntraVerifier) -> None:
    """A GUID is a GUID."""
    caller = await verifier.verify(token(oid="ABCDEFAB-0000-4000-8000-ABCDEFABCDEF", tid=TENANT.upper()))
    assert "abcdefab-0000-4000-8000-abcdefabcdef" == caller.object_id


# Shape and signature


@pytest.mark.parametrize(
    "bad",
    ["", "x", "a.b", "a.b.c", "a.b.c.d", "..", "é.b.c", "\ud800.b.c", "e30.e30.", "W10.e30.e30", "bnVsbA.e30.e30"],
)
async def test_refuses_what_is_no_token(verifier: EntraVerifier, server: KeyServer, bad: str) -> None:
    """And asks Entra ID nothing."""
    assert await refusal(verifier, bad) in {MALFORMED, NOT_SIGNED}
    assert [] == server.asked


async def test_refuses_a_token_of_more_than_16_kib(verifier: EntraVerifier, server: KeyServer) -> None:
    """A longer one is not even looked into."""
    assert MALFORMED == await refusal(verifier, token(padding="x" * 16 * 1024))
    assert [] == server.asked


async def test_refuses_a_payload_nested_without_end(verifier: EntraVerifier) -> None:
    """It is a fault of the sender, not of the broker."""
    assert MALFORMED == await refusal(verifier, signed_payload(b"[" * 9000))


async def test_refuses_a_header_nested_without_end(verifier: EntraVerifier) -> None:
    """The same of the header."""
    assert MALFORMED == await refusal(verifier, raw_token(b"[" * 9000, {}))


@pytest.mark.parametrize("payload", [b"[]", b"1", b"null", b'"x"', b"{", b"\xff\xfe"])
async def test_refuses_a_payload_that_is_no_object(verifier: EntraVerifier, payload: bytes) -> None:
    """However well it is signed."""
    assert MALFORMED == await refusal(verifier, signed_payload(payload))


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", None, "HS256", "RS384", "RS512", "PS256", "ES256", 256])
async def test_refuses_any_algorithm_but_rs256(verifier: EntraVerifier, server: KeyServer, algorithm: object) -> None:
    """Before a key is looked for."""
    bad = raw_token({"alg": algorithm, "typ": "JWT", "kid": "two"}, claims(), b"x")
    assert await refusal(verifier, bad) in {NOT_SIGNED, MALFORMED}
    assert [] == server.asked


async def test_refuses_a_public_key_taken_for_a_shared_secret(verifier: EntraVerifier, server: KeyServer) -> None:
    """The confusion of algorithms: an HMAC keyed with what everybody can read."""
    pem = private_key("two").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = raw_token({"alg": "HS256", "typ": "JWT", "kid": "two"}, claims()).rpartition(".")[0]
    mac = urlsafe_b64encode(hmac.digest(pem, signed.encode(), "sha256")).rstrip(b"=").decode()
    assert NOT_SIGNED == await refusal(verifier, f"{signed}.{mac}")
    assert [] == server.asked


async def test_refuses_rs384_even_if_well_signed(verifier: EntraVerifier) -> None:
    """Entra ID signs with RS256."""
    assert NOT_SIGNED == await refusal(verifier, jwt.encode(claims(), private_key("two"), "RS384", headers={"kid": "two"}))


async def test_refuses_an_elliptic_signature(verifier: EntraVerifier) -> None:
    """The same of another family of keys."""
    key = ec.generate_private_key(ec.SECP256R1())
    assert NOT_SIGNED == await refusal(verifier, jwt.encode(claims(), key, "ES256", headers={"kid": "two"}))


async def test_refuses_a_token_without_a_key_id(verifier: EntraVerifier, server: KeyServer) -> None:
    """No key is tried at random."""
    assert NOT_SIGNED == await refusal(verifier, jwt.encode(claims(), private_key("two"), "RS256"))
    assert [] == server.asked


async def test_refuses_a_header_that_demands_what_is_unknown(verifier: EntraVerifier) -> None:
    """RFC 7515, 4.1.11."""
    bad = token(header={"crit": ["exp"], "exp": 1})
    assert await refusal(verifier, bad) in {NOT_SIGNED, MALFORMED}


async def test_keys_named_in_the_header_are_not_followed(verifier: EntraVerifier, server: KeyServer) -> None:
    """Neither ``jwk`` nor ``jku`` nor ``x5u`` gives trust."""
    header = {"kid": "two", "jwk": jwk("evil"), "jku": "https://evil.example/keys", "x5u": "https://evil.example/x"}
    bad = jwt.encode(claims(), private_key("evil"), "RS256", headers=header)
    assert NOT_SIGNED == await refusal(verifier, bad)
    assert all("evil" not in path for path in server.asked)


async def test_refuses_another_keys_signature(verifier: EntraVerifier) -> None:
    """The key id is a published one's, the signature is not its."""
    assert NOT_SIGNED == await refusal(verifier, token("evil", header={"kid": "two"}))


async def test_refuses_an_unknown_key(verifier: EntraVerifier) -> None:
    """Whoever signed it."""
    assert NOT_SIGNED == await refusal(verifier, token("evil"))


async def test_refuses_a_payload_changed_after_signing(verifier: EntraVerifier) -> None:
    """One claim is enough."""
    header, _, signature = token().split(".")
    other = urlsafe_b64encode(json.dumps(claims(roles=["Leasehold.Admin"])).encode()).rstrip(b"=").decode()
    assert NOT_SIGNED == await refusal(verifier, f"{header}.{other}.{signature}")


async def test_refuses_a_token_without_its_signature(verifier: EntraVerifier) -> None:
    """An empty one is none."""
    assert NOT_SIGNED == await refusal(verifier, token().rpartition(".")[0] + ".")


async def test_a_key_published_for_version_2_alone_signs_no_version_1_token(verifier: EntraVerifier, server: KeyServer) -> None:
    """Each issuer's keys are its own."""
    server.first = [jwk("one")]
    assert NOT_SIGNED == await refusal(verifier, token(iss=issuer(1), aud=AUDIENCE_URI))


# Issuer and tenant


@pytest.mark.parametrize(
    "changes",
    [
        {"tid": OTHER_TENANT},
        {"tid": OTHER_TENANT, "iss": issuer(2, OTHER_TENANT)},
        {"tid": None},
        {"tid": 7},
        {"tid": ""},
        {"tid": "common"},
        {"tid": [TENANT]},
    ],
)
async def test_refuses_a_tenant_that_is_not_on_the_list(
    verifier: EntraVerifier, server: KeyServer, changes: dict[str, Any]
) -> None:
    """And asks nothing about it."""
    assert NO_ISSUER == await refusal(verifier, token(**changes))
    assert [] == server.asked


@pytest.mark.parametrize(
    "wrong",
    [
        issuer(2, OTHER_TENANT),
        issuer(1, OTHER_TENANT),
        issuer(2) + "/",
        issuer(1).rstrip("/"),
        issuer(2).upper(),
        f"https://evil.example/{TENANT}/v2.0",
        None,
        7,
        "",
        [issuer(2)],
    ],
)
async def test_refuses_any_issuer_but_the_tenants_two(verifier: EntraVerifier, wrong: object) -> None:
    """Compared to the letter."""
    assert NO_ISSUER == await refusal(verifier, token(iss=wrong) if isinstance(wrong, str | None) else unchecked(iss=wrong))


def unchecked(**changes: Any) -> str:
    """A well-signed token with claims that PyJWT would not encode."""
    return signed_payload(json.dumps(claims(**changes)).encode())


async def test_an_issuer_of_one_listed_tenant_does_not_vouch_for_another(server: KeyServer, clock: FakeClock) -> None:
    """``tid`` and ``iss`` must be of one tenant."""
    server.second = [jwk("two")]
    both = verifier_of(server, clock, TENANT, OTHER_TENANT)
    assert NO_ISSUER == await refusal(both, token(tid=TENANT, iss=issuer(2, OTHER_TENANT)))


# Audience


@pytest.mark.parametrize(
    "wrong",
    [None, "", "https://graph.microsoft.com", AUDIENCE_URI + "/", AUDIENCE_URI.upper(), CLIENT, [AUDIENCE], ["x", AUDIENCE], 5],
)
async def test_refuses_any_other_audience(verifier: EntraVerifier, wrong: object) -> None:
    """One text, equal to one of the broker's own."""
    assert NO_AUDIENCE == await refusal(verifier, unchecked(aud=wrong))


# Lifetime


async def test_an_expired_token_is_taken_for_another_minute(verifier: EntraVerifier) -> None:
    """Clocks differ."""
    assert CALLER == (await verifier.verify(token(exp=NOW - 59))).object_id
    assert EXPIRED == await refusal(verifier, token(exp=NOW - 60))


async def test_a_token_is_taken_a_minute_early(verifier: EntraVerifier) -> None:
    """The same at the other end."""
    assert CALLER == (await verifier.verify(token(nbf=NOW + 60))).object_id
    assert TOO_EARLY == await refusal(verifier, token(nbf=NOW + 61))


async def test_time_is_the_clocks(verifier: EntraVerifier, clock: FakeClock) -> None:
    """A token that was good expires."""
    good = token()
    await verifier.verify(good)
    clock.jump(3600 + 60)
    assert EXPIRED == await refusal(verifier, good)


async def test_a_token_without_nbf_is_taken(verifier: EntraVerifier) -> None:
    """It is honoured when it is there."""
    assert CALLER == (await verifier.verify(token(nbf=None))).object_id


async def test_a_fraction_of_a_second_is_a_number(verifier: EntraVerifier) -> None:
    """Some clocks are finer."""
    assert CALLER == (await verifier.verify(unchecked(exp=NOW - 59.5, nbf=NOW + 59.5))).object_id


@pytest.mark.parametrize("claim", ["exp", "nbf"])
@pytest.mark.parametrize(
    "wrong", ['"9999999999"', "true", "NaN", "Infinity", "-Infinity", "[]", "{}", "1" + "0" * 400, "1e999", "null"]
)
async def test_an_instant_that_is_no_number_is_refused(verifier: EntraVerifier, claim: str, wrong: str) -> None:
    """Not even a text that looks like one."""
    others = json.dumps({name: value for name, value in claims().items() if name != claim})
    bad = signed_payload(f'{others[:-1]}, "{claim}": {wrong}}}'.encode())
    assert NO_LIFETIME == await refusal(verifier, bad)


async def test_a_token_without_an_end_is_refused(verifier: EntraVerifier) -> None:
    """Nothing is for ever."""
    assert NO_LIFETIME == await refusal(verifier, token(exp=None))


# Who it is


@pytest.mark.parametrize("wrong", [None, "", "me", 7, [CALLER], {"id": CALLER}, f" {CALLER}", "\uff14" + CALLER[1:]])
async def test_refuses_a_token_without_an_object_id(verifier: EntraVerifier, wrong: object) -> None:
    """``sub`` never stands in for it."""
    assert NO_IDENTITY == await refusal(verifier, unchecked(oid=wrong))


async def test_the_client_is_appid_or_azp(verifier: EntraVerifier) -> None:
    """Whichever is there; a claim of the wrong type is not."""
    one = await verifier.verify(token(azp=None, appid=CLIENT.upper()))
    other = await verifier.verify(unchecked(azp=CLIENT, appid=7))
    both = await verifier.verify(token(azp=CLIENT.upper(), appid=CLIENT))
    neither = await verifier.verify(token(azp=None))
    assert (CLIENT, CLIENT, CLIENT, None) == (one.app_id, other.app_id, both.app_id, neither.app_id)


async def test_refuses_two_different_clients(verifier: EntraVerifier) -> None:
    """Nobody can say which is meant."""
    assert TWO_CLIENTS == await refusal(verifier, token(appid=CALLER, azp=CLIENT))


async def test_refuses_a_client_that_is_no_guid(verifier: EntraVerifier) -> None:
    """Entra ID writes none."""
    assert MALFORMED == await refusal(verifier, token(azp="orders"))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, CallerKind.APPLICATION),
        ({"idtyp": "app"}, CallerKind.APPLICATION),
        ({"idtyp": 7}, CallerKind.APPLICATION),
        ({"idtyp": "user"}, CallerKind.USER),
        ({"idtyp": "App"}, CallerKind.USER),
        ({"scp": "user_impersonation"}, CallerKind.USER),
        ({"scp": ""}, CallerKind.USER),
        ({"scp": "user_impersonation", "idtyp": "app"}, CallerKind.USER),
        ({"scp": ["x"]}, CallerKind.APPLICATION),
    ],
)
async def test_tells_applications_from_users(verifier: EntraVerifier, changes: dict[str, Any], expected: CallerKind) -> None:
    """By scopes, which only a user's token has, and by ``idtyp`` where it is there."""
    assert expected is (await verifier.verify(unchecked(**changes))).kind


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        (["a", "b", "a"], {"a", "b"}),
        (["a", 7, None, ["b"]], {"a"}),
        ("Leasehold.Admin", set()),
        ({"Leasehold.Admin": True}, set()),
        (7, set()),
        ([], set()),
    ],
)
async def test_app_roles_are_the_texts_of_a_list(verifier: EntraVerifier, roles: object, expected: set[str]) -> None:
    """What is not a text is passed over; what is no list is not there."""
    assert expected == (await verifier.verify(unchecked(roles=roles))).app_roles


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, None),
        ({"name": "Ada"}, "Ada"),
        ({"name": "Ada", "preferred_username": "ada@example.com"}, "ada@example.com"),
        ({"app_displayname": "orders"}, "orders"),
        ({"name": 7, "app_displayname": "orders"}, "orders"),
        ({"name": "", "app_displayname": "orders"}, "orders"),
        ({"name": "\n\x1b\u202e", "app_displayname": "orders"}, "orders"),
        ({"name": "two\nlines\x1b[31m"}, "twolines[31m"),
        ({"name": "x" * 500}, "x" * 128),
    ],
)
async def test_the_name_is_short_and_printable(verifier: EntraVerifier, changes: dict[str, Any], expected: str | None) -> None:
    """It goes into logs and audit events."""
    assert expected == (await verifier.verify(unchecked(**changes))).name


async def test_a_refusal_never_holds_the_token(verifier: EntraVerifier, caplog: pytest.LogCaptureFixture) -> None:
    """Neither in its text nor in the log, at any level."""
    bad = token(aud="https://secret.example/audience")
    with caplog.at_level(logging.DEBUG), pytest.raises(Unauthenticated) as refused:
        await verifier.verify(bad)
    told = f"{refused.value} {refused.value.detail} {refused.value.__cause__}" + caplog.text
    assert "secret.example" not in told
    assert all(part not in told for part in bad.split("."))


@given(some.text(max_size=300))
async def test_any_text_is_refused_calmly(text: str) -> None:
    """No text makes the broker fail."""
    with pytest.raises(Unauthenticated):
        await verifier_of(KeyServer(), FakeClock()).verify(text)


_JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=20),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(some.dictionaries(some.sampled_from(sorted({*claims(), "scp", "idtyp", "roles", "name", "appid"})), _JSON, max_size=3))
async def test_any_signed_claims_are_taken_or_refused_calmly(changes: dict[str, Any]) -> None:
    """Whatever a tenant's administrator manages to put into them."""
    verifier = verifier_of(KeyServer(), FakeClock())
    try:
        caller = await verifier.verify(signed_payload(json.dumps(claims() | changes).encode()))
    except Unauthenticated:
        return
    assert TENANT == caller.tenant_id

from __future__ import annotations

import json
import logging
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shared.cloud.entra.verifier import EntraVerifier
from shared.core.caller import Caller, CallerType
from shared.core.errors import Unauthenticated
from shared.core.names import ObjectId
from tests.cloud.key_server import (
    AUDIENCE,
    AUDIENCE_URI,
    CALLER,
    CLIENT,
    NOW,
    OTHER_TENANT,
    TENANT,
    KeyServer,
    claims,
    issuer,
    jwk,
    signed_payload,
    token,
)
from tests.cloud.verifying import (
    BOUND,
    EXPIRED,
    MALFORMED,
    NO_AUDIENCE,
    NO_CLIENT,
    NO_IDENTITY,
    NO_ISSUER,
    NO_LIFETIME,
    NO_SCOPE,
    NOT_APP,
    TOO_EARLY,
    TWO_CLIENTS,
    refusal,
    unchecked,
    verifier_of,
)
from tests.fakes.clock import FakeClock


async def test_a_good_token_makes_a_caller(verifier: EntraVerifier) -> None:
    """Everything that the broker goes by comes from the token."""
    good = token(roles=["Leasehold.Admin"], app_displayname="orders")
    fingerprint = sha256(good.encode()).hexdigest()[:32]
    expected = Caller(
        object_id=ObjectId(CALLER),
        tenant_id=ObjectId(TENANT),
        kind=CallerType.APPLICATION,
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
    assert (OTHER_TENANT, False) == (caller.tenant_id, caller.at_home)
    assert (await both.verify(token())).at_home


async def test_identifiers_are_read_in_any_case(verifier: EntraVerifier) -> None:
    """A GUID is a GUID."""
    caller = await verifier.verify(token(oid="ABCDEFAB-0000-4000-8000-ABCDEFABCDEF", tid=TENANT.upper()))
    assert "abcdefab-0000-4000-8000-abcdefabcdef" == caller.object_id


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


@pytest.mark.parametrize("claim", ["iat", "sub", "jti"])
@pytest.mark.parametrize("value", [NOW + 9999, "x", 7, None, []], ids=str)
async def test_what_the_broker_does_not_go_by_may_be_anything(verifier: EntraVerifier, claim: str, value: object) -> None:
    """Nothing is decided by it."""
    assert CALLER == (await verifier.verify(unchecked(**{claim: value}))).object_id


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
    assert [CLIENT] * 3 == [one.app_id, other.app_id, both.app_id]


@pytest.mark.parametrize(
    "changes", [{"azp": None}, {"azp": None, "appid": 7}, {"azp": [CLIENT]}, {"azp": None, "appidacr": "1"}]
)
async def test_refuses_a_token_that_names_no_client(verifier: EntraVerifier, changes: dict[str, Any]) -> None:
    """An ID token has the broker's own client id as its audience, and was asked for by nobody."""
    assert NO_CLIENT == await refusal(verifier, unchecked(**changes))
    assert NO_CLIENT == await refusal(verifier, unchecked(scp="access", **changes))


async def test_refuses_two_different_clients(verifier: EntraVerifier) -> None:
    """Nobody can say which is meant."""
    assert TWO_CLIENTS == await refusal(verifier, token(appid=CALLER, azp=CLIENT))


async def test_refuses_a_client_that_is_no_guid(verifier: EntraVerifier) -> None:
    """Entra ID writes none."""
    assert MALFORMED == await refusal(verifier, token(azp="orders"))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, CallerType.APPLICATION),
        ({"idtyp": "app"}, CallerType.APPLICATION),
        ({"idtyp": 7}, CallerType.APPLICATION),
        ({"scp": "access"}, CallerType.USER),
        ({"scp": "openid access profile"}, CallerType.USER),
        ({"scp": "access", "idtyp": "app"}, CallerType.USER),
        ({"scp": "access", "idtyp": "user"}, CallerType.USER),
        ({"scp": ["x"]}, CallerType.APPLICATION),
    ],
)
async def test_tells_applications_from_users(verifier: EntraVerifier, changes: dict[str, Any], expected: CallerType) -> None:
    """By scopes, which only a user's token has, and by ``idtyp`` where it is there."""
    assert expected is (await verifier.verify(unchecked(**changes))).kind


@pytest.mark.parametrize(
    "scopes", ["", " ", "user_impersonation", "Access", "accessible", "access.read", "access\tx", "access,x"]
)
async def test_refuses_a_users_token_without_the_brokers_scope(verifier: EntraVerifier, scopes: str) -> None:
    """It was asked for something else."""
    assert NO_SCOPE == await refusal(verifier, token(scp=scopes))
    assert NO_SCOPE == await refusal(verifier, token(scp=scopes, idtyp="app", roles=["Leasehold.Admin"]))


@pytest.mark.parametrize("kind", ["user", "App", "APP", "", "device", "app "])
async def test_refuses_a_token_without_scopes_that_is_not_an_applications(verifier: EntraVerifier, kind: str) -> None:
    """Where ``idtyp`` says anything, it says ``app``."""
    assert NOT_APP == await refusal(verifier, token(idtyp=kind))


@pytest.mark.parametrize("bound", [{"jwk": {"kty": "RSA"}}, {"x5t#S256": "x"}, {"kid": "x", "xms_ksl": "sw"}, {}, "x"])
async def test_refuses_a_token_that_is_bound_to_a_key(verifier: EntraVerifier, bound: object) -> None:
    """Nobody has proved that key: a stolen one must not pass as a bearer token."""
    assert BOUND == await refusal(verifier, token(cnf=bound))


@pytest.mark.parametrize(
    "again",
    [
        f'"aud": "{AUDIENCE}"',
        '"oid": "44444444-4444-4444-4444-444444444444"',
        '"roles": ["Leasehold.Admin"]',
        '"r\\u006fles": ["Leasehold.Admin"]',
        '"other": [{"x": {"a": 1, "a": 2}}]',
    ],
)
async def test_refuses_a_claim_that_appears_twice(verifier: EntraVerifier, again: str) -> None:
    """Two readers may take either, at any depth and however it is written."""
    once = json.dumps(claims(roles=["a"]))[:-1]
    assert MALFORMED == await refusal(verifier, signed_payload(f"{once}, {again}}}".encode()))


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
        ({"name": "Ada", "app_displayname": "orders"}, "Ada"),
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
    result = f"{refused.value} {refused.value.detail} {refused.value.__cause__}" + caplog.text
    assert "secret.example" not in result
    assert all(part not in result for part in bad.split("."))


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

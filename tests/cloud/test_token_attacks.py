"""Tokens that an attacker could send, each by name, beside those of ``test_entra.py`` and ``test_entra_signature.py``."""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from typing import Any

import httpx
import jwt
import pytest
from jwt.algorithms import RSAAlgorithm

from shared.cloud.entra import keys as entra_keys
from shared.cloud.entra.keys import TenantKeys
from shared.cloud.entra.verifier import EntraVerifier
from shared.core.errors import Unauthenticated, Unavailable, Unreachable, Upstream
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
    NOT_SIGNED,
    TOO_EARLY,
    TWO_CLIENTS,
    refusal,
    unchecked,
    verifier_of,
)
from tests.fakes.clock import FakeClock

EVIL = {"kid": "evil"}
ARABIC_TENANT = TENANT.replace("1", "\u0661")
WIDE_CALLER = CALLER.replace("4", "\uff14")


def _evil(**header: Any) -> str:
    """A good token but for its key, which the header names or brings along."""
    return jwt.encode(claims(), private_key("evil"), "RS256", headers={"kid": "two", **header})


def _with_header(header: Any, **changes: Any) -> str:
    """Well signed by a published key, under any header at all."""
    signed = raw_token(header, claims(**changes)).rpartition(".")[0]
    signature = RSAAlgorithm(RSAAlgorithm.SHA256).sign(signed.encode(), private_key("two"))
    return f"{signed}.{urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def _twice(claim: str, value: Any) -> str:
    """A payload that has one claim a second time."""
    return signed_payload(
        f"{json.dumps(claims(groups=[], roles=[]))[:-1]}, {json.dumps(claim)}: {json.dumps(value)}}}".encode()
    )


def _number(claim: str, written: str) -> str:
    """A payload with a number as JSON may write it."""
    others = json.dumps({name: value for name, value in claims().items() if name != claim})
    return signed_payload(f'{others[:-1]}, "{claim}": {written}}}'.encode())


HEADER = {"alg": "RS256", "typ": "JWT", "kid": "two"}
ATTACKS: dict[str, tuple[str, str]] = {
    # Algorithms and the header
    "alg none, no signature": (raw_token({"alg": "none", "kid": "two"}, claims()), NOT_SIGNED),
    "alg none with a good signature": (_with_header(HEADER | {"alg": "none"}), NOT_SIGNED),
    "alg nOnE": (_with_header(HEADER | {"alg": "nOnE"}), NOT_SIGNED),
    "alg in small letters": (_with_header(HEADER | {"alg": "rs256"}), NOT_SIGNED),
    "alg with a blank": (_with_header(HEADER | {"alg": "RS256 "}), NOT_SIGNED),
    "alg as a list": (_with_header(HEADER | {"alg": ["RS256"]}), NOT_SIGNED),
    "alg missing": (_with_header({"typ": "JWT", "kid": "two"}), NOT_SIGNED),
    "alg in the payload alone": (_with_header({"kid": "two"}, alg="RS256"), NOT_SIGNED),
    "alg PS256 under an RS256 signature": (_with_header(HEADER | {"alg": "PS256"}), NOT_SIGNED),
    "alg EdDSA": (_with_header(HEADER | {"alg": "EdDSA"}), NOT_SIGNED),
    "an encrypted token's five parts": (f"{token()}.e30.e30", MALFORMED),
    "an encrypted token's algorithm": (_with_header(HEADER | {"alg": "RSA-OAEP", "enc": "A256GCM"}), NOT_SIGNED),
    "an unencoded payload, demanded": (_with_header(HEADER | {"b64": False, "crit": ["b64"]}), NOT_SIGNED),
    "an extension demanded": (
        _with_header(HEADER | {"crit": ["http://evil.example/x"], "http://evil.example/x": 1}),
        NOT_SIGNED,
    ),
    "a header that is a list": (raw_token([HEADER], claims()), MALFORMED),
    "the type of a proof of possession": (_with_header(HEADER | {"typ": "dpop+jwt"}), MALFORMED),
    "the type of a security event": (_with_header(HEADER | {"typ": "secevent+jwt"}), MALFORMED),
    # Keys
    "kid of nobody": (_evil(**EVIL), NOT_SIGNED),
    "kid of a published key, another's signature": (_evil(), NOT_SIGNED),
    "kid as a path": (_evil(kid="../../../../dev/null"), NOT_SIGNED),
    "kid as an address": (_evil(kid="https://evil.example/keys"), NOT_SIGNED),
    "kid as a query": (_evil(kid="two' OR '1'='1"), NOT_SIGNED),
    "kid with a null": (_evil(kid="two\0"), NOT_SIGNED),
    "kid in capitals": (_with_header(HEADER | {"kid": "TWO"}), NOT_SIGNED),
    "kid with a look-alike": (_with_header(HEADER | {"kid": "tw\u043e"}), NOT_SIGNED),
    "kid as a number": (_with_header(HEADER | {"kid": 2}), NOT_SIGNED),
    "kid as a list": (_with_header(HEADER | {"kid": ["two"]}), NOT_SIGNED),
    "kid empty": (_with_header(HEADER | {"kid": ""}), NOT_SIGNED),
    "kid missing, x5t there": (_with_header({"alg": "RS256", "x5t": "two"}), NOT_SIGNED),
    "a key in the header (jwk)": (_evil(jwk=jwk("evil")), NOT_SIGNED),
    "keys elsewhere (jku)": (_evil(jku="https://evil.example/keys", **EVIL), NOT_SIGNED),
    "keys of the right host under another path (jku)": (_evil(jku=f"{AUTHORITY}/evil/keys", **EVIL), NOT_SIGNED),
    "a certificate elsewhere (x5u)": (_evil(x5u="https://evil.example/x"), NOT_SIGNED),
    "a certificate in the header (x5c)": (_evil(x5c=["MIIB"]), NOT_SIGNED),
    "a certificate's digest (x5t#S256)": (_evil(**{"x5t#S256": "two"}), NOT_SIGNED),
    "the signature of another token": (".".join((*token(roles=["x"]).split(".")[:2], token().split(".")[2])), NOT_SIGNED),
    "a signature of zeros": (raw_token(HEADER, claims(), bytes(256)), NOT_SIGNED),
    "a signature of one octet": (raw_token(HEADER, claims(), b"\0"), NOT_SIGNED),
    # Claims said twice, and by look-alikes
    "oid twice": (_twice("oid", CLIENT), MALFORMED),
    "roles twice": (_twice("roles", ["Leasehold.Admin"]), MALFORMED),
    "groups twice": (_twice("groups", [CLIENT]), MALFORMED),
    "tid in digits of another script": (unchecked(tid=ARABIC_TENANT), NO_ISSUER),
    "oid in wide digits": (unchecked(oid=WIDE_CALLER), NO_IDENTITY),
    "oid in braces": (unchecked(oid=f"{{{CALLER}}}"), NO_IDENTITY),
    "oid without dashes": (unchecked(oid=CALLER.replace("-", "")), NO_IDENTITY),
    "oid in capital letters' claim": (unchecked(oid=None, OID=CALLER), NO_IDENTITY),
    "oid as sub alone": (unchecked(oid=None), NO_IDENTITY),
    "oid in a list": (unchecked(oid=[CALLER]), NO_IDENTITY),
    "oid in an object": (unchecked(oid={"value": CALLER}), NO_IDENTITY),
    "oid as a true value": (unchecked(oid=True), NO_IDENTITY),
    "client in a list": (unchecked(azp=[CLIENT]), NO_CLIENT),
    "client with a line end": (unchecked(azp=f"{CLIENT}\n"), MALFORMED),
    "two clients": (unchecked(appid=CALLER), TWO_CLIENTS),
    "a good claim within another": (unchecked(oid=None, claims={"oid": CALLER}), NO_IDENTITY),
    # Audience and issuer
    "an ID token for the broker": (unchecked(azp=None, azpacr=None, nonce="n", aud=AUDIENCE), NO_CLIENT),
    "an ID token for its own client": (unchecked(azp=None, nonce="n", aud=CLIENT), NO_AUDIENCE),
    "a token for Graph": (unchecked(aud="00000003-0000-0000-c000-000000000000"), NO_AUDIENCE),
    "a token for Resource Manager": (unchecked(aud="https://management.azure.com"), NO_AUDIENCE),
    "an audience among others": (unchecked(aud=[AUDIENCE, CLIENT]), NO_AUDIENCE),
    "an audience as an object's name": (unchecked(aud={AUDIENCE: True}), NO_AUDIENCE),
    "an audience with a blank": (unchecked(aud=f"{AUDIENCE} "), NO_AUDIENCE),
    "an audience below the broker's": (unchecked(aud=f"{AUDIENCE_URI}/.default"), NO_AUDIENCE),
    "an issuer with a longer host": (
        unchecked(iss=issuer(2).replace("login.example", "login.example.evil.example")),
        NO_ISSUER,
    ),
    "an issuer with a user name": (unchecked(iss=issuer(2).replace("https://", "https://evil.example@")), NO_ISSUER),
    "an issuer with a query": (unchecked(iss=f"{issuer(2)}?x"), NO_ISSUER),
    "an issuer over plain http": (unchecked(iss=issuer(2).replace("https", "http")), NO_ISSUER),
    "the issuer's template": (unchecked(iss=issuer(2, "{tenantid}")), NO_ISSUER),
    "the issuer of every tenant": (unchecked(iss=issuer(2, "common"), tid="common"), NO_ISSUER),
    "another tenant's issuer": (unchecked(iss=issuer(2, OTHER_TENANT)), NO_ISSUER),
    "another tenant's id under the issuer": (unchecked(tid=OTHER_TENANT), NO_ISSUER),
    "another tenant altogether": (unchecked(tid=OTHER_TENANT, iss=issuer(2, OTHER_TENANT)), NO_ISSUER),
    # Numbers
    "exp as a text": (_number("exp", f'"{NOW + 60}"'), NO_LIFETIME),
    "exp in milliseconds of the past": (_number("exp", "0"), EXPIRED),
    "exp below zero": (_number("exp", "-1"), EXPIRED),
    "exp beyond every float": (_number("exp", "1e400"), NO_LIFETIME),
    "exp of four hundred digits": (_number("exp", "9" * 400), NO_LIFETIME),
    "exp of five thousand digits": (_number("exp", "9" * 5000), MALFORMED),
    "exp as a list": (_number("exp", f"[{NOW + 60}]"), NO_LIFETIME),
    "exp true": (_number("exp", "true"), NO_LIFETIME),
    "nbf next year": (_number("nbf", str(NOW + 31_536_000)), TOO_EARLY),
    "nbf not a number": (_number("nbf", "NaN"), NO_LIFETIME),
    "iat without exp": (unchecked(exp=None, iat=NOW), NO_LIFETIME),
    # What a user's or another kind of token would be
    "an empty scope": (unchecked(scp=""), NO_SCOPE),
    "a scope that begins alike": (unchecked(scp="access_as_user"), NO_SCOPE),
    "a scope in capitals": (unchecked(scp="ACCESS"), NO_SCOPE),
    "a scope with a blank of another script": (unchecked(scp="access\u00a0x"), NO_SCOPE),
    "a user's token that hides its scope": (unchecked(idtyp="user"), NOT_APP),
    "a device's token": (unchecked(idtyp="device"), NOT_APP),
    "a token bound to a key": (unchecked(cnf={"x5t#S256": "x"}), BOUND),
    # Sizes
    "a payload of deep lists": (signed_payload(b"[" * 11_000), MALFORMED),
    "a payload of deep objects": (signed_payload(b'{"a":' * 2_300), MALFORMED),
    "a token a little too long": (token(padding="x" * 16_384), MALFORMED),
    "a thousand dots": ("." * 1000, MALFORMED),
}


@pytest.mark.parametrize(("attack", "why"), ATTACKS.values(), ids=ATTACKS)
async def test_an_attack_is_refused(verifier: EntraVerifier, server: KeyServer, attack: str, why: str) -> None:
    """With a sentence that says what is wrong, and no call but to the two places where keys are."""
    assert why == await refusal(verifier, attack)
    assert all(path.startswith((f"/{TENANT}/", "/common/discovery/")) for path in server.asked)


def test_there_are_enough_of_them() -> None:
    """Each attack is a token of its own."""
    assert len(ATTACKS) == len({attack for attack, _ in ATTACKS.values()}) >= 60


# What is taken, and gives nothing


@pytest.mark.parametrize(
    "forged",
    [
        {"groups": "9e1b7a60-33c1-4f0b-a2a8-7d1c5f0e4b02"},
        {"groups": {"9e1b7a60-33c1-4f0b-a2a8-7d1c5f0e4b02": True}},
        {"groups": [["9e1b7a60-33c1-4f0b-a2a8-7d1c5f0e4b02"], {"id": "9e1b7a60"}, 7, None, True]},
        {"Groups": ["9e1b7a60-33c1-4f0b-a2a8-7d1c5f0e4b02"]},
        {"wids": ["62e90394-69f5-4237-9190-012177145e10"]},
    ],
)
async def test_groups_are_the_texts_of_the_one_claim(verifier: EntraVerifier, forged: dict[str, Any]) -> None:
    """Of another shape, or by another name, they are none."""
    caller = await verifier.verify(unchecked(**forged))
    assert (frozenset(), False) == (caller.groups, caller.has_more_groups)


@pytest.mark.parametrize(
    ("forged", "more"),
    [
        ({"hasgroups": True}, True),
        ({"hasgroups": "true"}, False),
        ({"hasgroups": 1}, False),
        ({"hasgroups": [True]}, False),
        ({"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://evil.example/groups"}}}, True),
        ({"_claim_names": "groups"}, False),
        ({"_claim_names": ["groups"]}, False),
        ({"_claim_names": {"roles": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://evil.example/roles"}}}, False),
        ({"_claim_sources": {"src1": {"endpoint": "https://evil.example/groups"}}}, False),
    ],
)
async def test_groups_that_are_elsewhere_are_asked_for_nowhere_but_in_the_directory(
    verifier: EntraVerifier, server: KeyServer, forged: dict[str, Any], *, more: bool
) -> None:
    """The address in ``_claim_sources`` may be anybody's."""
    assert more is (await verifier.verify(unchecked(**forged))).has_more_groups
    assert all("evil" not in path for path in server.asked)


@pytest.mark.parametrize(
    "roles",
    [
        ["leasehold.admin"],
        ["Leasehold.Admin "],
        ["Leasehold.\u0410dmin"],
        ["Leasehold.Admin\0"],
        [["Leasehold.Admin"]],
        {"0": "Leasehold.Admin"},
        "Leasehold.Admin",
        "Leasehold.Admin Leasehold.Auditor",
    ],
)
async def test_what_looks_like_an_admins_role_is_none(verifier: EntraVerifier, roles: object) -> None:
    """An app role counts to the letter."""
    assert "Leasehold.Admin" not in (await verifier.verify(unchecked(roles=roles))).app_roles


async def test_app_roles_are_not_read_from_elsewhere(verifier: EntraVerifier) -> None:
    """Neither from a claim that points away, nor from the directory roles."""
    forged = {"role": ["Leasehold.Admin"], "_claim_names": {"roles": "x"}, "wids": ["Leasehold.Admin"]}
    assert frozenset() == (await verifier.verify(unchecked(**forged))).app_roles


@pytest.mark.parametrize(
    "mixed",
    [
        {"iss": issuer(1), "ver": "2.0"},
        {"ver": "1.0"},
        {"ver": 1},
        {"iss": issuer(1), "aud": AUDIENCE, "azp": None, "appid": CLIENT},
        {"aud": AUDIENCE_URI},
    ],
)
async def test_what_a_token_says_of_its_version_decides_nothing(verifier: EntraVerifier, mixed: dict[str, Any]) -> None:
    """Issuer, audience and client are each checked by themselves: who signs a token wrote all of them."""
    assert CALLER == (await verifier.verify(unchecked(**mixed))).object_id


async def test_a_key_of_the_other_version_does_not_sign_for_this_one(verifier: EntraVerifier, server: KeyServer) -> None:
    """An issuer's keys are its own, whatever the token says of its version."""
    server.first = [jwk("one")]
    assert NOT_SIGNED == await refusal(verifier, token(iss=issuer(1), ver="2.0"))


# Keys that change, are away, come slowly, or never end


async def test_a_rollover_in_flight_lets_nobody_in_by_the_former_key(
    verifier: EntraVerifier, server: KeyServer, clock: FakeClock
) -> None:
    """Both keys count while both are published; once the former is withdrawn and the keys are read, it does not."""
    before, after = token("one"), token("three")
    await verifier.verify(before)
    server.publish(jwk("one"), jwk("three"))
    clock.jump(11)
    assert [CALLER] * 2 == [(await verifier.verify(each)).object_id for each in (after, before)]
    server.publish(jwk("three"))
    clock.jump(11)
    assert NOT_SIGNED == await refusal(verifier, token("four"))
    assert NOT_SIGNED == await refusal(verifier, before)


async def test_a_key_published_under_a_former_id_replaces_it(
    verifier: EntraVerifier, server: KeyServer, clock: FakeClock
) -> None:
    """The id alone proves nothing."""
    await verifier.verify(token("two"))
    server.publish(jwk("evil") | {"kid": "two"})
    clock.jump(11)
    assert NOT_SIGNED == await refusal(verifier, token("unknown"))
    assert NOT_SIGNED == await refusal(verifier, token("two"))


@pytest.mark.parametrize("away", ["down", "broken"])
async def test_while_keys_are_away_nobody_is_let_in(server: KeyServer, clock: FakeClock, away: str) -> None:
    """Not even with a good token; and a bad one is not called good."""
    setattr(server, away, 503 if away == "broken" else True)
    verifier = verifier_of(server, clock)
    for each in (token(), token("evil"), raw_token({"alg": "RS256", "kid": "two"}, claims())):
        with pytest.raises(Upstream):
            await verifier.verify(each)
    with pytest.raises(Unauthenticated):
        await verifier.verify(raw_token({"alg": "none", "kid": "two"}, claims()))


class _Endless(httpx.AsyncByteStream):
    """A document that goes on; ``pause`` is between its parts."""

    def __init__(self, pause: float) -> None:
        self.pause = pause
        self.sent = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(self.pause)
            self.sent += 16 * 1024
            yield b" " * 16 * 1024


def _keys_from(stream: _Endless, clock: FakeClock) -> TenantKeys:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=stream))
    return TenantKeys(AUTHORITY, ObjectId(TENANT), httpx.AsyncClient(transport=transport), clock)


async def test_keys_that_grow_without_end_are_not_read_to_the_end(clock: FakeClock) -> None:
    """A worker's memory is bounded: at most a megabyte of each of the two documents."""
    stream = _Endless(0)
    with pytest.raises(Unavailable):
        await _keys_from(stream, clock).find(issuer(2), "two")
    assert stream.sent <= 2 * 1024 * 1024 + 2 * 16 * 1024


async def test_keys_that_trickle_are_not_waited_for_without_end(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part is in time, and the whole is not."""
    monkeypatch.setattr(entra_keys, "_LONGEST_READING", 0.05)
    with pytest.raises(Unreachable, match="no whole document"):
        await _keys_from(_Endless(0.01), clock).find(issuer(2), "two")

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.cloud.entra import unverified_token
from shared.cloud.entra.verifier import EntraVerifier
from tests.cloud.key_server import AUDIENCE_URI, KeyServer, claims, issuer, jwk, private_key, raw_token, signed_payload, token
from tests.cloud.verifying import MALFORMED, NOT_SIGNED, refusal


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


def test_sixteen_kib_are_looked_into_and_no_octet_more() -> None:
    """Whatever makes the token so long."""
    assert {} == unverified_token.read("e30.e30." + "A" * (16 * 1024 - 8)).claims
    assert {"a": 1} == unverified_token.read("eyJhIjoxfQ.e30." + "A" * (16 * 1024 - 18)).header
    with pytest.raises(unverified_token.UnreadableToken):
        unverified_token.read("eyJhIjoxfQ.e30." + "A" * (16 * 1024 - 14))


async def test_refuses_a_payload_nested_without_end(verifier: EntraVerifier) -> None:
    """It is a fault of the sender, not of the broker."""
    assert MALFORMED == await refusal(verifier, signed_payload(b"[" * 11_500))


async def test_refuses_a_header_nested_without_end(verifier: EntraVerifier) -> None:
    """The same of the header."""
    assert MALFORMED == await refusal(verifier, raw_token(b"[" * 12_000, {}))


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


async def test_a_key_id_of_more_than_256_characters_is_not_looked_for(verifier: EntraVerifier, server: KeyServer) -> None:
    """Missing ones are remembered: nobody may fill the memory with them."""
    assert NOT_SIGNED == await refusal(verifier, token(header={"kid": "k" * 257}))
    assert [] == server.asked
    assert NOT_SIGNED == await refusal(verifier, token(header={"kid": "k" * 256}))
    assert [] != server.asked


async def test_refuses_a_header_that_demands_what_is_unknown(verifier: EntraVerifier) -> None:
    """RFC 7515, 4.1.11: PyJWT sees to it."""
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


ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def _with_spare_bits(good: str) -> str:
    """The last of 342 characters carries two bits of the signature's 2,048, and four spare ones."""
    return good[:-1] + ALPHABET[ALPHABET.index(good[-1]) | 1]


@pytest.mark.parametrize(
    "respelled",
    [
        lambda good: good + "==",
        lambda good: good + "=",
        lambda good: good + "~",
        lambda good: good.replace(".", "=.", 1),
        lambda good: good + "\n",
        lambda good: good[:-4] + "." + good[-4:],
        lambda good: good.rpartition(".")[0] + "." + good.rpartition(".")[2].replace("-", "+").replace("_", "/") + "+",
        _with_spare_bits,
    ],
)
async def test_refuses_another_spelling_of_a_good_token(
    verifier: EntraVerifier, server: KeyServer, respelled: Callable[[str], str]
) -> None:
    """One token has one fingerprint: lenient decoders would take these for the same."""
    assert MALFORMED == await refusal(verifier, respelled(token()))
    assert [] == server.asked


async def test_refuses_a_header_that_says_a_thing_twice(verifier: EntraVerifier, server: KeyServer) -> None:
    """Which key is meant would be anybody's guess."""
    assert MALFORMED == await refusal(verifier, raw_token(b'{"alg":"RS256","kid":"one","kid":"two"}', claims(), b"x"))
    assert [] == server.asked


@pytest.mark.parametrize("kind", ["pop", "dpop+jwt", "at+pop", 7, "logout+jwt"])
async def test_refuses_a_token_of_another_type(verifier: EntraVerifier, kind: object) -> None:
    """A proof of possession is no bearer token."""
    bad = jwt.encode(claims(), private_key("two"), "RS256", headers={"kid": "two", "typ": kind})
    assert await refusal(verifier, bad) in {MALFORMED, NOT_SIGNED}


@pytest.mark.parametrize("kind", ["JWT", "jwt", "at+jwt", "application/at+jwt", "Application/AT+JWT"])
async def test_takes_the_types_of_access_tokens(verifier: EntraVerifier, kind: str) -> None:
    """In any case."""
    good = jwt.encode(claims(), private_key("two"), "RS256", headers={"kid": "two", "typ": kind})
    assert (await verifier.verify(good)).object_id


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
async def test_refuses_claims_that_are_not_utf_8(verifier: EntraVerifier, encoding: str) -> None:
    """RFC 7519, 7.2."""
    assert MALFORMED == await refusal(verifier, signed_payload(json.dumps(claims()).encode(encoding)))


async def test_refuses_a_text_that_is_none(verifier: EntraVerifier) -> None:
    """Half a surrogate pair could neither be stored nor told."""
    assert MALFORMED == await refusal(verifier, signed_payload(json.dumps(claims(name="\ud800")).encode()))

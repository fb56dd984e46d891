"""A verifier of tokens over a scripted Entra ID, and how it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.cloud.entra.verifier import EntraVerifier
from shared.core.errors import Unauthenticated
from shared.core.names import ObjectId
from tests.cloud.key_server import AUDIENCE, AUDIENCE_URI, AUTHORITY, TENANT, KeyServer, claims, signed_payload
from tests.fakes.clock import FakeClock

MALFORMED = "The access token is malformed."
NOT_SIGNED = "The access token is not signed by a key of its issuer."
NO_ISSUER = "The access token's issuer is not trusted by this broker."
NO_AUDIENCE = "The access token is for another audience than this broker."
EXPIRED = "The access token has expired."
TOO_EARLY = "The access token is not valid yet."
NO_LIFETIME = "The access token's lifetime is missing or malformed."
NO_IDENTITY = "The access token does not say who the caller is: it has no oid claim."
TWO_CLIENTS = "The access token names two different clients."
NO_CLIENT = "The token does not say which client asked for it: it is no access token."
NO_SCOPE = "The access token does not carry the scope access of this broker."
NOT_APP = "The access token is neither a user's, with a scope, nor an application's."
BOUND = "The access token is bound to a key; this broker takes bearer tokens alone."


def verifier_of(server: KeyServer, clock: FakeClock, *tenants: str) -> EntraVerifier:
    """One for the broker's two audiences."""
    return EntraVerifier(
        authority=AUTHORITY,
        tenants=[ObjectId(each) for each in tenants or (TENANT,)],
        audiences=[AUDIENCE, AUDIENCE_URI],
        client=server.client(),
        clock=clock,
    )


async def refusal(verifier: EntraVerifier, bad: str) -> str:
    """Why the token is refused, in the words that its sender reads."""
    with pytest.raises(Unauthenticated) as refused:
        await verifier.verify(bad)
    assert "unauthenticated" == refused.value.stable_code
    return refused.value.detail


def unchecked(**changes: Any) -> str:
    """A well-signed token with claims that PyJWT would not encode."""
    return signed_payload(json.dumps(claims(**changes)).encode())

"""How the client of a token request proves who it is: by a secret, or by an assertion."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from local.cloud.entra import assertions, errors
from local.cloud.entra.clients import Client, find

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.cloud.engine.http import HttpRequest
    from local.cloud.entra.claims import Proof
    from local.cloud.local_azure import LocalAzure
    from local.cloud.tenant.directory import ServicePrincipal


@dataclass(frozen=True, slots=True)
class SignIn:
    """Who has signed in, and how."""

    principal: ServicePrincipal
    proof: Proof
    federated: bool = False
    """Whether by another issuer's word."""


def authenticate(world: LocalAzure, call: HttpRequest, form: Mapping[str, str]) -> SignIn:
    """The client that sent this form and how it proved itself; raises ``Refusal``."""
    client_id, secret = _basic(call) or (form.get("client_id"), form.get("client_secret"))
    if not client_id:
        raise errors.missing(world, call, "client_id")
    client = find(world, call, client_id.lower())
    assertion = form.get("client_assertion")
    if assertion and form.get("client_assertion_type") == assertions.KIND:
        return SignIn(client.principal, "2", assertions.check(world, call, client, assertion))
    if not secret:
        raise errors.no_credential(world, call)
    _check_secret(world, call, client, secret)
    return SignIn(client.principal, "1")


def _basic(call: HttpRequest) -> tuple[str, str] | None:
    """Client id and secret from HTTP Basic, each form-encoded first (RFC 6749, 2.3.1)."""
    scheme, _, encoded = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return None
    return unquote_plus(client_id), unquote_plus(secret)


def _check_secret(world: LocalAzure, call: HttpRequest, client: Client, secret: str) -> None:
    now = world.clock.now()
    same = [found for found in client.passwords() if found.secret == secret]
    seen = [found for found in same if world.consistency.sees("entra", "secret", found.key_id)]
    if not seen:
        raise errors.wrong_secret(world, call, client.app_id)
    if not any(found.start <= now < found.end for found in seen):
        raise errors.expired_secret(world, call, client.app_id)

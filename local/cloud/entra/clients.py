"""The client of a token request: an application with its service principal, and its proof of who it is."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from local.cloud.entra import assertions, errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from local.cloud.consistency import Ghosts
    from local.cloud.entra.claims import Proof
    from local.cloud.state import Application, Certificate, FederatedCredential, Password, Registered, ServicePrincipal
    from local.cloud.wire import Call
    from local.cloud.world import World


@dataclass(frozen=True, slots=True)
class Client:
    """A service principal that may sign in, with its registration when that is in this tenant."""

    principal: ServicePrincipal
    application: Application | None
    ghosts: Ghosts

    @property
    def app_id(self) -> str:
        """The client id."""
        return self.principal.app_id

    def passwords(self) -> Iterator[Password]:
        """The secrets, wherever they were added; what was removed just now is for each replica to know."""
        yield from self.principal.passwords.values()
        if self.application is not None:
            yield from self.application.passwords.values()
        yield from self._removed("secret")

    def certificates(self) -> Iterator[Certificate]:
        """The keys, wherever they were added."""
        yield from self.principal.certificates.values()
        if self.application is not None:
            yield from self.application.certificates.values()
        yield from self._removed("certificate")

    def federated(self) -> list[FederatedCredential]:
        """Whose assertions are trusted."""
        registered = self.application.federated.values() if self.application is not None else ()
        return [*self.principal.federated.values(), *registered, *self._removed("federated")]

    def _removed(self, kind: str) -> Iterator[Any]:
        own = {self.principal.id, self.application.id if self.application else ""}
        return (item for holder, item in self.ghosts.of(kind) if holder in own)


@dataclass(frozen=True, slots=True)
class SignIn:
    """Who has signed in, and how."""

    principal: ServicePrincipal
    proof: Proof
    federated: bool = False
    """Whether by another issuer's word."""


def authenticate(world: World, call: Call, form: Mapping[str, str]) -> SignIn:
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


def find(world: World, call: Call, client_id: str) -> Client:
    """The client with this id, if this replica knows it and it is enabled; raises ``Refusal``."""
    application, ahead = _known(world, "application", world.directory.application_of(client_id), client_id)
    principal, also_ahead = _known(world, "principal", world.directory.principal_of(client_id), client_id)
    orphaned = application is None and principal is not None and principal.deleted is not None
    if ahead or also_ahead or orphaned or (application is None and principal is None):
        raise errors.application_not_found(world, call, client_id)
    if principal is None:
        raise errors.principal_missing(world, call, client_id)
    if not _enabled(world, principal):
        raise errors.application_disabled(world, call, client_id, principal.properties.get("displayName") or "")
    return Client(principal, application, world.ghosts)


def _known[T: Registered](world: World, kind: str, living: T | None, client_id: str) -> tuple[T | None, bool]:
    """What this replica takes for the living one, and whether one lives that it does not know yet."""
    sees = world.consistency.sees
    if living is not None:
        seen = sees("entra", kind, living.id)
        return (living if seen else None), not seen
    gone = (item for item in world.ghosts.of(kind) if getattr(item, "app_id", None) == client_id)
    return next((item for item in gone if sees("entra", kind, item.id)), None), False


def _enabled(world: World, principal: ServicePrincipal) -> bool:
    disabled = principal.properties.get("accountEnabled") is False
    if disabled and not world.ghosts.holds("enabled", principal.id):
        return False
    return world.consistency.sees("entra", "enabled", principal.id)


def _basic(call: Call) -> tuple[str, str] | None:
    """Client id and secret from HTTP Basic, each form-encoded first (RFC 6749, 2.3.1)."""
    scheme, _, encoded = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return None
    return unquote_plus(client_id), unquote_plus(secret)


def _check_secret(world: World, call: Call, client: Client, secret: str) -> None:
    now = world.clock.now()
    same = [found for found in client.passwords() if found.secret == secret]
    seen = [found for found in same if world.consistency.sees("entra", "secret", found.key_id)]
    if not seen:
        raise errors.wrong_secret(world, call, client.app_id)
    if not any(found.start <= now < found.end for found in seen):
        raise errors.expired_secret(world, call, client.app_id)

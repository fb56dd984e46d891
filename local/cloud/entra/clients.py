"""The client of a token request: an application with its service principal, as the replica that answers knows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.cloud.entra import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.cloud.disturbances.consistency import Ghosts
    from local.cloud.engine.http import HttpRequest
    from local.cloud.local_azure import LocalAzure
    from local.cloud.tenant.directory import (
        Application,
        Certificate,
        FederatedCredential,
        Password,
        Registered,
        ServicePrincipal,
    )


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


def find(world: LocalAzure, call: HttpRequest, client_id: str) -> Client:
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


def _known[T: Registered](world: LocalAzure, kind: str, living: T | None, client_id: str) -> tuple[T | None, bool]:
    """What this replica takes for the living one, and whether one lives that it does not know yet."""
    sees = world.consistency.sees
    if living is not None:
        seen = sees("entra", kind, living.id)
        return (living if seen else None), not seen
    gone = (item for item in world.ghosts.of(kind) if getattr(item, "app_id", None) == client_id)
    return next((item for item in gone if sees("entra", kind, item.id)), None), False


def _enabled(world: LocalAzure, principal: ServicePrincipal) -> bool:
    disabled = principal.properties.get("accountEnabled") is False
    if disabled and not world.ghosts.holds("enabled", principal.id):
        return False
    return world.consistency.sees("entra", "enabled", principal.id)

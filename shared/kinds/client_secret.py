"""Client secrets: the credential that several kinds hand out, and the secrets of one lease on one application.

A lease's secrets all carry its id as their display name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.core.directory import NewSecret
from shared.core.errors import Absent, Upstream
from shared.core.names import ObjectId
from shared.core.secret import Secret
from shared.resilience.retry import SAFE_TO_REPEAT, TRANSIENT, Retry

_ABSENCE_PATIENCE = 10.0
"""Seconds for which a fresh secret that is absent is asked for again."""
_DOUBT_PAUSE = 0.5


@dataclass(frozen=True, slots=True)
class ClientSecretCredential:
    """A client secret of a service principal, for OAuth's client credentials flow. Satisfies ``Credential``."""

    type: str
    tenant_id: ObjectId
    client_id: ObjectId
    client_secret: Secret
    object_id: ObjectId | None
    """The service principal's object id; ``None`` if it is not known (for a secret on an existing application)."""
    secret_id: ObjectId
    subscription_id: ObjectId | None = None
    ends_at: datetime | None = None
    """``None``: it outlives its lease."""

    def fields(self) -> Mapping[str, str | Secret | None]:
        """Returns the subscription only if there is one."""
        result: dict[str, str | Secret | None] = {
            "credential": "secret",
            "tenant_id": self.tenant_id,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "object_id": self.object_id,
            "secret_id": self.secret_id,
        }
        return result | ({"subscription_id": self.subscription_id} if self.subscription_id is not None else {})


class Probe(Protocol):
    """Proves a client secret."""

    async def signs_in(self, client_id: ObjectId, secret: Secret, *, deadline: float, since: datetime | None = None) -> bool:
        """Returns whether Entra accepts the secret dependably before ``deadline``, on the monotonic clock.

        ``since``: when application and principal were made, if that is known: what is absent long after that is gone. Raises
        ``NeverReady`` at a refusal that stays.
        """
        ...


class Secrets(Protocol):
    """The calls to Microsoft Graph that concern an application's secrets. Every method may raise ``Upstream``."""

    async def add_secret(self, application_id: ObjectId, display_name: str, end: datetime) -> NewSecret:
        """Adds a secret that Entra refuses after ``end``. Not repeatable: each call adds another. Raises ``Absent``."""
        ...

    async def secrets_named(self, application_id: ObjectId, display_name: str) -> tuple[ObjectId, ...]:
        """Returns the key ids of the application's secrets with exactly this display name. Raises ``Absent``."""
        ...

    async def remove_secret(self, application_id: ObjectId, key_id: ObjectId) -> None:
        """Removes a secret. Raises ``Absent`` if there is no such secret, or no such application."""
        ...


@dataclass(frozen=True, slots=True)
class LeaseSecrets:
    """See the module. If ``fresh``, some of Azure's replicas may not know the newest secret yet."""

    secrets: Secrets
    retry: Retry
    application_id: ObjectId
    display_name: str
    fresh: bool
    deadline: float

    async def add(self, end: datetime) -> NewSecret:
        """Adds one more secret, which Entra refuses after ``end``. If the answer is lost, does not repeat the call.

        If the lease is fresh, the absence of the application is doubted: a replica may not know it yet.
        """
        return await self.retry.call(
            lambda: self.secrets.add_secret(self.application_id, self.display_name, end),
            on=(*TRANSIENT, Absent) if self.fresh else TRANSIENT,
            deadline=self.deadline,
            in_time=True,
        )

    async def named(self, *, doubted: bool = False) -> tuple[ObjectId, ...]:
        """Returns the key ids that Entra lists. Raises ``Absent`` if there is no such application.

        If its absence is ``doubted``, asks again until the deadline: a replica may not know the application yet.
        """
        # A list that comes too late may hold the secret of another worker that holds the lease by then.
        return await self.retry.call(
            lambda: self.secrets.secrets_named(self.application_id, self.display_name),
            on=(*SAFE_TO_REPEAT, Absent) if doubted else SAFE_TO_REPEAT,
            deadline=self.deadline,
            in_time=True,
        )

    async def remove_former(self, known: ObjectId | None, *, maybe_more: bool, keep: ObjectId | None) -> bool:
        """Removes the ``known`` secret and, if there are ``maybe_more``, all others but ``keep``.

        Returns whether none is certainly left.
        """
        listed = maybe_more or known is None
        found = {known, *(await self.named(doubted=self.fresh) if listed else ())} - {None, keep}
        found_all = await self.remove_all(each for each in found if each is not None)
        # A list may lack a secret that a replica does not know yet.
        return found_all and not listed

    async def remove_all(self, key_ids: Iterable[ObjectId]) -> bool:
        """Removes secrets one after the other: Entra takes one change of an application at a time.

        Returns whether all were there. After a failure, removes the others all the same, and raises the first failure then.
        """
        failure, found_all = None, True
        for key_id in sorted(key_ids):
            try:
                found_all = await self._remove(key_id) and found_all
            except Upstream as error:
                failure = failure or error
        if failure is not None:
            raise failure
        return found_all

    async def _remove(self, key_id: ObjectId) -> bool:
        try:
            await self._removed(key_id, on=SAFE_TO_REPEAT, deadline=self.deadline)
        except Absent:
            return self.fresh and await self._was_late(key_id)
        return True

    async def _was_late(self, key_id: ObjectId) -> bool:
        """Looks again for a secret that was absent. Returns whether it was there after all, and was removed.

        The time to look counts from the first absence. The time before that was spent otherwise: waiting for a lock, perhaps.
        """
        clock = self.retry.clock
        await clock.sleep(_DOUBT_PAUSE)
        soon = min(self.deadline, clock.monotonic() + _ABSENCE_PATIENCE)
        try:
            await self._removed(key_id, on=(*SAFE_TO_REPEAT, Absent), deadline=soon)
        except Absent:
            return False
        return True

    async def _removed(self, key_id: ObjectId, *, on: tuple[type[Upstream], ...], deadline: float) -> None:
        await self.retry.call(lambda: self.secrets.remove_secret(self.application_id, key_id), on=on, deadline=deadline)

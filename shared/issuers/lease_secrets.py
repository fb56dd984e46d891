"""The secrets of one lease on one application: a fresh one beside the former, and the former ones' removal.

Both kinds of credential have them; all carry the lease's id as their display name.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.core.directory import NewSecret
from shared.core.errors import Absent, Upstream
from shared.core.names import ObjectId
from shared.core.patience import PASSING, REPEATABLE, Patience
from shared.core.ports import SecretOrder

_ABSENCE_PATIENCE = 10.0
"""Seconds for which a young secret that is absent is asked for again."""


class Secrets(Protocol):
    """The calls to Microsoft Graph that concern an application's secrets. Every method may raise ``Upstream``."""

    async def add_secret(self, application_id: ObjectId, display_name: str, end: datetime) -> NewSecret:
        """A new secret that Entra refuses after ``end``. Not repeatable: each call makes another. Raises ``Absent``."""
        ...

    async def secrets_named(self, application_id: ObjectId, display_name: str) -> tuple[ObjectId, ...]:
        """The key ids of the application's secrets with exactly this display name. Raises ``Absent``."""
        ...

    async def remove_secret(self, application_id: ObjectId, key_id: ObjectId) -> None:
        """Raises ``Absent`` when there is no such secret, or no such application."""
        ...


@dataclass(frozen=True, slots=True)
class LeaseSecrets:
    """See the module."""

    secrets: Secrets
    patience: Patience
    application_id: ObjectId
    order: SecretOrder

    async def add(self) -> NewSecret:
        """One more. A lost answer is not asked for again."""
        return await self.patience.begin_in_time(
            lambda: self.secrets.add_secret(self.application_id, self.order.lease_id, self.order.secret_end),
            on=PASSING,
            wait_until=self.order.wait_until,
        )

    async def retire(self, known: ObjectId | None, *, several: bool, keep: ObjectId | None) -> bool:
        """Removes the known one, and where there may be others those as well; says whether it is sure that none is left."""
        listed = several or known is None
        found = {known, *(await self._named() if listed else ())} - {None, keep}
        failure, met_all = None, True
        # One after the other, for Entra takes one change of an application at a time.
        for key_id in sorted(each for each in found if each is not None):
            try:
                met_all = await self._remove(key_id) and met_all
            except Upstream as error:
                failure = failure or error
        if failure is not None:
            raise failure
        # Nothing but time tells whether a list is complete.
        return met_all and not listed

    async def _named(self) -> tuple[ObjectId, ...]:
        # A list that comes too late may hold the secret of whoever works on the lease by then.
        return await self.patience.begin_in_time(
            lambda: self.secrets.secrets_named(self.application_id, self.order.lease_id),
            on=REPEATABLE,
            wait_until=self.order.wait_until,
        )

    async def _remove(self, key_id: ObjectId) -> bool:
        soon = min(self.order.wait_until, self.patience.clock.monotonic() + _ABSENCE_PATIENCE)
        young = self.order.young
        try:
            await self.patience.keep_trying(
                lambda: self.secrets.remove_secret(self.application_id, key_id),
                on=(*REPEATABLE, Absent) if young else REPEATABLE,
                wait_until=soon if young else self.order.wait_until,
            )
        except Absent:
            return False
        return True

"""The access configuration as this worker has last read it. It is read again when its version in storage has changed."""

from __future__ import annotations

import asyncio

from shared.core.access.bounds import Bounds
from shared.core.access.configuration import Configuration
from shared.core.events.event_rule import EventRule
from shared.core.ports.access import AccessStore
from shared.core.ports.documents import Documents
from shared.core.ports.system import Clock
from shared.core.role import Role
from shared.resilience.tasks import both

_BELIEVED = 15.0
"""Seconds for which a version is believed to be the present one. A change of another worker's is in force after that."""


class AccessView:
    """One of a worker's. A cold worker reads all auth roles and policies, the bounds of all roles, and the event rules, with
    its first request.
    """

    def __init__(self, store: AccessStore, roles: Documents[Role], event_rules: Documents[EventRule], clock: Clock) -> None:
        self._store, self._roles, self._event_rules, self._clock = store, roles, event_rules, clock
        self.ends_by_holder = False
        """Whether an event rule revoked by holder when the configuration was read last: then holders' resources are noted."""
        self._configuration: Configuration | None = None
        self._believed_until = float("-inf")
        self._changes = 0
        """How often this worker has changed the configuration."""
        self._line = asyncio.Lock()

    async def current(self, *, fresh: bool = False) -> Configuration:
        """Returns the configuration. If ``fresh``, no change is missing that was stored before the call. Raises
        ``Upstream``.
        """
        if self._configuration is not None and not fresh and self._clock.monotonic() < self._believed_until:
            return self._configuration
        asked_at, changes = self._clock.monotonic(), self._changes
        version = await self._store.version()
        async with self._line:
            if self._configuration is None or self._configuration.version != version:
                self._configuration = await self._load()
            if changes == self._changes:
                # Otherwise the version may be that before this worker's own change.
                self._believed_until = max(self._believed_until, asked_at + _BELIEVED)
            return self._configuration

    def changed(self) -> None:
        """Notes that this worker has changed the configuration: the next request looks at the version."""
        self._believed_until = float("-inf")
        self._changes += 1

    async def _load(self) -> Configuration:
        # The roles after the version: a role that is written meanwhile changes the version, and is read again.
        stored = await self._store.load()
        roles, event_rules = await both(self._roles.list(), self._event_rules.list())
        self.ends_by_holder = any(each.ends_by_holder for each in event_rules)
        inline: dict[str, Bounds] = {role.name: role.bounds for role in roles if role.bounds.name_somebody}
        return Configuration(stored.auth_roles, stored.policies, inline, stored.version)

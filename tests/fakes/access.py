"""Auth roles, policies and their version in memory."""

from __future__ import annotations

import json
from typing import Any

from shared.broker.access_view import AccessView
from shared.core.access.auth_role import AuthRole, restore_auth_role, write_auth_role
from shared.core.access.bounds import Bounds
from shared.core.access.configuration import Configuration, Stored
from shared.core.access.policy import Policy, restore_policy, write_policy
from shared.core.events.event_rule import EventRule
from shared.core.forms import AUTH_ROLE, PROPERTY
from shared.core.ports.access import AccessStore, StoredAccess
from shared.core.ports.system import Clock
from shared.core.role import Role
from tests.fakes.calls import Calls
from tests.fakes.documents import MemoryDocuments
from tests.fakes.versions import Versions


class WarmView(AccessView):
    """That of a worker that has read the roles of today and nothing else: an issue then asks for the version alone.

    A worker that has read nothing yet makes three calls more with its first request. Tests of it make an ``AccessView``.
    """

    def __init__(
        self, store: AccessStore, roles: MemoryDocuments[Role], event_rules: MemoryDocuments[EventRule], clock: Clock
    ) -> None:
        super().__init__(store, roles, event_rules, clock)
        inline: dict[str, Bounds] = {each.name: each.bounds for each in roles.everything()}
        self._configuration = Configuration({}, {}, inline)


class MemoryAccess:
    """Satisfies ``AccessStore``. Has the stores of both types, each of which satisfies its port."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._versions, self._version = Versions(), ""
        self.auth_roles = MemoryDocuments[AuthRole](
            calls,
            "auth_roles",
            name_of=lambda auth_role: auth_role.name,
            store=write_auth_role,
            restore=restore_auth_role,
            changed=self._change,
            version=lambda: self._version,
        )
        self.policies = MemoryDocuments[Policy](
            calls,
            "policies",
            name_of=lambda policy: policy.name,
            store=write_policy,
            restore=restore_policy,
            changed=self._change,
            version=lambda: self._version,
        )

    async def version(self) -> str:
        """See the port."""
        return await self._calls.through("access.version", lambda: self._version)

    async def load(self) -> StoredAccess:
        """See the port."""
        return await self._calls.through("access.load", self._load)

    async def touch(self) -> None:
        """See the port."""
        await self._calls.through("access.touch", self._change)

    def contents(self) -> str:
        """All that is kept, to be compared."""
        return repr((self._version, self.auth_roles.contents(), self.policies.contents()))

    def _load(self) -> StoredAccess:
        return StoredAccess(_texts(self.auth_roles), _texts(self.policies), self._version)

    def _change(self) -> None:
        self._version = self._versions.following("version")


def _texts(documents: MemoryDocuments[Any]) -> dict[str, Stored]:
    texts = documents.stored()
    return {name: Stored(_text(document, form), version) for name, (document, version, form) in texts.items()}


def _text(document: Any, form: int) -> str:
    return json.dumps(document) if document is not None and AUTH_ROLE.knows({PROPERTY: form}) else ""

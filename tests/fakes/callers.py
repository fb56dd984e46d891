"""What an Azure in memory says of callers: who they are, in which groups they are, where their resources are.

Over it stand the product's own ``AzureFacts``: so a test sees the product's seconds_left and memory, in virtual time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from shared.cloud.directory_facts import AzureFacts
from shared.core.access.facts import MANAGED_IDENTITY, Principal
from shared.core.errors import Absent, OutOfReach, Refused, Throttled, Unavailable, Unreachable, Upstream
from shared.core.names import ObjectId
from shared.core.ports.access import Subject
from shared.resilience import priority
from shared.resilience.retry import Retry
from tests.fakes.calls import Calls
from tests.fakes.clock import FixedIds

type Trouble = Literal["", "down", "failing", "lying", "throttled", "forbidden"]

_TROUBLES: dict[str, Callable[[], Upstream]] = {
    "down": lambda: Unreachable("nobody answers"),
    "failing": lambda: Unavailable("it failed", status=500, azure_code="InternalServerError"),
    "lying": lambda: Unavailable("the answer is about another service principal"),
    "throttled": lambda: Throttled("slow down", status=429, azure_code="TooManyRequests", retry_after=30),
    "forbidden": lambda: Refused("no", status=403, azure_code="Authorization_RequestDenied"),
}


@dataclass
class FakeCallers:
    """Satisfies what ``AzureFacts`` asks of Graph and of Resource Manager.

    ``trouble`` is what every call meets. ``seconds`` is what every call takes: a caller who has less left hears nothing.
    """

    calls: Calls
    principals: dict[ObjectId, Principal] = field(default_factory=dict)
    memberships: dict[ObjectId, frozenset[str]] = field(default_factory=dict)
    """Of service principals and of people, with the groups above their groups."""
    locations: dict[str, str | None] = field(default_factory=dict)
    """By the resource's id."""
    trouble: Trouble = ""
    seconds: float = 0.0

    def facts(self, life: float = 300.0) -> AzureFacts:
        """Those of a worker that remembers nothing yet."""
        return AzureFacts(self, self.locate, Retry(self.calls.clock, FixedIds()), life)

    def place(self, caller: ObjectId, resource_id: str, location: str = "westeurope", *, explicit: bool = False) -> None:
        """Makes the caller the managed identity of that resource. ``explicit``: it is a user-assigned one."""
        self.principals[caller] = Principal(MANAGED_IDENTITY, (f"isExplicit={explicit}", resource_id))
        self.locations[resource_id] = location

    async def principal(self, object_id: ObjectId) -> Principal:
        """See ``shared.cloud.graph.callers``."""
        return await self._call("graph.principal", lambda: _there(self.principals.get(object_id)), object_id)

    async def groups(self, object_id: ObjectId, *, of_user: bool) -> frozenset[str]:
        """See ``shared.cloud.graph.callers``."""
        return await self._call("graph.groups", lambda: _there(self.memberships.get(object_id)), object_id, of_user)

    async def locate(self, resource_id: str) -> str | None:
        """See ``shared.cloud.arm.locations``."""

        def found() -> str | None:
            if resource_id not in self.locations:
                raise OutOfReach("the resource is not listed")
            return self.locations[resource_id]

        return await self._call("arm.location", found, resource_id)

    async def _call[T](self, name: str, effect: Callable[[], T], *about: object) -> T:
        def answer() -> T:
            if self.trouble:
                failure = _TROUBLES[self.trouble]()
                raise failure
            return effect()

        clock = self.calls.clock
        seconds_left = max(0.0, priority.current().answer_deadline - clock.monotonic())
        await clock.sleep(min(self.seconds, seconds_left))
        if self.seconds > seconds_left:
            raise Unreachable("no answer in time")
        return await self.calls.through(name, answer, *about)


@dataclass
class FakeSubjects:
    """Satisfies ``Subjects``, over the same principals and memberships."""

    callers: FakeCallers
    app_roles: dict[ObjectId, frozenset[str]] = field(default_factory=dict)
    clients: dict[ObjectId, ObjectId] = field(default_factory=dict)
    disabled: set[ObjectId] = field(default_factory=set)

    async def find(self, object_id: ObjectId) -> Subject | None:
        """See the port."""
        known = self.callers
        return await known.calls.through("graph.subject", lambda: self._found(object_id), object_id)

    def _found(self, object_id: ObjectId) -> Subject | None:
        principal, groups = self.callers.principals.get(object_id), self.callers.memberships.get(object_id)
        if principal is None and groups is None:
            return None
        return Subject(
            is_user=principal is None,
            app_id=self.clients.get(object_id, object_id) if principal is not None else None,
            app_roles=self.app_roles.get(object_id, frozenset()),
            groups=groups or frozenset(),
            principal=principal,
            is_enabled=object_id not in self.disabled,
        )


def _there[T](found: T | None) -> T:
    if found is None:
        raise Absent("there is no such object", status=404, azure_code="Request_ResourceNotFound")
    return found

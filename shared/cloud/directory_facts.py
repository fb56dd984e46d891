"""What Graph and Resource Manager say of callers, remembered for a stated time.

Only the broker's own directory can be asked. Of a caller of another tenant nothing is read: the same object id would be
somebody else here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, Protocol

from shared.core.access.configuration import Needs
from shared.core.access.facts import NOT_ASKED, Facts, Principal, Unread
from shared.core.caller import Caller, CallerType
from shared.core.errors import Absent, IdentityRefused, OutOfReach, Throttled, Unreachable, Upstream
from shared.core.names import ObjectId
from shared.resilience import priority
from shared.resilience.remembered import Limits, Remembered
from shared.resilience.retry import SAFE_TO_REPEAT, Retry
from shared.resilience.tasks import both

log = logging.getLogger(__name__)

LOOK_UP_SECONDS: Final = 10.0
"""A look-up ends after so long, however often it is repeated: a caller waits for it."""
LOCATION_SECONDS: Final = 3600.0
"""A location is remembered for so long. No resource moves to another region under the same id while it exists."""
_MOST_CALLERS: Final = 10_000
_MOST_GROUPS: Final = 200_000
"""The groups of all callers whose groups are remembered: some 20 MB."""
_FORBIDDEN: Final = 403
_GRAPH: Final = "Microsoft Graph"
_ARM: Final = "Resource Manager"
_ELSEWHERE: Final = Unread("the caller's own tenant cannot be asked")


class Graph(Protocol):
    """``shared.cloud.graph.callers``. It is not imported here, and so a test's world on fakes need not import Graph's SDK."""

    async def principal(self, object_id: ObjectId) -> Principal:
        """Returns the service principal. Raises ``Absent``, ``Upstream``."""
        ...

    async def groups(self, object_id: ObjectId, *, of_user: bool) -> frozenset[str]:
        """Returns the ids of all groups that it is in. Raises ``Absent``, ``Upstream``."""
        ...


type Locate = Callable[[str], Awaitable[str | None]]
"""Asks Resource Manager for the location of the resource with that id. Raises ``Upstream``."""


class _Subject(NamedTuple):
    """Whom a question is about."""

    tenant: ObjectId
    object_id: ObjectId
    is_user: bool


class _Place(NamedTuple):
    """Of which resource of which caller the location is asked for."""

    tenant: ObjectId
    object_id: ObjectId
    resource_id: str


class _Question(NamedTuple):
    """Whom a look-up asks for what. ``remedy`` says what an operator does if Azure forbids the broker to read it."""

    service: str
    what: str
    remedy: str


_PRINCIPALS: Final = _Question(_GRAPH, "service principals", "run infra/entra.sh permissions")
_GROUPS: Final = _Question(_GRAPH, "the groups of callers", "run infra/entra.sh permissions --caller-groups")
_LOCATIONS: Final = _Question(_ARM, "the caller's resource", "give the broker's identity Reader there")


class AzureFacts:
    """Satisfies ``DirectoryFacts``. ``life``: for so many seconds, principals and groups are remembered."""

    def __init__(self, graph: Graph, locate: Locate, retry: Retry, life: float) -> None:
        self._graph = graph
        self._locate = locate
        self._retry = retry
        clock, callers = retry.clock, Limits(life, _MOST_CALLERS)
        self._principals = Remembered(self._principal, _weigh_fact, callers, clock, "reading a caller's principal")
        groups = Limits(life, _MOST_GROUPS)
        self._groups = Remembered(self._groups_of, _weigh_groups, groups, clock, "reading a caller's groups")
        places = Limits(LOCATION_SECONDS, _MOST_CALLERS)
        self._locations = Remembered(self._location, _weigh_fact, places, clock, "reading a caller's location")

    async def read(self, caller: Caller, needs: Needs) -> Facts:
        """Makes one call for each need, side by side, and none for what is remembered."""
        principal, groups = await both(
            self._principal_for(caller) if needs.principal else _not_asked(),
            self._groups_for(caller) if needs.groups else _not_asked(),
        )
        return Facts(principal, groups, NOT_ASKED)

    async def location(self, caller: Caller, principal: Principal) -> str | Unread | None:
        """Makes one call, and none if the location is remembered."""
        if not caller.at_home:
            return _ELSEWHERE
        resource_id = principal.resource_id
        if resource_id is None:
            return None
        return await self._locations.answer(_Place(caller.tenant_id, caller.object_id, resource_id))

    async def _principal_for(self, caller: Caller) -> Principal | Unread | None:
        subject = _subject(caller)
        # A person has no service principal, and another tenant's application has its own there.
        return None if subject.is_user or not caller.at_home else await self._principals.answer(subject)

    async def _groups_for(self, caller: Caller) -> frozenset[str] | Unread | None:
        return await self._groups.answer(_subject(caller)) if caller.at_home else _ELSEWHERE

    async def _principal(self, subject: _Subject) -> Principal | Unread | None:
        return await self._look_up(_PRINCIPALS, subject.object_id, lambda: self._graph.principal(subject.object_id))

    async def _groups_of(self, subject: _Subject) -> frozenset[str] | Unread | None:
        of_user = subject.is_user
        return await self._look_up(_GROUPS, subject.object_id, lambda: self._graph.groups(subject.object_id, of_user=of_user))

    async def _location(self, place: _Place) -> str | Unread | None:
        return await self._look_up(_LOCATIONS, place.object_id, lambda: self._locate(place.resource_id))

    async def _look_up[T](self, question: _Question, object_id: ObjectId, ask: Callable[[], Awaitable[T]]) -> T | Unread | None:
        """Repeats a failed call as long as there is time. Returns ``None`` for what is not there."""
        deadline = self._retry.clock.monotonic() + LOOK_UP_SECONDS
        try:
            # The clock's deadline ends the repeats, and the loop's ends a call that is under way.
            async with asyncio.timeout(LOOK_UP_SECONDS):
                with priority.answer_deadline(deadline):
                    return await self._retry.call(ask, on=SAFE_TO_REPEAT, deadline=deadline)
        except Absent:
            return None
        except (Upstream, TimeoutError) as failure:
            unread = Unread(_why(question, failure))
            log.warning("of caller %s nothing is known: %s (%s)", object_id, unread.why, failure)
            return unread


def _subject(caller: Caller) -> _Subject:
    return _Subject(caller.tenant_id, caller.object_id, caller.kind is CallerType.USER)


async def _not_asked() -> Unread:
    return NOT_ASKED


def _weigh_fact(fact: object) -> int:
    """Neither absence nor failure is remembered."""
    return 0 if fact is None or isinstance(fact, Unread) else 1


def _weigh_groups(groups: frozenset[str] | Unread | None) -> int:
    return 1 + len(groups) if isinstance(groups, frozenset) else 0


def _why(question: _Question, failure: Upstream | TimeoutError) -> str:
    """Returns the sentence for the operator: what could not be read, and what to do if Azure forbids it."""
    service, what, remedy = question
    match failure:
        case IdentityRefused():
            return f"{service} does not take the token of the broker's own identity"
        case OutOfReach():
            return f"{service} does not show {what}: it is gone, or the broker may not read it. If so, {remedy}"
        case Upstream(status=status, azure_code=code) if status == _FORBIDDEN:
            return f"{service} forbids the broker to read {what} ({status} {code}): {remedy}"
        case Throttled():
            return f"{service} limits the broker's requests"
        case Unreachable() | TimeoutError():
            return f"{service} does not answer in time"
        case _:
            return f"{service} does not say what was asked of {what} ({failure.status or 'no'} {failure.azure_code or 'code'})"

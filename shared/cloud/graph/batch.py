"""Graph's ``$batch``: sends background deletions together, up to 20 in one request, whichever tasks make them.

Each item counts against Graph's limits as if it had been sent alone. A batch saves requests and their latency. Items name no
dependencies: within one lease each step is awaited before the next begins, so Graph may carry out a batch in any order.
https://learn.microsoft.com/graph/json-batching
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeIs

import httpx

from shared.cloud.upstream import parsed
from shared.core.errors import Absent, AlreadyExists, IdentityRefused, Refused, Throttled, Unavailable, Upstream
from shared.core.ports.system import Clock
from shared.resilience import priority
from shared.resilience.rate_limit import RateLimiter

BATCH = "/$batch"
MOST = 20
"""Requests in a batch (same source)."""
_LINGER = 0.02
"""Seconds for which a deletion waits for others."""
_APART = 0.02
"""Seconds between two successes that callers learn of: about the processor time of a lease's next steps. If all callers learned
of their successes at once, their next steps would keep the processor from interactive calls."""
_FAILED_DEPENDENCY = 424
_UNAUTHORIZED = 401

type Exchange = Callable[[str, str, Mapping[str, Any] | None], Awaitable[httpx.Response]]
"""Sends one request (method, path, body) and returns the answer, whatever it is. Raises ``Upstream`` if there is none."""
type Failure = Callable[[httpx.Response], Upstream]
"""Returns the error that an answer without success means."""
type Renewed = Callable[[httpx.Response, httpx.Response], Awaitable[bool]]
"""Given a batch and an item's answer, returns whether the item was 401 and there is another token now.

Raises ``IdentityRefused``.
"""
type Told = httpx.Response | Upstream


@dataclass(eq=False, slots=True)
class _Item:
    """One deletion. ``told`` results in the permit under which it was sent, and the answer or the failure."""

    path: str
    deadline: float
    told: asyncio.Future[tuple[int, Told]]


@dataclass(slots=True)
class Batches:
    """Collects deletions and sends them together. ``limiter`` is the rate limiter of Graph's writes."""

    clock: Clock
    limiter: RateLimiter
    exchange: Exchange
    failure: Failure
    renewed: Renewed
    _waiting: list[_Item] = field(default_factory=list)
    _collecting: asyncio.Task[None] | None = None
    _sending: set[asyncio.Task[None]] = field(default_factory=set)

    async def delete(self, path: str) -> httpx.Response:
        """Returns the answer to the deletion, a success. Raises ``Upstream``, as if the deletion had been sent alone."""
        item = _Item(path, priority.current().deadline, asyncio.get_running_loop().create_future())
        self._waiting.append(item)
        if self._collecting is None:
            self._collecting = asyncio.create_task(self._collect())
        permit, result = await item.told
        if isinstance(result, httpx.Response):
            if result.is_success:
                return result
            result = self._meaning(result)
        if isinstance(result, Throttled | Unavailable):
            self.limiter.note(permit, result)
        raise result

    def _meaning(self, answer: httpx.Response) -> Upstream:
        if answer.status_code == _FAILED_DEPENDENCY:
            # No item names a dependency: Graph answers this if it has given up the batch as a whole.
            return Unavailable("the batch was given up", status=_FAILED_DEPENDENCY)
        return self.failure(answer)

    async def _collect(self) -> None:
        try:
            # This task inherits the priority of the first deletion, which must not hold for the others.
            with priority.in_background():
                while self._waiting:
                    await self.clock.sleep(_LINGER)
                    await self._send_some()
        finally:
            self._collecting = None

    async def _send_some(self) -> None:
        self._waiting = [item for item in self._waiting if not item.told.done()]
        some = self._waiting[:MOST]
        if not some:
            return
        try:
            permit = await self.limiter.acquire(len(some), deadline=min(item.deadline for item in some))
        except Throttled as refused:
            _give_up(some, self.clock.monotonic(), refused)
            return
        some = [item for item in some if not item.told.done()]
        self._waiting = [item for item in self._waiting if item not in some]
        if some:
            sending = asyncio.create_task(self._send(some, permit))
            self._sending.add(sending)
            sending.add_done_callback(self._sending.discard)

    async def _send(self, items: Sequence[_Item], permit: int) -> None:
        try:
            result = await self._told(items)
        except Upstream as failure:
            result = [_again(failure) for _ in items]
        except Exception as defect:  # noqa: BLE001 - a caller that waits must hear of it
            for item in items:
                _tell(item, defect)
            return
        successes: list[tuple[_Item, Told]] = []
        for item, each in zip(items, result, strict=True):
            if _is_success(each):
                successes.append((item, each))
            else:
                _tell(item, (permit, each))
        for number, (item, each) in enumerate(successes):
            if number:
                await self.clock.sleep(_APART)
            _tell(item, (permit, each))

    async def _told(self, items: Sequence[_Item], *, repeated: bool = False) -> Sequence[Told]:
        if len(items) == 1:
            return [await self.exchange("DELETE", items[0].path, None)]
        asked = [{"id": str(number), "method": "DELETE", "url": item.path} for number, item in enumerate(items)]
        batch = await self.exchange("POST", BATCH, {"requests": asked})
        if not batch.is_success:
            return [_of_all(self.failure(batch)) for _ in items]
        found = dict(alone(each) for each in answers_of(batch))
        result = [found.get(str(number), Unavailable("no answer in the batch")) for number in range(len(items))]
        return await self._mended(items, result, batch, repeated=repeated)

    async def _mended(
        self, items: Sequence[_Item], result: Sequence[Told], batch: httpx.Response, *, repeated: bool
    ) -> Sequence[Told]:
        """Sends the items that were answered 401 once more with another token. Returns all answers.

        Graph may accept the token of a batch and refuse its items.
        """
        refused = {number: each for number, each in enumerate(result) if _lacks_a_good_token(each)}
        answers = [*refused.values(), *(each for each in result if isinstance(each, httpx.Response))]
        try:
            if not answers or not await self.renewed(batch, answers[0]):
                return result
            if repeated:
                raise IdentityRefused("another token was refused, too", status=_UNAUTHORIZED)
            anew = await self._told([items[number] for number in refused], repeated=True)
        except Upstream as failure:
            anew = [_again(failure) for _ in refused]
        mended = dict(zip(refused, anew, strict=True))
        return [mended.get(number, each) for number, each in enumerate(result)]


def _lacks_a_good_token(result: Told) -> TypeIs[httpx.Response]:
    return isinstance(result, httpx.Response) and result.status_code == _UNAUTHORIZED


def _is_success(result: Told) -> bool:
    return isinstance(result, httpx.Response) and result.is_success


def _give_up(items: Sequence[_Item], now: float, refused: Throttled) -> None:
    """Refuses the items whose deadline comes too soon for the rate limiter. The others stay in the queue."""
    wait = refused.retry_after or 0.0
    soonest = min(item.deadline for item in items)
    for item in items:
        if item.deadline <= max(soonest, now + wait):
            _tell(item, Throttled(refused.cause, retry_after=wait))


def _tell(item: _Item, what: tuple[int, Told] | Exception) -> None:
    """Hands an item its result, unless its task was cancelled meanwhile."""
    if item.told.done():
        return
    if isinstance(what, Exception):
        item.told.set_exception(what)
    else:
        item.told.set_result(what)


def _of_all(failure: Upstream) -> Upstream:
    """Returns the failure of each item, given the failure of its batch.

    If Graph answers that the batch is absent, or exists already, the item may still be there: ``Refused``.
    """
    if isinstance(failure, Absent | AlreadyExists):
        return Refused(failure.cause, status=failure.status, azure_code=failure.azure_code)
    return failure


def _again(failure: Upstream) -> Upstream:
    """Returns a copy of the failure, for one more task to raise."""
    return type(failure)(failure.cause, status=failure.status, azure_code=failure.azure_code)


def answers_of(batch: httpx.Response) -> Sequence[Mapping[str, Any]]:
    """Returns the answers of a batch that can be read. An item without one may have been carried out or not."""
    document = parsed(batch.content)
    listed = document.get("responses") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        return ()
    answers = [each for each in listed if isinstance(each, dict)]
    return [each for each in answers if isinstance(each.get("id"), str) and isinstance(each.get("status"), int)]


def alone(each: Mapping[str, Any]) -> tuple[str, httpx.Response]:
    """Returns the id and the answer of one item, as if Graph had answered it alone."""
    headers = each.get("headers")
    texts = {str(name): str(value) for name, value in headers.items()} if isinstance(headers, dict) else {}
    # The body comes parsed. Headers that describe its encoding do not describe the body that is made of it here.
    fitting = {name: value for name, value in texts.items() if not name.lower().startswith(("content-", "transfer-"))}
    body = each.get("body")
    return each["id"], httpx.Response(each["status"], headers=fitting, **({} if body is None else {"json": body}))

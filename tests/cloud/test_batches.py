"""What becomes of a batch whose items lack a good token, or that meets a bug: looked at without Graph around it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from shared.cloud.graph.batch import Batches
from shared.cloud.limits import RateLimiters
from shared.core.errors import IdentityRefused, Refused, Upstream
from tests.fakes.clock import FakeClock


class UnforeseenError(Exception):
    """A bug: nothing in the broker knows it."""


class Wire:
    """Answers every item with 401, or with what is told of its path.

    ``bug`` is the step at which a bug is met, ``renewals`` how often there is another token.
    """

    def __init__(self, *, bug: str = "", renewals: int = 0, answers: Mapping[str, int] | None = None) -> None:
        self.bug = bug
        self.renewals = renewals
        self.answers = answers or {}
        self.asked: list[list[str]] = []

    async def exchange(self, _method: str, path: str, body: Mapping[str, Any] | None) -> httpx.Response:
        """One request."""
        self._meet("repetition" if self.asked else "exchange")
        if body is None:
            self.asked.append([path])
            return httpx.Response(self.answers.get(path, 401))
        self.asked.append([each["url"] for each in body["requests"]])
        listed = [{"id": each["id"], "status": self.answers.get(each["url"], 401)} for each in body["requests"]]
        return httpx.Response(200, json={"responses": listed})

    def failure(self, answer: httpx.Response) -> Upstream:
        """What an item's answer means."""
        self._meet("failure")
        return Refused("refused", status=answer.status_code)

    async def renewed(self, _batch: httpx.Response, item: httpx.Response) -> bool:
        """Whether there is another token, where one is wanted."""
        self._meet("renewal")
        self.renewals -= item.status_code == 401
        return item.status_code == 401 and self.renewals >= 0

    def _meet(self, step: str) -> None:
        if step == self.bug:
            raise UnforeseenError(step)


ONE, TWO, THREE = (f"/applications/{number}" for number in range(3))


async def deleted(wire: Wire) -> list[object]:
    """What each of three deletions gave or raised."""
    clock = FakeClock()
    batches = Batches(clock, RateLimiters(clock).of_graph("DELETE"), wire.exchange, wire.failure, wire.renewed)
    return await asyncio.gather(*(batches.delete(path) for path in (ONE, TWO, THREE)), return_exceptions=True)


@pytest.mark.parametrize("bug", ["exchange", "failure", "renewal", "repetition"])
async def test_a_bug_amid_a_batch_comes_out_to_each_that_waits_for_it(bug: str) -> None:
    """As it is, and not as Graph's failure: nobody waits for ever."""
    result = await deleted(Wire(bug=bug, renewals=1 if bug == "repetition" else 0))
    assert [(UnforeseenError, (bug,))] * 3 == [(type(each), getattr(each, "args", ())) for each in result]


async def test_each_deletion_is_given_its_own_answer() -> None:
    """As if it had been sent alone."""
    result = await deleted(Wire(answers={ONE: 204, TWO: 200, THREE: 202}))
    assert [204, 200, 202] == [each.status_code for each in result if isinstance(each, httpx.Response)]


async def test_the_items_without_a_good_token_are_asked_once_more_and_no_others() -> None:
    """Wherever they stand in the batch."""
    wire = Wire(renewals=1, answers={ONE: 204, THREE: 204})
    result = await deleted(wire)
    assert [httpx.Response, Refused, httpx.Response] == [type(each) for each in result]
    assert [[ONE, TWO, THREE], [TWO]] == wire.asked


async def test_items_that_two_tokens_were_refused_for_are_not_asked_with_a_third() -> None:
    """Somebody else may renew it again and again meanwhile; the identity is refused, whatever its token."""
    wire = Wire(renewals=100)
    result = await deleted(wire)
    assert [(IdentityRefused, 401)] * 3 == [(type(each), getattr(each, "status", 0)) for each in result]
    assert 2 == len(wire.asked)


async def test_items_without_a_good_token_stay_refused_where_there_is_no_other() -> None:
    """A credential that holds no tokens has none to renew."""
    wire = Wire()
    assert [Refused] * 3 == [type(each) for each in await deleted(wire)]
    assert 1 == len(wire.asked)

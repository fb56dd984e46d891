"""Work that is done after each ask, and once for all that ask while a run is under way."""

from __future__ import annotations

import asyncio

import pytest

from shared.resilience.following import Following
from tests.unit.test_single_flight import Work, settle


async def test_who_asks_while_a_run_is_under_way_shares_the_next_one() -> None:
    """The run under way has perhaps seen what was before the ask."""
    work, following = Work(), Following[int]()
    first = asyncio.ensure_future(following.run("a", work))
    await settle()
    others = [asyncio.ensure_future(following.run("a", work)) for _ in range(20)]
    await settle()
    assert 1 == work.runs, "runs under a key follow one another"
    work.done.set()
    assert [1, *[2] * 20] == await asyncio.gather(first, *others)


async def test_who_asks_at_once_shares_a_run_that_has_not_begun() -> None:
    """Nothing has happened between their asks and its beginning."""
    work, following = Work(), Following[int]()
    work.done.set()
    assert [1] * 20 == await asyncio.gather(*(following.run("a", work) for _ in range(20)))
    assert 2 == await following.run("a", work)


async def test_another_key_has_runs_of_its_own() -> None:
    """They do not wait for each other."""
    work, following = Work(), Following[int]()
    both = [asyncio.ensure_future(following.run(key, work)) for key in ("a", "b")]
    await settle()
    assert 2 == work.runs
    work.done.set()
    assert [1, 2] == await asyncio.gather(*both)


async def test_a_failure_is_that_of_all_who_wait_and_of_nobody_else() -> None:
    """The next ask begins anew."""
    work, following = Work(), Following[int]()
    work.failure = ValueError()
    work.done.set()
    failures = await asyncio.gather(*(following.run("a", work) for _ in range(2)), return_exceptions=True)
    assert [ValueError] * 2 == [type(each) for each in failures]
    work.failure = None
    assert 2 == await following.run("a", work)


async def test_one_who_gives_up_leaves_the_others_their_run() -> None:
    """Whether the run has begun or not."""
    work, following = Work(), Following[int]()
    first = asyncio.ensure_future(following.run("a", work))
    await settle()
    second, third = (asyncio.ensure_future(following.run("a", work)) for _ in range(2))
    await settle()
    first.cancel()
    second.cancel()
    work.done.set()
    assert 2 == await third
    with pytest.raises(asyncio.CancelledError):
        await first

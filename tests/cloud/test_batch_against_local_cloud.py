from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from shared.core.errors import Absent, Throttled, Unavailable, Unreachable
from shared.core.names import ObjectId
from shared.resilience.priority import in_background
from tests.cloud.adapters import Adapters
from tests.cloud.test_against_local_cloud import NEW

_SENT = "POST 200"
"""How a batch that was answered stands in the ledger."""


async def applications(adapters: Adapters, count: int) -> Sequence[ObjectId]:
    """So many of the broker's own; the ledger begins after them."""
    names = [f"leasehold-test.{number:02}" for number in range(count)]
    made = [await adapters.graph.upsert_application(replace(NEW, unique_name=name, display_name=name)) for name in names]
    adapters.cloud.control("DELETE", "calls")
    return [each.object_id for each in made]


async def deleted(adapters: Adapters, objects: Sequence[ObjectId]) -> list[BaseException | None]:
    """What each deletion raised, all of them in the background at once."""
    with in_background():
        return await asyncio.gather(*(adapters.graph.delete_application(each) for each in objects), return_exceptions=True)


def left(adapters: Adapters) -> set[ObjectId]:
    """The test's applications that are still there."""
    found = adapters.cloud.control("GET", "state")["applications"]
    return {ObjectId(each["object_id"]) for each in found if each["display_name"].startswith("leasehold-test.")}


async def test_many_deletions_take_few_requests(adapters: Adapters) -> None:
    """Twenty-five in two batches; each is deleted, and absent when it is deleted again."""
    made = await applications(adapters, 25)
    assert [None] * 25 == await deleted(adapters, made)
    assert (2, 25) == (adapters.calls("graph").count(_SENT), adapters.calls("graph").count("DELETE 204"))
    assert set() == left(adapters)
    assert [Absent] * 25 == [type(each) for each in await deleted(adapters, made)]


async def test_one_that_is_refused_concerns_no_other(adapters: Adapters) -> None:
    """Told to wait, failed, or there no more: each in its own way, the fourth deleted."""
    made = await applications(adapters, 4)
    await adapters.graph.delete_application(made[2])
    effects = ({"status": 429, "code": "TooManyRequests", "retry_after": 1}, {"status": 500, "code": "InternalServerError"})
    rules = [
        {"service": "graph", "method": "DELETE", "path": made[index], "times": 1, "effect": effect}
        for index, effect in enumerate(effects)
    ]
    adapters.cloud.control("PUT", "faults", rules)
    assert [Throttled, Unavailable, Absent, type(None)] == [type(each) for each in await deleted(adapters, made)]
    assert set(made[:2]) == left(adapters)


async def test_a_batch_whose_answer_is_lost_may_have_deleted_all(adapters: Adapters) -> None:
    """Nobody knows; asked again, all are absent."""
    made = await applications(adapters, 3)
    rule = {"service": "graph", "method": "POST", "path": r"/\$batch$", "times": 1, "effect": "drop_after_effect"}
    adapters.cloud.control("PUT", "faults", [rule])
    assert [Unreachable] * 3 == [type(each) for each in await deleted(adapters, made)]
    assert set() == left(adapters)
    assert [Absent] * 3 == [type(each) for each in await deleted(adapters, made)]


async def test_limits_count_each_item_and_the_rest_goes_later(adapters: Adapters) -> None:
    """Of eight, Graph takes five; those told to wait are deleted when it takes calls again, and none before."""
    made = await applications(adapters, 8)
    adapters.cloud.control("PUT", "limits", {"graph": {"throttling": True, "writes": 5, "writes_seconds": 5}})
    result = [type(each) for each in await deleted(adapters, made)]
    assert (5, 3) == (result.count(type(None)), result.count(Throttled))
    adapters.cloud.control("PUT", "limits", {"graph": {"throttling": False}})
    assert [None] * 3 == await deleted(adapters, sorted(left(adapters)))

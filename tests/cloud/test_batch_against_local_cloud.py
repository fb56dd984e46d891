from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from shared.core.errors import Absent, Throttled, Unavailable, Unreachable
from shared.core.names import ObjectId
from shared.resilience.priority import in_background
from tests.cloud.stage import Stage
from tests.cloud.test_against_local_cloud import NEW

_SENT = "POST 200"
"""How a batch that was answered stands in the ledger."""


async def applications(stage: Stage, count: int) -> Sequence[ObjectId]:
    """So many of the broker's own; the ledger begins after them."""
    names = [f"leasehold-test.{number:02}" for number in range(count)]
    made = [await stage.graph.upsert_application(replace(NEW, unique_name=name, display_name=name)) for name in names]
    stage.cloud.control("DELETE", "calls")
    return [each.object_id for each in made]


async def deleted(stage: Stage, objects: Sequence[ObjectId]) -> list[BaseException | None]:
    """What each deletion raised, all of them in the background at once."""
    with in_background():
        return await asyncio.gather(*(stage.graph.delete_application(each) for each in objects), return_exceptions=True)


def left(stage: Stage) -> set[ObjectId]:
    """The test's applications that are still there."""
    found = stage.cloud.control("GET", "state")["applications"]
    return {ObjectId(each["object_id"]) for each in found if each["display_name"].startswith("leasehold-test.")}


async def test_many_deletions_take_few_requests(stage: Stage) -> None:
    """Twenty-five in two batches; each is deleted, and absent when it is deleted again."""
    made = await applications(stage, 25)
    assert [None] * 25 == await deleted(stage, made)
    assert (2, 25) == (stage.calls("graph").count(_SENT), stage.calls("graph").count("DELETE 204"))
    assert set() == left(stage)
    assert [Absent] * 25 == [type(each) for each in await deleted(stage, made)]


async def test_one_that_is_refused_concerns_no_other(stage: Stage) -> None:
    """Told to wait, failed, or there no more: each in its own way, the fourth deleted."""
    made = await applications(stage, 4)
    await stage.graph.delete_application(made[2])
    effects = ({"status": 429, "code": "TooManyRequests", "retry_after": 1}, {"status": 500, "code": "InternalServerError"})
    rules = [
        {"service": "graph", "method": "DELETE", "path": made[index], "times": 1, "effect": effect}
        for index, effect in enumerate(effects)
    ]
    stage.cloud.control("PUT", "faults", rules)
    assert [Throttled, Unavailable, Absent, type(None)] == [type(each) for each in await deleted(stage, made)]
    assert set(made[:2]) == left(stage)


async def test_a_batch_whose_answer_is_lost_may_have_deleted_all(stage: Stage) -> None:
    """Nobody knows; asked again, all are absent."""
    made = await applications(stage, 3)
    rule = {"service": "graph", "method": "POST", "path": r"/\$batch$", "times": 1, "effect": "drop_after_effect"}
    stage.cloud.control("PUT", "faults", [rule])
    assert [Unreachable] * 3 == [type(each) for each in await deleted(stage, made)]
    assert set() == left(stage)
    assert [Absent] * 3 == [type(each) for each in await deleted(stage, made)]


async def test_limits_count_each_item_and_the_rest_goes_later(stage: Stage) -> None:
    """Of eight, Graph takes five; those told to wait are deleted when it takes calls again, and none before."""
    made = await applications(stage, 8)
    stage.cloud.control("PUT", "limits", {"graph": {"throttling": True, "writes": 5, "writes_seconds": 5}})
    told = [type(each) for each in await deleted(stage, made)]
    assert (5, 3) == (told.count(type(None)), told.count(Throttled))
    stage.cloud.control("PUT", "limits", {"graph": {"throttling": False}})
    assert [None] * 3 == await deleted(stage, sorted(left(stage)))

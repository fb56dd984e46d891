"""Writes are seen late, by each observer in its own time, and the same way for the same seed."""

from __future__ import annotations

import random
import statistics
from dataclasses import dataclass, field

import pytest

from local.cloud.disturbances.consistency import DATA_PLANES, PROFILES, REPLICAS, TYPICAL, Consistency, Fact, Observer
from local.cloud.disturbances.profiles import ELSEWHERE, HOME
from local.cloud.engine.errors import InputError

OBSERVERS: tuple[Observer, ...] = tuple(REPLICAS)


@dataclass
class Timeline:
    """A clock that moves when told to."""

    time: float = 1_000.0
    consistency: Consistency = field(init=False)

    def __post_init__(self) -> None:
        self.consistency = Consistency(lambda: self.time, random.Random(1))


def test_everybody_sees_a_write_at_once_under_profile_none() -> None:
    """The default waits for nothing."""
    timeline = Timeline()
    timeline.consistency.wrote("principal", "a")
    assert timeline.consistency.sees("arm", "principal", "a")


def test_a_fact_that_was_never_written_was_always_there() -> None:
    """What set-up made has long been replicated."""
    timeline = Timeline()
    timeline.consistency.configure("typical", seed=1)
    assert timeline.consistency.sees("arm", "principal", "a")


def test_an_observer_sees_a_write_late_and_then_for_good() -> None:
    """Under the typical profile a fresh principal is unknown to ARM for a while."""
    timeline = Timeline()
    timeline.consistency.configure("typical", seed=1)
    timeline.consistency.wrote("principal", "a")
    before = timeline.consistency.sees("arm", "principal", "a")
    timeline.time += 121
    assert (before, timeline.consistency.sees("arm", "principal", "a")) == (False, True)


def test_an_observer_may_lose_sight_again_until_every_replica_has_the_write() -> None:
    """Each request is answered by one replica: a success proves nothing about the next."""
    timeline = Timeline()
    timeline.consistency.configure("typical", seed=3)
    timeline.consistency.wrote("application", "a")
    seen = []
    for _ in range(600):
        timeline.time += 0.2
        timeline.consistency.turn()
        seen.append(timeline.consistency.sees("entra", "application", "a"))
    assert (False in seen[seen.index(True) :], seen[-1]) == (True, True)


def test_the_wait_for_a_principal_is_distributed_as_measured() -> None:
    """Median 15 s, 90th percentile 33 s, never more than 121 s."""
    timeline = Timeline()
    timeline.consistency.configure("typical", seed=7)
    for number in range(4_000):
        timeline.consistency.wrote("principal", str(number))
    waits = sorted(seen["arm"][0] - timeline.time for seen in timeline.consistency._seen_from.values())
    assert statistics.median(waits) == pytest.approx(15, rel=0.1)
    assert waits[int(len(waits) * 0.9)] == pytest.approx(33, rel=0.1)
    assert waits[-1] <= 121


def test_speed_divides_delays() -> None:
    """A test of minutes takes seconds."""
    slow, fast = Timeline(), Timeline()
    slow.consistency.configure("typical", seed=1)
    fast.consistency.configure("typical", seed=1, speed=20)
    for timeline in (slow, fast):
        timeline.consistency.wrote("principal", "a")
    waits = [timeline.consistency._seen_from["principal", "a"]["arm"][0] - timeline.time for timeline in (slow, fast)]
    assert waits[0] == pytest.approx(20 * waits[1])


def test_speed_divides_latency() -> None:
    """Latency and replication shrink alike."""
    slow, fast = Timeline(), Timeline()
    slow.consistency.configure("typical", seed=1)
    fast.consistency.configure("typical", seed=1, speed=20)
    assert slow.consistency.latency("graph") == pytest.approx(20 * fast.consistency.latency("graph"))


def test_the_same_seed_draws_the_same_delays() -> None:
    """Runs can be repeated."""
    drawn = []
    for _ in range(2):
        timeline = Timeline()
        timeline.consistency.configure("typical", seed=42)
        timeline.consistency.wrote("assignment", "a")
        drawn.append(timeline.consistency._seen_from)
    assert drawn[0] == drawn[1]


def test_forgets_what_everybody_has_seen() -> None:
    """A million writes later the memory of the first is gone."""
    timeline = Timeline()
    timeline.consistency.configure("typical", seed=1)
    timeline.consistency.wrote("assignment", "old")
    timeline.time += 601
    timeline.consistency.wrote("assignment", "new")
    assert set(timeline.consistency._seen_from) == {("assignment", "new")}


def test_a_rewritten_fact_is_kept_until_its_latest_write_has_arrived() -> None:
    """Making something anew starts its replication anew."""
    timeline = Timeline()
    timeline.consistency.configure("typical", seed=1)
    timeline.consistency.wrote("assignment", "a")
    timeline.time += 599
    timeline.consistency.wrote("assignment", "a")
    timeline.time += 2
    timeline.consistency.wrote("assignment", "b")
    assert ("assignment", "a") in timeline.consistency._seen_from


def test_refuses_an_unknown_profile() -> None:
    """A misspelt profile must not read as none."""
    with pytest.raises(InputError, match="none, typical"):
        Timeline().consistency.configure("typcial")


@pytest.mark.parametrize("speed", [0, -1, float("nan"), float("inf")])
def test_refuses_a_speed_that_is_not_positive(speed: float) -> None:
    """Time neither stands still nor goes back."""
    with pytest.raises(InputError, match="speed"):
        Timeline().consistency.configure("typical", speed=speed)


def test_another_region_changes_nothing_of_what_this_one_sees() -> None:
    """Its delays are drawn apart, are longer, and stay within ten minutes."""
    drawn: list[dict[Fact, dict[str, tuple[float, ...]]]] = []
    for profile in ("typical", "typical_regions"):
        timeline = Timeline()
        timeline.consistency.configure(profile, seed=3)
        for number in range(500):
            timeline.consistency.wrote("secret", str(number))
            timeline.consistency.ended("application", str(number), shown=number)
        drawn.append({**timeline.consistency._seen_from, **timeline.consistency._gone_from})
    one, two = drawn
    away = [arrivals.pop(ELSEWHERE) for arrivals in two.values()]
    assert one == two
    waits, at_home = (
        [at - 1_000 for each in found for at in each] for found in (away, [each["entra"] for each in two.values()])
    )
    assert statistics.median(waits) == pytest.approx(3 * statistics.median(at_home), rel=0.15)
    assert max(waits) <= 600


def test_there_is_one_region_but_where_the_profile_says_otherwise() -> None:
    """Entra ID alone has a second one."""
    timeline = Timeline()
    found = {}
    for profile in PROFILES:
        timeline.consistency.configure(profile)
        found[profile] = {name: [each.name for each in timeline.consistency.replicas(name)] for name in OBSERVERS}
    home, away = ([f"{region}/{number}" for number in range(3)] for region in (HOME, ELSEWHERE))
    assert {"none", "typical", "scattered", "typical_regions"} == found.keys()
    assert [home, home, home, home + away] == [
        found[name]["entra"] for name in ("none", "typical", "scattered", "typical_regions")
    ]
    assert [f"arm/{number}" for number in range(3)] == found["typical_regions"]["arm"]


def test_a_chosen_replica_answers_for_a_while() -> None:
    """And then the one that did before."""
    timeline = Timeline()
    timeline.consistency.configure("scattered", seed=2)
    timeline.consistency.wrote("assignment", "a")
    for observer in ("arm", "blob", "key_vault"):
        arrivals = timeline.consistency.of(observer)._seen_from["assignment", "a"][observer]
        first = min(range(3), key=lambda number: arrivals[number])
        timeline.time = arrivals[first]
        seen = []
        for replica in timeline.consistency.replicas(observer):
            with timeline.consistency.answered_by(replica):
                seen.append(timeline.consistency.of(observer).sees(observer, "assignment", "a"))
        assert [number == first for number in range(3)] == seen
        assert (0.0, HOME) == timeline.consistency.of(observer).answering
        timeline.time = 1_000.0


def test_data_planes_flap_as_well() -> None:
    """Each call there is answered by one of several replicas; and each plane has its own delays."""
    timeline = Timeline()
    timeline.consistency.configure("typical", seed=3)
    timeline.consistency.wrote("assignment", "a")
    planes = timeline.consistency.of("blob")
    assert planes._seen_from["assignment", "a"]["blob"] != planes._seen_from["assignment", "a"]["key_vault"]
    for plane in DATA_PLANES:
        timeline.time, seen = 1_000.0, []
        for _ in range(600):
            timeline.time += 1
            timeline.consistency.turn()
            seen.append(timeline.consistency.of(plane).sees(plane, "assignment", "a"))
        assert (False, False, True) == (seen[0], all(seen[seen.index(True) :]), seen[-1])


def test_every_service_has_a_latency_in_the_typical_profile() -> None:
    """None is forgotten."""
    assert {"entra", "graph", "arm", "key_vault", "blob", "event_grid", "imds"} == set(TYPICAL.latency)

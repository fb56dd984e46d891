"""Eventual consistency: a write is seen at once by whoever made it last, and later by the others; so is an ending.

A *fact* is a key such as ``("application", id)``, ``("principal", id)``, ``("enabled", id)``, ``("secret", key_id)``,
``("certificate", key_id)``, ``("assignment", name)``, ``("federated", id)``, ``("app_role", id)``, ``("group", id)``,
``("member", group_id, object_id)`` or ``("binned", id)``, which is an object's place in the recycle bin.

An *observer* is ``graph`` (reads by other replicas), ``entra`` (token requests), ``arm`` (the principal lookup when a role is
assigned, and the evaluation of assignments), ``blob`` or ``key_vault`` (the evaluation of assignments where blobs or secrets
are read). An observer answers from one of its replicas, drawn anew for each request (``turn``): so a success may be followed
by a failure until the last replica has the write. Only a caller of Graph mostly meets its own last replica.
"""

from __future__ import annotations

import contextlib
import heapq
import math
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from local.cloud.disturbances.profiles import ELSEWHERE, HOME, NONE, PROFILES, TYPICAL, Delay, Observer, Profile
from local.cloud.engine.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["PROFILES", "REPLICAS", "TYPICAL", "Consistency", "Delay", "Fact", "Ghosts", "Observer", "Profile", "Replica"]

type Fact = tuple[str, ...]
type _Times = dict[str, tuple[float, ...]]
"""By observer, when each of its replicas has a write; by ``ELSEWHERE`` the same of Entra ID's other region."""

REPLICAS: Mapping[Observer, int] = {"graph": 3, "entra": 3, "arm": 3, "blob": 3, "key_vault": 3}
"""How many copies answer, in each region. Azure publishes no number; three is the least that shows flapping more than once."""

DATA_PLANES: tuple[Observer, ...] = ("blob", "key_vault")
"""The observers that ``Consistency.of`` tells from the others."""

_NORMAL_P90 = 1.2815515655446004
_NORMAL_P99 = 2.3263478740408408


@dataclass(slots=True)
class Ghosts:
    """What has ended and some replica may still show: by the kind of fact, with what is needed to show it."""

    _kept: dict[str, dict[Fact, Any]] = field(default_factory=dict)

    def of(self, kind: str) -> Iterable[Any]:
        """All of one kind. Whether an observer still sees one is for ``Consistency.sees`` to say."""
        return tuple(self._kept.get(kind, {}).values())

    def holds(self, *fact: str) -> bool:
        """Whether the fact has ended so lately that it may still be seen."""
        return fact in self._kept.get(fact[0], {})

    def keep(self, fact: Fact, shown: Any) -> None:
        """One more."""
        self._kept.setdefault(fact[0], {})[fact] = shown

    def drop(self, fact: Fact) -> None:
        """Every replica has noticed, or it has come true again."""
        self._kept.get(fact[0], {}).pop(fact, None)

    def clear(self) -> None:
        """Forgets all."""
        self._kept.clear()


@dataclass(frozen=True, slots=True)
class Replica:
    """One of the copies that may answer for an observer."""

    observer: Observer
    number: int
    region: str = HOME

    @property
    def name(self) -> str:
        """``westeurope/0`` for one of Entra ID's, ``arm/0`` for another service's."""
        return f"{self.region if self.observer == 'entra' else self.observer}/{self.number}"


@dataclass(frozen=True, slots=True)
class _Write:
    """A fact's last write: what it made true, who made it, and at which place the replica is that took it."""

    there: bool
    caller: str
    taken_at: float


@dataclass(slots=True)
class Consistency:
    """Who sees what, when. Under profile ``none`` everybody sees everything at once."""

    now: Callable[[], float]
    chance: random.Random
    profile: Profile = NONE
    speed: float = 1.0
    seed: int = 0
    """What the data planes' chance follows from."""
    ghosts: Ghosts = field(default_factory=Ghosts)
    _seen_from: dict[Fact, _Times] = field(default_factory=dict)
    _gone_from: dict[Fact, _Times] = field(default_factory=dict)
    _writes: dict[Fact, _Write] = field(default_factory=dict)
    _settled: list[tuple[float, Fact]] = field(default_factory=list)
    _data_planes: Consistency | None = None
    """What reaches the data planes, once anybody asks."""
    _homes: dict[str, float] = field(default_factory=dict)
    """Where the replica is that took a caller's last write."""
    answering: tuple[float, str] = (0.0, HOME)
    """Which replica answers now, by its place from 0 up to 1, and in which region."""
    _elsewhere: random.Random | None = None
    """What the delays of Entra ID's other region are drawn from, once there is one."""
    _working: random.Random | None = None
    """What the time is drawn from that services work on after their answers, once one does."""
    _caller: str = ""
    _at_home: bool = False

    def configure(self, profile: str, *, seed: int | None = None, speed: float = 1.0) -> None:
        """Changes the profile for writes from now on, and forgets what is under way.

        Raises ``InputError`` for an unknown profile or a ``speed`` that is not positive.
        """
        if profile not in PROFILES:
            raise InputError(f"profile must be one of {', '.join(PROFILES)}")
        if not (math.isfinite(speed) and speed > 0):
            raise InputError("speed must be a positive number")
        self.profile, self.speed = PROFILES[profile], speed
        if seed is not None:
            self.seed, self.chance = seed, random.Random(seed)
        self._data_planes = self._elsewhere = self._working = None
        for stored in (self.ghosts, self._seen_from, self._gone_from, self._writes, self._settled, self._homes):
            stored.clear()

    def of(self, observer: Observer) -> Consistency:
        """What this observer goes by: this, or for a data plane one beside it.

        Data planes have a chance of their own, so that what they see changes nothing of what the others see.
        """
        if observer not in DATA_PLANES:
            return self
        if self._data_planes is None:
            self._data_planes = Consistency(self.now, random.Random(f"data planes {self.seed}"))
        self._data_planes.profile, self._data_planes.speed = self.profile.data_planes or NONE, self.speed
        return self._data_planes

    def turn(self) -> None:
        """A new request arrives: draws the replica that will answer it."""
        self._caller, self._at_home = "", False
        if self._writes:
            self.answering = self.chance.random(), HOME
        if self._data_planes is not None:
            self._data_planes.turn()

    def replicas(self, observer: Observer) -> tuple[Replica, ...]:
        """All copies that may answer for this observer; Entra ID's in every region that the profile has."""
        regions = (HOME, ELSEWHERE) if observer == "entra" and self.profile.elsewhere is not None else (HOME,)
        return tuple(Replica(observer, number, region) for region in regions for number in range(REPLICAS[observer]))

    @contextlib.contextmanager
    def answered_by(self, replica: Replica) -> Iterator[None]:
        """Meanwhile this replica answers for its observer. No chance is drawn, so nothing else changes by it."""
        asked = self.of(replica.observer)
        before = asked.answering
        asked.answering = (replica.number + 0.5) / REPLICAS[replica.observer], replica.region
        try:
            yield
        finally:
            asked.answering = before

    def called_by(self, caller: str) -> None:
        """It is this caller's, to Graph: mostly the replica answers that took its last write."""
        self._caller = caller
        home = self._homes.get(caller)
        if home is not None and self.chance.random() < self.profile.homing:
            self.answering, self._at_home = (home, HOME), True

    def wrote(self, *fact: str) -> None:
        """Records that a fact has just come true: draws, for each observer, when its replicas will see it."""
        self.ghosts.drop(fact)
        self._spread(fact, self.profile.delays, self._seen_from, there=True)
        if self.profile.data_planes is not None:
            self.of("blob").wrote(*fact)

    def ended(self, *fact: str, shown: Any = None) -> None:
        """Records that a fact is true no more; ``shown`` is what a replica that has not noticed needs to show it."""
        if self._spread(fact, self.profile.endings, self._gone_from, there=False):
            self.ghosts.keep(fact, shown)
        if self.profile.data_planes is not None:
            self.of("blob").ended(*fact, shown=shown)

    def sees(self, observer: Observer, *fact: str) -> bool:
        """Whether this observer takes the fact for true by now. A fact never recorded was always there."""
        write = self._writes.get(fact)
        if write is None:
            return True
        if observer == "graph" and self._is_own(write):
            return write.there
        place = ELSEWHERE if observer == "entra" and self.answering[1] == ELSEWHERE else observer
        came = self._has(self._seen_from.get(fact), place)
        stays = fact in self._gone_from and not self._has(self._gone_from[fact], place)
        if not write.there:
            return came and stays
        return came or stays

    def latency(self, service: str) -> float:
        """Seconds that the next call of this service takes before it has its effect."""
        if service not in self.profile.latency:
            return 0.0
        median, p99 = self.profile.latency[service]
        return self.chance.lognormvariate(math.log(median), math.log(p99 / median) / _NORMAL_P99) / self.speed

    def takes(self, work: str) -> float:
        """Seconds that a service goes on with this work after it has answered: ``vault_delete``.

        They have a chance of their own, so that nothing else changes by them.
        """
        delay = self.profile.works.get(work)
        if delay is None:
            return 0.0
        if self._working is None:
            self._working = random.Random(f"works {self.seed}")
        return _drawn(delay, self._working) / self.speed

    def _is_own(self, write: _Write) -> bool:
        """Whether whoever calls made this write, and is answered where it was taken."""
        return self._at_home and (write.caller, write.taken_at) == (self._caller, self.answering[0])

    def _has(self, times: _Times | None, place: str) -> bool:
        """Whether the write has reached the replica that answers; one that was not recorded has."""
        if times is None or place not in times:
            return True
        of_replicas = times[place]
        return self.now() >= of_replicas[int(self.answering[0] * len(of_replicas))]

    def _spread(
        self, fact: Fact, delays: Mapping[tuple[str, Observer], Delay], stored: dict[Fact, _Times], *, there: bool
    ) -> bool:
        """Notes a write and when it arrives where; whether it takes time at all."""
        if not delays:
            return False
        now = self.now()
        self._forget(now)
        own = {observer: delay for (kind, observer), delay in delays.items() if kind == fact[0]}
        times: _Times = {observer: self._arrivals(now, observer, delay, self.chance) for observer, delay in own.items()}
        if not times:
            return False
        if self.profile.elsewhere is not None and "entra" in own:
            later, chance = own["entra"].elsewhere(self.profile.elsewhere), self._chance_elsewhere()
            times[ELSEWHERE] = self._arrivals(now, "entra", later, chance)
        stored[fact] = times
        self._writes[fact] = _Write(there, self._caller, self.answering[0])
        heapq.heappush(self._settled, (_last(times), fact))
        if self._caller and self.profile.homing:
            self._homes[self._caller], self._at_home = self.answering[0], True
        return True

    def _chance_elsewhere(self) -> random.Random:
        """A chance of its own: another region changes nothing of what this one sees."""
        if self._elsewhere is None:
            self._elsewhere = random.Random(f"{ELSEWHERE} {self.seed}")
        return self._elsewhere

    def _arrivals(self, now: float, observer: Observer, delay: Delay, chance: random.Random) -> tuple[float, ...]:
        draws = (_drawn(delay, chance) for _ in range(REPLICAS[observer]))
        return tuple(now + draw / self.speed for draw in draws)

    def _forget(self, now: float) -> None:
        """Drops the facts that every replica has: rewritten facts are kept until their latest write has arrived."""
        while self._settled and self._settled[0][0] <= now:
            _, fact = heapq.heappop(self._settled)
            left = [stored[fact] for stored in (self._seen_from, self._gone_from) if fact in stored]
            if left and max(map(_last, left)) <= now:
                self._seen_from.pop(fact, None)
                self._gone_from.pop(fact, None)
                self._writes.pop(fact, None)
                self.ghosts.drop(fact)


def _drawn(delay: Delay, chance: random.Random) -> float:
    mu, sigma = math.log(delay.median), math.log(delay.p90 / delay.median) / _NORMAL_P90
    return min(chance.lognormvariate(mu, sigma), delay.most)


def _last(times: _Times) -> float:
    return max(max(of_replicas) for of_replicas in times.values())

"""The verbs that meet, the worlds in which they do, and their pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations_with_replacement

from shared.broker.ending.enqueue import enqueue
from shared.core.role import Target
from tests.fakes.world import World
from tests.model.model import Machine
from tests.schedules.deliveries import OF_DELIVERIES, delivered_meetings, require_delivered
from tests.schedules.explorer import Judge, Pair
from tests.schedules.judge import Check, by_model, judged
from tests.schedules.lives import SCENES as LIVES_SCENES
from tests.schedules.lives import life_meetings, require_lives
from tests.support.operations import HOLES, LASTS, TARGETS, VERBS, Verb, fresh, revoking_the_role, with_answer_lost

_LEFT = 60.0


@dataclass(frozen=True, slots=True)
class Meeting:
    """Two verbs that meet, and by what is judged what comes of it."""

    pair: Pair
    verbs: tuple[Verb, Verb]
    checks: tuple[Check, ...]

    @property
    def judge(self) -> Judge:
        """Judges a schedule."""
        return judged(self.verbs, self.checks)


def _live(target: Target) -> World:
    return with_answer_lost(target, age=_LEFT)


def _due(target: Target) -> World:
    made = with_answer_lost(target, age=LASTS + 1.0)
    made.run(lambda: enqueue(made.ports, list(made.leases.rows)))
    return made


def _revoked(target: Target) -> World:
    made = with_answer_lost(target, age=_LEFT)
    made.run(lambda: revoking_the_role(made))
    return made


SCENES: dict[str, tuple[Callable[[Target], World], Machine]] = {
    "fresh": (fresh, Machine()),
    "live": (_live, Machine(lease="active")),
    "due": (_due, Machine(lease="active", expired=True)),
    "revoked": (_revoked, Machine(lease="over")),
}
_ASKING = (
    *(("issue under a key", "issue under a key"), ("repeat", "change role"), ("renew", "change role")),
    *(("issue", "revoke role"), ("issue", "revoke reaching"), ("issue", "change role")),
    *(("issue under a key", "change role"), ("issue under a key elsewhere", "change role"), ("repeat", "repeat")),
    *(("issue under a key", "revoke role"), ("renew", "revoke reaching"), ("repeat", "revoke reaching")),
)
"""Who meet where a role with holes is filled and narrowed."""
_URGENT = ("fresh", "revoked", "due", "live")
_OPENS_UNDER_A_KEY = {"issue under a key", "issue under a key elsewhere"}
"""Where there is a lease under the key, these do what a repeat does."""
_NEEDS_A_LEASE = {"renew", "revoke", "force", "message", "poison", "repeat"}


def meetings() -> Iterator[Meeting]:
    """Every two of them, one with itself included, for each kind of credential, in each scene that one of them needs.

    And those of leases that are pooled, prepared or queued, and those of leases that are delivered.
    """
    for kind, target in TARGETS.items():
        for one, other in combinations_with_replacement(VERBS, 2):
            for scene in sorted({one.scene, other.scene}, key=_URGENT.index):
                names = {one.name, other.name}
                if (_NEEDS_A_LEASE if scene == "fresh" else _OPENS_UNDER_A_KEY) & names:
                    continue
                make, start = SCENES[scene]
                name = f"{one.name} + {other.name}, {scene}, {kind}"
                pair = Pair(name, partial(make, target), (one.action, other.action))
                yield Meeting(pair, (one, other), (by_model(start),))
        for scene, (one, other) in life_meetings(target):
            name = f"{one.name} + {other.name}, {scene}, {kind}"
            pair = Pair(name, partial(LIVES_SCENES[scene], target), (one.action, other.action))
            yield Meeting(pair, (one, other), (require_lives,))
    for asking in _ASKING:
        one, other = (next(verb for verb in VERBS if verb.name == name) for name in asking)
        scene = "live" if asking[0] in _NEEDS_A_LEASE else "fresh"
        make, start = SCENES[scene]
        pair = Pair(f"{one.name} + {other.name}, {scene}, holes", partial(make, HOLES), (one.action, other.action))
        yield Meeting(pair, (one, other), (by_model(replace(start, has_holes=True)),))
    yield from _delivered()


def _delivered() -> Iterator[Meeting]:
    """Where the role's credentials are put into a vault."""
    for name, scene, (one, other), how in delivered_meetings():
        checks: tuple[Check, ...]
        if scene in SCENES:
            make, checks = SCENES[scene][0], (by_model(SCENES[scene][1]),)
        elif scene in LIVES_SCENES:
            make, checks = LIVES_SCENES[scene], (require_lives,)
        else:
            make, checks = OF_DELIVERIES[scene], ()
        pair = Pair(name, partial(how.made, make), (one.action, other.action))
        yield Meeting(pair, (one, other), (*checks, require_delivered))

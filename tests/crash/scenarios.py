"""What the walks strike: every way to change a lease."""

from __future__ import annotations

from datetime import timedelta

from shared.core.role import Target
from tests.crash.walk import Scenario
from tests.fakes.world import World
from tests.support.operations import (
    asking,
    asking_once,
    changed,
    claiming,
    claiming_once,
    collecting,
    fanning_out,
    forcing,
    fresh,
    issuing,
    issuing_elsewhere,
    issuing_once,
    once_collected,
    overdue,
    pooled,
    prepared,
    queued,
    recalled,
    recalling_all,
    reconciling,
    renewing,
    revoking,
    revoking_the_role,
    revoking_what_reaches,
    sweeping,
    taking_messages,
    taking_poison,
    taking_up,
    waiting,
    with_answer_lost,
    with_lease,
)
from tests.support.pools import filling, has_pool, of_one, watching


def scenarios(target: Target, lag: float = 0.0) -> list[Scenario]:
    """Every way to change a lease."""
    return [
        Scenario("issue", lambda: fresh(target, lag), issuing),
        Scenario("renew", lambda: with_lease(target, lag, age=60), renewing),
        Scenario("revoke", lambda: with_lease(target, lag, age=60), revoking),
        Scenario("revoke at once", lambda: with_lease(target, lag), revoking),
        Scenario("issue once", lambda: fresh(target, lag), issuing_once),
        Scenario("issue once elsewhere", lambda: fresh(target, lag), issuing_elsewhere),
        Scenario("repeat", lambda: with_answer_lost(target, lag, age=60), issuing_once),
        Scenario("repeat at once", lambda: with_answer_lost(target, lag), issuing_once),
        Scenario("sweep", lambda: with_lease(target, lag, age=301), sweeping),
    ]


def fan_outs(target: Target, lag: float = 0.0) -> list[Scenario]:
    """Every step of a lease's way through the queue."""
    return [
        Scenario("fan-out", lambda: overdue(target, lag), fanning_out),
        Scenario("message", lambda: queued(target, lag), taking_messages),
        Scenario("recall", lambda: recalled(target, lag), recalling_all),
        Scenario("poison", lambda: queued(target, lag), taking_poison),
    ]


def forced(target: Target, lag: float = 0.0) -> list[Scenario]:
    """Letting go of a lease: what Azure refuses to undo stays behind, and is told."""
    return [
        Scenario("force revoke", lambda: with_lease(target, lag, age=200), forcing),
        Scenario("force revoke at once", lambda: with_lease(target, lag), forcing),
        Scenario("force revoke of a repeat", lambda: with_answer_lost(target, lag, age=200), forcing),
    ]


def lives(target: Target, lag: float = 0.0) -> list[Scenario]:
    """What becomes of leases that are pooled, prepared or queued. What takes the same path as one of these is left out."""
    return [
        *(pools(target, lag) if has_pool(target) else ()),
        Scenario("ask", lambda: fresh(target, lag), asking),
        Scenario("ask under a key", lambda: fresh(target, lag), asking_once),
        Scenario("message lost", lambda: waiting(target, lag, age=60), sweeping),
        Scenario("message too late", lambda: waiting(target, lag, age=1000), sweeping),
        Scenario("role changed before the message", lambda: changed(waiting(target, lag, age=60)), taking_up),
        Scenario("role changed before the collection", lambda: changed(prepared(target, lag, age=60)), collecting),
        Scenario("collect again", lambda: once_collected(target, lag), collecting),
        Scenario("sweep prepared", lambda: prepared(target, lag, age=1000), sweeping),
        Scenario("take up", lambda: waiting(target, lag, age=60), taking_up),
        Scenario("collect", lambda: prepared(target, lag, age=60), collecting),
        Scenario("revoke prepared", lambda: prepared(target, lag, age=60), revoking),
        Scenario("revoke queued", lambda: waiting(target, lag, age=60), revoking),
        Scenario("revoke reaching queued", lambda: waiting(target, lag, age=60), revoking_what_reaches),
    ]


def pools(target: Target, lag: float = 0.0) -> list[Scenario]:
    """What becomes of leases of a pool."""
    return [
        Scenario("fill", lambda: fresh(of_one(target), lag), filling),
        Scenario("claim", lambda: pooled(target, lag, age=60), claiming),
        Scenario("claim once", lambda: pooled(target, lag, age=60), claiming_once),
        Scenario("claim to collect", lambda: pooled(target, lag, age=60), asking),
        Scenario("claim of what was touched", lambda: deleted_by_hand(pooled(target, lag)), claiming),
        Scenario("drain", lambda: changed(pooled(target, lag, age=60)), filling),
        Scenario("watch", lambda: pooled(target, lag, age=600), watching),
        Scenario("watch what was touched", lambda: touched(pooled(target, lag, age=600)), watching),
        Scenario("revoke role pooled", lambda: pooled(target, lag, age=60), revoking_the_role),
        Scenario("revoke reaching pooled", lambda: pooled(target, lag, age=60), revoking_what_reaches),
        Scenario("reconcile pooled", lambda: pooled(target, lag, age=60), reconciling),
        Scenario("sweep pooled", lambda: pooled(target, lag, age=1000), sweeping),
    ]


def deleted_by_hand(made: World) -> World:
    """The same world, six minutes after somebody has deleted the application, and its principal with it."""
    made.clock.jump(200)
    for application in [each for each in made.cloud.applications.values() if each.wanted is not None]:
        made.cloud.delete_application(application.object_id)
    made.clock.jump(360)
    return made


def touched(made: World) -> World:
    """The same world, in which somebody has added a secret."""
    application = next(each for each in made.cloud.applications.values() if each.wanted is not None)
    made.cloud.add_secret(application.object_id, "mine", made.clock.truth() + timedelta(days=1))
    return made


def issuing_scenarios(target: Target) -> list[Scenario]:
    """Every way to be given a credential: without a key, with one, wherever it lies, and again under it."""
    issues = {"issue", "issue once", "issue once elsewhere", "repeat"}
    return [scenario for scenario in scenarios(target) if scenario.name in issues]

"""What the broker promises, as a machine with a few states that does one thing after the other.

There is one lease that operations meet on, and whatever others are issued meanwhile. An operation has one answer, or a few
where somebody else is at work at the same time (``beside``). A history of operations side by side is right when they could
have been done one after the other, in some order, with these answers and this end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Literal

type Told = Literal["none", "active", "over"]
"""How a lease is told: ``over`` from when its end is decided, be it ending, stuck or ended."""


@dataclass(frozen=True, slots=True)
class Machine:
    """``secret``: who was answered last with a secret of the lease, empty for the one that the lease was found with.

    ``has_holes``: callers give values for the holes of the role as it is in the beginning. The other role has none.
    """

    lease: Told = "none"
    expired: bool = False
    renewed: bool = False
    secret: str = ""
    role: Literal["same", "other", "gone"] = "same"
    others: int = 0
    """Active leases beside it."""
    others_over: int = 0
    has_holes: bool = False

    @property
    def takes_the_ask(self) -> bool:
        """Whether the role as it is now has the holes that callers fill."""
        return self.role == "same" or not self.has_holes

    @property
    def usable(self) -> bool:
        """Whether its holder may still do something with it."""
        return self.lease == "active" and not self.expired


@dataclass(frozen=True, slots=True)
class Step:
    """One way in which an operation may come out."""

    answer: str
    machine: Machine


@dataclass(frozen=True, slots=True)
class Done:
    """One operation of a history: its name, who did it, and its answer; ``None`` of a worker that died."""

    verb: str
    worker: str
    answer: str | None


HALF_DONE = "half done"
"""What no operation is answered with: how far a worker may have come that died."""


@dataclass(frozen=True, slots=True)
class By:
    """Who does it, and whether somebody else is at work at the same time."""

    worker: str
    beside: bool


type Rule = Callable[[Machine, By], Iterator[Step]]


def _issue(now: Machine, by: By) -> Iterator[Step]:
    if now.role == "gone":
        yield Step("forbidden", now)
        return
    if not now.takes_the_ask:
        yield Step("malformed", now)
        return
    yield Step("issued", replace(now, others=now.others + 1))
    if by.beside:
        # The role was changed, or its leases revoked, while it was being made: nothing of it is left, or it is ending.
        yield Step("interrupted", now)
        yield Step("interrupted", replace(now, others_over=now.others_over + 1))
        # Its lease stood when it was refused.
        yield Step("forbidden", replace(now, others_over=now.others_over + 1))


def _issue_under_a_key(now: Machine, by: By) -> Iterator[Step]:
    if now.role == "gone":
        yield Step("forbidden", now)
        if by.beside and now.lease == "over":
            # A deletion is two things, and the role was read before the first.
            yield Step("lease_ended", now)
    elif now.lease == "none" and not now.takes_the_ask:
        yield Step("malformed", now)
    elif now.lease == "none":
        yield Step("issued", replace(now, lease="active", secret=by.worker))
        if by.beside:
            yield Step("interrupted", now)
            yield Step("interrupted", replace(now, lease="over"))
            # It stood still for longer than a hold lasts, and the key stands for another's lease.
            yield Step("interrupted", replace(now, others_over=now.others_over + 1))
    elif not now.usable:
        yield Step("lease_ended", now)
    elif now.role == "other":
        yield Step("role_changed", now)
    else:
        yield Step("issued", replace(now, secret=by.worker))


def _issue_elsewhere(now: Machine, by: By) -> Iterator[Step]:
    for each in _issue_under_a_key(now, by):
        yield each
        if by.beside and each.answer == "issued" and now.lease == "active":
            # It stood still with its own lease opened and nothing made, and another has taken the key meanwhile.
            yield replace(each, machine=replace(each.machine, others_over=now.others_over + 1))


def _renew(now: Machine, by: By) -> Iterator[Step]:
    if now.role == "gone":
        yield Step("forbidden", now)
        if by.beside and now.lease == "over":
            yield Step("lease_not_active", now)
    elif not now.usable:
        yield Step("lease_not_active", now)
    elif now.role == "other":
        yield Step("role_changed", now)
    else:
        yield Step("renewed", replace(now, renewed=True))


def _revoke(now: Machine, by: By) -> Iterator[Step]:
    over = replace(now, lease="over")
    yield Step("ended", over)
    if by.beside:
        # Somebody else is ending it, or has given up.
        yield Step("ending", over)
        yield Step("stuck", over)


def _force(now: Machine, by: By) -> Iterator[Step]:
    yield from (each for each in _revoke(now, by) if each.answer != "stuck")
    if by.beside:
        yield Step("lease_busy", now)


def _sweep(now: Machine, _by: By) -> Iterator[Step]:
    yield Step("swept", replace(now, lease="over") if now.lease == "active" and now.expired else now)


def _observe(now: Machine, _by: By) -> Iterator[Step]:
    yield Step("looked", now)


def _change(now: Machine, _by: By) -> Iterator[Step]:
    yield Step("written", replace(now, role="other"))


def _revoke_role(now: Machine, _by: By) -> Iterator[Step]:
    lease: Told = "over" if now.lease == "active" else now.lease
    yield Step("revoking", replace(now, lease=lease, others=0, others_over=now.others_over + now.others))


def _revoke_reaching(now: Machine, by: By) -> Iterator[Step]:
    # Of a kind that grants nothing at a scope no lease is found.
    yield Step("found none", now)
    yield from _revoke_role(now, by)


def _delete_role(now: Machine, by: By) -> Iterator[Step]:
    if now.role == "gone":
        # A repeat, where leases are left that are not taken back yet, revokes them: whoever deleted it may have died before.
        yield Step("role_not_found", now)
    # A death in between leaves the leases to whoever deletes it again, and to their own ends.
    yield Step(HALF_DONE, replace(now, role="gone"))
    for each in _revoke_role(now, by):
        yield replace(each, machine=replace(each.machine, role="gone"))


RULES: dict[str, Rule] = {
    "issue": _issue,
    "issue under a key": _issue_under_a_key,
    "issue under a key elsewhere": _issue_elsewhere,
    "repeat": _issue_under_a_key,
    "renew": _renew,
    "revoke": _revoke,
    "force": _force,
    "sweep": _sweep,
    "fan out": _observe,
    "message": _sweep,
    "poison": _sweep,
    "recall": _observe,
    "reconcile": _observe,
    "change role": _change,
    "delete role": _delete_role,
    "revoke role": _revoke_role,
    "revoke reaching": _revoke_reaching,
}


def ends(start: Machine, history: Sequence[Done], order: Sequence[str] = ()) -> set[Machine]:
    """Every state in which the history may end, that fits all its answers: in any order of its operations, or in the one in
    which its workers were at work one after the other.
    """
    orders = [sorted(history, key=lambda done: order.index(done.worker))] if order else permutations(history)
    # What a dead worker has left half done is, for whoever comes after it, as if it were still at work.
    beside = not order or any(done.answer is None for done in history)
    return {end for each in orders for end in _along(start, each, beside=beside)}


def _along(start: Machine, order: Sequence[Done], *, beside: bool) -> set[Machine]:
    reached = {start}
    for done in order:
        reached = {step.machine for machine in reached for step in _steps(machine, done, beside=beside)}
    return reached


def _steps(machine: Machine, done: Done, *, beside: bool) -> Iterator[Step]:
    if done.answer is None:
        yield Step("", machine)
    for step in RULES[done.verb](machine, By(done.worker, beside)):
        if done.answer in {None, step.answer}:
            yield step

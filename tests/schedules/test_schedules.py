"""A slice of ``make schedules``: every pair of verbs without stopping anybody, and a few pairs in every order but one."""

from __future__ import annotations

import inspect
import logging
import pkgutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import cycle
from pathlib import Path

import pytest

import shared.broker
from shared.broker.issue import idempotent
from shared.broker.pool import claim
from shared.broker.ports import Ports
from shared.core.idempotency_key import IdempotencyKey
from shared.core.lease import Lease
from tests.model.model import RULES, Done, Machine, ends
from tests.schedules.explorer import Bound, explore, replay
from tests.schedules.judge import judged
from tests.schedules.meetings import Meeting, meetings
from tests.schedules.planted import ROOT, Defect, defects, main, planted
from tests.support.operations import LIVES, TARGETS, VERBS, WALKED

_STRAYING = [*("claim + claim", "claim + revoke any", "collect + collect", "collect + revoke any", "take up + take up")]
_STRAYING += ["renew + revoke", "repeat + revoke", "revoke + revoke", "revoke + sweep", "issue under a key + issue under a key"]


@pytest.fixture(autouse=True)
def _silent(caplog: pytest.LogCaptureFixture) -> None:
    """A poisoned message is told as an error, thousands of times."""
    caplog.set_level(logging.CRITICAL)


def _named(*words: str) -> list[Meeting]:
    return [each for each in meetings() if all(word in each.pair.name for word in words)]


def _require_none(found: list[Meeting], bound: Bound) -> int:
    schedules = 0
    for each in found:
        explored = explore(each.pair, bound, judged(each.verbs, each.start))
        assert [] == explored.violations, explored.violations[0]
        assert explored.complete
        schedules += explored.schedules
    return schedules


@pytest.mark.parametrize("kind", WALKED)
@pytest.mark.parametrize("verb", dict.fromkeys(each.verbs[0].name for each in meetings()))
def test_any_two_verbs_one_after_the_other_or_as_they_wait(verb: str, kind: str, record_property: Callable[..., None]) -> None:
    """Nobody is stopped who could go on: each begins first, and the other goes on wherever the first waits."""
    record_property("cases", _require_none([each for each in _named(kind) if verb == each.verbs[0].name], Bound(0)))


@pytest.mark.parametrize(("names", "kind"), list(zip(_STRAYING, cycle(TARGETS), strict=False)))
def test_verbs_that_stop_each_other_once(names: str, kind: str, record_property: Callable[..., None]) -> None:
    """At any call of either. Each pair with one kind: ``make schedules`` takes all of them."""
    cases = _require_none(_named(names, kind), Bound(1))
    record_property("cases", cases)
    assert cases > 5


@pytest.mark.parametrize("bound", [Bound(1), Bound(0, deaths=True)])
@pytest.mark.parametrize("meeting", [pytest.param(each, id=each.pair.name) for each in _named(", holes")])
def test_a_role_that_is_filled_and_narrowed_is_safe_in_any_order(meeting: Meeting, bound: Bound) -> None:
    """Values and ``within`` are kept, whoever comes first."""
    assert _require_none([meeting], bound) > 5


@pytest.mark.parametrize("bound", [Bound(1), Bound(0, deaths=True)])
@pytest.mark.parametrize("other", ["issue under a key", "issue under a key elsewhere"])
def test_a_key_is_taken_over_at_any_moment_without_harm(other: str, bound: Bound, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for the lease of a key: here time does not pass while a worker is stopped."""
    monkeypatch.setattr(idempotent, "_ON_ITS_WAY", 0.0)
    assert _require_none(_named(f"{other} + issue under a key elsewhere", "badge"), bound) > 5


def test_a_request_that_does_not_look_whether_it_has_lost_its_key_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The schedules can say no: it hands out a second lease under the key."""

    async def opened(ports: Ports, lease: Lease, key: IdempotencyKey | None) -> Lease:
        if key is None or key.is_beside:
            return await ports.leases.open(lease, key)
        await ports.leases.point(key)
        return await ports.leases.open(lease)

    monkeypatch.setattr(idempotent, "_ON_ITS_WAY", 0.0)
    monkeypatch.setattr(claim, "open_lease", opened)
    (meeting,) = _named("issue under a key elsewhere + issue under a key elsewhere", "badge")
    assert explore(meeting.pair, Bound(1), judged(meeting.verbs, meeting.start), first=True).violations


@pytest.mark.parametrize("kind", TARGETS)
def test_a_worker_that_dies_beside_another(kind: str, record_property: Callable[..., None]) -> None:
    """Before any call, and after it."""
    record_property("cases", _require_none(_named("revoke + sweep, due", kind), Bound(0, deaths=True)))


def test_a_schedule_is_replayed_from_its_number() -> None:
    """Here one that was found: a lease is revoked while a repeat is about to add a secret, which Azure then refuses.

    The repeat once told Azure's refusal instead of the lease's end.
    """
    (found,) = _named("repeat + revoke, live", "service principal")
    number = "a.a.a.a.a.a.a.a.a.a.a.b.b.b.b.b.b.b.b.b.b.b"
    message = replay(found.pair, number, judged(found.verbs, found.start))
    assert "a directory.add_secret !" in message
    assert message.startswith("\n"), message


def test_a_wrong_answer_fits_no_order() -> None:
    """The judge can say no."""
    live = Machine(lease="active")
    assert ends(live, [Done("revoke", "a", "ended"), Done("renew", "b", "renewed")])
    assert not ends(live, [Done("revoke", "a", "ended"), Done("renew", "b", "role_changed")])
    assert not ends(Machine(lease="over"), [Done("renew", "a", "renewed"), Done("revoke", "b", "ended")])


def test_every_planted_defect_fits_the_code(tmp_path: Path) -> None:
    """In one place each, and in its words: ``make schedules`` tries whether they are found."""
    found = defects()
    assert [*range(1, len(found) + 1)] == [each.number for each in found]
    assert len(found) >= 30
    for each in found:
        (tmp_path / f"{each.number}.py").write_text(planted(each), encoding="utf-8")
    unknown_names = ["ruff", "check", "--isolated", "--no-cache", "--select", "E9,F821", "--target-version", "py313"]
    checked = subprocess.run(
        [sys.executable, "-m", *unknown_names, tmp_path], capture_output=True, text=True, timeout=60, check=False
    )
    assert 0 == checked.returncode, checked.stdout


def test_the_documents_say_how_many_operations_and_defects_there_are() -> None:
    """docs/reliability.md names the numbers."""
    text = " ".join((ROOT / "docs" / "reliability.md").read_text(encoding="utf-8").split())
    assert f"Any two of {len(VERBS)} operations" in text
    assert f"so do {len(LIVES)} others" in text
    assert f"plants {len(defects())} defects" in text


def test_a_planted_defect_is_found() -> None:
    """Some of them: a store that takes every write, an end after the end, no event of a renewal, no note of a principal."""
    assert 0 == main(["1", "31", "34", "37"])


def test_a_defect_whose_text_cannot_run_is_not_found() -> None:
    """An exception that no verb may raise is a mistake in the text: it shows nothing of the judge."""
    renewed = "_require_renewable(ports, lease.under(generation), role)"
    defect = Defect(
        99, "too few arguments", "shared/broker/renew.py", renewed, "_require_renewable(ports)", ("renew + renew, live",)
    )
    script = f"from tests.schedules.planted import *; sys.exit(0 if find({defect!r}) else 3)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (1, True) == (done.returncode, "TypeError" in done.stderr), done.stderr


def _verbs_of_the_broker() -> Iterator[Callable[..., object]]:
    for module in pkgutil.walk_packages(shared.broker.__path__, "shared.broker."):
        for _, each in inspect.getmembers(import_module(module.name), inspect.iscoroutinefunction):
            takes = list(inspect.signature(each).parameters)
            if not each.__name__.startswith("_") and takes[:1] == ["ports"] and {"actor", "request_id"} & {*takes}:
                yield each


_ONLY_READ = {"read_lease", "list_leases", "status", "may_issue", "role_if_issuable", "explain_to", "would_issue"}
_TOUCH_NO_LEASE = {
    *("put_auth_role", "store_auth_role", "delete_auth_role"),
    *("put_policy", "store_policy", "delete_policy", "remove_policy"),
    *("put_event_rule", "store_event_rule", "remove_event_rule"),
    "import_configuration",
}
"""Each document is one transaction. ``tests/broker`` lets writers of one document meet, and ``tests/crash`` lets them die."""
_OF_EVENTS = {
    *("publish", "receive", "give_up", "poisoned", "replay", "unreadable", "publish_due"),
    *("act", "revoke_by", "delete_event_rule", "look_at_subject", "look_at_subjects", "succeed"),
}
"""They move leases by an issue or a revocation alone. ``tests/broker/events`` lets them meet and die at each call."""
_PART_OF_A_VERB = {
    "store_role": "of a role change, and of an import",
    "remove_role": "of a role's deletion, and of an import",
    "require_may_issue": "of an issue whose body cannot be read",
    "role_asked_for": "of an issue, and of its dry run",
    "rotate": "of a repeat, and of a collection",
    "collect_now": "of a repeat, and of a collection",
    "fail": "of a collection",
    "look_at_role": "of an issue, a preparation and a collection",
    "undo": "of whatever ends a lease",
    "note": "of the reconciliation, and of an issue",
    "refill": "of the filling of one pool, as a message asks for it",
    "watch": "of a filling",
    "open_for_pool": "of a filling",
    "end_touched": "of a filling, and of the reconciliation",
    "tell": "of an issue, a filling and the reconciliation",
    "read_again": "of the reconciliation",
    "look_again": "of the reconciliation",
    "look_at_one": "of an issue",
    "look_for_scopes": "of an issue, and of the reconciliation",
    "read_for_the_first_time": "of an issue",
    "end_here": "of a recall",
    "probe_outage": "of a sweep",
    "tell_missing_successor": "of a sweep",
}


def test_every_verb_of_the_broker_is_explored() -> None:
    """A new one is missed here until it stands among the verbs."""
    explored = {inspect.unwrap(each.verb).__name__ for each in (*VERBS, *LIVES) if each.verb.__module__.startswith("shared.")}
    named = {each.__name__ for each in _verbs_of_the_broker()}
    assert named == explored | _ONLY_READ | _TOUCH_NO_LEASE | _OF_EVENTS | {*_PART_OF_A_VERB}
    assert {*RULES} == {each.name for each in VERBS}

"""Every error of the tree as a problem, and every problem explained."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import shared
from shared.core import errors, preparing
from shared.core.access import errors as access
from shared.core.errors import Fault, LeaseholdError, Malformed, Throttled, TooMany
from shared.core.events import errors as events
from shared.core.parameters import errors as parameters
from shared.core.readiness import errors as readiness
from shared.core.tenant_policy import PolicyForbids
from shared.core.vault_errors import VaultLeft
from shared.triggers.http.problem import MEANINGS, MethodNotAllowed, NoSuchCall, UnsupportedMedia, problem

STATUSES: dict[type[LeaseholdError], int] = {
    LeaseholdError: 500,
    errors.Rejected: 400,
    errors.Malformed: 400,
    errors.TooLarge: 413,
    parameters.Ambiguous: 400,
    parameters.NotWithin: 400,
    parameters.NotNarrowable: 400,
    UnsupportedMedia: 415,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.LeasedCaller: 403,
    access.Escalation: 403,
    parameters.ParameterNotAllowed: 403,
    parameters.FactMissing: 403,
    errors.NotFound: 404,
    NoSuchCall: 404,
    MethodNotAllowed: 405,
    errors.Gone: 410,
    errors.Conflict: 409,
    errors.RoleOutdated: 409,
    access.PolicyInUse: 409,
    events.RoleInUse: 409,
    events.RuleInUse: 409,
    events.EventsNotTaken: 503,
    access.PolicyTestsFailed: 409,
    errors.PreconditionFailed: 412,
    errors.TooMany: 429,
    errors.TooManyIssues: 429,
    errors.Upstream: 502,
    errors.Throttled: 503,
    VaultLeft: 503,
    errors.NotReplicated: 503,
    errors.ConcurrentChange: 503,
    errors.IdentityRefused: 503,
    errors.Refused: 409,
    errors.Absent: 409,
    errors.DefinitionGone: 409,
    readiness.NeverReady: 409,
    PolicyForbids: 409,
    errors.OutOfReach: 409,
    errors.AlreadyExists: 409,
    errors.Full: 409,
    errors.AmbiguousRefusal: 503,
    errors.Locked: 409,
    errors.Uncertain: 503,
    errors.DirectoryUnavailable: 503,
    errors.Unavailable: 503,
    access.ImportStopped: 503,
    errors.Unreachable: 504,
    preparing.OutOfTime: 504,
    preparing.PreparationFailed: 409,
    preparing.TooManyPreparations: 429,
    preparing.NotProven: 503,
    errors.LostRace: 503,
    errors.Interrupted: 503,
    errors.Pending: 503,
    parameters.TargetMissing: 409,
    errors.Misconfigured: 500,
    errors.Unreadable: 500,
}
DOCS = Path(shared.__file__).parents[1] / "docs"


def tree(kind: type[LeaseholdError] = LeaseholdError) -> Iterator[type[LeaseholdError]]:
    """A class and all below it."""
    yield kind
    for below in kind.__subclasses__():
        yield from tree(below)


def told(error: LeaseholdError, *, token_sent: bool = False) -> tuple[int, dict[str, str], dict[str, object]]:
    """Status, headers and body of the answer."""
    reply = problem(error, request_id="r", docs_url="https://x/problems", challenge="Bearer a", token_sent=token_sent)
    return reply.status, dict(reply.headers), json.loads(reply.body)


def codes() -> set[str]:
    """Every code that the product may say: the classes' and those given where an error is raised."""
    sources = (path.read_text(encoding="utf-8") for path in Path(shared.__file__).parent.rglob("*.py"))
    given = {code for source in sources for code in re.findall(r'\bcode="([a-z_]+)"', source)}
    return given | {kind.code for kind in tree()}


@pytest.mark.parametrize("kind", list(tree()))
def test_every_error_has_a_status_of_its_own(kind: type[LeaseholdError]) -> None:
    """A new class must say what it means, here and there."""
    assert MEANINGS[kind].status == STATUSES[kind]
    assert told(kind())[0] == STATUSES[kind]


@pytest.mark.parametrize("kind", list(tree()))
def test_a_503_says_when_to_come_back(kind: type[LeaseholdError]) -> None:
    """And nothing else does, but for a cap, and for what may be made in Azure any moment."""
    status, headers, _ = told(kind())
    assert ("Retry-After" in headers) == (status in {429, 503} or kind is parameters.TargetMissing)


@pytest.mark.parametrize("kind", [kind for kind in tree() if not issubclass(kind, errors.Rejected)])
def test_a_failure_tells_its_sentence_alone(kind: type[LeaseholdError]) -> None:
    """What was written for the log stays there."""
    _, _, body = told(kind("Azure's own words"))
    assert body["detail"] == body["title"] == kind.sentence
    assert "own words" not in json.dumps(body)


def test_a_refusal_tells_its_case() -> None:
    """Worded for the caller."""
    _, _, body = told(errors.Conflict("The lease is ended.", code="lease_not_active"))
    assert body == {
        "type": "https://x/problems#lease_not_active",
        "title": errors.Conflict.sentence,
        "status": 409,
        "code": "lease_not_active",
        "detail": "The lease is ended.",
        "request_id": "r",
    }


def test_bad_input_lists_its_faults() -> None:
    """Each with its path."""
    _, _, body = told(Malformed(Fault("a.b", "is wrong"), Fault("c", "too")))
    assert body["errors"] == [{"path": "a.b", "message": "is wrong"}, {"path": "c", "message": "too"}]


def test_of_many_faults_a_hundred_are_listed_and_the_rest_counted() -> None:
    """A path has 256 characters at most."""
    found = [Fault(f"{number}", "is wrong") for number in range(100)]

    def listing(*faults: Fault) -> Any:
        return told(Malformed(*faults))[2]["errors"]

    assert 100 == len(listing(*found))
    listed = listing(*found, Fault("p" * 257, "too"))
    assert [{"path": "99", "message": "is wrong"}, {"path": "", "message": "and 1 more"}] == listed[99:]
    assert [{"path": "p" * 256, "message": "m"}] == listing(Fault("p" * 257, "m"))


def test_a_cap_and_a_throttle_say_their_own_times() -> None:
    """Whole seconds, at least one."""
    assert told(TooMany(retry_after=7))[1] == {"Retry-After": "7"}
    assert told(Throttled(retry_after=0.0))[1] == {"Retry-After": "1"}


def test_what_passes_by_itself_says_when_to_come_back() -> None:
    """Seconds, as docs/problems.md tells them; what does not pass says nothing."""
    message = {kind: meaning.retry_after for kind, meaning in MEANINGS.items() if meaning.retry_after is not None}
    assert {
        parameters.TargetMissing: 30,
        errors.Throttled: 10,
        VaultLeft: 60,
        errors.NotReplicated: 15,
        errors.ConcurrentChange: 5,
        preparing.NotProven: 5,
        errors.IdentityRefused: 30,
        errors.AmbiguousRefusal: 15,
        errors.Uncertain: 10,
        errors.DirectoryUnavailable: 10,
        errors.Unavailable: 10,
        access.ImportStopped: 10,
        events.EventsNotTaken: 30,
        errors.LostRace: 1,
        errors.Interrupted: 1,
        errors.Pending: 5,
    } == message


def test_a_405_lists_the_methods() -> None:
    """RFC 9110, 15.5.6."""
    assert told(MethodNotAllowed("GET", "PUT"))[1] == {"Allow": "GET, PUT"}


def test_a_class_from_elsewhere_means_what_its_parent_means() -> None:
    """Should one ever be missed, the answer is still right."""
    late = type("Late", (errors.Refused,), {})
    assert told(late())[0] == 409
    # The class must not be met by the tests that walk the tree.
    del late


@pytest.mark.parametrize("code", sorted(codes()))
def test_every_code_is_explained(code: str) -> None:
    """One heading a code."""
    headings = re.findall(r"^## (\S+)$", (DOCS / "problems.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings.count(code) == 1


def test_nothing_is_explained_that_cannot_happen() -> None:
    """A heading without a code is left over."""
    headings = re.findall(r"^## (\S+)$", (DOCS / "problems.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(headings) - codes() == set()

"""Queries and fields, read one by one: what they are when nothing is said, and up to which bound they are taken."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import azure.functions as func
import pytest

from shared.broker.issue.issue import IssueRequest
from shared.core.errors import Malformed, TooLarge
from shared.core.lease import State
from shared.core.names import LeaseId
from shared.core.ports.audit import AuditQuery
from shared.triggers.http import audit, issuing, leases, requests, whoami
from shared.triggers.http.shape import flag
from tests.fakes.world import ALICE, WEB

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)
LEASE = LeaseId.of(WEB, "0" * 26)
FLAG = flag("f", "")


def asking(body: Any = b"", headers: Any = None, **query: Any) -> func.HttpRequest:
    """A request with this query."""
    return func.HttpRequest("GET", "https://broker.example/", params=query, headers=headers or {}, body=body)


def told(read: Callable[[], object]) -> list[tuple[str, str]]:
    """What is wrong, by its paths."""
    with pytest.raises(Malformed) as caught:
        read()
    return [(fault.path, fault.message) for fault in caught.value.faults]


def test_a_listing_without_a_query_is_of_a_hundred_live_leases() -> None:
    """Of every role and holder."""
    query = leases.lease_query(asking())
    assert (None, "", None, True, 100, None) == (
        *(query.role, query.holder or "", query.state, query.live, query.limit, query.cursor),
    )


def test_a_listing_is_what_its_query_says() -> None:
    """In every part."""
    query = leases.lease_query(asking(role="web", holder=ALICE.object_id, state="stuck", limit="1000", cursor=LEASE))
    assert (WEB, ALICE.object_id, State.STUCK, False, 1000, LEASE) == (
        *(query.role, query.holder, query.state, query.live, query.limit, query.cursor),
    )
    everything = leases.lease_query(asking(state="all"))
    assert (None, False) == (everything.state, everything.live)


def test_the_trail_without_a_query_is_of_the_last_day() -> None:
    """A hundred events a page."""
    assert AuditQuery(NOW - timedelta(days=1), NOW, limit=100) == audit.audit_query(asking(), NOW)


def test_the_trail_is_what_its_query_says() -> None:
    """A day before ``to`` unless ``from`` is there as well; the first day of time has none before it."""
    named = {"caller": ALICE.object_id, "role": "web", "lease": LEASE, "limit": "7", "cursor": "c"}
    query = audit.audit_query(asking(to="2030-01-10T00:00:00Z", **named), NOW)
    until = datetime(2030, 1, 10, tzinfo=UTC)
    assert AuditQuery(until - timedelta(days=1), until, ALICE.object_id, WEB, LEASE, None, 7, "c") == query
    assert datetime.min.replace(tzinfo=UTC) == audit.audit_query(asking(to="0001-01-01T10:00:00Z"), NOW).since


@pytest.mark.parametrize(
    ("since", "until", "message"),
    [
        ("2030-01-10T00:00:00Z", "2030-01-10T00:00:00Z", "is not before to"),
        ("2030-01-11T00:00:00Z", "2030-01-10T00:00:00Z", "is not before to"),
        ("2030-01-01T00:00:00Z", "2030-02-01T00:00:00.001Z", "is more than 31 days before to, which is now unless given"),
        ("2030-01-01T00:00:00Z", "2030-02-01T00:00:00Z", ""),
    ],
)
def test_a_span_of_the_trail_has_a_length_of_31_days_at_most(since: str, until: str, message: str) -> None:
    """And more than none."""
    request = asking(**{"from": since, "to": until})
    if message:
        assert [("from", message)] == told(lambda: audit.audit_query(request, NOW))
    else:
        query = audit.audit_query(request, NOW)
        assert timedelta(days=31) == query.until - query.since


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "1.0", "", "x", "\u0661", "00001"])
def test_a_page_has_from_one_to_a_thousand_entries(limit: str) -> None:
    """In plain digits."""
    found = told(lambda: leases.lease_query(asking(limit=limit)))
    assert ["limit"] == [path for path, _ in found]
    assert 1 == leases.lease_query(asking(limit="1")).limit


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"state": "gone"}, "expected one of planned, pooled, prepared, active, ending, stuck, ended, all"),
        ({"cursor": "x"}, "is not a cursor of this listing"),
    ],
)
def test_a_listing_says_what_it_does_not_take(query: dict[str, str], message: str) -> None:
    """By the parameter's name."""
    assert [(*query, message)] == told(lambda: leases.lease_query(asking(**query)))


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2030-01-31T12:00:00Z", NOW),
        ("2030-01-31t12:00:00.000z", NOW),
        ("2030-01-31T13:30:00.5+01:30", NOW + timedelta(seconds=0.5)),
    ],
)
def test_a_time_is_read_as_rfc_3339_writes_it(text: str, instant: datetime) -> None:
    """In UTC."""
    found = audit.instant(text)
    assert (instant, UTC) == (found, found.tzinfo)


@pytest.mark.parametrize(
    "text", ["2030-01-31", "2030-01-31T12:00:00", "2030-02-31T12:00:00Z", "0001-01-01T00:00:00+01:00", "2030-01-31T12:00:00Z "]
)
def test_what_is_no_time_is_told(text: str) -> None:
    """Also where the calendar, or UTC, has no such day."""
    message = "expected a time such as 2030-01-31T12:00:00Z; a + in a query is written %2B"
    assert [("from", message)] == told(lambda: audit.audit_query(asking(**{"from": text}), NOW))


def test_an_issue_without_a_body_asks_for_nothing_in_particular() -> None:
    """The role's own ttl, no reason, no metadata."""
    assert IssueRequest(WEB, None, "", {}) == issuing.issue_request(WEB, {})
    asked = {"ttl": "15m", "reason": "because", "metadata": {"k": "v"}, "delivery": "response"}
    assert IssueRequest(WEB, 900, "because", {"k": "v"}) == issuing.issue_request(WEB, asked)


KEYS = "expected keys of 1 to 64 characters without "
TEXTS = "expected a text of at most 256 characters without "


@pytest.mark.parametrize(
    ("document", "path", "message"),
    [
        ({"ttl": 1.5}, "ttl", "expected seconds as a whole number, or a text such as 15m or 4h"),
        ({"ttl": None}, "ttl", "expected seconds as a whole number, or a text such as 15m or 4h"),
        ({"delivery": "mail"}, "delivery", ""),
        ({"reason": "x" * 513}, "reason", ""),
        ({"metadata": None}, "metadata", "expected an object of at most 16 texts"),
        ({"metadata": {str(number): "v" for number in range(17)}}, "metadata", "expected an object of at most 16 texts"),
        ({"metadata": {"": "v"}}, "metadata", KEYS),
        ({"metadata": {"k" * 65: "v"}}, "metadata", KEYS),
        ({"metadata": {"k\n": "v"}}, "metadata", KEYS),
        ({"metadata": {"k": 7}}, "metadata.k", TEXTS),
        ({"metadata": {"k": "v" * 257}}, "metadata.k", TEXTS),
        ({"metadata": {"k": "v\n"}}, "metadata.k", TEXTS),
        ({"other": 1}, "other", ""),
    ],
)
def test_an_issue_says_what_it_does_not_take(document: dict[str, Any], path: str, message: str) -> None:
    """One fault for each."""
    ((where, what),) = told(lambda: issuing.issue_request(WEB, document))
    assert path == where
    assert what.startswith(message)


def test_an_issue_takes_everything_up_to_its_bound() -> None:
    """Keys of 64 characters, texts of 256, sixteen of them, a reason of 512."""
    metadata = {f"{number:064d}": "v" * 256 for number in range(16)}
    asked = issuing.issue_request(WEB, {"reason": "x" * 512, "metadata": metadata})
    assert (metadata, "x" * 512) == (asked.metadata, asked.reason)


def test_a_renewal_is_by_seconds_or_by_the_role_s_own() -> None:
    """Nothing else is taken."""
    assert (60, None) == (leases.increment({"increment": 60}), leases.increment({}))
    assert ["other"] == [path for path, _ in told(lambda: leases.increment({"other": 1}))]


@pytest.mark.parametrize(
    ("key", "taken"), [("k", True), ("~" * 128, True), ("k" * 129, False), ("", False), ("a b", False), ("\u00e9", False)]
)
def test_an_idempotency_key_has_128_visible_characters_at_most(key: str, *, taken: bool) -> None:
    """And may be left out."""
    request = asking(headers={"idempotency-key": key})
    if taken:
        assert key == issuing.idempotency_key(request)
    else:
        message = "expected 1 to 128 visible ASCII characters, without blanks"
        assert [("Idempotency-Key", message)] == told(lambda: issuing.idempotency_key(request))
    assert issuing.idempotency_key(asking()) is None


def test_a_flag_is_true_or_false_and_false_when_absent() -> None:
    """In these words."""
    assert [True, False, False] == [requests.asked(asking(**query), FLAG) for query in ({"f": "true"}, {"f": "false"}, {})]
    assert ["f"] == [path for path, _ in told(lambda: requests.asked(asking(f="1"), FLAG))]


def test_who_waits_for_the_end_says_ended() -> None:
    """And nothing else."""
    assert (True, False) == (requests.asked(asking(until="ended"), leases.UNTIL), requests.asked(asking(), leases.UNTIL))
    assert [("until", "expected ended")] == told(lambda: requests.asked(asking(until="now"), leases.UNTIL))


def test_a_role_in_a_query_may_be_left_out() -> None:
    """But not be wrong."""
    assert (WEB, None) == (requests.asked(asking(role="web"), whoami.ASKED), requests.asked(asking(), whoami.ASKED))
    assert ["role"] == [path for path, _ in told(lambda: requests.asked(asking(role="A b"), whoami.ASKED))]


def test_a_body_is_64_kib_long_at_most() -> None:
    """Without a body nothing is asked."""
    headers = {"content-type": "application/json"}
    longest = b'{"a": "' + b"x" * (65_536 - 9) + b'"}'
    assert {"a": "x" * (65_536 - 9)} == requests.body(asking(longest, headers))
    with pytest.raises(TooLarge, match="The body of this call is at most 65536 octets long"):
        requests.body(asking(longest + b" ", headers))
    assert {} == requests.body(asking())


def test_a_field_that_appears_twice_is_named() -> None:
    """And no other."""
    headers = {"content-type": "application/json"}
    twice = b'{"a": 1, "b": 2, "a": 3}'
    assert [("a", "appears more than once")] == told(lambda: requests.body(asking(twice, headers)))


def test_a_query_names_only_what_the_call_takes_once_and_with_a_value() -> None:
    """A cursor may be empty: that is the beginning."""

    def request(query: str, **params: str) -> func.HttpRequest:
        return func.HttpRequest("GET", f"https://broker.example/?{query}", params=params, body=b"")

    requests.known_query(request("a=1&cursor=", a="1"), ("a", "cursor"))
    wrong = request("a=1&a=2&b=3&c=", a="1,2", b="3")
    assert [
        ("a", "appears more than once"),
        ("b", "is not a known query parameter"),
        ("c", "has no value"),
    ] == told(lambda: requests.known_query(wrong, ("a", "c")))

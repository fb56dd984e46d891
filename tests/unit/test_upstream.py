from __future__ import annotations

from typing import Any

import pytest

from shared.cloud.upstream import Refusal, seconds_to_wait
from shared.core.errors import Absent, ConcurrentChange, Refused, Throttled, Unavailable, Upstream


def refusal(status: int, code: str = "", *, headers: dict[str, str] | None = None, **error: Any) -> Refusal:
    """One in the shape that Graph and Resource Manager share."""
    return Refusal.read(status, headers or {}, {"error": {"code": code, "message": "because", **error}})


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        *[(status, Refused) for status in (400, 401, 403, 409, 412)],
        (404, Absent),
        (429, Throttled),
        *[(status, Unavailable) for status in (301, 408, 500, 502, 503, 504)],
    ],
)
def test_the_status_decides_when_no_code_is_known(status: int, expected: type[Upstream]) -> None:
    """Definite below 500, doubtful from there; a redirect is doubtful as well, since nobody follows it."""
    assert expected is type(refusal(status, "SomethingNew").as_error({}))


def test_a_known_code_decides_before_the_status() -> None:
    """A clash of two changes comes as 409 or as 503."""
    meanings = {"Clash": ConcurrentChange}
    found = {type(refusal(status, "Clash", headers={"retry-after": "5"}).as_error(meanings)) for status in (409, 503)}
    assert {ConcurrentChange} == found


def test_a_known_code_within_the_details_counts_as_well() -> None:
    """The outer code is often a general one."""
    error = refusal(400, "Request_BadRequest", details=[{"code": "Gone"}]).as_error({"Gone": Absent})
    assert Absent is type(error)
    assert "Request_BadRequest" == error.azure_code


@pytest.mark.parametrize(
    "body", [None, [], "x", {"error": "x"}, {"error": {"code": 7, "message": [], "details": [None, "x", {"code": 1}]}}]
)
def test_a_body_of_another_shape_tells_nothing(body: Any) -> None:
    """The status alone decides."""
    found = Refusal.read(404, {}, body)
    assert ("", "") == (found.code, found.text)
    assert not any(found.finer)
    assert Absent is type(found.as_error({}))


def test_the_cause_tells_text_finer_codes_and_request() -> None:
    """For the log, each text cut at 500 characters."""
    error = {"code": "A", "message": "m" * 501, "details": [{"code": "B"}, "x", {"code": "C"}]}
    for name in ("request-id", "x-ms-request-id"):
        found = Refusal.read(400, {name: "r"}, {"error": error})
        assert f"A (400): {'m' * 500} [B, C] (request r)" == str(found.as_error({}))


def test_too_many_requests_is_throttling_whatever_the_code() -> None:
    """And says how long to wait."""
    error = refusal(429, "Clash", headers={"retry-after": "17"}).as_error({"Clash": ConcurrentChange})
    assert isinstance(error, Throttled)
    assert 17.0 == error.retry_after


def test_unavailable_with_a_time_to_come_back_is_throttling() -> None:
    """The service has looked at the request and put it off."""
    error = refusal(503, "ServiceUnavailable", headers={"retry-after": "3"}).as_error({})
    assert isinstance(error, Throttled)
    assert 3.0 == error.retry_after


def test_the_error_tells_the_log_everything_and_the_caller_nothing() -> None:
    """Service's text, finer codes and request id; the caller reads the broker's own sentence."""
    error = refusal(403, "Denied", headers={"request-id": "r-1"}, details=[{"code": "Finer"}]).as_error({})
    assert "Denied (403): because [Finer] (request r-1)" == str(error)
    assert Refused.sentence == error.detail


@pytest.mark.parametrize(
    "body", [None, "text", [], {}, {"error": None}, {"error": "words"}, {"error": {"code": 7, "details": "x"}}]
)
def test_a_body_in_no_known_shape_leaves_the_status(body: object) -> None:
    """A gateway's page, an empty body, an OAuth error."""
    error = Refusal.read(502, {}, body).as_error({})
    assert (Unavailable, "", "") == (type(error), error.azure_code, error.cause)


def test_a_long_text_is_cut() -> None:
    """A log line is no place for a page."""
    error = Refusal.read(400, {}, {"error": {"code": "c", "message": "x" * 9000}}).as_error({})
    assert 500 == len(error.cause)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after": "10"}, 10.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "-5"}, 0.0),
        ({"retry-after": "0.249"}, 0.249),
        ({"retry-after": "30, 120"}, 120.0),
        ({"retry-after": "30,"}, None),
        ({"retry-after": "1e9"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "86400"}, 3600.0),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT", "date": "Mon, 02 Mar 2026 09:00:00 GMT"}, 3600.0),
        ({}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Mon, 02 Mar 2026 09:00:30 GMT", "date": "Mon, 02 Mar 2026 09:00:00 GMT"}, 30.0),
        ({"retry-after": "Mon, 02 Mar 2026 08:00:00 GMT", "date": "Mon, 02 Mar 2026 09:00:00 GMT"}, 0.0),
        ({"retry-after": "Mon, 02 Mar 2026 09:00:30 GMT"}, None),
        ({"retry-after": "Mon, 02 Mar 2026 09:00:30 GMT", "date": "Mon, 02 Mar 2026 09:00:10"}, 20.0),
        ({"Retry-After": "10"}, 10.0),
        ({"Retry-After": "Mon, 02 Mar 2026 09:00:30 GMT", "Date": "Mon, 02 Mar 2026 09:00:00 GMT"}, 30.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(headers: dict[str, str], expected: float | None) -> None:
    """A date counts from the answer's own; what makes no sense is not there. Some clients give names as they were sent."""
    assert expected == seconds_to_wait(headers)

"""Reading requests strictly: every fault of a body or a query is found at once, and nothing unknown is let pass."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Never
from urllib.parse import parse_qsl

import azure.functions as func

from shared.broker.issue.issue import IssueRequest
from shared.core.errors import Fault, Malformed, TooLarge
from shared.core.lease import State
from shared.core.names import LeaseId, ObjectId, RoleName, Unparsable
from shared.core.parsing import Reader, as_seconds
from shared.core.plain_text import UNSEEN, is_plain
from shared.core.ports.audit import AuditQuery
from shared.core.ports.leases import LeaseQuery
from shared.triggers.http import media

MAX_BODY = 64 * 1024
MAX_PAGE = 1000
_REASON = 512
_PAIRS, _KEY, _VALUE = 16, 64, 256
_CURSOR = 1024
_AUDIT_SPAN = timedelta(days=1)
_LONGEST_SPAN = timedelta(days=31)
_EARLIEST = datetime.min.replace(tzinfo=UTC)

_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,128}")


def body(request: func.HttpRequest) -> Any:
    """The JSON that was sent; an empty object when nothing was. Raises ``Malformed``, ``TooLarge``, ``UnsupportedMedia``."""
    octets = request.get_body()
    if not octets:
        return {}
    if len(octets) > MAX_BODY:
        raise TooLarge(detail=f"A body is at most {MAX_BODY} octets long.")
    media.require_json(request)
    try:
        return _parsed(media.text_of(octets))
    except UnicodeError:
        raise Malformed(Fault("", "the body is not UTF-8")) from None
    except RecursionError:
        raise Malformed(Fault("", "the body is nested too deeply")) from None
    except json.JSONDecodeError as wrong:
        raise Malformed(Fault("", f"the body is not JSON: {wrong.msg} at character {wrong.pos}")) from None
    except ValueError:
        raise Malformed(Fault("", "the body holds a number that cannot be read")) from None


def _parsed(text: str) -> Any:
    if not text:
        return {}
    document = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    if "\\u" in text:
        # Half a surrogate pair is JSON and no text: it could not be stored or sent on.
        json.dumps(document, ensure_ascii=False).encode()
    return document


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise Malformed(*(Fault(key, "appears more than once") for key, count in counts.items() if count > 1))
    return found


def _no_constant(name: str) -> Never:
    raise Malformed(Fault("", f"{name} is not JSON"))


def nothing(request: func.HttpRequest) -> None:
    """For a call that takes no fields: an empty body or ``{}``."""
    Reader(body(request)).finish()


def role_name(request: func.HttpRequest) -> RoleName:
    """The role in the path."""
    return _in_path(request, "role", RoleName.parse)


def lease_id(request: func.HttpRequest) -> LeaseId:
    """The lease in the path."""
    return _in_path(request, "id", LeaseId.parse)


def _in_path[T](request: func.HttpRequest, name: str, parse: Callable[[str], T]) -> T:
    try:
        return parse(request.route_params[name])
    except Unparsable as wrong:
        raise Malformed(Fault(name, str(wrong))) from None


def idempotency_key(request: func.HttpRequest) -> str | None:
    """The caller's key for this issue, as opaque as it was sent; ``None`` without one. Raises ``Malformed``."""
    key: str | None = request.headers.get("idempotency-key")
    if key is not None and _IDEMPOTENCY_KEY.fullmatch(key) is None:
        raise Malformed(Fault("Idempotency-Key", "expected 1 to 128 visible ASCII characters, without blanks"))
    return key


def issue_request(role: RoleName, document: Any) -> IssueRequest:
    """What the caller of an issue asks for. Whether the role allows the ttl is the broker's to say."""
    reader = Reader(document)
    reader.choice("delivery", ("response",), default="response")
    found = IssueRequest(role, _seconds(reader, "ttl"), reader.text("reason", longest=_REASON) or "", _metadata(reader))
    reader.finish()
    return found


def increment(document: Any) -> int | None:
    """By how much a lease is to be renewed, in seconds."""
    reader = Reader(document)
    seconds = _seconds(reader, "increment")
    reader.finish()
    return seconds


def _seconds(reader: Reader, field: str) -> int | None:
    if not reader.has(field):
        return None
    seconds = as_seconds(reader.take(field))
    if seconds is None:
        reader.fault(field, "expected seconds as a whole number, or a text such as 15m or 4h")
    return seconds


def _metadata(reader: Reader) -> dict[str, str]:
    value = reader.take("metadata")
    if not reader.has("metadata"):
        return {}
    if not isinstance(value, dict) or len(value) > _PAIRS:
        reader.fault("metadata", f"expected an object of at most {_PAIRS} texts")
        return {}
    for key, text in value.items():
        _check_pair(reader, key, text)
    return value


def _check_pair(reader: Reader, key: str, text: Any) -> None:
    if not 0 < len(key) <= _KEY or not is_plain(key):
        reader.fault("metadata", f"expected keys of 1 to {_KEY} characters without {UNSEEN}")
    elif not isinstance(text, str) or len(text) > _VALUE or not is_plain(text):
        reader.fault(f"metadata.{key}", f"expected a text of at most {_VALUE} characters without {UNSEEN}")


def known_query(request: func.HttpRequest, known: tuple[str, ...]) -> None:
    """Raises ``Malformed`` naming each query parameter that the call does not take, or that is there twice or without a value.

    The Functions host leaves those without a value out of ``params``, and joins those of one name: the address tells.
    """
    counts = Counter(name for name, _ in parse_qsl(request.url.partition("?")[2], keep_blank_values=True))
    faults = [Fault(name, wrong) for name in {**request.params, **counts} if (wrong := _wrong(name, request, known, counts))]
    if faults:
        raise Malformed(*faults)


def _wrong(name: str, request: func.HttpRequest, known: tuple[str, ...], counts: Mapping[str, int]) -> str:
    if name not in known:
        return "is not a known query parameter"
    if counts.get(name, 0) > 1:
        return "appears more than once"
    # Of a listing, no cursor is the beginning, as many clients write it.
    return "" if name in request.params or name == "cursor" else "has no value"


def flag(request: func.HttpRequest, name: str) -> bool:
    """A query parameter that is ``true`` or ``false``, absent for the latter."""
    reader = Reader(dict(request.params))
    value = reader.choice(name, ("true", "false"), default="false")
    _finish(reader)
    return value == "true"


def until_ended(request: func.HttpRequest) -> bool:
    """Whether the caller waits for the lease's end: ``until=ended``."""
    until: str | None = request.params.get("until")
    if until not in {None, "ended"}:
        raise Malformed(Fault("until", "expected ended"))
    return until is not None


def asked_role(request: func.HttpRequest) -> RoleName | None:
    """The role in the query, if there is one."""
    reader = Reader(dict(request.params))
    name = reader.parsed("role", RoleName.parse)
    _finish(reader)
    return name


def lease_query(request: func.HttpRequest) -> LeaseQuery:
    """Which leases to list."""
    reader = Reader(dict(request.params))
    asked = request.params.get("state")
    query = LeaseQuery(
        role=reader.parsed("role", RoleName.parse),
        holder=reader.parsed("holder", ObjectId.parse),
        state=reader.parsed("state", _state),
        live=asked is None,
        limit=reader.parsed("limit", _page_size) or 100,
        cursor=reader.parsed("cursor", _lease_cursor),
    )
    _finish(reader)
    return query


def audit_query(request: func.HttpRequest, now: datetime) -> AuditQuery:
    """Which events to read: those of the last day unless ``from`` or ``to`` say otherwise."""
    reader = Reader(dict(request.params))
    until = reader.parsed("to", instant) or now
    since = reader.parsed("from", instant) or max(until, _EARLIEST + _AUDIT_SPAN) - _AUDIT_SPAN
    if since >= until:
        reader.fault("from", "is not before to")
    elif until - since > _LONGEST_SPAN:
        reader.fault("from", f"is more than {_LONGEST_SPAN.days} days before to, which is now unless given")
    query = AuditQuery(
        since=since,
        until=until,
        caller=reader.parsed("caller", ObjectId.parse),
        role=reader.parsed("role", RoleName.parse),
        lease=reader.parsed("lease", LeaseId.parse),
        limit=reader.parsed("limit", _page_size) or 100,
        cursor=reader.text("cursor", longest=_CURSOR),
    )
    _finish(reader)
    return query


def _finish(reader: Reader) -> None:
    """Unknown names were refused before: here only what was read counts."""
    if reader.faults:
        raise Malformed(*reader.faults)


def _state(text: str) -> State | None:
    if text not in {*State, _ALL}:
        raise Unparsable(f"expected one of {', '.join(State)}, {_ALL}")
    return State(text) if text != _ALL else None


_ALL = "all"


def _lease_cursor(text: str) -> LeaseId:
    try:
        return LeaseId.parse(text)
    except Unparsable:
        raise Unparsable("is not a cursor of this listing") from None


def _page_size(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_PAGE)) and 1 <= int(text) <= MAX_PAGE):
        raise Unparsable(f"expected a whole number from 1 to {MAX_PAGE}")
    return int(text)


def instant(text: str) -> datetime:
    """A time as RFC 3339 writes it, in UTC. Raises ``Unparsable``, also where UTC has no such year."""
    expected = "expected a time such as 2030-01-31T12:00:00Z; a + in a query is written %2B"
    if _INSTANT.fullmatch(text) is None:
        raise Unparsable(expected)
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Unparsable(expected) from None

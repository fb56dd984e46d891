"""Reading requests strictly: every fault of a body or a query is found at once, and nothing unknown is let pass."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Never
from urllib.parse import parse_qsl

import azure.functions as func

from shared.core.errors import Fault, Malformed, TooLarge
from shared.core.names import LEASE_ID, ROLE_NAME, LeaseId, RoleName, Unparsable
from shared.core.parsing import Reader, as_seconds
from shared.triggers.http import media
from shared.triggers.http.shape import Body, Entry, Parameter

MAX_BODY = 64 * 1024
MAX_PAGE = 1000
IN_PATH = {
    each.name: each
    for each in (
        Parameter("role", {"type": "string", "pattern": f"^{ROLE_NAME}$"}, "A role's name.", component="role"),
        Parameter("id", {"type": "string", "pattern": f"^{LEASE_ID}$"}, "A lease's id.", component="id"),
    )
}
"""The names in paths, as routes write them."""
NOTHING = Body("", "Nothing, or an empty object.")


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


def asked[T](request: func.HttpRequest, entry: Entry[T]) -> T:
    """What the query says of one parameter. Raises ``Malformed``."""
    reader = Reader(dict(request.params))
    value = entry.of(reader)
    finish(reader)
    return value


def seconds(reader: Reader, field: str) -> int | None:
    """A duration of a body, whatever its length."""
    if not reader.has(field):
        return None
    found = as_seconds(reader.take(field))
    if found is None:
        reader.fault(field, "expected seconds as a whole number, or a text such as 15m or 4h")
    return found


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


def finish(reader: Reader) -> None:
    """Unknown names were refused before: here only what was read counts."""
    if reader.faults:
        raise Malformed(*reader.faults)


def _page_size(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_PAGE)) and 1 <= int(text) <= MAX_PAGE):
        raise Unparsable(f"expected a whole number from 1 to {MAX_PAGE}")
    return int(text)


LIMIT = Entry(
    "limit",
    {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": 100},
    lambda reader, field: reader.parsed(field, _page_size) or 100,
    "How many at most.",
)

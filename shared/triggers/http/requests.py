"""Reads requests strictly: all faults of a body or a query are reported at once, and unknown names are refused."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Never
from urllib.parse import parse_qsl

import azure.functions as func

from shared.core.access.policy import PolicyName
from shared.core.errors import Fault, Malformed, TooLarge
from shared.core.names import LEASE_ID, ROLE_NAME, LeaseId, RoleName, Unparsable
from shared.core.parsing import Reader, as_seconds
from shared.triggers.http import media
from shared.triggers.http.shape import Body, Entry, Parameter, parsed

MAX_BODY = 64 * 1024
MAX_PAGE = 1000
MAX_PARAMETERS = 64
"""In a query. No call takes ten."""
MAX_DEPTH = 64
"""Objects and lists within one another. The broker's own documents have eight at most; claims may have more."""
IN_PATH = {
    each.name: each
    for each in (
        Parameter("role", {"type": "string", "pattern": f"^{ROLE_NAME}$"}, "A role's name.", component="role"),
        Parameter("name", {"type": "string", "pattern": f"^{ROLE_NAME}$"}, "The document's name.", component="name"),
        Parameter("id", {"type": "string", "pattern": f"^{LEASE_ID}$"}, "A lease's id.", component="id"),
    )
}
"""The parameters in the paths of routes."""
_SURROGATE = re.compile("[\ud800-\udfff]")
NOTHING = Body("", "Nothing, or an empty object.")


def body(request: func.HttpRequest, most: int = MAX_BODY) -> Any:
    """Returns the JSON of the body, or an empty object if there is no body. ``most``: how many octets it may have.

    Raises ``Malformed``, ``TooLarge``, ``UnsupportedMedia``.
    """
    octets = request.get_body()
    if not octets:
        return {}
    if len(octets) > most:
        raise TooLarge(detail=f"The body of this call is at most {most} octets long.")
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
    if text.count("{") + text.count("[") > MAX_DEPTH:
        _check_depth(document)
    # Half a surrogate pair is valid JSON and no valid text: it could not be stored or sent on.
    if "\\u" in text and (faults := [*_half_characters("", document)]):
        raise Malformed(*faults)
    return document


def _check_depth(document: Any) -> None:
    level = [document]
    for _ in range(MAX_DEPTH):
        inner = (each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list))
        level = [value for values in inner for value in values]
    if any(isinstance(each, dict | list) for each in level):
        raise RecursionError


def _half_characters(path: str, value: Any) -> Iterator[Fault]:
    """Yields a fault for each text in which a surrogate stands alone."""
    if isinstance(value, str) and _SURROGATE.search(value):
        yield Fault(path, "holds half a character: a \\u escape from \\ud800 to \\udfff that is no part of a pair")
    elif isinstance(value, dict):
        for name, each in value.items():
            if _SURROGATE.search(name):
                yield Fault(path, "has a field in whose name a \\u escape from \\ud800 to \\udfff is no part of a pair")
            else:
                yield from _half_characters(f"{path}.{name}" if path else name, each)
    elif isinstance(value, list):
        for place, each in enumerate(value):
            yield from _half_characters(f"{path}[{place}]", each)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise Malformed(*(Fault(key, "appears more than once") for key, count in counts.items() if count > 1))
    return found


def _no_constant(name: str) -> Never:
    raise Malformed(Fault("", f"{name} is not JSON"))


def asked[T](request: func.HttpRequest, entry: Entry[T]) -> T:
    """Returns one parameter of the query. Raises ``Malformed``."""
    reader = Reader(dict(request.params))
    value = entry.of(reader)
    finish(reader)
    return value


def seconds(reader: Reader, field: str) -> int | None:
    """Returns a duration in a body, whatever its length."""
    if not reader.has(field):
        return None
    found = as_seconds(reader.take(field))
    if found is None:
        reader.fault(field, "expected seconds as a whole number, or a text such as 15m or 4h")
    return found


def nothing(request: func.HttpRequest) -> None:
    """Checks the body of a call without fields: it must be empty, or ``{}``."""
    Reader(body(request)).finish()


def role_name(request: func.HttpRequest) -> RoleName:
    """Returns the role in the path."""
    return _in_path(request, "role", RoleName.parse)


def document_name(request: func.HttpRequest) -> PolicyName:
    """Returns the name of the policy or the auth role in the path."""
    return _in_path(request, "name", PolicyName.parse)


def lease_id(request: func.HttpRequest) -> LeaseId:
    """Returns the lease in the path."""
    return _in_path(request, "id", LeaseId.parse)


def _in_path[T](request: func.HttpRequest, name: str, parse: Callable[[str], T]) -> T:
    try:
        return parse(request.route_params[name])
    except Unparsable as wrong:
        raise Malformed(Fault(name, str(wrong))) from None


def known_query(request: func.HttpRequest, known: tuple[str, ...]) -> None:
    """Raises ``Malformed`` with each query parameter that is unknown, or is there twice, or has no value.

    The Functions host leaves parameters without a value out of ``params``, and joins those of one name. So the address counts.
    """
    try:
        pairs = parse_qsl(request.url.partition("?")[2], keep_blank_values=True, max_num_fields=MAX_PARAMETERS)
    except ValueError:
        raise Malformed(Fault("", f"a query has at most {MAX_PARAMETERS} parameters")) from None
    counts = Counter(name for name, _ in pairs)
    faults: list[Fault] = []
    for name in {**request.params, **counts}:
        if name not in known:
            faults.append(Fault(name, "is not a known query parameter"))
        elif counts[name] > 1:
            faults.append(Fault(name, "appears more than once"))
        elif name not in request.params and name != "cursor":
            # Many clients write an empty cursor for the beginning of a listing.
            faults.append(Fault(name, "has no value"))
    if faults:
        raise Malformed(*faults)


def finish(reader: Reader) -> None:
    """Raises ``Malformed`` with the faults of what was read. Unknown names were refused before."""
    if reader.faults:
        raise Malformed(*reader.faults)


_CURSOR = re.compile(r"[!-~]{1,1024}")


def _cursor(text: str) -> str:
    if _CURSOR.fullmatch(text) is None:
        raise Unparsable("is not a cursor of this listing")
    return text


CURSOR = parsed("cursor", {"type": "string", "pattern": "^[!-~]{0,1024}$"}, _cursor, "`next` of the part before.")


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

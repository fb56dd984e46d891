"""The ``$filter`` of a list, and its pages.

Azure takes a small part of OData here: functions and equalities, joined by ``and`` and ``or``:
https://learn.microsoft.com/azure/role-based-access-control/role-assignments-list-rest
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from local.cloud.arm import errors
from local.cloud.arm.requests import query
from local.cloud.engine.http import Reply

if TYPE_CHECKING:
    from local.cloud.arm.requests import ArmRequest
    from local.cloud.engine.http import Json

type Test[T] = Callable[[T], bool]

_TERM = re.compile(
    r"\s*(?:(?P<function>\w+)\(\s*(?:'(?P<argument>(?:[^']|'')*)')?\s*\)"
    r"|(?P<field>[\w.]+)\s+eq\s+(?:'(?P<text>(?:[^']|'')*)'|(?P<bare>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})))\s*",
    re.IGNORECASE,
)
_JOINT = re.compile(r"(and|or)\b", re.IGNORECASE)


def compile_filter[T](text: str, terms: Mapping[str, Callable[[str], Test[T]]]) -> Test[T] | None:
    """The test that a filter states; ``None`` for an empty one.

    ``terms`` has, by lower-case name (``atscope()`` for functions), what makes a test of a term's argument. Raises Azure's
    400 for a filter that it does not understand.
    """
    if not text.strip():
        return None
    groups: list[list[Test[T]]] = [[]]
    at = 0
    while True:
        match = _TERM.match(text, at)
        if match is None:
            raise _invalid(text)
        groups[-1].append(_term(match, terms, text))
        at = match.end()
        if at == len(text):
            return lambda item: any(all(test(item) for test in group) for group in groups)
        joint = _JOINT.match(text, at)
        if joint is None:
            raise _invalid(text)
        if joint[1].lower() == "or":
            groups.append([])
        at = joint.end()


def _term[T](match: re.Match[str], terms: Mapping[str, Callable[[str], Test[T]]], text: str) -> Test[T]:
    name = f"{match['function']}()" if match["function"] else match["field"]
    make = terms.get(name.lower())
    if make is None:
        raise _invalid(text)
    argument = match["argument"] or match["text"] or match["bare"] or ""
    return make(argument.replace("''", "'"))


def _invalid(text: str) -> Exception:
    return errors.refusal(400, "InvalidFilter", f"The filter '{text}' is not supported.")


def paged[T](request: ArmRequest, items: Sequence[T], render: Callable[[T], Json]) -> Reply:
    """One page of a list, rendered; ``nextLink`` leads to the next by ``$skipToken``."""
    token = query(request.call, "$skipToken")
    if token and not (token.isdecimal() and 0 < int(token) < len(items)):
        raise errors.refusal(400, "InvalidSkipToken", f"The skip token '{token}' is not valid.")
    start = int(token or 0)
    end = start + request.settings.page_size
    body: Json = {"value": [render(item) for item in items[start:end]]}
    if end < len(items):
        stored = {key: value for key, value in request.call.query.items() if key.lower() != "$skiptoken"}
        link = "&".join(f"{quote(key, safe='$')}={quote(value)}" for key, value in {**stored, "$skipToken": str(end)}.items())
        body["nextLink"] = f"{request.call.origin}{quote(request.call.path)}?{link}"
    return Reply(200, body)

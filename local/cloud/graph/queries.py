"""Reads of one resource and of collections, with OData's options: selection, filter, search, order, count, pages."""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from local.cloud.engine.http import Json, Reply
from local.cloud.graph import errors, filters, names, schema, types

if TYPE_CHECKING:
    from local.cloud.engine.http import HttpRequest
    from local.cloud.graph.request import GraphRequest

PAGE = 100
MOST = 999
"""Page sizes, https://learn.microsoft.com/graph/paging."""

_SORTED = {types.STRING, types.BOOLEAN, types.NUMBER, types.INSTANT, types.GUID}
ONE = frozenset({"$select"})
"""The options that a read of one resource knows."""
EXPANDED = ONE | {"$expand"}
"""Those of a read of one resource with others that it is related to."""
MIXED = ONE | {"$top", "$skiptoken", "$count"}
"""Those of a list of objects of several types."""
LIST = MIXED | {"$filter", "$search", "$orderby"}
"""Those of a list of objects of one type."""
EXPANDED_LIST = LIST | {"$expand"}
"""The same, with others that each is related to."""
COUNT = frozenset({"$filter", "$search"})
"""Those of a count."""
_AZURES = LIST | {"$expand", "$skip", "$format", "$apply", "$compute", "$deltatoken", "$levels", "$index"}
_ANY = {**schema.APPLICATION, **schema.SERVICE_PRINCIPAL, **schema.GROUP, **schema.USER}
"""What objects of one type or another have."""
_CLAUSE = "Invalid filter clause: "
_COMPARISONS = {
    "eq": "Equal",
    "ne": "NotEqual",
    "gt": "GreaterThan",
    "ge": "GreaterThanOrEqual",
    "lt": "LessThan",
    "le": "LessThanOrEqual",
}
_LEVEL = (
    "is not supported because the required parameters might be missing. Try adding $count=true query parameter and "
    "ConsistencyLevel:eventual header. Refer to https://aka.ms/graph-docs/advanced-queries for more information"
)


@dataclass(frozen=True, slots=True)
class ResourceType[T]:
    """How resources of one type are shown."""

    name: str
    """As in ``#microsoft.graph.application``."""
    collection: str
    """As in ``$metadata#applications``."""
    body: Callable[[GraphRequest, T], Json]
    """Everything that can be selected."""
    known: Mapping[str, Any]
    """Every property's name, with the parts of complex ones."""
    default: frozenset[str] | None = None
    """What is returned unless selected otherwise; ``None`` for everything."""
    quick: Callable[[T, str], Any] | None = None
    """A property without building the whole body; raises ``KeyError`` for those that need it."""

    def shown(self, request: GraphRequest, item: T) -> Json:
        """The body as it is returned when nothing is selected."""
        body = self.body(request, item)
        return body if self.default is None else {name: body[name] for name in body if name in self.default}

    def typed(self, request: GraphRequest, item: T) -> Json:
        """The body as it appears among objects of other types."""
        return {"@odata.type": f"#microsoft.graph.{self.name}"} | self.shown(request, item)

    def get(self, request: GraphRequest, item: T) -> filters.Get:
        """Property access for filters."""

        def value(path: str) -> Any:
            if self.quick is not None:
                try:
                    return self.quick(item, path)
                except KeyError:
                    pass
            return filters.reach(self.body(request, item), path)

        return value


def one[T](request: GraphRequest, kind: ResourceType[T], item: T, fragment: str | None = None) -> Reply:
    """One resource, whole or as ``$select`` says."""
    selected = selection(request, kind.name, kind.known)
    if selected is None:
        return request.entity(f"{fragment or kind.collection}/$entity", kind.shown(request, item))
    body = _select(kind, kind.body(request, item), selected)
    return request.entity(f"{named(fragment or kind.collection, selected)}/$entity", body)


def one_of_any(request: GraphRequest, body: Json) -> Reply:
    """One object of whatever type, already with its ``@odata.type``."""
    selected = selection(request, "directoryObject", _ANY)
    return request.entity(f"{named('directoryObjects', selected)}/$entity", _chosen(body, selected))


def _chosen(body: Json, selected: list[str] | None) -> Json:
    stored = None if selected is None else {"@odata.type", *selected}
    return body if stored is None else {name: body[name] for name in body if name in stored}


def many[T](request: GraphRequest, kind: ResourceType[T], items: Iterable[T], fragment: str | None = None) -> Reply:
    """A page of resources of one type; they must have an ``id``."""
    chosen = _ordered(request, kind, _searched(request, kind, _filtered(request, kind, items)))
    selected = selection(request, kind.name, kind.known)
    page, rest = _page(request, chosen, attrgetter("id"))
    body = request.context(named(fragment or kind.collection, selected))
    if _wants_count(request):
        body["@odata.count"] = len(chosen)
    if rest is not None:
        body["@odata.nextLink"] = _next_link(request, rest)
    body["value"] = [
        kind.shown(request, item) if selected is None else _select(kind, kind.body(request, item), selected) for item in page
    ]
    return Reply(200, body)


def mixed(request: GraphRequest, bodies: list[Json], fragment: str = "directoryObjects") -> Reply:
    """A page of objects of several types, already with their ``@odata.type``."""
    selected = selection(request, "directoryObject", _ANY)
    ordered = sorted(bodies, key=itemgetter("id"))
    page, rest = _page(request, ordered, itemgetter("id"))
    body = request.context(named(fragment, selected))
    if _wants_count(request):
        body["@odata.count"] = len(bodies)
    if rest is not None:
        body["@odata.nextLink"] = _next_link(request, rest)
    body["value"] = [_chosen(item, selected) for item in page]
    return Reply(200, body)


def count[T](request: GraphRequest, kind: ResourceType[T], items: Iterable[T]) -> Reply:
    """The number of resources as text: ``/applications/$count``."""
    if not _eventual(request):
        raise errors.bad_request("$count is not currently supported.", "Request_UnsupportedQuery")
    chosen = _searched(request, kind, _filtered(request, kind, items))
    return Reply(200, str(len(chosen)).encode(), {"Content-Type": "text/plain"})


def check_options(call: HttpRequest, known: frozenset[str]) -> None:
    """Raises Azure's 400, or 501, for an option that the call's route does not read, or that stands there twice."""
    if repeated := next((name for name in call.repeated if name in _AZURES), None):
        text = f"Query option '{repeated}' was specified more than once, but it must be specified at most once."
        raise errors.bad_request(text, "BadRequest")
    for name in call.query:
        if name.startswith("$") and name not in known:
            raise errors.not_implemented(f"the query option {name} here") if name in _AZURES else _no_option(name)
        if f"${name}" in _AZURES:
            # Azure takes some without their sign, at some resources.
            raise errors.not_implemented(f"the query option {name} without a $")
    if call.query.get("$count", "false").lower() not in ("true", "false"):
        raise errors.bad_request(f"Invalid value '{call.query['$count']}' for $count query option found.", "BadRequest")


def _no_option(name: str) -> Exception:
    return errors.bad_request(f"The query parameter '{name}' is not supported.", "BadRequest")


def _eventual(request: GraphRequest) -> bool:
    return request.call.headers.get("consistencylevel", "").lower() == "eventual"


def _wants_count(request: GraphRequest) -> bool:
    return request.call.query.get("$count", "").lower() == "true"


def _filtered[T](request: GraphRequest, kind: ResourceType[T], items: Iterable[T]) -> list[T]:
    expression = request.call.query.get("$filter")
    if expression is None:
        return list(items)
    parsed = filters.parse(expression)
    for operand in parsed.operands:
        names.check(kind.name, kind.known, operand.path, _CLAUSE)
        _check_operand(operand, types.of_path(kind.known, operand.path))
    counted = _wants_count(request) or request.call.path.endswith("/$count")
    if parsed.advanced and not (_eventual(request) and counted):
        raise errors.bad_request(f"Operator {_LEVEL}", "Request_UnsupportedQuery")
    return [item for item in items if parsed.matches(kind.get(request, item))]


def _check_operand(operand: filters.Operand, kind: str | None) -> None:
    """Raises Azure's 400 for what cannot be done with a property of that type."""
    collection = (kind or "").startswith("Collection")
    if operand.operator in _COMPARISONS:
        if types.compares(kind, operand.literal):
            return
        result = f"'{kind or 'Edm.ComplexType'}' and '{operand.literal}'"
        text = f"A binary operator with incompatible types was detected. Found operand types {result} for operator kind"
        raise errors.bad_request(f"{_CLAUSE}{text} '{_COMPARISONS[operand.operator]}'.", "BadRequest")
    if operand.operator == "any" and not collection:
        raise errors.bad_request(f"{_CLAUSE}Any/All may only be used following a collection.", "BadRequest")
    if operand.operator in filters.FUNCTIONS and (kind, operand.literal) != (types.STRING, types.STRING):
        text = f"No function signature for the function with name '{operand.operator}' matches the specified arguments."
        raise errors.bad_request(f"{_CLAUSE}{text}", "BadRequest")


def _searched[T](request: GraphRequest, kind: ResourceType[T], items: list[T]) -> list[T]:
    """``$search="displayName:words"``: every word must begin a word of the property."""
    search = request.call.query.get("$search")
    if search is None:
        return items
    if not _eventual(request):
        raise errors.bad_request(f"Request with $search query parameter {_LEVEL}", "Request_UnsupportedQuery")
    name, colon, words = search.strip('"').partition(":")
    if search[:1] != '"' or not colon:
        raise errors.bad_request('$search must be of the form "property:value".', "BadRequest")
    names.check(kind.name, kind.known, name, "")
    wanted = words.casefold().split()
    return [item for item in items if _begins(str(kind.get(request, item)(name) or ""), wanted)]


def _begins(value: str, wanted: list[str]) -> bool:
    words = value.casefold().replace("-", " ").split()
    return all(any(word.startswith(part) for word in (*words, value.casefold())) for part in wanted)


def _ordered[T](request: GraphRequest, kind: ResourceType[T], items: list[T]) -> list[T]:
    """By id, so that pages hold while objects come and go, unless ``$orderby`` says otherwise."""
    order = request.call.query.get("$orderby")
    if order is None:
        return sorted(items, key=attrgetter("id"))
    if "," in order:
        raise errors.not_implemented("$orderby on several properties")
    name, _, direction = order.strip().partition(" ")
    names.check(kind.name, kind.known, name, "")
    if types.of_path(kind.known, name) not in _SORTED:
        raise errors.bad_request("The $orderby expression must evaluate to a single value of primitive type.", "BadRequest")
    if direction.strip().lower() not in ("", "asc", "desc"):
        raise errors.bad_request(f"Syntax error at position {len(name)} in '{order}'.", "BadRequest")
    keyed = [(str(kind.get(request, item)(name) or "").casefold(), item) for item in items]
    return [item for _, item in sorted(keyed, key=lambda pair: pair[0], reverse=direction.strip().lower() == "desc")]


def named(collection: str, selected: list[str] | None) -> str:
    """The collection as ``@odata.context`` names it, with what was selected."""
    return collection if selected is None else f"{collection}({','.join(selected)})"


def selection(request: GraphRequest, kind: str, known: Mapping[str, Any]) -> list[str] | None:
    """The properties that ``$select`` names; ``None`` without it."""
    option = request.call.query.get("$select")
    if option is None:
        return None
    chosen = [name.strip() for name in option.split(",") if name.strip()]
    for name in chosen:
        names.check(kind, known, name, "Parsing OData Select and Expand failed: ")
    return chosen


def _select[T](kind: ResourceType[T], body: Json, chosen: list[str]) -> Json:
    return {name: body[name] for name in chosen}


def _page[T](request: GraphRequest, items: list[T], key: Callable[[T], str]) -> tuple[list[T], str | None]:
    """A page, and where the next begins. By id it begins after the last one seen, whatever has gone meanwhile."""
    by_id = "$orderby" not in request.call.query
    start = _start(request, items, key if by_id else None)
    end = start + _size(request)
    if end >= len(items):
        return items[start:], None
    return items[start:end], key(items[end - 1]) if by_id else str(end)


def _size(request: GraphRequest) -> int:
    top = request.call.query.get("$top")
    if top is None:
        return PAGE
    if not top.isdecimal() or not 1 <= int(top) <= MOST:
        raise errors.bad_request(f"Invalid page size specified: '{top}'. Must be between 1 and {MOST} inclusive.")
    return int(top)


def _start[T](request: GraphRequest, items: list[T], key: Callable[[T], str] | None) -> int:
    token = request.call.query.get("$skiptoken")
    if token is None:
        return 0
    try:
        last = base64.urlsafe_b64decode(token).decode()
        return int(last) if key is None else bisect_right(items, last, key=key)
    except (binascii.Error, ValueError):
        raise errors.bad_request("Invalid skip token.", "Directory_ExpiredPageToken") from None


def _next_link(request: GraphRequest, last: str) -> str:
    query = {name: value for name, value in request.call.query.items() if name != "$skiptoken"}
    query["$skiptoken"] = base64.urlsafe_b64encode(last.encode()).decode()
    path = request.call.path.lstrip("/").partition("/")[2]
    return f"{request.base}/{quote(path)}?" + "&".join(f"{name}={quote(value)}" for name, value in query.items())

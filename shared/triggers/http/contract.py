"""The contract, served: the OpenAPI document, a page to read it, what each problem means. And every other path."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from shared.triggers.http import configuration, leases, operator, page
from shared.triggers.http.edge import Edge, UnverifiedRequest
from shared.triggers.http.problem import MethodNotAllowed, NoSuchCall
from shared.triggers.http.reply import HTML, Reply
from shared.triggers.http.routes import Api, Route

api = Api()
rest = Api("api")
_DOCS = Path(__file__).parents[3] / "docs"
_PAGE_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}


@api.open("GET", "openapi.json")
async def openapi(edge: Edge, unverified: UnverifiedRequest) -> Reply:  # noqa: ARG001 - every open call's arguments
    """The contract as OpenAPI."""
    return Reply(200, _file("openapi.json"))


@api.open("GET", "docs")
async def docs(edge: Edge, unverified: UnverifiedRequest) -> Reply:  # noqa: ARG001 - every open call's arguments
    """The same to read."""
    return Reply(200, _contract_page(), HTML, _PAGE_HEADERS)


@api.open("GET", "problems")
async def problems(edge: Edge, unverified: UnverifiedRequest) -> Reply:  # noqa: ARG001 - every open call's arguments
    """What a problem's ``type`` leads to."""
    return Reply(200, _problems_page(), HTML, _PAGE_HEADERS)


# The host tries functions in the order of their names, whatever their routes: this one must come last.
# https://github.com/Azure/azure-functions-host/issues/9876
@rest.open("", "{*rest}")
async def zz_any_other(edge: Edge, unverified: UnverifiedRequest) -> Reply:  # noqa: ARG001 - every open call's arguments
    """No such call, or not with this method."""
    path = f"{rest.root}/{unverified.http.route_params.get('rest', '')}"
    allowed = sorted({method for route in _every_route() if _fits(route, path) for method in route.taken})
    raise MethodNotAllowed(*allowed) if allowed else NoSuchCall


def _every_route() -> Iterable[Route]:
    return (*leases.api.routes, *configuration.api.routes, *operator.api.routes, *api.routes)


def _fits(route: Route, path: str) -> bool:
    given = path.strip("/").split("/")
    known = route.path.split("/")
    return len(given) == len(known) and all(
        expected.startswith("{") or expected == part.lower() for expected, part in zip(known, given, strict=True)
    )


@cache
def _file(name: str) -> bytes:
    return (_DOCS / name).read_bytes()


@cache
def _contract_page() -> bytes:
    return page.contract(json.loads(_file("openapi.json"))).encode()


@cache
def _problems_page() -> bytes:
    return page.markdown("Problems", _file("problems.md").decode()).encode()

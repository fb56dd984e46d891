"""The contract, served: the OpenAPI document, a page to read it, and what each problem means."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from shared.triggers.http import page
from shared.triggers.http.edge import Edge, UnverifiedRequest
from shared.triggers.http.reply import HTML, Reply
from shared.triggers.http.routes import Api
from shared.triggers.http.shape import TEXT, Answer, Value

api = Api("contract")
_DOCS = Path(__file__).parents[3] / "docs"
_A_PAGE = Answer(200, "A page.", TEXT, content_type="text/html")
_PAGE_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}


@api.open("GET", "openapi.json", answers=(Answer(200, "The contract.", Value({"type": "object"})),))
async def openapi(edge: Edge, unverified: UnverifiedRequest) -> Reply:  # noqa: ARG001 - every open call's arguments
    """This document.

    For anybody.
    """  # noqa: D404 - the contract's own words
    return Reply(200, _file("openapi.json"))


@api.open("GET", "docs", answers=(_A_PAGE,))
async def docs(edge: Edge, unverified: UnverifiedRequest) -> Reply:  # noqa: ARG001 - every open call's arguments
    """The contract to read.

    For anybody.
    """
    return Reply(200, _contract_page(), HTML, _PAGE_HEADERS)


@api.open("GET", "problems", answers=(_A_PAGE,))
async def problems(edge: Edge, unverified: UnverifiedRequest) -> Reply:  # noqa: ARG001 - every open call's arguments
    """What each problem means.

    For anybody. A problem's `type` leads here.
    """
    return Reply(200, _problems_page(), HTML, _PAGE_HEADERS)


@cache
def _file(name: str) -> bytes:
    return (_DOCS / name).read_bytes()


@cache
def _contract_page() -> bytes:
    return page.contract(json.loads(_file("openapi.json"))).encode()


@cache
def _problems_page() -> bytes:
    return page.markdown("Problems", _file("problems.md").decode()).encode()

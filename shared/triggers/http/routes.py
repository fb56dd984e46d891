"""Declaring HTTP calls: each becomes a function of its own, wrapped by the edge."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

import azure.functions as func

from shared.core.access.policy import Capability
from shared.triggers.http.dialect import NATIVE, Dialect
from shared.triggers.http.edge import (
    FOR_ANYBODY,
    Edge,
    Handler,
    Rules,
    UnverifiedRequest,
    VerifiedRequest,
    authenticated,
    client_request_id,
)
from shared.triggers.http.reply import Reply
from shared.triggers.http.shape import Answer, Body, Entry, Parameter, Record

type _Bound = Callable[[Edge], Handler]


class Told:
    """What the contract (``docs/openapi.json``) says of a call, except its path.

    ``doc`` is the handler's docstring: a summary and a description. ``fails`` has the statuses of this call's problems. It
    omits the statuses that every call may answer. ``schemas`` has the schemas that no answer of the call refers to.
    """

    def __init__(
        self,
        doc: str | None,
        query: tuple[Entry[Any], ...] = (),
        headers: tuple[Parameter, ...] = (),
        body: Body | None = None,
        answers: tuple[Answer, ...] = (),
        fails: tuple[int, ...] = (),
        schemas: tuple[Record[Any], ...] = (),
    ) -> None:
        self.doc, self.query, self.headers, self.body = doc or "", query, headers, body
        self.answers, self.fails, self.schemas = answers, fails, schemas


@dataclass(frozen=True, slots=True)
class Route:
    """One call. ``name`` is the name of its function. ``operation`` is its name in the audit trail, empty if the call is not
    audited.
    """

    name: str
    methods: tuple[str, ...]
    path: str
    operation: str
    rules: Rules
    told: Told
    bound: _Bound
    vary: str = ""
    """Names of request headers: every answer says that it depends on them."""
    has_head: bool = True
    """Whether HEAD is taken as well as GET: it has the work of a GET done, and gets nothing of it."""

    def title(self, method: str) -> str:
        """Returns the name of the call in the log, for a request with that method."""
        return f"{method if method in self.taken else '*'} /{self.path}"

    @property
    def taken(self) -> tuple[str, ...]:
        """Returns the methods of the call. With GET comes HEAD (RFC 9110, 9.1), which the Functions host does not add."""
        return (*self.methods, "HEAD") if "GET" in self.methods and self.has_head else self.methods


class Api:
    """A group of calls. ``tag`` is its name in the contract, ``root`` is put before every path; ``dialect`` is the wire's."""

    def __init__(self, tag: str, root: str = "api/v1", dialect: Dialect = NATIVE) -> None:
        self.tag = tag
        self.root = root
        self.dialect = dialect
        self.routes: list[Route] = []

    def call(
        self,
        method: str,
        path: str,
        *,
        needs: tuple[str, Capability] | None,
        operation: str,
        exception: Literal["holder", "bounds", "each"] | None = None,
        reads_first: bool = False,
        query: tuple[Entry[Any], ...] = (),
        headers: tuple[Parameter, ...] = (),
        body: Body | None = None,
        answers: tuple[Answer, ...] = (),
        fails: tuple[int, ...] = (),
        schemas: tuple[Record[Any], ...] = (),
        vary: str = "",
        has_head: bool = True,
    ) -> Callable[[Callable[[VerifiedRequest], Awaitable[Reply]]], None]:
        """A call that takes a verified caller. The handler's name is the function's. ``needs``, ``exception``: see ``Rules``.

        ``reads_first`` is for one that changes something, and begins with a function of ``shared.broker.access``. ``vary``,
        ``has_head``: see ``Route``. The rest is for the contract: see ``Told``.
        """
        rules = Rules(needs, exception, tuple(each.name for each in query), beside=method == "GET" or reads_first)

        def declare(handle: Callable[[VerifiedRequest], Awaitable[Reply]]) -> None:
            def bound(edge: Edge) -> Handler:
                return lambda unverified: authenticated(edge, unverified, handle, rules)

            result = Told(handle.__doc__, query, headers, body, answers, fails, schemas)
            declared = (handle.__name__, (method,), path, result, bound)
            self._add(*declared, operation=operation, rules=rules, vary=vary, has_head=has_head)

        return declare

    def open(
        self, method: str, path: str, *, answers: tuple[Answer, ...] = ()
    ) -> Callable[[Callable[[Edge, UnverifiedRequest], Awaitable[Reply]]], None]:
        """A call that anybody may make. It is not audited, and its query is not looked at. No method: any."""

        def declare(handle: Callable[[Edge, UnverifiedRequest], Awaitable[Reply]]) -> None:
            def bound(edge: Edge) -> Handler:
                return lambda unverified: handle(edge, unverified)

            result = Told(handle.__doc__, answers=answers)
            self._add(handle.__name__, (method,) if method else (), path, result, bound)

        return declare

    def _add(
        self,
        name: str,
        methods: tuple[str, ...],
        path: str,
        result: Told,
        bound: _Bound,
        *,
        operation: str = "",
        rules: Rules = FOR_ANYBODY,
        vary: str = "",
        has_head: bool = True,
    ) -> None:
        self.routes.append(Route(name, methods, f"{self.root}/{path}", operation, rules, result, bound, vary, has_head))

    def blueprint(self, edge: Edge) -> func.Blueprint:
        """The functions, ready to be registered with an app."""
        blueprint = func.Blueprint()  # type: ignore[no-untyped-call]  # the library leaves its constructor untyped
        for route in self.routes:
            _register(blueprint, route, edge, self.dialect)
        return blueprint


def _register(blueprint: func.Blueprint, route: Route, edge: Edge, dialect: Dialect) -> None:
    handle = route.bound(edge)

    async def function(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
        title = route.title(req.method)
        ids = context.invocation_id, client_request_id(req)
        unverified = UnverifiedRequest(req, title, route.operation, *ids, dialect=dialect, vary=route.vary)
        return await edge.answer(unverified, handle)

    function.__name__ = function.__qualname__ = route.name
    declared = blueprint.route(route.path, methods=list(route.taken) or None, auth_level=func.AuthLevel.ANONYMOUS)(function)
    blueprint.function_name(route.name)(declared)

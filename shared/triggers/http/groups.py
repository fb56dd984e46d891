"""All groups of calls, a line each, and the call for every path that no group takes."""

from __future__ import annotations

from shared.triggers.http import (
    audit,
    auth_roles,
    collecting,
    contract,
    event_rules,
    events,
    explain,
    issuing,
    leases,
    operator,
    policies,
    roles,
    transfer,
    whoami,
)
from shared.triggers.http.edge import Edge, UnverifiedRequest
from shared.triggers.http.problem import MethodNotAllowed, NoSuchCall
from shared.triggers.http.reply import Reply
from shared.triggers.http.routes import Api, Route

GROUPS: tuple[Api, ...] = (
    issuing.api,
    collecting.api,
    leases.api,
    roles.api,
    auth_roles.api,
    policies.api,
    event_rules.api,
    events.api,
    transfer.api,
    whoami.api,
    audit.api,
    explain.api,
    operator.api,
    contract.api,
)


def with_the_rest(groups: tuple[Api, ...] = GROUPS) -> tuple[Api, ...]:
    """Returns the groups, and one more with the call for every path that no group takes."""
    rest = Api("", "api")

    # The host tries functions in the order of their names, whatever their routes: this one must come last.
    # https://github.com/Azure/azure-functions-host/issues/9876
    @rest.open("", "{*rest}")
    async def zz_any_other(edge: Edge, unverified: UnverifiedRequest) -> Reply:  # noqa: ARG001 - every open call's arguments
        """No such call, or not with this method."""
        path = f"{rest.root}/{unverified.http.route_params.get('rest', '')}"
        fitting = [route for route in routes(groups) if _fits(route, path)]
        allowed = sorted({method for route in fitting for method in route.taken})
        unverified.vary = next((route.vary for route in fitting if route.vary), "")
        raise MethodNotAllowed(*allowed) if allowed else NoSuchCall

    return (*groups, rest)


def routes(groups: tuple[Api, ...] = GROUPS) -> tuple[Route, ...]:
    """Returns every call that has a path of its own."""
    return tuple(route for group in groups for route in group.routes)


def _fits(route: Route, path: str) -> bool:
    given = path.strip("/").split("/")
    known = route.path.split("/")
    return len(given) == len(known) and all(
        expected.startswith("{") or expected == part.lower() for expected, part in zip(known, given, strict=True)
    )

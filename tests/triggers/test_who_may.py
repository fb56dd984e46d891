"""Every route x every caller: who may call what. A route without a row fails."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import azure.functions as func
import pytest

from shared.core.access.policy import ASKED
from shared.core.errors import LeaseholdError
from shared.core.events.event_rule import read_event_rule
from shared.core.events.lender import Lender
from shared.core.lease import State
from shared.core.names import LeaseId
from shared.triggers.http import groups
from shared.triggers.http.dialect import Dialect
from shared.triggers.http.edge import VerifiedRequest
from shared.triggers.http.reply import Reply, of_json
from shared.triggers.http.routes import Api, Route
from tests.fakes.world import ADMINISTRATOR, OTHER_TENANT, SCOPES, application, guid
from tests.support import toy_group
from tests.support.rights import give, keep_auth_role, keep_policy
from tests.triggers.app import Answer, App
from tests.triggers.documents import GONE_SITES

ROUTES = groups.routes()
CALLERS = {
    "nobody": None,
    "a stranger": "stranger.token.x",
    "a caller whom the role names": "bob.token.x",
    "the lease's holder": "alice.token.x",
    "an auditor": "watcher.token.x",
    "an admin": "admin.token.x",
    "a principal that a lease has made": "leased.token.x",
    "an admin of another tenant": "abroad.token.x",
    "a caller with every right by a policy": "given.token.x",
    "a caller with every right, and a deny on each": "denied.token.x",
}
OPEN = (200,) * 10
ADMINS = (401, 403, 403, 403, 403, 200, 403, 403, 403, 403)
GIVEN = (401, 403, 403, 403, 403, 200, 403, 403, 200, 403)
"""By a policy, or to admins."""
AUDITORS = (401, 403, 403, 403, 200, 200, 403, 403, 200, 403)
HOLDERS = (401, 404, 404, 200, 404, 200, 403, 404, 200, 404)
ANYBODY = (401, 200, 200, 200, 200, 200, 403, 200, 200, 200)


def served(status: int, row: tuple[int, ...] = GIVEN) -> tuple[int, ...]:
    """The row, with another status where the call succeeds."""
    return tuple(status if each == 200 else each for each in row)


EXPECTED = {
    "issue_lease": (401, 403, 201, 201, 403, 201, 403, 403, 201, 403),
    "read_lease": (401, 404, 404, 200, 200, 200, 403, 404, 200, 404),
    "list_leases": ANYBODY,
    "collect_credential": (401, 404, 404, 200, 404, 404, 403, 404, 404, 404),
    "renew_lease": HOLDERS,
    "revoke_lease": HOLDERS,
    "force_lease": (401, 404, 404, 403, 404, 200, 403, 404, 200, 404),
    "revoke_role_leases": served(202),
    "revoke_leases_reaching": served(202),
    "list_roles": GIVEN,
    "read_role": GIVEN,
    "write_role": GIVEN,
    "delete_role": served(202),
    "list_auth_roles": GIVEN,
    "read_auth_role": GIVEN,
    "write_auth_role": GIVEN,
    "delete_auth_role": served(204),
    "list_policies": GIVEN,
    "read_policy": GIVEN,
    "write_policy": GIVEN,
    "delete_policy": served(204),
    "list_event_rules": GIVEN,
    "read_rule": GIVEN,
    "write_rule": GIVEN,
    "delete_rule": served(204),
    "publish_events": (401, *[403] * 9),
    "events_handshake": (405,) * 10,
    "replay_events": ADMINS,
    "export_configuration": GIVEN,
    "write_configuration": ADMINS,
    "explain_decision": GIVEN,
    "whoami": ANYBODY,
    "status": AUDITORS,
    "read_audit": AUDITORS,
    "run_sweep": GIVEN,
    "run_reconciliation": GIVEN,
    "health": OPEN,
    "openapi": OPEN,
    "docs": OPEN,
    "problems": OPEN,
    "schema": OPEN,
}
"""The statuses, in the order of ``CALLERS``."""
BODIES = {
    "revoke_leases_reaching": {"reaching": SCOPES[0]},
    "write_role": {"type": "application_secret", "application_object_id": guid(0x200)},
    "write_auth_role": {"bound_group_ids": [guid(0x100)], "policies": []},
    "write_policy": {"rules": [{"path": "roles/web", "capabilities": ["read"]}]},
    "write_rule": GONE_SITES,
    "write_configuration": {"form": 1},
    "explain_decision": {"role": "web", "claims": {"oid": guid(0x440), "appid": guid(0x441)}},
}
EVERYTHING = [(re.sub(r"{\w+}", "*", path), " ".join(sorted(capabilities))) for path, capabilities in ASKED.items()]
"""Every right that a policy can give."""
BOTH = [pytest.param(route, who, id=f"{route.name}, {who}") for route in ROUTES for who in CALLERS]


@dataclass(slots=True)
class Scene:
    """The functions, and Alice's lease of the role ``web``."""

    app: App
    lease: str

    async def call(self, route: Route, who: str, *, role: str = "web", lease: str = "", name: str = "spare") -> Answer:
        """The call, with everything in it that an admin would be served for."""
        path = "/" + route.path.replace("{role}", role).replace("{id}", lease or self.lease).replace("{name}", name)
        query = (
            {"revoke": "true"} if route.name == "delete_role" else {"force": "true"} if route.name == "force_lease" else None
        )
        return await self.app.call(route.methods[0], path, token=CALLERS[who], body=BODIES.get(route.name), query=query)


@pytest.fixture
async def scene(app: App) -> Scene:
    """With every caller known to the verifier."""
    stranger, leased = application(guid(0x440)), application(guid(0x450))
    abroad = replace(ADMINISTRATOR, tenant_id=OTHER_TENANT, at_home=False)
    app.verifier.known |= {"stranger.token.x": stranger, "leased.token.x": leased, "abroad.token.x": abroad}
    given, denied = application(guid(0x460)), application(guid(0x470))
    app.verifier.known |= {"given.token.x": given, "denied.token.x": denied}
    give(app.world, given, *EVERYTHING, name="given")
    give(app.world, denied, *EVERYTHING, *((path, "deny") for path, _ in EVERYTHING), name="denied")
    keep_policy(app.world, "spare", ("status", "read"))
    keep_auth_role(app.world, "spare", bound_group_ids=[guid(0x100)])
    app.world.event_rules.keep(read_event_rule("spare", GONE_SITES, Lender.of(ADMINISTRATOR)))
    app.world.leased.rows[leased.object_id] = LeaseId("web.00000000000000000000000001")
    made = await app.call("POST", "/api/v1/roles/web/leases")
    app.world.calls.made.clear()
    app.world.audit.events.clear()
    return Scene(app, made.json["lease"]["id"])


def test_every_route_has_a_row() -> None:
    """And every row a route."""
    assert set(EXPECTED) == {route.name for route in ROUTES}


@pytest.mark.parametrize(("route", "who"), BOTH)
async def test_every_caller_is_answered_as_the_table_says(scene: Scene, route: Route, who: str) -> None:
    """Whoever is refused changes nothing, and leaves one event of the refusal, with the code that was answered."""
    expected = dict(zip(CALLERS, EXPECTED[route.name], strict=True))[who]
    answer = await scene.call(route, who)
    assert expected == answer.status, answer.body
    if expected in {403, 404}:
        (event,) = scene.app.world.audit.events
        assert (route.operation, answer.code) == (event.operation, event.code)
        assert State.ACTIVE is scene.app.world.leases.rows[LeaseId(scene.lease)].state


REFUSED = (
    *("a stranger", "a caller whom the role names", "an auditor", "an admin of another tenant"),
    "a caller with every right, and a deny on each",
)


@pytest.mark.parametrize("who", REFUSED)
@pytest.mark.parametrize("route", [each for each in ROUTES if "{" in each.path], ids=lambda route: route.name)
async def test_what_is_forbidden_and_what_does_not_exist_read_alike(scene: Scene, route: Route, who: str) -> None:
    """But for the request's id."""
    forbidden = await scene.call(route, who)
    if forbidden.status not in {403, 404}:
        return
    missing = await scene.call(route, who, role="nope", lease="nope.00000000000000000000000001", name="nope")
    assert (forbidden.status, forbidden.without_request_id()) == (missing.status, missing.without_request_id())


@pytest.mark.parametrize("who", ["a stranger", "an auditor"])
@pytest.mark.parametrize(
    "route", [each for each in ROUTES if each.rules.needs and not each.rules.exception], ids=lambda route: route.name
)
async def test_the_edge_refuses_before_anything_is_read(scene: Scene, route: Route, who: str) -> None:
    """But whether a lease has made the caller: the handler does not run."""
    answer = await scene.call(route, who)
    if answer.status == 403:
        assert answer.code == "forbidden"
        assert {"leased.find", "audit.record"} == {*scene.app.world.calls.names()} - {"access.version"}


@pytest.mark.parametrize(("who", "status"), [("nobody", 401), ("a stranger", 403), ("an auditor", 403), ("an admin", 200)])
async def test_a_new_route_is_one_file_and_one_line(scene: Scene, who: str, status: int) -> None:
    """It is decided on, audited, and known to the answer for other methods, as any other."""
    app = App(scene.app.world, scene.app.verifier, groups=(*groups.GROUPS, toy_group.api))
    answer = await app.call("GET", "/api/v1/toys/bear", token=CALLERS[who])
    assert status == answer.status
    if status == 403:
        assert ("read_toy", "forbidden") == (app.world.audit.events[0].operation, answer.code)
    other = await app.call("POST", "/api/v1/toys/bear", token=CALLERS[who])
    assert (405, "GET, HEAD") == (other.status, other.headers["allow"])


def _token_of_a_toy(request: func.HttpRequest) -> str:
    return str(request.headers.get("x-toy-token", ""))


def _error_to_a_toy(error: LeaseholdError, _: func.HttpRequest, *, request_id: str, docs_url: str, challenge: str) -> Reply:
    return of_json(418, {"broken": [error.stable_code], "at": request_id and docs_url and challenge})


async def test_a_group_may_speak_another_dialect(scene: Scene) -> None:
    """Its token comes from elsewhere and its errors look otherwise; who may do what, and the audit, stay as they are."""
    toys = Api("toys", "toys/v1", Dialect(_token_of_a_toy, _error_to_a_toy))

    @toys.call("GET", "toys/{toy}", needs=("toys/{toy}", "read"), operation="read_toy")
    async def play(request: VerifiedRequest) -> Reply:
        return of_json(200, {"played by": request.caller.object_id})

    app = App(scene.app.world, scene.app.verifier, groups=(*groups.GROUPS, toys))
    served = await app.call("GET", "/toys/v1/toys/bear", token=None, headers={"X-Toy-Token": "admin.token.x"})
    refused = await app.call("GET", "/toys/v1/toys/bear", token="admin.token.x", headers={"X-Toy-Token": "bob.token.x"})
    assert (200, 418, ["forbidden"]) == (served.status, refused.status, refused.json["broken"])
    assert ["forbidden"] == [event.code for event in app.world.audit.events]

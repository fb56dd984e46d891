"""Asks of roles with holes over HTTP: what is taken, and what an attacker would send."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.core.ports.inventory import ScopeState
from shared.core.protection import Protected
from tests.fakes.calls import MadeCall
from tests.fakes.world import ALICE, GROUPS, SCOPES, SUBSCRIPTION, guid, role, world
from tests.support.holes import (
    FILLED,
    GROUP,
    GROUP_SCOPE,
    HOLES,
    IN_SUB,
    OWN_GROUP,
    STORAGE,
    VALUES,
    group,
    machine,
    place,
    target,
)
from tests.triggers.app import App
from tests.triggers.holed import LEASES, ask, furnished, paths, require_nothing

BOX = "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name]"
NFD = "cafe\u0301"


async def test_an_ask_is_filled_and_the_lease_says_with_what() -> None:
    """In the answer, when it is read, and in the list."""
    app = furnished()
    box = f"{FILLED}/blobServices/default/containers/box"
    made = await ask(app, VALUES, within=f"{box}/")
    lease = made.json["lease"]
    assert (201, VALUES, box, [box]) == (made.status, lease["parameters"], lease["within"], lease["scopes"])
    read = await app.call("GET", made.headers["location"])
    assert {**lease, "state": read.json["state"]} == read.json
    assert SUBSCRIPTION == made.json["credential"]["subscription_id"]
    (listed,) = (await app.call("GET", "/api/v1/leases")).json["leases"]
    assert VALUES == listed.get("parameters", VALUES)


# Attacks

SHAPES = {
    "dots": ["..", ".", "a/..", "../x"],
    "empty": ["", " "],
    "slashes": ["/", "app-/", "app-a/x", "app-a\\x", "app-a%2fx", "app-a%252fx", "app-a\u2215x", "app-a\uff0fx"],
    "separators": ["app-a;x", "app-a?x", "app-a#x"],
    "ends": ["app-a ", " app-a", "app-a.", "shared."],
    "holes": ["{resource_group}", "{group}", "app-{group}", "{}", "app-{}"],
    "wildcards": ["*", "app-*", "?"],
    "long": ["app-" + "a" * 87, "a" * 91],
    "decomposed": [f"app-{NFD}"],
    "unseen": ["app-a\u0000", "app-a\u000a", "app-\u202ea", "app-\u200ba", "app-\u2066a"],
    "quotes": ["app-'", "app-')", 'app-"'],
    "surrogates": ["app-\ud800"],
}


@pytest.mark.parametrize(("sort", "value"), [(sort, value) for sort, values in SHAPES.items() for value in values])
async def test_a_value_that_is_no_name_is_malformed(sort: str, value: str) -> None:
    """400, by its path, and nothing is made."""
    assert sort
    app = furnished()
    answer = await ask(app, {**VALUES, "group": value})
    assert (400, "malformed", ["parameters.group"]) == (answer.status, answer.code, paths(answer))
    require_nothing(app.world)


@pytest.mark.parametrize(
    "value", ["sh\u0430red", "\uff53hared", "\u0455hared", "\u017fhared", "other", "app-", "xapp-1", "shared2"]
)
async def test_a_value_that_looks_alike_is_outside_the_bounds(value: str) -> None:
    """403, which the trail has."""
    app = furnished()
    answer = await ask(app, {**VALUES, "group": value})
    assert (403, "parameter_not_allowed", ["parameters.group"]) == (answer.status, answer.code, paths(answer))
    require_nothing(app.world)
    (event,) = app.world.audit.events
    assert ("issue", "refused", "parameter_not_allowed", "web") == (event.operation, event.outcome, event.code, event.role)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "text wanted, null given"),
        (5, "text wanted, a number given"),
        (1.5, "text wanted, a number given"),
        (True, "text wanted, true or false given"),
        (["app-a"], "text wanted, a list given"),
        ({"x": "app-a"}, "text wanted, an object given"),
    ],
)
async def test_a_value_that_is_no_text_is_malformed(value: Any, words: str) -> None:
    """Where there is a default, the caller is told how to get it."""
    for holes, more in (
        (HOLES, ""),
        ({**HOLES, "group": {**GROUP, "default": "shared"}}, "; leave the field out for its default"),
    ):
        answer = await ask(furnished(holes), {**VALUES, "group": value})
        assert [{"path": "parameters.group", "message": words + more}] == answer.json["errors"]


async def test_unknown_and_missing_ones_are_told_at_once() -> None:
    """With the nearest name."""
    answer = await ask(furnished(), {"gruop": "app-web"})
    assert (400, ["parameters.group", "parameters.account", "parameters.gruop"]) == (answer.status, paths(answer))
    assert "group" in answer.json["errors"][2]["message"].removeprefix("gruop")


@pytest.mark.parametrize("written", [[], "x", 5, None])
async def test_parameters_are_an_object(written: Any) -> None:
    """Whatever the role."""
    for app in (furnished(), App(world(role()))):
        answer = await app.call("POST", LEASES, body={"parameters": written})
        assert (400, ["parameters"]) == (answer.status, paths(answer))


@pytest.mark.parametrize(
    "body",
    [
        b'{"parameters": {"group": "app-web", "account": "logs1", "group": "shared"}}',
        b'{"parameters": {"group": "app-web", "account": "logs1"}, "parameters": {}}',
    ],
)
async def test_a_name_twice_in_the_body_is_refused(body: bytes) -> None:
    """Two readers may see two values."""
    app = furnished()
    assert 400 == (await app.call("POST", LEASES, body=body)).status
    require_nothing(app.world)


async def test_a_name_that_is_an_id_gets_a_hint() -> None:
    """The name in it."""
    answer = await ask(furnished(), {"group": str(group("app-web")), "account": "https://logs1.blob.core.windows.net/"})
    assert ["give the name: `app-web`", "give the name: `logs1`"] == [
        each["message"].rpartition("; ")[2] for each in answer.json["errors"]
    ]


async def test_two_spellings_of_one_name_are_never_one() -> None:
    """The composed one is a name. The other is refused, not mended."""
    app = furnished()
    assert 201 == (await ask(app, {**VALUES, "group": "app-caf\u00e9"})).status
    assert 400 == (await ask(app, {**VALUES, "group": f"app-{NFD}"})).status


async def test_case_changes_nothing_of_what_is_protected() -> None:
    """Nor does it take a value out of its bounds."""
    app = furnished(protected=Protected(scopes=(group("app-broker"),)))
    for name in ("app-broker", "APP-BROKER"):
        answer = await ask(app, {**VALUES, "group": name})
        assert (400, "protected_target", ["parameters"]) == (answer.status, answer.code, paths(answer))
        assert b"roker" not in answer.body.replace(b"broker.example", b"").replace(b"protected", b"")
    assert 201 == (await ask(app, {**VALUES, "group": "SHARED"})).status


@pytest.mark.parametrize("value", ["x') OR ('a' StringEquals 'a", "x'", "')", "x\\", "{box}", "*", "a b", "\u202ex"])
@pytest.mark.parametrize("kind", ["container", "word"])
async def test_no_value_leaves_its_literal(kind: str, value: str) -> None:
    """Of a condition."""
    app = App(world(role(target({"box": {"kind": kind, "any": True}}, IN_SUB, condition=f"({BOX} StringEquals '{{box}}')"))))
    answer = await ask(app, {"box": value})
    assert (400, ["parameters.box"]) == (answer.status, paths(answer))


@pytest.mark.parametrize(
    ("within", "code"),
    [
        (IN_SUB, "not_within"),
        (f"{SCOPES[0]}-2", "not_within"),
        (f"{SCOPES[0]}-2/{STORAGE}/a12", "not_within"),
        (SCOPES[1], "not_within"),
        (f"/subscriptions/{guid(0x77)}/resourceGroups/rg0", "not_within"),
        (f"{SCOPES[0]}/{STORAGE}/broker", "protected_target"),
        (f"{SCOPES[0]}%2f{STORAGE}/a12", "malformed"),
        (f"{SCOPES[0]}%252f..", "malformed"),
        (f"{SCOPES[0]}/../rg1", "malformed"),
        (f"{SCOPES[0]}/./{STORAGE}/a12", "malformed"),
        (f"{SCOPES[0]}//", "malformed"),
        (f"{SCOPES[0]}/providers/Microsoft.Authorization/roleAssignments/x", "malformed"),
        (f"{SCOPES[0]}/{STORAGE}/{NFD}", "malformed"),
        (f"{SCOPES[0]}/{STORAGE}/a\u202eb", "malformed"),
        (f"{SCOPES[0]}/{STORAGE}/a.", "malformed"),
        ("rg0", "malformed"),
        ("", "malformed"),
        (None, "malformed"),
        ([SCOPES[0]], "malformed"),
    ],
)
async def test_a_scope_that_is_not_the_roles_is_refused(within: Any, code: str) -> None:
    """400, at its path, and nothing is made."""
    own = Protected(scopes=(type(SCOPES[0])(f"{SCOPES[0]}/{STORAGE}/broker"),))
    app = App(world(role(target({}, SCOPES[0])), protected=own))
    answer = await ask(app, within=within)
    assert (400, code, ["within"]) == (answer.status, answer.code, paths(answer))
    require_nothing(app.world)


async def test_a_type_without_scopes_is_not_narrowed() -> None:
    """400, whoever asks."""
    app = App(world(role(target({}, SCOPES[0], azure_groups=GROUPS[:1]))))
    answer = await ask(app, within=SCOPES[0])
    assert (400, "not_narrowable", ["within"]) == (answer.status, answer.code, paths(answer))


async def test_a_scope_under_another_name_gets_a_hint() -> None:
    """The field is ``within``."""
    answer = await ask(furnished(), VALUES, scope=str(FILLED))
    assert [
        {"path": "scope", "message": "is of no use to this role's kind of credential; did you mean within?"}
    ] == answer.json["errors"]


async def test_an_identity_that_moved_gets_into_its_new_group_alone() -> None:
    """And the lease of its former one is not renewed."""
    app = furnished(OWN_GROUP, GROUP_SCOPE)
    place(app.world, machine("app-web"))
    first = await ask(app)
    place(app.world, machine("app-two"))
    second = await ask(app)
    assert [[group("app-web")], [group("app-two")]] == [each.json["lease"]["scopes"] for each in (first, second)]
    renewal = await app.call("POST", f"{first.headers['location']}/renew")
    assert (409, "role_changed") == (renewal.status, renewal.code)
    place(app.world, machine("app-two", subscription=guid(0x77)))
    gone = await ask(app)
    assert (403, "fact_missing", ["parameters.group"]) == (gone.status, gone.code, paths(gone))


async def test_bounds_that_shrink_between_ask_and_activation_let_nothing_out() -> None:
    """The ask is decided on again, by the role of now."""
    app = furnished()

    def shrink(call: MadeCall) -> None:
        if call.name == "leases.open":
            app.world.roles.keep(role(target({**HOLES, "group": {**GROUP, "allowed": ["shared"]}})))

    app.world.calls.watch = shrink
    assert "parameter_not_allowed" == (await ask(app, VALUES)).code
    require_nothing(app.world)


async def test_a_target_that_is_not_there_is_a_conflict_for_now() -> None:
    """With what was given, and when to come back."""
    app = furnished()
    app.world.inventory.missing = {FILLED: ScopeState.NO_RESOURCE}
    answer = await ask(app, VALUES)
    assert (409, "azure_refused", "30") == (answer.status, answer.code, answer.headers["retry-after"])
    assert ["parameters.account"] == paths(answer)
    require_nothing(app.world)


async def test_a_stranger_gets_one_answer_whatever_it_sends() -> None:
    """An unknown role, a known one, bad values, a bad body, a dry run: the same bytes, and no bounds in them."""
    app = furnished()
    app.verifier.known["carol.token.x"] = replace(ALICE, object_id=guid(0x440))
    bodies: list[Any] = [
        {},
        {"parameters": VALUES},
        {"parameters": {"group": ".."}},
        {"parameters": {**VALUES, "group": "prod"}},
        {"parameters": []},
        {"within": "nowhere"},
        {"scope": "x"},
    ]
    message = set()
    for path in (LEASES, "/api/v1/roles/nowhere/leases", f"{LEASES}?dry_run=true"):
        for body in bodies:
            answer = await app.call("POST", path, token="carol.token.x", body=body)
            assert 403 == answer.status
            message.add(answer.without_request_id())
    assert 1 == len(message)
    assert b"app-" not in message.pop()

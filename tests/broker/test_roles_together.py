"""Roles that are written at once: what each may take depends on the others, whoever writes them, in any order of calls."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from shared.broker.configure.imports import import_configuration
from shared.broker.configure.roles import delete_role, put_role
from shared.core.errors import LeaseholdError, Malformed, PreconditionFailed, Unreachable
from shared.core.limits import Limits
from shared.core.names import RoleName
from shared.core.ports.documents import Version
from tests.fakes.vaults import OTHER_VAULT, VAULT
from tests.fakes.world import ADMINISTRATOR, SCOPES, World, request, world
from tests.support.kinds import read_role

ADMIN = request(ADMINISTRATOR)
type Write = Callable[[World, str], Awaitable[object]]


def _document(scope: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "type": "service_principal",
        "azure_roles": [{"role_name": "Reader", "scope": SCOPES[scope]}],
        "bound_service_principal_ids": ["11111111-0000-4000-8000-000000000000"],
        **more,
    }


def _named(name: str = "database", vault: str = VAULT) -> dict[str, Any]:
    return _document(delivery={"type": "key_vault", "vaults": [vault], "name": name})


def _pooled() -> dict[str, Any]:
    return _document(ready="token", pool={"size": 2, "assigned": True})


def _put(document: dict[str, Any]) -> Write:
    return lambda made, name: put_role(made.ports, ADMIN, read_role(RoleName(name), document))


def _import(document: dict[str, Any], *others: str) -> Write:
    roles = dict.fromkeys(others, _document(delivery={"type": "key_vault", "vaults": [VAULT]}))
    return lambda made, name: import_configuration(made.ports, ADMIN, {"form": 1, "roles": {name: document, **roles}})


WRITES = [
    pytest.param(_put(_named()), _put(_named()), id="a name, written twice"),
    pytest.param(_put(_named()), _import(_named()), id="a name, written and imported"),
    pytest.param(_import(_named(), "a", "b", "x"), _put(_named()), id="a name, imported after others, and written"),
    pytest.param(_import(_named(), "a"), _import(_named(), "b"), id="a name, imported twice"),
    pytest.param(_put(_named("app-{holder}")), _put(_named("APP-{holder}")), id="a name for each holder"),
    pytest.param(_put(_pooled()), _put(_pooled()), id="room in pools"),
    pytest.param(_put(_pooled()), _import(_pooled()), id="room in pools, written and imported"),
]


def _furnished() -> World:
    return world(limits=Limits(pool_assignments=3))


def _calls_of(write: Write) -> int:
    undisturbed = _furnished()
    undisturbed.run(lambda: _awaited(write(undisturbed, "one")))
    return len(undisturbed.calls.made)


async def _awaited(work: Awaitable[object]) -> object:
    return await work


@pytest.mark.parametrize(("one", "two"), WRITES)
def test_of_two_roles_that_do_not_go_together_one_is_there(one: Write, two: Write) -> None:
    """The other one is written whole at any call of the first. Whoever comes later is refused."""
    for ordinal in range(1, _calls_of(one) + 1):
        made, refused = _furnished(), list[LeaseholdError]()

        async def coming(made: World = made) -> None:
            with suppress(Malformed):
                await two(made.coworker(), "two")

        async def working(made: World = made, refused: list[LeaseholdError] = refused) -> None:
            try:
                await one(made, "one")
            except LeaseholdError as failure:
                refused.append(failure)

        made.calls.meanwhile(ordinal, coming)
        made.run(working)
        there = {"one", "two"} & {*made.roles.stored()}
        assert 1 == len(there), f"both are there, the other came at call {ordinal}"
        assert ("one" in there) == (not refused)
        assert {"one", "two"} & {each.role for each in made.audit.events} == there


@pytest.mark.parametrize("count", [2, 12])
async def test_roles_that_go_together_are_all_written_although_it_is_at_once(count: int) -> None:
    """Each is judged again when another came first. Names in one vault differ; in another vault one may be the same."""
    made = _furnished()
    made.calls.latency = 0.01
    documents = {f"role-{number}": _named(f"name-{number}") for number in range(count)} | {
        "other": _named("name-0", OTHER_VAULT)
    }
    await asyncio.gather(*(_put(document)(made.coworker(), name) for name, document in documents.items()))
    assert {*documents} == {*made.roles.stored()}


async def test_a_role_that_takes_nothing_of_what_is_shared_makes_no_call_more() -> None:
    """Nor does it keep others from being written."""
    made = _furnished()
    await _put(_document())(made, "one")
    assert [] == made.calls.named("roles.list") + made.calls.named("roles.shared_version")
    await _put(_named())(made, "two")
    assert 1 == len(made.calls.named("roles.shared_version"))


async def test_an_import_judges_its_roles_once() -> None:
    """As long as nobody else writes one: each of its writes says at which version the next one is judged."""
    made = _furnished()
    await _import(_named(), "a", "b", "x")(made, "one")
    assert 1 == len(made.calls.named("roles.shared_version"))
    assert 4 == len(made.calls.named("roles.put"))


async def test_an_import_may_exchange_names() -> None:
    """In between, both roles have the same one: what counts is how the roles are at the end."""
    made = _furnished()
    await _put(_named("a"))(made, "one")
    await _put(_named("b"))(made, "two")
    await import_configuration(made.ports, ADMIN, {"form": 1, "roles": {"one": _named("b"), "two": _named("a")}})
    assert ["b", "a"] == [each.delivery.name for each in made.roles.everything() if each.delivery is not None]


async def test_a_name_is_free_again_once_its_role_is_deleted() -> None:
    """Nothing else remembers it."""
    made = _furnished()
    await _put(_named())(made, "one")
    await delete_role(made.ports, ADMIN, RoleName("one"), revoking=False)
    await _put(_named())(made, "two")
    assert ["two"] == [*made.roles.stored()]


async def test_a_worker_that_dies_between_the_judgement_and_the_write_leaves_nothing_in_the_way() -> None:
    """The version is changed with the role, or not at all."""
    made = _furnished()
    made.calls.fail("roles.put", Unreachable())
    with pytest.raises(Unreachable):
        await _put(_named())(made, "one")
    await _put(_named())(made, "two")
    assert ["two"] == [*made.roles.stored()]


async def test_a_role_that_was_changed_meanwhile_is_not_overwritten() -> None:
    """What its writer expects is judged as ever."""
    made = _furnished()
    await _put(_named())(made, "one")
    stale = made.roles.everything()[0].version
    await _put(_named("other"))(made, "one")
    with pytest.raises(PreconditionFailed):
        await put_role(made.ports, ADMIN, read_role(RoleName("one"), _named()), expected=Version(stale))

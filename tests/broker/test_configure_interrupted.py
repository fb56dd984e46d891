"""A worker that dies, or whose storage fails, at any call while it changes the configuration."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from shared.broker.configure.auth_roles import delete_auth_role, put_auth_role
from shared.broker.configure.imports import import_configuration
from shared.broker.configure.policies import delete_policy, put_policy
from shared.broker.configure.roles import delete_role, put_role
from shared.broker.configure.transfer import export
from shared.broker.reconcile.reconcile import reconcile
from shared.core.access.policy import PolicyName
from shared.core.errors import LeaseholdError, Unavailable
from tests.fakes.calls import Died
from tests.fakes.documents import MemoryDocuments
from tests.fakes.world import ADMINISTRATOR, EXISTING, GROUPS, WEB, World, request, role, world
from tests.support.rights import keep_auth_role, keep_policy

ADMIN = request(ADMINISTRATOR)
RULES = {"rules": [{"path": "roles/web/leases", "capabilities": ["issue"]}]}
WANTED: dict[str, Any] = {
    "form": 1,
    "policies": {"a": RULES, "b": {"rules": [{"path": "status", "capabilities": ["read"]}]}},
    "roles": {"secret": {"type": "application_secret", "application_object_id": EXISTING}},
    "auth_roles": {"staff": {"bound_group_ids": [GROUPS[0]], "policies": ["a", "b"]}},
}
type Work = Callable[[World], Awaitable[object]]


def furnished() -> World:
    """A role, and policies that auth roles name."""
    made = world(role())
    for name in ("b", "old"):
        keep_policy(made, name, ("roles/web", "read"))
    for name in ("robots", "staff"):
        keep_auth_role(made, name, "old", "b", bound_app_roles=["Robot"])
    return made


async def importing(made: World) -> object:
    """An admin makes the configuration what is wanted, and nothing else."""
    return await import_configuration(made.ports, ADMIN, WANTED, prune=True)


async def deleting(made: World) -> object:
    """An admin deletes a policy that is in use."""
    return await delete_policy(made.ports, ADMIN, PolicyName("old"), force=True)


def struck(work: Work, error: Callable[[], BaseException]) -> Iterator[World]:
    """The world after the work, struck before and after each of its calls in turn."""
    undisturbed = furnished()
    undisturbed.run(lambda: _ended(work, undisturbed))
    for ordinal in range(1, len(undisturbed.calls.made) + 1):
        for after in (False, True):
            made = furnished()
            made.calls.fail_at(ordinal, error(), after=after)
            with suppress(Died):
                made.run(lambda made=made: _ended(work, made))  # type: ignore[misc]
            made.calls.revive()
            yield made


async def _ended(work: Work, made: World) -> None:
    with suppress(LeaseholdError):
        await work(made)


def require_nothing_dangling(made: World) -> None:
    """No auth role names a policy that is not there: the gate would answer nobody who matches it."""
    policies = made.access.policies.stored()
    for name, (document, *_) in made.access.auth_roles.stored().items():
        assert set(document["policies"]) <= {*policies}, name


ERRORS = pytest.mark.parametrize("error", [Died, lambda: Unavailable("storage fails")], ids=["died", "storage fails"])


@ERRORS
def test_an_import_can_be_repeated_whatever_befalls_it(error: Callable[[], BaseException]) -> None:
    """No auth role dangles at any time, and the second try makes what is wanted."""
    count = 0
    for made in struck(importing, error):
        require_nothing_dangling(made)
        made.run(lambda made=made: importing(made))  # type: ignore[misc]
        found = made.run(lambda made=made: export(made.ports))  # type: ignore[misc]
        assert (WANTED["policies"], WANTED["auth_roles"], ["secret"]) == (
            *(found["policies"], found["auth_roles"]),
            [*found["roles"]],
        )
        count += 1
    assert count > 40


@ERRORS
def test_a_forced_deletion_can_be_repeated_whatever_befalls_it(error: Callable[[], BaseException]) -> None:
    """The policy goes last: until then no auth role dangles."""
    count = 0
    for made in struck(deleting, error):
        require_nothing_dangling(made)
        with suppress(LeaseholdError):
            made.run(lambda made=made: deleting(made))  # type: ignore[misc]
        require_nothing_dangling(made)
        assert ["b"] == [*made.access.policies.stored()]
        count += 1
    assert count > 20


async def putting_a_role(made: World) -> object:
    """An admin makes an existing role stricter."""
    return await put_role(made.ports, ADMIN, role(max_leases=3))


async def putting_a_policy(made: World) -> object:
    """An admin changes a policy."""
    return await put_policy(made.ports, ADMIN, PolicyName("b"), RULES)


async def putting_an_auth_role(made: World) -> object:
    """An admin adds an auth role."""
    return await put_auth_role(made.ports, ADMIN, PolicyName("new"), {"bound_group_ids": [GROUPS[0]], "policies": ["b"]})


async def deleting_a_role(made: World) -> object:
    """An admin deletes a role that has no leases."""
    return await delete_role(made.ports, ADMIN, WEB, revoking=False)


async def revoking_a_role(made: World) -> object:
    """An admin deletes a role and its leases."""
    return await delete_role(made.ports, ADMIN, WEB, revoking=True)


async def deleting_an_auth_role(made: World) -> None:
    """An admin deletes an auth role."""
    await delete_auth_role(made.ports, ADMIN, PolicyName("staff"))


CHANGES: dict[Work, int] = {
    importing: 7,
    deleting: 3,
    putting_a_role: 1,
    putting_a_policy: 1,
    putting_an_auth_role: 1,
    deleting_a_role: 1,
    revoking_a_role: 1,
    deleting_an_auth_role: 1,
}
"""Each with the number of documents that it changes."""


def documents_of(made: World) -> dict[str, object]:
    """What is stored under each path."""
    stores: dict[str, MemoryDocuments[Any]] = {
        "roles": made.roles,
        "auth-roles": made.access.auth_roles,
        "policies": made.access.policies,
    }
    return {f"{kind}/{name}": it[0] for kind, store in stores.items() for name, it in store.stored().items()}


@ERRORS
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_each_change_is_in_the_trail_once_whatever_befalls_its_writer(change: Work, error: Callable[[], BaseException]) -> None:
    """After the next reconciliation, even if nobody asks for the change again. What was not changed is in no event."""
    seen = set[int]()
    before = documents_of(furnished())
    for made in struck(change, error):
        made.run(lambda made=made: reconcile(made.coworker().ports, "r"))  # type: ignore[misc]
        after = documents_of(made)
        changed = sorted(path for path in {*before, *after} if before.get(path) != after.get(path))
        assert changed == sorted(event.document for event in made.audit.events if event.document)
        assert not any(store.pending for store in (made.roles, made.access.auth_roles, made.access.policies))
        seen.add(len(changed))
    assert seen == {*range(CHANGES[change] + 1)}


@ERRORS
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_change_that_is_asked_for_again_is_in_the_trail_once(change: Work, error: Callable[[], BaseException]) -> None:
    """Whoever has made it: the event of the first try is recorded later, and the second changes nothing or the rest."""
    before = documents_of(furnished())
    for made in struck(change, error):
        made.run(lambda made=made: _ended(change, made))  # type: ignore[misc]
        made.run(lambda made=made: reconcile(made.coworker().ports, "r"))  # type: ignore[misc]
        after = documents_of(made)
        assert sorted(path for path in {*before, *after} if before.get(path) != after.get(path)) == sorted(
            {event.document for event in made.audit.events if event.document}
        )

"""A worker that dies, or whose storage fails, at any call while it changes the configuration."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from shared.broker.configure.imports import import_configuration
from shared.broker.configure.policies import delete_policy
from shared.broker.configure.transfer import export
from shared.core.access.policy import PolicyName
from shared.core.errors import LeaseholdError, Unavailable
from tests.fakes.calls import Died
from tests.fakes.world import ADMINISTRATOR, EXISTING, GROUPS, World, request, role, world
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

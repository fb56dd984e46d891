from __future__ import annotations

import re

from local.cloud.arm import locks
from local.cloud.arm.scopes import Scope
from local.snapshots import INFRA
from tests.fakes.calls import Calls
from tests.fakes.clock import FakeClock
from tests.machine.azure import Azure


def _commands() -> list[str]:
    guide = (INFRA.parent / "docs" / "deploy.md").read_text().partition("## Uninstalling")[2]
    blocks = re.findall(r"```sh\n(.*?)```", guide, re.DOTALL)
    return re.findall(r"az (role assignment delete|lock delete|group delete)", blocks[1])


def _run(azure: Azure, command: str) -> None:
    """As Resource Manager takes it: with 409 ``ScopeLocked`` while a lock is in the way."""
    world = azure.world
    group = Scope.of(f"/subscriptions/{world.subscription_id}/resourceGroups/leasehold")
    held = [each for each in world.tree.role_assignments.values() if each.principal_id == azure.broker.object_id]
    if command == "lock delete":
        world.tree.locks.clear()
    elif command == "role assignment delete":
        for each in held:
            locks.check(world, Scope.of(each.scope), "delete", each.scope)
            del world.tree.role_assignments[each.name]
    else:
        locks.check_tree(world, group)
        assert [] == held


def test_the_documented_commands_meet_no_lock() -> None:
    """In their order, on what a deployment has made: nothing is refused, and no right is left when the identity goes."""
    azure = Azure(Calls(FakeClock()))
    assert azure.world.tree.locks
    assert {"lock delete", "role assignment delete", "group delete"} == set(_commands())

    for command in _commands():
        _run(azure, command)

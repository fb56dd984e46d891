"""Looking for the scopes that stored roles name: somebody may have deleted a resource group since the role was written.

Nothing is refused for that. The scope may be made again at any moment, and an issue finds out by itself. But a caller cannot
mend what it has not chosen: so the status tells the operator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from shared.broker.ports import Ports
from shared.broker.reconcile.stored_roles import note
from shared.core.names import Scope
from shared.core.parameters.known import constant_part
from shared.core.ports.inventory import GONE, ScopeState
from shared.core.role import Role
from shared.resilience.tasks import all_of

_LOOK = "look_for_scopes"


def has_lost_a_scope(ports: Ports, role: Role) -> bool:
    """Returns whether a scope of the role was gone when it was last looked for."""
    return any(each.scope_gone for each in ports.kinds.azure_roles(role))


async def look_for_scopes(ports: Ports, request_id: str, roles: Sequence[Role], _unread: list[str]) -> None:
    """Notes in each role which of its scopes are gone; of a scope with holes, the part above them.

    Makes one call for each scope. What Azure does not tell stays as it was. Raises ``Upstream`` if storage fails.
    """
    scopes = {each.key: each for role in roles for each in _named(ports, role).values()}
    states = await all_of(*(ports.inventory.scope_state(each, ports.ids.guid()) for each in scopes.values()))
    known = dict(zip(scopes, states, strict=True))
    for role in roles:
        await _note(ports, request_id, role, known)


def _named(ports: Ports, role: Role) -> dict[int, Scope]:
    """Returns what is constant of each assignment's scope, by the assignment's place."""
    found = ((index, constant_part(each.scope)) for index, each in enumerate(ports.kinds.azure_roles(role)))
    return {index: scope for index, scope in found if scope is not None}


async def _note(ports: Ports, request_id: str, role: Role, known: dict[str, ScopeState]) -> None:
    before, named = ports.kinds.azure_roles(role), _named(ports, role)
    now, changed = list(before), list[str]()
    for index, scope in named.items():
        state = known[scope.key]
        is_gone = state in GONE
        if before[index].scope_gone != is_gone and (is_gone or state is ScopeState.THERE):
            now[index] = replace(before[index], scope_gone=is_gone)
            changed.append(f"{scope} {'is gone' if is_gone else 'is there again'}")
    if changed:
        target = ports.kinds.of(role).schema.with_azure_roles(role.target, tuple(now))
        await note(ports, request_id, role.with_target(target), _LOOK, "; ".join(dict.fromkeys(changed)))

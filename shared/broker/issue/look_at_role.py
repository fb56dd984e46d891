"""What follows for a role when an issue, a preparation or a collection has failed."""

from __future__ import annotations

from shared.broker.ports import Ports
from shared.broker.reconcile.definitions import read_again
from shared.broker.reconcile.scopes import look_for_scopes
from shared.broker.reconcile.stored_roles import look_at_one
from shared.broker.reconcile.watched import look_again
from shared.core.errors import Absent, DefinitionGone, LeaseholdError, Refused, RoleOutdated
from shared.core.readiness.errors import NeverReady
from shared.core.role import Role


async def look_at_role(ports: Ports, request_id: str, role: Role, failure: LeaseholdError) -> None:
    """Where the failure may be the role's: the status then names the role, and no other issue begins in vain.

    ``role`` is as it is stored, and may be stored again: never a filled one, nor one with lifetimes cut.
    """
    if isinstance(failure, DefinitionGone):
        await look_at_one(ports, request_id, role, read_again)
    elif isinstance(failure, Refused | RoleOutdated):
        await look_at_one(ports, request_id, role, look_again)
        if isinstance(failure, Absent | NeverReady):
            await look_at_one(ports, request_id, role, look_for_scopes)

"""Writing and reading roles. For admins."""

from __future__ import annotations

from typing import Any

from shared.broker import rules
from shared.broker.access import require_admin
from shared.broker.outside import Outside, Request
from shared.broker.revoke import Revoking, revoke_role
from shared.core.closed_application import require_open
from shared.core.errors import Conflict, Fault, Malformed, NotFound
from shared.core.given_powers import gives_roles
from shared.core.names import RoleName
from shared.core.role import Role
from shared.core.role_document import read_role
from shared.core.urgency import answering_by


async def put_role(
    outside: Outside, request: Request, name: RoleName, document: Any, *, expected: str | None, dry_run: bool = False
) -> Role:
    """Checks the document, looks its names up in Azure, and stores it unless it is a dry run.

    ``expected`` as in ``Roles.put``. Raises ``Forbidden``, ``Malformed`` with all faults, ``PreconditionFailed``, ``Upstream``.
    """
    require_admin(request.caller)
    role = read_role(name, document)
    _refuse_other_tenants(outside, role)
    _refuse_protected(outside, role)
    with answering_by(outside.within(outside.timing.throttled)):
        role = role.with_target(await outside.issuers.for_target(role.target).resolve(role.target))
    _refuse_protected(outside, role)
    if faults := gives_roles(role.target):
        raise Malformed(*faults, code="gives_roles")
    require_open(role.target)
    if dry_run:
        return role
    stored = await outside.roles.put(role, expected=expected)
    warned = "; ".join(f"{each.path}: {each.code}" for each in rules.cautions(outside, stored))
    await outside.audit.record(request.done(outside, "put_role", role=name, reason=warned))
    return stored


async def get_role(outside: Outside, request: Request, name: RoleName) -> Role:
    """Raises ``Forbidden``, ``NotFound``."""
    require_admin(request.caller)
    role = await outside.roles.get(name)
    if role is None:
        raise NotFound(f"There is no role {name}.", code="role_not_found")
    return role


async def list_roles(outside: Outside, request: Request) -> tuple[Role, ...]:
    """Raises ``Forbidden``."""
    require_admin(request.caller)
    return await outside.roles.list()


async def delete_role(
    outside: Outside, request: Request, name: RoleName, *, expected: str | None, revoking: bool
) -> Revoking | None:
    """Forgets the role, and with ``revoking`` ends its leases as ``revoke_role`` does, also when it is repeated.

    Raises ``Forbidden``, ``NotFound``, ``PreconditionFailed``, and ``Conflict`` when it has live leases and ``revoking`` is
    not asked for.
    """
    require_admin(request.caller)
    if not revoking and await _has_leases(outside, name):
        raise Conflict("The role has live leases; revoke them with ?revoke=true.", code="role_has_leases")
    gone = await outside.roles.delete(name, expected=expected)
    # A deletion whose worker died has taken the role, and may not have got to its leases.
    if not gone and not (revoking and await outside.leases.count_live(name, at_most=1)):
        raise NotFound(f"There is no role {name}.", code="role_not_found")
    # Gone first: an issue that is under way either sees that, or its lease is revoked here.
    begun = await revoke_role(outside, request, name) if revoking else None
    await outside.audit.record(request.done(outside, "delete_role", role=name))
    return begun


async def _has_leases(outside: Outside, name: RoleName) -> bool:
    """Whether any is live that was not revoked with the others of the role."""
    generation = await outside.generations.get(name)
    return await outside.leases.count_live(name, at_most=1, since=generation.number) > 0


def _refuse_other_tenants(outside: Outside, role: Role) -> None:
    if others := sorted(role.bounds.tenant_ids - outside.tenants):
        raise Malformed(*(Fault("bound_tenant_ids", f"{each} is not among LEASEHOLD_ALLOWED_TENANTS") for each in others))


def _refuse_protected(outside: Outside, role: Role) -> None:
    if faults := outside.protected.faults(role.target):
        raise Malformed(*faults, code="protected_target")

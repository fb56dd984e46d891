"""Writing and reading roles."""

from __future__ import annotations

from shared.broker import rules
from shared.broker.ports import Actor, Ports
from shared.broker.revoke import Revoking, revoke_role
from shared.core.errors import Conflict, Fault, Malformed, NotFound
from shared.core.given_powers import gives_roles
from shared.core.names import RoleName
from shared.core.ports.documents import ANY, Expect
from shared.core.role import Role
from shared.resilience.priority import limit_deadline


async def put_role(ports: Ports, actor: Actor, role: Role, *, expected: Expect = ANY, dry_run: bool = False) -> Role:
    """Checks the role, looks its names up in Azure, and stores it unless it is a dry run.

    Raises ``Malformed`` with all faults, ``PreconditionFailed``, ``Upstream``.
    """
    _refuse_other_tenants(ports, role)
    _refuse_protected(ports, role)
    with limit_deadline(ports.within(ports.timing.throttled)):
        role = role.with_target(await ports.kinds.of(role).issuer.resolve(role.target))
    _refuse_protected(ports, role)
    if faults := gives_roles(ports.kinds.of(role).schema.azure_roles(role.target)):
        raise Malformed(*faults, code="gives_roles")
    if (closed := rules.closed(ports, role)) is not None:
        raise closed
    if dry_run:
        return role
    stored = await ports.roles.put(role, expected=expected)
    warned = "; ".join(f"{each.path}: {each.code}" for each in rules.cautions(ports, stored))
    await ports.audit.record(actor.done(ports, "put_role", role=role.name, reason=warned))
    return stored


async def find_role(ports: Ports, name: RoleName) -> Role | None:
    """The role, if there is one."""
    return await ports.roles.get(name)


async def get_role(ports: Ports, name: RoleName) -> Role:
    """Raises ``NotFound``."""
    role = await find_role(ports, name)
    if role is None:
        raise NotFound(f"There is no role {name}.", code="role_not_found")
    return role


async def list_roles(ports: Ports) -> tuple[Role, ...]:
    """Every role, by name."""
    return await ports.roles.list()


async def delete_role(ports: Ports, actor: Actor, name: RoleName, *, expected: Expect = ANY, revoking: bool) -> Revoking | None:
    """Forgets the role, and with ``revoking`` ends its leases as ``revoke_role`` does, also when it is repeated.

    Raises ``NotFound``, ``PreconditionFailed``, and ``Conflict`` when it has live leases and ``revoking`` is
    not asked for.
    """
    if not revoking and await _has_leases(ports, name):
        raise Conflict("The role has live leases; revoke them with ?revoke=true.", code="role_has_leases")
    gone = await ports.roles.delete(name, expected=expected)
    # A deletion whose worker died has taken the role, and may not have got to its leases.
    if not gone and not (revoking and await ports.leases.count_live(name, at_most=1, pooled=True)):
        raise NotFound(f"There is no role {name}.", code="role_not_found")
    # Gone first: an issue that is under way either sees that, or its lease is revoked here.
    begun = await revoke_role(ports, actor, name) if revoking else None
    await ports.audit.record(actor.done(ports, "delete_role", role=name))
    return begun


async def _has_leases(ports: Ports, name: RoleName) -> bool:
    """Whether any is live that was not revoked with the others of the role."""
    generation = await ports.generations.get(name)
    return await ports.leases.count_live(name, at_most=1, since=generation.number) > 0


def _refuse_other_tenants(ports: Ports, role: Role) -> None:
    if others := sorted(role.bounds.tenant_ids - ports.tenants):
        raise Malformed(*(Fault("bound_tenant_ids", f"{each} is not among LEASEHOLD_ALLOWED_TENANTS") for each in others))


def _refuse_protected(ports: Ports, role: Role) -> None:
    if faults := rules.protected(ports, role):
        raise Malformed(*faults, code="protected_target")

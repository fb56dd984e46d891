"""Writes, reads and deletes roles."""

from __future__ import annotations

from shared.broker import rules
from shared.broker.ports import Actor, Ports
from shared.broker.revoke import Revoking, revoke_role
from shared.core.access.bounds import foreign_faults
from shared.core.errors import Conflict, Malformed, NotFound
from shared.core.given_powers import gives_roles
from shared.core.names import RoleName
from shared.core.ports.documents import ANY, Expect
from shared.core.role import Role
from shared.resilience.priority import limit_deadline


async def put_role(ports: Ports, actor: Actor, role: Role, *, expected: Expect = ANY, dry_run: bool = False) -> Role:
    """Checks the role, looks up its names in Azure, and stores it unless this is a dry run.

    Raises ``Malformed`` with all faults, ``PreconditionFailed``, ``Upstream``.
    """
    if faults := tuple(foreign_faults(role.bounds, ports.home, ports.tenants)):
        raise Malformed(*faults)
    _refuse_protected(ports, role)
    with limit_deadline(ports.within(ports.timing.throttled)):
        role = role.with_target(await ports.kinds.of(role).issuer.resolve(role.target))
    _refuse_protected(ports, role)
    if faults := gives_roles(ports.kinds.azure_roles(role)):
        raise Malformed(*faults, code="gives_roles")
    if (closed := rules.closed(ports, role)) is not None:
        raise closed
    if dry_run:
        return role
    stored = await ports.roles.put(role, expected=expected)
    await changed(ports)
    warned = "; ".join(f"{each.path}: {each.code}" for each in rules.cautions(ports, stored))
    await ports.audit.record(actor.done(ports, "put_role", role=role.name, reason=warned))
    return stored


async def find_role(ports: Ports, name: RoleName) -> Role | None:
    """Returns the role, or ``None`` if there is none."""
    return await ports.roles.get(name)


async def get_role(ports: Ports, name: RoleName) -> Role:
    """Returns the role. Raises ``NotFound``."""
    role = await find_role(ports, name)
    if role is None:
        raise NotFound(f"There is no role {name}.", code="role_not_found")
    return role


async def list_roles(ports: Ports) -> tuple[Role, ...]:
    """Returns every role, by name."""
    return await ports.roles.list()


async def delete_role(ports: Ports, actor: Actor, name: RoleName, *, expected: Expect = ANY, revoking: bool) -> Revoking | None:
    """Deletes the role. If ``revoking``, ends its leases as ``revoke_role`` does, also when the call is repeated.

    Raises ``NotFound``, ``PreconditionFailed``, or ``Conflict`` if the role has live leases and ``revoking`` is ``False``.
    """
    if not revoking and await _has_leases(ports, name):
        raise Conflict("The role has live leases; revoke them with ?revoke=true.", code="role_has_leases")
    gone = await ports.roles.delete(name, expected=expected)
    # If an earlier deletion's worker has died, the role is gone, and its leases may still live.
    if not gone and not (revoking and await ports.leases.count_live(name, at_most=1, pooled=True)):
        raise NotFound(f"There is no role {name}.", code="role_not_found")
    await changed(ports)
    # The role goes first: an issue under way either sees that, or its lease is revoked here.
    begun = await revoke_role(ports, actor, name) if revoking else None
    await ports.audit.record(actor.done(ports, "delete_role", role=name))
    return begun


async def _has_leases(ports: Ports, name: RoleName) -> bool:
    """Returns whether the role has a live lease that was not revoked with the others."""
    generation = await ports.generations.get(name)
    return await ports.leases.count_live(name, at_most=1, since=generation.number) > 0


async def changed(ports: Ports) -> None:
    """Lets every worker read the bounds of roles again. If the worker dies before, they are read again with the next change.

    Until then a worker reads the facts that the new bounds need when somebody asks for the role, not before: nothing else.
    """
    ports.access_view.changed()
    await ports.access.touch()


def _refuse_protected(ports: Ports, role: Role) -> None:
    if faults := rules.protected(ports, role):
        raise Malformed(*faults, code="protected_target")

"""Writes, reads and deletes roles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from shared.broker import rules
from shared.broker.access import rights_of
from shared.broker.configure.deliveries import require_own_vaults, shared_vaults, taken_names, tried_vaults
from shared.broker.configure.event_rules import users_of_role
from shared.broker.configure.events import change_event, tell
from shared.broker.configure.look_up import cautions_of, look_up
from shared.broker.configure.pools import is_larger
from shared.broker.configure.read_again import changed
from shared.broker.configure.sharing import Sharing, require_fit, takes_of_shared
from shared.broker.configure.written import Written, exactly, judged_again, require_expected
from shared.broker.ports import Actor, Ports
from shared.broker.revoke import Revoking, revoke_role
from shared.core.access.bounds import NAMED, Bounds, bounds_cautions, foreign_faults, readable_bounds
from shared.core.access.errors import Escalation
from shared.core.errors import Caution, Conflict, DirectoryUnavailable, Fault, Malformed, NotFound
from shared.core.events.errors import RoleInUse
from shared.core.given_powers import gives_roles
from shared.core.graph_app_roles import FIELD as GRAPH_APP_ROLES
from shared.core.names import RoleName
from shared.core.parameters.parameter import FIELD, widens
from shared.core.ports.documents import ANY, Expect
from shared.core.role import Role
from shared.kinds.role_document import read_role, write_role
from shared.resilience.priority import limit_deadline
from shared.resilience.tasks import both


async def put_role(
    ports: Ports, actor: Actor, role: Role, *, expected: Expect = ANY, dry_run: bool = False, is_untried: bool = False
) -> Written[Role]:
    """Checks a role from ``read``, looks up its names in Azure, and stores it unless this is a dry run, or it is stored
    already. ``is_untried``: what cannot be looked up now is taken as it stands; for administrators.

    Raises ``Malformed`` with all faults, ``Escalation``, ``PreconditionFailed``, ``Upstream``.
    """
    return await judged_again(lambda: _put(ports, actor, role, expected, dry_run=dry_run, is_untried=is_untried))


async def _put(ports: Ports, actor: Actor, role: Role, expected: Expect, *, dry_run: bool, is_untried: bool) -> Written[Role]:
    former = await ports.roles.get(role.name)
    require_expected(expected, former.version if former is not None else None)
    await _refuse_escalation(ports, actor, role, former)
    _refuse_more_of_graph(ports, actor, role, former)
    others = await ports.roles.list() if role.delivery is not None else ()
    if faults := tuple(taken_names(role, others)):
        raise Malformed(*faults)
    role = await checked(ports, role, former, is_untried=is_untried and actor.caller.is_admin)
    if is_larger(ports, role, former):
        others = others or await ports.roles.list()
        # How much a pool holds is known once the role is looked up.
        require_fit(ports, role, former, others)
    warnings = (*role_cautions(ports, role), *shared_vaults(role, others))
    if dry_run:
        azure, vaults = await both(look_up(ports, role.bounds), tried_vaults(ports, role))
        return Written(role, former is None, (*warnings, *rules.untried(ports, role), *cautions_of(azure), *vaults), azure)
    if former is not None and not former.outdated and kept_of(ports, former) == kept_of(ports, role):
        return Written(former, is_new=False, warnings=warnings)
    sharing = Sharing(ports, partial(require_fit, ports))
    return Written(await store_role(ports, actor, role, former, sharing), former is None, warnings)


def read(ports: Ports, name: RoleName, document: Any) -> Role:
    """Reads a role that a caller has written. It is not looked up yet. A lifetime that it does not name is within the setting.

    Raises ``Malformed`` with all faults.
    """
    try:
        role = read_role(ports.kinds, name, document, longest=ports.limits.max_ttl)
    except Malformed as malformed:
        bounds = readable_bounds(document) if isinstance(document, Mapping) else Bounds()
        raise Malformed(*malformed.faults, *foreign_faults(bounds, ports.home, ports.tenants)) from None
    if faults := (*foreign_faults(role.bounds, ports.home, ports.tenants),):
        raise Malformed(*faults)
    return role


async def checked(ports: Ports, role: Role, former: Role | None = None, *, is_untried: bool = False) -> Role:
    """Returns the role with what its names mean in Azure today. Raises ``Malformed`` with all faults, ``Upstream``.

    What ``former`` has already is not looked at again. ``is_untried``: a vault that does not answer is taken as it stands.
    """
    _refuse_protected(ports, role)
    await require_own_vaults(ports, role, former, is_untried=is_untried)
    with limit_deadline(ports.within(ports.timing.throttled)):
        role = role.with_target(await ports.kinds.of(role).issuer.resolve(role.target))
    _refuse_protected(ports, role)
    if faults := gives_roles(ports.kinds.azure_roles(role)):
        raise Malformed(*faults, code="gives_roles")
    if (closed := rules.closed(ports, role)) is not None:
        raise closed
    return role


async def store_role(ports: Ports, actor: Actor, role: Role, former: Role | None, sharing: Sharing) -> Role:
    """Stores a checked role in place of ``former`` and audits what has changed.

    Raises ``PreconditionFailed`` if the store has another role than ``former``, ``Malformed`` if the role does not go together
    with others, ``Upstream``.
    """
    before = kept_of(ports, former) if former is not None else None
    is_same = former is not None and former.delivery == role.delivery
    since = former.delivers_since if former is not None and is_same else ports.now()
    role = replace(role, delivers_since=since if role.delivery is not None else None)
    warned = "; ".join(f"{each.path}: {each.code}" for each in rules.cautions(ports, role))
    path, after = f"roles/{role.name}", kept_of(ports, role)
    event = change_event(ports, actor, "put_role", path, before, after, role=role.name, reason=warned)
    expected = exactly(former)
    if takes_of_shared(ports, role, former):
        put = partial(ports.roles.put_sharing, role, expected=expected, event=event)
        stored = await sharing.store(role, former, lambda version: put(judged_at=version))
    else:
        stored = await ports.roles.put(role, expected=expected, event=event)
    await changed(ports)
    await tell(ports, ports.roles, event)
    return stored


def kept_of(ports: Ports, role: Role) -> dict[str, Any]:
    """Returns all that is stored of a role: its document, and in ``resolved`` what was looked up in Azure."""
    kind = ports.kinds.find(role.type)
    resolved = {"resolved": kind.schema.keep(role.target)} if kind is not None else {}
    return write_role(ports.kinds, role) | resolved


async def get_role(ports: Ports, name: RoleName) -> Role:
    """Returns the role. Raises ``NotFound``."""
    role = await ports.roles.get(name)
    if role is None:
        raise not_found(name)
    return role


async def delete_role(ports: Ports, actor: Actor, name: RoleName, *, expected: Expect = ANY, revoking: bool) -> Revoking | None:
    """Deletes the role. If ``revoking``, ends its leases as ``revoke_role`` does, also when the call is repeated.

    A repeat tells of the revocation alone. Raises ``NotFound``, ``PreconditionFailed``, or ``Conflict`` if the role has live
    leases and ``revoking`` is ``False``, ``RoleInUse`` if an event rule issues from it.
    """
    _, begun = await remove_role(ports, actor, name, expected=expected, revoking=revoking)
    return begun


async def remove_role(
    ports: Ports, actor: Actor, name: RoleName, *, expected: Expect, revoking: bool
) -> tuple[bool, Revoking | None]:
    """As ``delete_role``. Returns as well whether this call has deleted the role: its leases may have been left alone."""
    former = await ports.roles.get(name)
    if former is not None and (users := users_of_role(await ports.event_rules.list(), name)):
        raise RoleInUse(name, users)
    if not revoking and await has_leases(ports, name):
        raise Conflict("The role has live leases; revoke them with ?revoke=true.", code="role_has_leases")
    before = kept_of(ports, former) if former is not None else None
    event = change_event(ports, actor, "delete_role", f"roles/{name}", before, None, role=name)
    gone = await ports.roles.delete(name, expected=expected, event=event) is not None
    # If an earlier deletion's worker has died, the role is gone, and its leases may still live.
    if not gone and not (revoking and await ports.leases.count_live(name, at_most=1, pooled=True)):
        raise not_found(name)
    await changed(ports)
    # The role goes first: an issue under way either sees that, or its lease is revoked here.
    begun = await revoke_role(ports, actor, name) if revoking else None
    if gone:
        await tell(ports, ports.roles, event)
    return gone, begun


def not_found(name: RoleName) -> NotFound:
    """Returns what a caller is told of a role that is not there."""
    return NotFound(f"There is no role {name}.", code="role_not_found")


async def has_leases(ports: Ports, name: RoleName) -> bool:
    """Returns whether the role has a live lease that was not revoked with the others."""
    generation = await ports.generations.get(name)
    return await ports.leases.count_live(name, at_most=1, since=generation.number) > 0


def role_cautions(ports: Ports, role: Role) -> Iterator[Caution]:
    """Yields what the role's author should know. Does not call Azure."""
    yield from rules.cautions(ports, role)
    yield from bounds_cautions(role.bounds)


async def _refuse_escalation(ports: Ports, actor: Actor, role: Role, former: Role | None) -> None:
    """Raises ``Escalation`` if the caller changes who may issue from a role from which it may not issue itself.

    Whom bounds let in, they let in for every ask. So the caller must be allowed every ask.
    """
    bounds = former.bounds if former is not None else Bounds()
    wider = former is not None and widens(former.parameters, role.parameters)
    if actor.caller.is_admin or (bounds == role.bounds and not wider):
        return
    rights = await rights_of(ports, actor.caller, fresh=True)
    decision = (await rights.issuing(role.name, bounds)).decide_on_every_ask()
    if decision.outcome == "unknown":
        raise DirectoryUnavailable(decision.why)
    if not decision.is_allowed:
        message = "says who may issue from the role: only who may issue from it changes that"
        faults = [Fault(kind, message) for kind in NAMED if bounds.of(kind) != role.bounds.of(kind)]
        widened = "lets more through than before: only who may issue all of it may widen it"
        raise Escalation(*faults, *([Fault(FIELD, widened)] if wider else ()))


def _refuse_more_of_graph(ports: Ports, actor: Actor, role: Role, former: Role | None) -> None:
    """Raises ``Escalation`` if the caller is no admin and gives the role a permission of Microsoft Graph that it did not have.

    Such a permission reaches all of the tenant, wherever the caller's own rights end.
    """
    if actor.caller.is_admin:
        return
    before = ports.kinds.graph_app_roles(former) if former is not None else ()
    message = "reaches all of the tenant: only Leasehold.Admin gives it to a role"
    given = enumerate(ports.kinds.graph_app_roles(role))
    if faults := [Fault(f"{GRAPH_APP_ROLES}[{place}]", message) for place, name in given if name not in before]:
        raise Escalation(*faults)


def _refuse_protected(ports: Ports, role: Role) -> None:
    if faults := rules.protected(ports, role):
        raise Malformed(*faults, code="protected_target")

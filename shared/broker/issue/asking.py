"""What a caller asks of a role: values for the role's holes, and a scope to which the role is narrowed.

The order is: the gate lets the caller ask for something at all, the values are read and decided on, the role is filled and
narrowed, what is protected is looked for. Only then a lease is stored. It has the filled scopes, and never a template.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from shared.broker import rules
from shared.broker.access import CallerRights, Issuing, issuing_from
from shared.broker.ports import Actor, Ports
from shared.core import ownership
from shared.core.access.configuration import Needs
from shared.core.access.decide import Decision
from shared.core.access.facts import NOT_ASKED, NOTHING_ASKED, Facts, Principal, Unread
from shared.core.access.match import may_be_a_resource
from shared.core.audit import AuditEvent
from shared.core.caller import Caller
from shared.core.errors import DirectoryUnavailable, Fault, Forbidden, LeaseholdError, Malformed
from shared.core.federated_identity import FederatedIdentity
from shared.core.lease import Lease
from shared.core.names import LeaseId, ObjectId, RoleName, Scope, Unparsable
from shared.core.parameters.asked import as_asked, outdated, read_values
from shared.core.parameters.errors import FactMissing, TargetMissing
from shared.core.parameters.holes import GROUP_AT, holes_of_scope
from shared.core.parameters.narrowing import WITHIN
from shared.core.parameters.parameter import FIELD, Parameter, needs_principal
from shared.core.parameters.source import OF_THE_RESOURCE, CallerFacts, facts_of
from shared.core.ports.inventory import GONE, ScopeState
from shared.core.role import Role, role_changed
from shared.kinds.kind import Asker
from shared.resilience.tasks import all_of, both

_NAME_BEHIND = 3
"""So many segments behind ``providers`` a top resource has its name."""


@dataclass(frozen=True, slots=True)
class AskedFor:
    """``parameters`` as the caller has written them; a value may be anything. ``within`` is a scope, or not there.

    ``credential``: the fields that are about the credential, by their names, as the caller has written them. The role's kind
    reads them.
    """

    parameters: Mapping[str, Any] = field(default_factory=dict)
    within: Scope | None = None
    credential: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Missing:
    """Scopes that were filled or narrowed, and are not there, or not for the broker, each with what Azure says of it.

    ``is_own``: it is the caller's own resource, and is gone. What is known of it is then about a resource that was.
    """

    scopes: Mapping[Scope, ScopeState]
    is_own: bool = False


@dataclass(frozen=True, slots=True)
class Filled:
    """A role as one caller asks for it: without holes, and narrowed. ``values`` are all that filled it.

    ``own`` is the caller's resource, if a fact about it is among them. Nobody has looked yet whether it is there.
    """

    role: Role
    template: Role
    values: Mapping[str, str] = field(default_factory=dict)
    within: Scope | None = None
    own: Scope | None = None
    asker: Asker = Asker(ObjectId(""))  # noqa: RUF009 - it is frozen
    """The caller, for the kind of credential."""


async def filled_for(
    ports: Ports, caller: Caller, name: RoleName, ask: AskedFor, holder: Caller | None = None
) -> tuple[Filled, Decision]:
    """Returns the role as the caller asks for it, and what has decided. Facts are those about the ``holder``, if it is another.

    Raises as ``issuing_from``, and ``Malformed``, ``ParameterNotAllowed``, ``FactMissing``, ``NotWithin``, ``NotNarrowable``.
    """
    role, issuing = await issuing_from(ports, caller, name)
    parameters = role.parameters
    if role.is_unreadable:
        return Filled(role, role), issuing.require()
    schema = ports.kinds.of(role).schema
    asks_who = may_be_a_resource(holder or caller) and schema.asks_who(role.target, ask.credential)
    needed = asks_who or needs_principal(parameters)
    if holder is None:
        read = await _read_facts(ports, issuing.rights, needed=needed)
    else:
        read = await ports.directory.read(holder, Needs(principal=True)) if needed else NOTHING_ASKED
    facts = facts_of(holder or caller, read)
    values = read_values(parameters, ports.kinds.azure_roles(role), ask.parameters, facts)
    decision = issuing.require(as_asked(parameters, values))
    asker = _asker(holder or caller, read.principal if asks_who else None)
    return replace(_filled(ports, role, parameters, values, ask.within), own=_own(parameters, facts), asker=asker), decision


async def filled_and_generation(
    ports: Ports, caller: Caller, name: RoleName, ask: AskedFor, holder: Caller | None = None
) -> tuple[Filled, int, Decision]:
    """Returns what ``filled_for`` returns, and the role's generation. Raises as that."""
    (filled, decision), generation = await both(filled_for(ports, caller, name, ask, holder), ports.generations.get(name))
    return filled, generation.number, decision


async def filled_as_kept(ports: Ports, role: Role, issuing: Issuing, lease: Lease) -> tuple[Filled, Decision]:
    """Returns the role as it was filled for a lease, if the holder may still ask for that, and what has decided.

    Raises ``Forbidden``; ``Conflict`` if the role of today would not give these values, or not narrowed so;
    ``DirectoryUnavailable`` if a fact that fills a hole is unread.
    """
    parameters = role.parameters
    read = await _read_facts(ports, issuing.rights, needed=needs_principal(parameters))
    facts = facts_of(issuing.rights.caller, read)
    if await _gone(ports, _own(parameters, facts), ports.ids.guid()) is not None:
        raise role_changed()
    if outdated(parameters, ports.kinds.azure_roles(role), lease.parameters, facts):
        raise role_changed()
    decision = issuing.require(as_asked(parameters, lease.parameters))
    return Filled(refilled(ports, role, lease), role, lease.parameters), decision


def refilled(ports: Ports, role: Role, lease: Lease) -> Role:
    """Returns the role with the values of a lease, narrowed as the lease is. Raises ``Conflict`` if today's role is not so."""
    parameters = role.parameters
    names = {each.name for each in parameters}
    if role.is_unreadable or names != {*lease.parameters}:
        raise role_changed()
    if not all(each.allows(lease.parameters[each.name]) for each in parameters):
        raise role_changed()
    try:
        within = Scope.parse(lease.within) if lease.within else None
        return _filled(ports, role, parameters, dict(lease.parameters), within).role
    except (Malformed, Forbidden, Unparsable) as refused:
        raise role_changed() from refused


def granted_by(
    scopes: Sequence[Scope],
    parameters: Mapping[str, str],
    within: str | None,
    used_by: FederatedIdentity | None = None,
    graph_app_roles: Sequence[str] = (),
) -> dict[str, Any] | None:
    """Returns what the audit trail says of an ask, of where it was granted, and of whose tokens stand for the credential.

    ``None`` if nothing was granted at scopes or in Microsoft Graph, and there is nobody to tell of.
    """
    more = {
        **({"federated_identity": used_by.document()} if used_by else {}),
        **({"graph_app_roles": [*graph_app_roles]} if graph_app_roles else {}),
    }
    if not scopes:
        return more or None
    asked = {FIELD: dict(parameters)} if parameters else {}
    return {"scopes": [*scopes], **asked, **({WITHIN: within} if within else {}), **more}


def event_of(ports: Ports, actor: Actor, operation: str, lease: Lease) -> AuditEvent:
    """Returns the event of an ask for this lease that is done, with what was granted and where."""
    done = actor.done(ports, operation, role=lease.id.role, lease=lease.id, reason=lease.reason)
    granted = granted_by(lease.scopes, lease.parameters, lease.within, lease.used_by, lease.graph_app_roles)
    return replace(done, granted=granted)


async def missing_in_azure(ports: Ports, filled: Filled, lease_id: LeaseId) -> Missing | None:
    """Returns what is not there in Azure: the resource of which a fact has filled a hole, or what was filled or narrowed.

    Nothing else is looked for. Raises nothing. It returns no error: work that runs beside other work raises what it returns,
    and a lease is being stored meanwhile.
    """
    name = ownership.assignment_name(lease_id, 0)
    own, target = await both(_gone(ports, filled.own, name), _missing_target(ports, filled, name))
    return own or target


async def require_own_resource(ports: Ports, filled: Filled) -> None:
    """Raises ``FactMissing`` if the resource is gone of which a fact has filled a hole."""
    gone = await _gone(ports, filled.own, ports.ids.guid())
    if gone is not None:
        raise missing_error(ports, filled, gone)


async def _gone(ports: Ports, own: Scope | None, name: str) -> Missing | None:
    state = await ports.inventory.resource_state(own, name) if own is not None else ScopeState.UNKNOWN
    return Missing({own: state}, is_own=True) if own is not None and state in GONE else None


async def _missing_target(ports: Ports, filled: Filled, name: str) -> Missing | None:
    constant = {each.scope.key for each in ports.kinds.azure_roles(filled.template)}
    wanted = {each.scope.key: each.scope for each in ports.kinds.azure_roles(filled.role) if each.scope.key not in constant}
    if not wanted:
        return None
    states = await all_of(*(ports.inventory.scope_state(scope, name) for scope in wanted.values()))
    found = dict(zip(wanted.values(), states, strict=True))
    missing = {scope: state for scope, state in found.items() if state in GONE or state is ScopeState.REFUSED}
    return Missing(missing) if missing else None


def missing_error(ports: Ports, filled: Filled, missing: Missing) -> LeaseholdError:
    """Returns the error of an ask for what is not there: it names what the caller has given, or what is known of the caller."""
    reason = "; ".join(f"{scope}: {state.value}" for scope, state in missing.scopes.items())
    if missing.is_own:
        sources = (each for each in filled.template.parameters if each.source in OF_THE_RESOURCE)
        faults = [Fault(each.path, f"your {each.source} is of a resource that is gone") for each in sources]
        return FactMissing(*faults, audit_reason=reason)
    paths: dict[str, str] = {}
    for scope, state in missing.scopes.items():
        sentence = "is not there" if state in GONE else "is not there, or the broker may not assign roles there"
        paths |= dict.fromkeys(_paths(ports, filled, scope, state), sentence)
    return TargetMissing(*(Fault(path, sentence) for path, sentence in paths.items()), audit_reason=reason)


def _paths(ports: Ports, filled: Filled, scope: Scope, state: ScopeState) -> Iterator[str]:
    """Yields the path of what the caller has given of the part that is missing: each parameter at or below it, or ``within``.

    Yields none if the role itself names that part. If it is not known which part is missing, it may be any.
    """
    segments = scope.casefold().split("/")
    name_at = segments.index("providers") + _NAME_BEHIND if "providers" in segments else GROUP_AT
    first = {ScopeState.NO_RESOURCE: name_at, ScopeState.NO_GROUP: GROUP_AT}.get(state)
    for role in ports.kinds.azure_roles(filled.template):
        holes = holes_of_scope(role.scope)
        mine = [filled.values.get(holes[at], each) if at in holes else each for at, each in enumerate(role.scope.split("/"))]
        if [each.casefold() for each in mine] != segments[: len(mine)]:
            continue
        if filled.within is not None and (first is None or first >= len(mine)):
            yield WITHIN
        if first is None or first in holes:
            yield from (f"{FIELD}.{name}" for at, name in holes.items() if first is None or at >= first)


async def _read_facts(ports: Ports, rights: CallerRights, *, needed: bool) -> Facts:
    """Returns the facts about the caller, if they are ``needed``. Reads what nobody has asked for yet.

    What they say of the caller's resource may be about one that was: nobody has looked yet.
    """
    caller, facts = rights.caller, rights.facts
    if not needed:
        return NOTHING_ASKED
    if caller.is_admin or facts.principal is NOT_ASKED:
        # Of an administrator nothing was read: the gate needs no fact.
        facts = replace(facts, principal=(await ports.directory.read(caller, Needs(principal=True))).principal)
    return facts


def _asker(caller: Caller, principal: Principal | Unread | None) -> Asker:
    """Raises ``DirectoryUnavailable`` if the caller's service principal could not be read."""
    if isinstance(principal, Unread):
        raise DirectoryUnavailable(principal.why)
    return Asker(caller.object_id, is_user_assigned=principal is not None and principal.is_user_assigned)


def _own(parameters: Sequence[Parameter], facts: CallerFacts) -> Scope | None:
    """Returns the caller's resource, if a fact about it fills a hole. Raises ``DirectoryUnavailable`` if it is unread."""
    own = facts.own() if needs_principal(parameters) else None
    try:
        return Scope.parse(own.id) if own is not None else None
    except Unparsable:
        return None


def _filled(
    ports: Ports, role: Role, parameters: Sequence[Parameter], values: Mapping[str, str], within: Scope | None
) -> Filled:
    if not parameters and within is None:
        return Filled(role, role)
    schema = ports.kinds.of(role).schema
    target = schema.fill(role.target, values) if parameters else role.target
    filled = Filled(role.with_target(schema.narrow(target, within) if within is not None else target), role, values, within)
    _require_unprotected(ports, filled, parameters)
    return filled


def _require_unprotected(ports: Ports, filled: Filled, parameters: Sequence[Parameter]) -> None:
    """Raises ``Malformed`` if the filled role reaches what is protected, and ``Forbidden`` if a fact has filled it so.

    The caller is not told what is protected.
    """
    broken = rules.protected(ports, filled.role)
    if not broken or rules.protected(ports, filled.template):
        # If the template itself is at fault, the role must be written again: whoever issues from it says so.
        return
    # The paths are the template's, and what was asked for is told nowhere else.
    scopes = ", ".join(dict.fromkeys(each.scope for each in ports.kinds.azure_roles(filled.role)))
    reason = "; ".join((*dict.fromkeys(fault.message for fault in broken), f"asked for: {scopes}"))
    if any(each.source is not None for each in parameters):
        raise Forbidden(code="protected_target", audit_reason=reason)
    path = WITHIN if filled.within is not None else FIELD
    refused = Malformed(Fault(path, "no role may be assigned there"), code="protected_target")
    refused.audit_reason = reason
    raise refused

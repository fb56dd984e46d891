"""The one gate: decides which calls a caller may make, and which roles and leases it may use.

A refusal reads the same whether the thing exists or not. What the directory must say of the caller is read whatever the caller
asks for, so that the time of an answer tells nothing either.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.broker.ports import Ports
from shared.core.access.asked import NO_PARAMETERS, WITHOUT_PARAMETERS, Asked, Asks, OneAsk, SomeAsk
from shared.core.access.bounds import Bounds
from shared.core.access.configuration import Configuration, Needs
from shared.core.access.decide import (
    Decision,
    Rights,
    decide,
    decide_on_every_ask,
    decide_on_some_ask,
    decide_on_some_path,
)
from shared.core.access.facts import NOT_ASKED, NOTHING_ASKED, Facts, Principal
from shared.core.access.match import Outcome, Unknown, match
from shared.core.access.policy import Capability
from shared.core.access.refusals import reason_of
from shared.core.caller import Caller
from shared.core.errors import DirectoryUnavailable, Forbidden, NotFound
from shared.core.lease import Lease, LeaseView
from shared.core.names import LeaseId, RoleName
from shared.core.role import Role
from shared.resilience.tasks import both


@dataclass(frozen=True, slots=True)
class CallerRights:
    """What one caller may do, by the configuration as it was when they were asked for."""

    ports: Ports
    configuration: Configuration
    rights: Rights
    facts: Facts

    @property
    def caller(self) -> Caller:
        """Whose rights they are."""
        return self.rights.caller

    def decide(self, path: str, capability: Capability) -> Decision:
        """Decides by policies and app roles."""
        return decide(self.rights, path, capability)

    def allow(self, path: str, capability: Capability) -> bool:
        """Returns whether the caller may."""
        return self.decide(path, capability).is_allowed

    def on_some_lease(self, capability: Capability) -> Decision:
        """Decides whether the caller has the capability on any lease: which those are, each lease's own path says."""
        return decide_on_some_path(self.rights, "leases/*", capability)

    def require(self, path: str, capability: Capability) -> Decision:
        """Returns the decision if it allows. Raises ``Forbidden``, or ``DirectoryUnavailable`` if a fact could not be read."""
        return self.require_allowed(self.decide(path, capability), path, capability)

    async def issuing(self, role: RoleName, bounds: Bounds | None) -> Issuing:
        """Returns what decides about issuing from a role. ``bounds`` are the role's own, ``None`` if there is no such role."""
        return Issuing(self, role, bounds, await self._inline(bounds) if bounds is not None else None)

    def require_allowed(self, decision: Decision, path: str, capability: Capability, bounds: Bounds | None = None) -> Decision:
        """Returns the decision if it allows, and raises ``refusal`` if not."""
        if not decision.is_allowed:
            raise self.refusal(decision, path, capability, bounds)
        return decision

    def refusal(
        self,
        decision: Decision,
        path: str,
        capability: Capability,
        bounds: Bounds | None,
        asks: Asks = WITHOUT_PARAMETERS,
    ) -> Forbidden | DirectoryUnavailable:
        """Returns the error for a decision that does not allow. The audit trail gets the reason, with the content of bounds and
        of parameters.
        """
        reason = reason_of(decision, self.configuration, self.caller, self.facts, path, capability, bounds, asks=asks)
        if bounds is None and capability == "issue":
            reason = f"no such role; {reason}"
        return Forbidden(audit_reason=reason) if decision.outcome == "denied" else DirectoryUnavailable(reason)

    async def _inline(self, bounds: Bounds) -> Outcome:
        """Returns what inline bounds say. If they are newer than the configuration, facts may be missing: reads them now."""
        if self.caller.is_admin:
            return match(bounds, self.caller, self.facts)
        return await outcome_of(self.ports, self.caller, bounds, self.facts)


@dataclass(frozen=True, slots=True)
class Issuing:
    """What decides whether the caller may issue from one role. ``bounds`` are the role's own, ``None`` if it is not there.

    ``require`` lets a caller in, and ``decide`` says whether it would. Both take all values of the ask. Without values, the ask
    is one for a role without parameters. The others answer other questions, and let nobody in.
    """

    rights: CallerRights
    role: RoleName
    bounds: Bounds | None
    inline: Outcome | None
    """What the role's own bounds say of the caller."""

    @property
    def path(self) -> str:
        """The path of the role's leases."""
        return f"roles/{self.role}/leases"

    def decide(self, asked: Asked = NO_PARAMETERS) -> Decision:
        """Decides about one ask."""
        return decide(self.rights.rights, self.path, "issue", self.inline, asked)

    def require(self, asked: Asked = NO_PARAMETERS) -> Decision:
        """Returns the decision about one ask, if it allows. Raises ``Forbidden``, ``DirectoryUnavailable``."""
        decision = self.decide(asked)
        if not decision.is_allowed:
            raise self.refusal(decision, OneAsk(asked))
        return decision

    def decide_on_some_ask(self, names: frozenset[str] | None = None) -> Decision:
        """Decides whether there may be an ask that the caller may issue.

        ``names``: the parameters of the role; ``None`` if they are not known.
        """
        return decide_on_some_ask(self.rights.rights, self.path, self.inline, names)

    def require_some_ask(self, names: frozenset[str] | None = None) -> None:
        """Raises ``Forbidden`` or ``DirectoryUnavailable`` if there is no ask that the caller may issue.

        It comes before the values are read: whoever may issue nothing learns nothing of the role's parameters.
        """
        decision = self.decide_on_some_ask(names)
        if not decision.is_allowed:
            raise self.refusal(decision, SomeAsk(names))

    def decide_on_every_ask(self) -> Decision:
        """Decides whether the caller may issue from the role, whatever it asks for."""
        return decide_on_every_ask(self.rights.rights, self.path, self.inline)

    def refusal(self, decision: Decision, asks: Asks) -> Forbidden | DirectoryUnavailable:
        """Returns the error for a decision that does not allow these asks."""
        return self.rights.refusal(decision, self.path, "issue", self.bounds, asks)


async def outcome_of(ports: Ports, caller: Caller, bounds: Bounds, facts: Facts = NOTHING_ASKED) -> Outcome:
    """Returns whether the bounds speak of the caller. Reads what ``facts`` lacks and these bounds need."""
    outcome = match(bounds, caller, facts)
    if not isinstance(outcome, Unknown):
        return outcome
    needs = Needs(
        principal=bounds.about_a_resource and facts.principal is NOT_ASKED,
        groups=bool(bounds.group_ids) and caller.has_more_groups and facts.groups is NOT_ASKED,
    )
    if needs.principal or needs.groups:
        read = await ports.directory.read(caller, needs)
        facts = Facts(
            read.principal if needs.principal else facts.principal,
            read.groups if needs.groups else facts.groups,
            facts.location,
        )
    if bounds.locations and facts.location is NOT_ASKED and isinstance(facts.principal, Principal):
        located = await ports.directory.location(caller, facts.principal)
        facts = Facts(facts.principal, facts.groups, located)
    return match(bounds, caller, facts)


async def rights_of(ports: Ports, caller: Caller, *, fresh: bool = False) -> CallerRights:
    """Returns the rights of the caller. If ``fresh``, every change counts that was stored before the call. Raises ``Upstream``.

    An administrator needs no fact: nothing is read of one.
    """
    configuration = await ports.access_view.current(fresh=fresh)
    facts = Facts() if caller.is_admin else await facts_of(ports, configuration, caller)
    return CallerRights(ports, configuration, configuration.rights(caller, facts), facts)


async def facts_of(ports: Ports, configuration: Configuration, caller: Caller) -> Facts:
    """Returns what the configuration needs to know of the caller, as far as it can be read."""
    needs = configuration.needs(caller)
    facts = await ports.directory.read(caller, needs) if needs.principal or needs.groups else NOTHING_ASKED
    if isinstance(facts.principal, Principal) and configuration.needs_location(caller, facts):
        facts = Facts(facts.principal, facts.groups, await ports.directory.location(caller, facts.principal))
    return facts


async def require(ports: Ports, caller: Caller, path: str, capability: Capability) -> Decision:
    """Returns the decision if it allows. Raises ``Forbidden``, ``DirectoryUnavailable``, ``Upstream`` (storage)."""
    return (await rights_of(ports, caller)).require(path, capability)


async def issuing_from(ports: Ports, caller: Caller, name: RoleName) -> tuple[Role, Issuing]:
    """Returns the role, if the caller may issue anything from it, and what decides about an ask.

    Raises ``Forbidden``, ``DirectoryUnavailable``, ``NotFound`` if the caller may issue from a role of that name and there is
    none. The ask itself is not decided on: ``Issuing.require`` does that.
    """
    (role, rights), _ = await both(both(ports.roles.get(name), rights_of(ports, caller, fresh=True)), ports.admitted())
    issuing = await rights.issuing(name, role.bounds if role is not None else None)
    issuing.require_some_ask(role.parameter_names if role is not None else None)
    if role is None:
        raise NotFound(f"There is no role {name}.", code="role_not_found")
    return role, issuing


async def lease_for(ports: Ports, caller: Caller, lease_id: LeaseId, capability: Capability) -> Lease:
    """Returns the lease, if the caller holds it, or has the capability on it. Raises ``NotFound``, ``DirectoryUnavailable``."""
    lease, _ = await both(ports.leases.get(lease_id), ports.admitted())
    if lease is not None and holds(caller, lease):
        return lease
    rights = await rights_of(ports, caller)
    decision = rights.decide(f"leases/{lease_id}", capability)
    if decision.outcome == "unknown":
        raise DirectoryUnavailable(decision.why)
    if lease is None or not decision.is_allowed:
        raise _no_such_lease(lease)
    return lease


async def lease_of_holder(ports: Ports, caller: Caller, lease_id: LeaseId) -> Lease:
    """Returns the lease, if the caller holds it. No policy gives another caller's credential. Raises ``NotFound``."""
    lease, _ = await both(ports.leases.get(lease_id), ports.admitted())
    if lease is None or not holds(caller, lease):
        raise _no_such_lease(lease)
    return lease


def _no_such_lease(lease: Lease | None) -> NotFound:
    reason = "no such lease" if lease is None else "another caller's lease"
    return NotFound("There is no such lease, or it is not yours.", code="lease_not_found", audit_reason=reason)


def holds(caller: Caller, lease: LeaseView) -> bool:
    """Returns whether the credential was issued to this caller, or is prepared for it."""
    holder = lease.holder
    return holder is not None and (caller.object_id, caller.tenant_id) == (holder.object_id, holder.tenant_id)

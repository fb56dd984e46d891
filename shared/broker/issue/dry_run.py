"""What an issue would make, without making it: nothing is stored, and Azure is not asked for the target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from shared.broker import rules
from shared.broker.access import rights_of
from shared.broker.issue.ask_rate import AskRate
from shared.broker.issue.asking import granted_by, require_own_resource
from shared.broker.issue.planning import IssueRequest, plan, role_asked_for
from shared.broker.ports import Actor, Ports
from shared.core.access.decide import Ground
from shared.core.azure_role import AzureRole
from shared.core.errors import Caution, TooManyIssues
from shared.core.lease import Lease
from shared.core.names import Scope
from shared.core.role import Role
from shared.resilience.tasks import both


@dataclass(frozen=True, slots=True)
class WouldDeliver:
    """Where the credential would be put. ``name`` is the role's, with placeholders."""

    vault: str
    name: str


@dataclass(frozen=True, slots=True)
class WouldIssue:
    """The role as it would be filled and narrowed, and for how long, in seconds.

    ``decided_by`` is for callers that may ask for explanations, or read every policy; ``None`` for all others.
    """

    role: Role
    ttl: int
    azure_roles: tuple[AzureRole, ...]
    graph_app_roles: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    within: Scope | None = None
    warnings: tuple[Caution, ...] = ()
    decided_by: Ground | None = None
    delivery: WouldDeliver | None = None

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """Where the roles would be assigned, each scope once."""
        return tuple({each.scope.key: each.scope for each in self.azure_roles}.values())


async def would_issue(ports: Ports, actor: Actor, wanted: IssueRequest) -> WouldIssue:
    """Returns what the request would get. Raises what ``issue`` raises before it stores anything, and ``TooManyIssues``.

    It counts among the issues of a minute, so that bounds cannot be tried out at any rate. It takes no room in any cap.
    """
    rate = AskRate.of(ports, actor.caller)
    filled, _, decision = await role_asked_for(ports, actor, wanted, rate)
    role = filled.role.cut_to(ports.limits.max_ttl)
    _, planned = plan(ports, actor, wanted, replace(filled, role=role))
    if (wait := await rate.count()) is not None:
        raise TooManyIssues(retry_after=wait)
    _, rights = await both(require_own_resource(ports, filled), rights_of(ports, actor.caller))
    found = WouldIssue(
        role,
        planned.ttl,
        ports.kinds.azure_roles(role),
        ports.kinds.graph_app_roles(role),
        filled.values,
        filled.within,
        rules.cautions(ports, role),
        decision.by if any(rights.allow(path, "read") for path in ("policies", "policies/*")) else None,
        _delivery(role, planned),
    )
    event = actor.done(ports, "dry_run", role=role.name, reason=wanted.reason, decision=decision)
    granted = granted_by(found.scopes, filled.values, filled.within, graph_app_roles=found.graph_app_roles)
    await ports.audit.record(replace(event, granted=granted))
    return found


def _delivery(role: Role, planned: Lease) -> WouldDeliver | None:
    if role.delivery is None or planned.delivery is None:
        return None
    return WouldDeliver(planned.delivery.vault, role.delivery.name)

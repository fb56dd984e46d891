"""Writes, reads and deletes event rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from shared.broker.access import issuing_from
from shared.broker.configure.events import change_event, tell
from shared.broker.configure.look_up import Matching
from shared.broker.configure.read_again import changed
from shared.broker.configure.written import Written, exactly, judged_again, require_expected
from shared.broker.events.end import end_leases
from shared.broker.events.recorded import living
from shared.broker.events.taking import faults_of_taking
from shared.broker.ports import Actor, Ports
from shared.core.access.policy import PolicyName
from shared.core.errors import Caution, Fault, Malformed, NotFound
from shared.core.events.action import REFERENCE, SUBJECT_ID, Issuing
from shared.core.events.errors import RuleInUse
from shared.core.events.event_rule import EventRule, read_event_rule, same, write_event_rule
from shared.core.events.lender import Lender
from shared.core.names import Scope
from shared.core.parameters.asked import as_asked
from shared.core.ports.documents import ANY, Expect
from shared.core.role import Role
from shared.resilience.priority import limit_deadline

_PAGES = 20
_EXAMPLES = 10
_MOST_COUNTED = 1000
"""If not all resources were read, a larger number of matches is not said exactly."""
_PATH = "action.issue"


async def put_event_rule(
    ports: Ports, actor: Actor, name: PolicyName, document: Any, *, expected: Expect = ANY, dry_run: bool = False
) -> Written[EventRule]:
    """Checks the rule and stores it with its writer, unless this is a dry run, or it is stored already.

    The writer must be allowed to issue from the role that the rule names. Raises ``Malformed`` with all faults, ``Forbidden``,
    ``RuleInUse``, ``PreconditionFailed``, ``Upstream``.
    """
    return await judged_again(lambda: _put(ports, actor, name, document, expected, dry_run=dry_run))


async def _put(
    ports: Ports, actor: Actor, name: PolicyName, document: Any, expected: Expect, *, dry_run: bool
) -> Written[EventRule]:
    former = await ports.event_rules.get(name)
    require_expected(expected, former.version if former is not None else None)
    rule = read_event_rule(name, document, Lender.of(actor.caller))
    role = await _lent_role(ports, actor, rule)
    named_issues = await _issues(ports, rule)
    if faults := [*faults_beside(ports, rule, role, named_issues=named_issues)]:
        raise Malformed(*faults) if named_issues else Malformed(*faults, code="unresolvable")
    if stops_issuing(rule, former) and (users := users_of_rule(await ports.event_rules.list(), name)):
        raise RuleInUse(name, users)
    await require_readable(ports, rule)
    warnings = tuple(rule_cautions(rule))
    if dry_run:
        return Written(rule, former is None, warnings, await _matching(ports, rule))
    if former is not None and not differs(rule, former):
        return Written(former, is_new=False, warnings=warnings)
    return Written(await store_event_rule(ports, actor, rule, former), former is None, warnings)


async def _lent_role(ports: Ports, actor: Actor, rule: EventRule) -> Role | None:
    """Returns the role from which the rule issues. Raises ``Forbidden`` if its writer may not, and ``Malformed`` if it may,
    and there is none.
    """
    if (action := rule.issues) is None:
        return None
    try:
        role, issuing = await issuing_from(ports, actor.caller, action.role)
    except NotFound:
        raise Malformed(_no_role(action), code="unresolvable") from None
    values = dict(action.parameters)
    if not action.references and values.keys() == role.parameter_names:
        issuing.require(as_asked(role.parameters, values))
    return role


async def _issues(ports: Ports, rule: EventRule) -> bool:
    """Returns whether the rule that this one names is there and issues."""
    if rule.revokes is None or not rule.revokes.rule:
        return True
    named = await ports.event_rules.get(rule.revokes.rule)
    return named is not None and named.issues is not None


def faults_beside(ports: Ports, rule: EventRule, role: Role | None, *, named_issues: bool) -> Iterator[Fault]:
    """Yields what is wrong with the rule beside the role that it names. ``named_issues``: the rule that it names does."""
    if rule.revokes is not None and not named_issues:
        yield Fault("action.revoke.of", f"there is no event rule {rule.revokes.rule} that issues")
    if (action := rule.issues) is None:
        return
    if role is None:
        yield _no_role(action)
        return
    yield from _faults_of_role(ports, role, action)
    yield from _faults_of_values(role, action)


def _no_role(action: Issuing) -> Fault:
    return Fault(f"{_PATH}.role", f"there is no role {action.role}")


def _faults_of_role(ports: Ports, role: Role, action: Issuing) -> Iterator[Fault]:
    kind = ports.kinds.find(role.type)
    yield from faults_of_taking(ports, role, action)
    if action.ttl is not None and action.ttl > role.max_ttl:
        yield Fault(f"{_PATH}.ttl", f"is above the role's max_ttl, {role.max_ttl} seconds")
    if action.within and action.within != SUBJECT_ID and kind is not None and not role.parameters:
        try:
            kind.schema.narrow(role.target, Scope(action.within))
        except Malformed as refused:
            yield Fault(f"{_PATH}.within", refused.detail)


def _faults_of_values(role: Role, action: Issuing) -> Iterator[Fault]:
    """Yields what is wrong with the values. Whether bounds allow them is decided at each event, by the role of that day."""
    given = dict(action.parameters)
    known = {each.name: each for each in role.parameters}
    for name in given.keys() - known.keys():
        yield Fault(f"{_PATH}.parameters.{name}", "is no parameter of the role")
    for name, parameter in known.items():
        path, value = f"{_PATH}.parameters.{name}", given.get(name)
        if parameter.source is not None:
            if value is not None:
                yield Fault(path, f"is not given but known of the holder: {parameter.source}; leave the field out")
        elif value is None:
            if parameter.default is None:
                yield Fault(path, f"is required: {parameter.kind.expected}")
        elif not value.startswith(REFERENCE) and (why := parameter.kind.wrong(value)):
            yield Fault(path, why)


async def require_readable(ports: Ports, rule: EventRule) -> None:
    """Raises ``Malformed`` if the broker may not look at the rule's subjects: then nothing would ever be done by it."""
    if rule.terms is None or rule.terms.verify == "none":
        return
    with limit_deadline(ports.within(ports.timing.throttled)):
        may_read = await ports.resources.may_read(rule.terms.subject)
    if not may_read:
        raise Malformed(unreadable(rule.terms.subject.group), code="subject_unreadable")


def unreadable(group: str) -> Fault:
    """Returns the fault of a rule of whose subjects the broker may read nothing."""
    return Fault("subject", f"the broker may not read such resources in {group}: make it Reader there")


async def _matching(ports: Ports, rule: EventRule) -> tuple[Matching, ...]:
    if rule.terms is None or rule.terms.verify == "none":
        return ()
    with limit_deadline(ports.within(ports.timing.throttled)):
        found = await ports.resources.matching(rule.terms.subject, _PAGES)
    count = len(found.resource_ids)
    number = count if found.is_complete else f"{min(count, _MOST_COUNTED)}+"
    return (Matching("subject", number, found.resource_ids[:_EXAMPLES]),)


def differs(rule: EventRule, former: EventRule) -> bool:
    """Returns whether something else would be stored than is stored now: of the document, or of the lender."""
    return bool(former.faults) or not same(rule, former)


async def store_event_rule(ports: Ports, actor: Actor, rule: EventRule, former: EventRule | None) -> EventRule:
    """Stores a checked rule in place of ``former`` and audits what has changed. Nobody has denied it anything yet.

    Raises ``PreconditionFailed`` if the store has another rule than ``former``, ``Upstream``.
    """
    before = kept_of(former) if former is not None else None
    event = change_event(ports, actor, "put_event_rule", f"event-rules/{rule.name}", before, kept_of(rule))
    stored = await ports.event_rules.put(rule, expected=exactly(former), event=event)
    if rule.ends_by_holder or (former is not None and former.ends_by_holder):
        await changed(ports)
    await tell(ports, ports.event_rules, event)
    await _forget_denial(ports, rule.name)
    return stored


def kept_of(rule: EventRule) -> dict[str, Any]:
    """Returns what the audit trail compares: the document, and whose right it is."""
    lender = rule.lender
    lent = {"lender": {"object_id": lender.object_id, "tenant_id": lender.tenant_id}} if lender is not None else {}
    return write_event_rule(rule) | lent


async def get_event_rule(ports: Ports, name: PolicyName) -> EventRule:
    """Returns the rule. Raises ``NotFound``."""
    rule = await ports.event_rules.get(name)
    if rule is None:
        raise _not_found(name)
    return rule


async def delete_event_rule(
    ports: Ports, actor: Actor, name: PolicyName, *, expected: Expect = ANY, revoking: bool = False
) -> None:
    """Deletes the rule. What it has issued stays, or is ended if ``revoking``, also when the call is repeated.

    Raises ``NotFound``, ``PreconditionFailed``, ``RuleInUse``, ``Upstream``.
    """
    former = await ports.event_rules.get(name)
    if former is not None:
        await _delete(ports, actor, former, expected)
    # If an earlier deletion's worker has died, the rule is gone, and its leases may still live.
    live = [each for record in await ports.rule_leases.of_rule(name) for each in await living(ports, record)]
    if former is None and not (revoking and live):
        raise _not_found(name)
    if revoking:
        # The rule goes first: an event that is under way either sees that, or its lease is ended here or by the next call.
        await end_leases(ports, live)


async def _delete(ports: Ports, actor: Actor, former: EventRule, expected: Expect) -> None:
    name = former.name
    if users := users_of_rule(await ports.event_rules.list(), name):
        raise RuleInUse(name, users)
    await remove_event_rule(ports, actor, former, expected=expected)


async def remove_event_rule(ports: Ports, actor: Actor, former: EventRule, *, expected: Expect | None = None) -> None:
    """Deletes a rule that no other one names, and audits it. Raises ``NotFound``, ``PreconditionFailed``, ``Upstream``.

    ``expected``: this version and no other, unless something else is expected.
    """
    event = change_event(ports, actor, "delete_event_rule", f"event-rules/{former.name}", kept_of(former), None)
    if await ports.event_rules.delete(former.name, expected=expected or exactly(former), event=event) is None:
        raise _not_found(former.name)
    await tell(ports, ports.event_rules, event)
    await _forget_denial(ports, former.name)


async def _forget_denial(ports: Ports, name: str) -> None:
    """If the worker dies before, the denial shows until the rule has issued, and harms nothing."""
    if await ports.rule_leases.denied_since(name) is not None:
        await ports.rule_leases.note_denied(name, None)


def stops_issuing(rule: EventRule | None, former: EventRule | None) -> bool:
    """Returns whether no rule that issues is left of the former one."""
    return former is not None and former.issues is not None and (rule is None or rule.issues is None)


def users_of_rule(rules: Iterable[EventRule], name: str) -> list[str]:
    """Returns the rules that revoke what the rule of that name issues."""
    return sorted(each.name for each in rules if each.revokes is not None and each.revokes.rule == name)


def users_of_role(rules: Iterable[EventRule], role: str) -> list[str]:
    """Returns the rules that issue from the role of that name."""
    return sorted(each.name for each in rules if each.issues is not None and each.issues.role == role)


def rule_cautions(rule: EventRule) -> Iterator[Caution]:
    """Yields what the rule's author should know."""
    if rule.terms is not None and rule.terms.verify == "none":
        message = "nobody looks whether such an event is true: whoever may publish there may make it"
        yield Caution("verify", "unverified", message)


def _not_found(name: str) -> NotFound:
    return NotFound(f"There is no event rule {name}.", code="event_rule_not_found")

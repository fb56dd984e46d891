"""No escalation: without ``Leasehold.Admin`` a caller gives others no right that it does not have itself. Pure.

A right with parameters is given on with the same ones, or with narrower ones. A rule of the caller's own must cover the given
rule alone: two rules of the caller's together do not.

Kubernetes has the same rule for its roles: https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from shared.core.access.auth_role import AuthRole
from shared.core.access.decide import AUDITORS, Rights
from shared.core.access.policy import Policy, Rule
from shared.core.errors import Fault


def beyond_in_policy(rights: Rights, policy: Policy, former: Policy | None = None) -> Iterator[Fault]:
    """Yields a fault for each rule of the policy that gives more than the caller has, and for each deny.

    ``former`` is the policy that it replaces. A deny that was there may stay, and may neither be changed nor go. An allow that
    was there is judged like a new one.
    """
    if rights.caller.is_admin:
        return
    for place, rule in enumerate(policy.rules):
        if rule.denies and former is not None and rule in former.rules:
            continue
        if why := _beyond(rights, rule):
            yield Fault(f"rules[{place}]", why)
    stays = {rule for rule in policy.rules if rule.denies}
    for rule in former.rules if former is not None else ():
        if rule.denies and rule not in stays:
            yield Fault("rules", f"the deny on {rule.path} may only be taken away by Leasehold.Admin")


def beyond_in_auth_role(
    rights: Rights, auth_role: AuthRole, policies: Mapping[str, Policy | None], former: AuthRole | None = None
) -> Iterator[Fault]:
    """Yields a fault for each policy of the auth role that gives more than the caller has, and for each that denies.

    ``former`` is the auth role that it replaces. A policy that it named is judged like a new one. Only its denies may stay, if
    the bounds stay as they are, and they may not be taken from it. A former one with faults has matched nobody: what it named
    was given to nobody.
    """
    if rights.caller.is_admin:
        return
    same_callers = former is not None and not former.faults and former.bounds == auth_role.bounds
    before = former.policies if former is not None else ()
    for place, name in enumerate(auth_role.policies):
        denies_stay = same_callers and name in before
        policy = policies.get(name)
        for rule in policy.rules if policy is not None else ():
            if not (rule.denies and denies_stay) and (why := _beyond(rights, rule)):
                yield Fault(f"policies[{place}]", f"policy {name}: {why}")
    for name in before:
        policy = policies.get(name)
        if policy is not None and policy.denies and (name not in auth_role.policies or not same_callers):
            yield Fault("policies", f"policy {name} denies: only Leasehold.Admin may take it from callers")


def _beyond(rights: Rights, rule: Rule) -> str:
    """Returns why the caller may not give this rule to others; empty if it may."""
    if rule.denies:
        return f"a deny ({rule.path}) is written by Leasehold.Admin alone"
    own = [*_own(rights)]
    missing = [each for each in rule.capabilities if not any(mine.gives_all_of(rule, each) for mine in own)]
    if missing:
        return f"{', '.join(missing)} on {rule.path}{_with_parameters(rule)} is more than you have"
    denied = next((mine for mine in own if mine.forbids_some_of(rule)), None)
    return f"{rule.path} reaches {denied.path}, which is denied to you" if denied is not None else ""


def _with_parameters(rule: Rule) -> str:
    return f" with these values of {', '.join(each.name for each in rule.parameters)}" if rule.parameters else ""


def _own(rights: Rights) -> Iterator[Rule]:
    """Yields the caller's rules. Of auth roles about which a fact could not be read, the denies count alone."""
    if rights.caller.is_auditor:
        yield from AUDITORS
    for auth_role in rights.matched:
        yield from (rule for _, _, rule in rights.lines(auth_role))
    for auth_role, _ in rights.doubtful:
        yield from (rule for _, _, rule in rights.lines(auth_role) if rule.denies)

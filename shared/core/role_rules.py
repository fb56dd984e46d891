"""What a role must keep to as a whole. Pure: what only Azure knows is asked when a role is written.

A rule may be added at any time. It counts for what is written from then on; a role that was stored before and breaks it goes
on being read, and is told to be outdated when somebody issues from it (``shared.core.stored_role``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from shared.core import ownership
from shared.core.errors import Fault
from shared.core.role import Role, ServicePrincipalTarget

type Rule = Callable[[Role], Iterator[Fault]]
"""Gives what is wrong, by the paths of the document. The target is not resolved yet, and a field with a fault of its own may
be missing from it."""


def _names_each_group_once(role: Role) -> Iterator[Fault]:
    if isinstance(role.target, ServicePrincipalTarget):
        groups = role.target.azure_groups
        if len(set(groups)) < len(groups):
            yield Fault("azure_groups", "names a group twice")


def _says_who_beside_the_tenant(role: Role) -> Iterator[Fault]:
    if role.bounds.tenant_ids and not role.bounds.name_somebody:
        yield Fault("bound_tenant_ids", "says of which tenant callers are, not who: another bound_ field must stand beside it")


def _repeats_no_tag(role: Role) -> Iterator[Fault]:
    """Graph takes no value twice, and the broker's own tag is on every application."""
    if isinstance(role.target, ServicePrincipalTarget):
        tags = [ownership.TAG, *(tag.casefold() for tag in role.target.tags)]
        for index, tag in enumerate(tags[1:]):
            if tag in tags[: index + 1]:
                yield Fault(f"tags[{index}]", "is on the application already: a tag may not repeat")


def _fits_the_display_name(role: Role) -> Iterator[Fault]:
    """Where personal accounts may sign in, Graph takes display names of 90 characters:
    https://learn.microsoft.com/entra/identity-platform/supported-accounts-validation. Ours hold a role's name and 37 more.
    """
    target = role.target
    if isinstance(target, ServicePrincipalTarget) and target.takes_personal_accounts and len(role.name) > LONGEST_PERSONAL:
        message = f"takes personal accounts, for which a role's name has at most {LONGEST_PERSONAL} characters"
        yield Fault("sign_in_audience", message)


LONGEST_PERSONAL = 53
RULES: tuple[Rule, ...] = (_says_who_beside_the_tenant, _names_each_group_once, _repeats_no_tag, _fits_the_display_name)

"""Policies and auth roles that are stored without a call: how a test gives rights."""

from __future__ import annotations

from shared.core.access.auth_role import AuthRole, read_auth_role
from shared.core.access.policy import Policy, read_policy
from shared.core.caller import Caller
from tests.fakes.world import World


def keep_policy(made: World, name: str, *rules: tuple[str, str]) -> Policy:
    """Stores a policy without a call. Each rule: a path, and capabilities with blanks between them."""
    document = {"rules": [{"path": path, "capabilities": words.split()} for path, words in rules]}
    return made.access.policies.keep(read_policy(name, document))


def keep_auth_role(made: World, name: str, *policies: str, **bounds: list[str]) -> AuthRole:
    """Stores an auth role without a call."""
    return made.access.auth_roles.keep(read_auth_role(name, {**bounds, "policies": [*policies]}))


def give(made: World, caller: Caller, *rules: tuple[str, str], name: str = "own") -> None:
    """Gives the caller these rights, by an auth role for it alone."""
    keep_policy(made, name, *rules)
    keep_auth_role(made, name, name, bound_service_principal_ids=[caller.object_id])

"""Every kind of credential that there is: the product's, and the one that tests bring.

The suites that hold for every kind take their kinds from here. A new kind is run through all of them by one line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from shared.core.credential import Credential
from shared.core.role import Target
from tests.fakes.world import EXISTING, GROUPS, SCOPES, MakeKind, World, principal_target, secret_target
from tests.support.grants import each_to_another, grant_target, granted
from tests.support.kinds import as_client_secret
from tests.support.toy_kind import BadgeCredential, BadgeTarget, badge


def secret_works(world: World, credential: Credential) -> bool:
    """Whether Entra takes the client secret."""
    secret = as_client_secret(credential)
    return world.cloud.signs_in(secret.client_id, secret.client_secret)


def secret_is_held(world: World, credential: Credential) -> bool:
    """Whether an application has the client secret, whatever the replicas have heard of that."""
    secret = as_client_secret(credential)
    return world.cloud.holds(secret.client_id, secret.client_secret)


def badge_works(world: World, credential: Credential) -> bool:
    """Whether the door opens."""
    assert isinstance(credential, BadgeCredential)
    return credential.number in {each.number for each in world.cloud.elsewhere.values()}


@dataclass(frozen=True, slots=True)
class Sample:
    """A kind as the suites use it.

    ``target`` is a role's, resolved, whose credential is tried out; ``document`` is a role as somebody writes it. ``undoes``
    is the call that ends the credential, ``works`` whether it is taken just now, ``held`` whether it is taken once all replicas
    know it. ``kinds`` is what a world needs beside the product's own, or in place of one of these. ``is_brought``: tests alone
    have it.
    """

    target: Target
    document: Mapping[str, Any]
    undoes: str
    works: Callable[[World, Credential], bool] = secret_works
    held: Callable[[World, Credential], bool] = secret_is_held
    kinds: tuple[MakeKind, ...] = ()
    is_brought: bool = False


_PRINCIPAL = {
    "azure_roles": [{"role_name": "Reader", "scope": SCOPES[0]}],
    "azure_groups": [{"object_id": GROUPS[0]}],
}

EVERY_KIND = {
    "service principal": Sample(principal_target(2, 1, ready="token"), _PRINCIPAL, "directory.delete_application"),
    "application secret": Sample(
        secret_target(ready="token"), {"application_object_id": EXISTING}, "applications.remove_secret"
    ),
    "role grant": Sample(
        grant_target(),
        {"azure_roles": [{"role_name": "Reader", "scope": SCOPES[0]}]},
        "authorization.unassign",
        granted,
        granted,
        (each_to_another,),
    ),
    "badge": Sample(
        *(BadgeTarget("north", ready="token"), {"door": "south"}, "doors.keep_out", badge_works, badge_works, (badge,)),
        is_brought=True,
    ),
}


WITH_SECRETS = [name for name, each in EVERY_KIND.items() if each.works is secret_works]
"""The kinds whose credentials are client secrets."""


def kinds_for(target: Target) -> tuple[MakeKind, ...]:
    """What a world needs for roles with that target."""
    return next(each.kinds for each in EVERY_KIND.values() if each.target.type == target.type)


def document_of(name: str) -> dict[str, Any]:
    """The document of a role of that kind, but for who may issue."""
    sample = EVERY_KIND[name]
    return {"type": sample.target.type, **sample.document}


def works(world: World, credential: Credential) -> bool:
    """Whether the credential is taken just now."""
    return EVERY_KIND[name_of(credential.type)].works(world, credential)


def is_held(world: World, credential: Credential) -> bool:
    """Whether the credential is taken once all replicas know it."""
    return EVERY_KIND[name_of(credential.type)].held(world, credential)


def name_of(kind: str) -> str:
    """The name here of the kind that is called so in documents."""
    return next(name for name, each in EVERY_KIND.items() if each.target.type == kind)

"""What must vanish when a lease ends: every Azure object that it has made or may have made.

A footprint is written before the first effect and read by every later version of the broker: fields are added, never renamed
or given another meaning. Undo uses what stands here and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from shared.core.names import ObjectId, Scope


@dataclass(frozen=True, slots=True)
class Assignment:
    """A role assignment, by its scope and the GUID that the broker chose for it."""

    scope: Scope
    name: str


@dataclass(frozen=True, slots=True)
class ServicePrincipalFootprint:
    """An application of the lease's own. The ids are ``None`` until Azure has told them; ``unique_name`` finds them."""

    unique_name: str
    assignments: tuple[Assignment, ...] = ()
    groups: tuple[ObjectId, ...] = ()
    purge: bool = True
    """Whether to delete it from the recycle bin as well."""
    application_id: ObjectId | None = None
    app_id: ObjectId | None = None
    principal_id: ObjectId | None = None
    secret_id: ObjectId | None = None
    """The key id of the secret that was handed out last."""
    maybe_more_secrets: bool = False
    """Whether there may be other secrets of the lease beside that one."""
    unmade: tuple[str, ...] = ()
    """Names of assignments, and groups, of which the worker that made the rest knows that it has made nothing there."""
    purged: tuple[ObjectId, ...] = ()
    """Principal and application, where an attempt to undo has emptied the recycle bin of them already."""


@dataclass(frozen=True, slots=True)
class ApplicationSecretFootprint:
    """A secret on an application that stays. ``display_name`` finds it while its key id is not known."""

    application_id: ObjectId
    display_name: str
    key_id: ObjectId | None = None
    maybe_more_secrets: bool = False
    """Whether there may be other secrets of that display name than ``key_id``."""


type Footprint = ServicePrincipalFootprint | ApplicationSecretFootprint


def write_footprint(footprint: Footprint) -> dict[str, Any]:
    """As JSON, tagged with ``type``."""
    match footprint:
        case ServicePrincipalFootprint():
            return {
                "type": "service_principal",
                "unique_name": footprint.unique_name,
                "assignments": [{"scope": each.scope, "name": each.name} for each in footprint.assignments],
                "groups": list(footprint.groups),
                "purge": footprint.purge,
                "application_id": footprint.application_id,
                "app_id": footprint.app_id,
                "principal_id": footprint.principal_id,
                "secret_id": footprint.secret_id,
                "several": footprint.maybe_more_secrets,
                "unmade": list(footprint.unmade),
                "purged": list(footprint.purged),
            }
        case ApplicationSecretFootprint():
            return {
                "type": "application_secret",
                "application_id": footprint.application_id,
                "display_name": footprint.display_name,
                "key_id": footprint.key_id,
                "several": footprint.maybe_more_secrets,
            }


def read_footprint(stored: dict[str, Any]) -> Footprint:
    """What ``write_footprint`` wrote. Raises ``ValueError`` for a type from a later version."""
    match stored["type"]:
        case "service_principal":
            return ServicePrincipalFootprint(
                stored["unique_name"],
                tuple(Assignment(Scope(each["scope"]), each["name"]) for each in stored["assignments"]),
                tuple(ObjectId(group) for group in stored["groups"]),
                stored.get("purge", True),
                _identity(stored.get("application_id")),
                _identity(stored.get("app_id")),
                _identity(stored.get("principal_id")),
                _identity(stored.get("secret_id")),
                stored.get("several", False),
                tuple(stored.get("unmade", ())),
                tuple(ObjectId(each) for each in stored.get("purged", ())),
            )
        case "application_secret":
            return ApplicationSecretFootprint(
                ObjectId(stored["application_id"]),
                stored["display_name"],
                _identity(stored.get("key_id")),
                stored.get("several", False),
            )
        case other:
            raise ValueError(f"a footprint of type {other!r} is from a later version of the broker")


def combined(one: Footprint, other: Footprint) -> Footprint:
    """Of two footprints of the same lease: what either of them knows."""
    known = {key: value for key, value in write_footprint(one).items() if value not in (None, [])}
    return in_doubt(
        read_footprint(write_footprint(other) | known), maybe_more_secrets=one.maybe_more_secrets or other.maybe_more_secrets
    )


def in_doubt(footprint: Footprint, *, maybe_more_secrets: bool = True) -> Footprint:
    """The same, saying whether there may be more secrets than the one that it names."""
    return replace(footprint, maybe_more_secrets=maybe_more_secrets)


def remains(footprint: Footprint) -> tuple[str, ...]:
    """What an operator looks for when it could not be undone: names and ids, no secret among them."""
    match footprint:
        case ServicePrincipalFootprint():
            principal = (f"service principal {footprint.principal_id}",) if footprint.principal_id else ()
            application = f"application {footprint.application_id or ''} ({footprint.unique_name})".replace("  ", " ")
            unmade = footprint.unmade
            groups = (f"membership in group {each}" for each in footprint.groups if each not in unmade)
            assigned = (
                f"role assignment {each.name} at {each.scope}" for each in footprint.assignments if each.name not in unmade
            )
            return (application, *principal, *groups, *assigned)
        case ApplicationSecretFootprint():
            return (f"secret {footprint.display_name} on application {footprint.application_id}",)


def _identity(text: str | None) -> ObjectId | None:
    return ObjectId(text) if text else None


def principals_of(footprint: Footprint) -> frozenset[ObjectId]:
    """The object id and the application id of the principal that the lease has made, as far as they are known.

    A secret on an existing application makes none: that application is somebody's own.
    """
    if not isinstance(footprint, ServicePrincipalFootprint):
        return frozenset()
    return frozenset(each for each in (footprint.principal_id, footprint.app_id) if each is not None)

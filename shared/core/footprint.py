"""What must vanish when a lease ends: every Azure object that it has made or may have made.

A footprint is written before the first effect and read by every later version of the broker: fields are added, never renamed
or given another meaning. Undo uses what stands here and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class ApplicationSecretFootprint:
    """A secret on an application that stays. ``display_name`` finds it while its key id is not known."""

    application_id: ObjectId
    display_name: str
    key_id: ObjectId | None = None


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
            }
        case ApplicationSecretFootprint():
            return {
                "type": "application_secret",
                "application_id": footprint.application_id,
                "display_name": footprint.display_name,
                "key_id": footprint.key_id,
            }


def read_footprint(stored: dict[str, Any]) -> Footprint:
    """What ``write_footprint`` wrote. Raises ``ValueError`` for a type from a later version."""
    match stored["type"]:
        case "service_principal":
            return ServicePrincipalFootprint(
                stored["unique_name"],
                tuple(Assignment(Scope(each["scope"]), each["name"]) for each in stored["assignments"]),
                tuple(ObjectId(group) for group in stored["groups"]),
                stored["purge"],
                _identity(stored["application_id"]),
                _identity(stored["app_id"]),
                _identity(stored["principal_id"]),
            )
        case "application_secret":
            return ApplicationSecretFootprint(
                ObjectId(stored["application_id"]), stored["display_name"], _identity(stored["key_id"])
            )
        case other:
            raise ValueError(f"a footprint of type {other!r} is from a later version of the broker")


def combined(one: Footprint, other: Footprint) -> Footprint:
    """Of two footprints of the same lease: what either of them knows."""
    known = {key: value for key, value in write_footprint(one).items() if value is not None}
    return read_footprint(write_footprint(other) | known)


def _identity(text: str | None) -> ObjectId | None:
    return ObjectId(text) if text else None

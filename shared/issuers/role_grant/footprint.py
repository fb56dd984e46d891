"""What a lease has given to its holder, and the credential that says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from shared.core.azure_role import common_subscription
from shared.core.caller import CallerType
from shared.core.credential import CredentialField
from shared.core.definition import guid_of
from shared.core.footprint import Assignment
from shared.core.names import ObjectId, Scope

ALREADY_HELD = "already_held"
"""The holder has the assignment already, and not by a lease of the broker's."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A role assignment, by its scope and the GUID that the broker chose for it, and what it assigns."""

    scope: Scope
    name: str
    definition_id: str

    @property
    def assignment(self) -> Assignment:
        """Its place and name alone."""
        return Assignment(self.scope, self.name)

    @property
    def guid(self) -> str:
        """The definition's GUID: its name, whatever scope its id begins with."""
        return guid_of(self.definition_id)

    @property
    def resource_id(self) -> str:
        """Its id in Resource Manager."""
        return self.assignment.resource_id


@dataclass(frozen=True, slots=True)
class RoleGrantFootprint:
    """Role assignments to a principal that stays. The lists hold names of grants."""

    type: ClassVar[str] = "role_grant"
    principal_id: ObjectId
    principal_type: CallerType
    grants: tuple[Grant, ...]
    """All that was planned."""
    made: tuple[str, ...] = ()
    """Those that were made. After a failure, those that may have been made as well."""
    unmade: tuple[str, ...] = ()
    """Those that were certainly not made."""
    left_out: tuple[str, ...] = ()
    """Those that the holder has already, by assignments that are not the broker's."""
    granted: bool = False
    """Whether each grant was made or left out."""

    @property
    def assignments(self) -> tuple[Assignment, ...]:
        """Those that were granted; before it is known which these are, all that were planned."""
        return tuple(each.assignment for each in self.grants if each.name not in self.left_out)

    @property
    def to_undo(self) -> tuple[Grant, ...]:
        """All but those that were certainly not made."""
        return tuple(each for each in self.grants if each.name not in self.unmade)


@dataclass(frozen=True, slots=True)
class RoleGrantCredential:
    """What the holder has been given. Nothing of it is secret. Satisfies ``Credential``."""

    type: ClassVar[str] = "role_grant"
    tenant_id: ObjectId
    client_id: ObjectId | None
    """Of the holder's application; ``None`` for a user."""
    footprint: RoleGrantFootprint
    ends_at: None = None

    def fields(self) -> Mapping[str, CredentialField]:
        """Returns the subscription only if there is one."""
        granted = self.footprint
        made = [each for each in granted.grants if each.name not in granted.left_out]
        left_out = [each for each in granted.grants if each.name in granted.left_out]
        subscription = common_subscription(each.scope for each in made)
        result: dict[str, CredentialField] = {
            "tenant_id": self.tenant_id,
            "client_id": self.client_id,
            "object_id": granted.principal_id,
        }
        if subscription is not None:
            result["subscription_id"] = subscription
        result["role_assignments"] = [
            {"id": each.resource_id, "scope": each.scope, "role_definition_id": each.definition_id} for each in made
        ]
        result["left_out"] = [
            {"scope": each.scope, "role_definition_id": each.definition_id, "code": ALREADY_HELD} for each in left_out
        ]
        return result

"""The caller: a verified Entra identity."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shared.core.names import ObjectId

ADMIN = "Leasehold.Admin"
AUDITOR = "Leasehold.Auditor"


class CallerType(StrEnum):
    """The kind of identity behind a token."""

    APPLICATION = "application"
    USER = "user"


@dataclass(frozen=True, slots=True)
class Caller:
    """A verified caller: only the verification of a token makes one.

    ``app_id`` is the client that has asked for the token. If the caller is an application, that is the caller itself. If it is
    a user, that is the program with which the user has signed in.
    """

    object_id: ObjectId
    tenant_id: ObjectId
    kind: CallerType
    token_fingerprint: str
    app_id: ObjectId | None = None
    name: str | None = None
    app_roles: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    """The object ids of the groups that its token names."""
    has_more_groups: bool = False
    """Whether it is in more groups than its token can name: then ``groups`` says nothing, and the directory must be asked."""
    at_home: bool = True
    """Whether its tenant is the broker's own. In another tenant, other administrators give app roles."""

    @property
    def is_admin(self) -> bool:
        """Whether it holds the Entra app role that may do everything."""
        return self.at_home and ADMIN in self.app_roles

    @property
    def is_auditor(self) -> bool:
        """Whether it holds an Entra app role that may read leases, status and the audit trail."""
        return self.is_admin or (self.at_home and AUDITOR in self.app_roles)

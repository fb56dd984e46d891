"""The caller: a verified Entra identity."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shared.core.names import ObjectId

ADMIN = "Leasehold.Admin"
AUDITOR = "Leasehold.Auditor"


class CallerType(StrEnum):
    """Who is behind a token."""

    APPLICATION = "application"
    USER = "user"


@dataclass(frozen=True, slots=True)
class Caller:
    """Exists only when a token has been verified: nobody else makes one.

    ``app_id`` is the client that asked for the token; for an application it is the caller itself, for a user it is the
    program that the user signed in with.
    """

    object_id: ObjectId
    tenant_id: ObjectId
    kind: CallerType
    token_fingerprint: str
    app_id: ObjectId | None = None
    name: str | None = None
    app_roles: frozenset[str] = frozenset()
    at_home: bool = True
    """Whether its tenant is the broker's own: in any other, that one's administrators hand app roles out."""

    @property
    def is_admin(self) -> bool:
        """Holds the Entra app role that has everything."""
        return self.at_home and ADMIN in self.app_roles

    @property
    def is_auditor(self) -> bool:
        """Holds an Entra app role that may read leases, status and the audit trail."""
        return self.is_admin or (self.at_home and AUDITOR in self.app_roles)

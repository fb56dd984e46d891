"""Directory objects, as issuers and the calls to Graph pass them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.core.names import ObjectId
from shared.core.secret import Secret

PERSONAL_AUDIENCES = frozenset({"AzureADandPersonalMicrosoftAccount", "PersonalMicrosoftAccount"})
"""Values of ``signInAudience`` that admit personal Microsoft accounts. Graph has rules of its own for them."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A certificate that an application takes until ``end``, in UTC. ``der`` is the certificate, which is public."""

    key_id: ObjectId
    display_name: str
    der: bytes
    end: datetime


@dataclass(frozen=True, slots=True)
class NewApplication:
    """An application to register. ``unique_name`` makes the registration repeatable. ``key``: a certificate to register."""

    unique_name: str
    display_name: str
    sign_in_audience: str
    tags: tuple[str, ...]
    notes: str
    key: NewKey | None = None


@dataclass(frozen=True, slots=True)
class ApplicationIds:
    """An application's object id and client id."""

    object_id: ObjectId
    app_id: ObjectId


@dataclass(frozen=True, slots=True)
class FoundGroup:
    """The properties that decide whether the broker can put a service principal into a group.

    https://learn.microsoft.com/graph/api/group-post-members and https://learn.microsoft.com/graph/api/resources/group.
    """

    security: bool = True
    mail: bool = False
    types: tuple[str, ...] = ()
    role_assignable: bool = False
    synchronized: bool = False

    @property
    def why_closed(self) -> str:
        """Why the broker cannot, in words for the role's author; empty if it can."""
        reasons = {
            "a rule decides about the members of this group": "DynamicMembership" in self.types,
            "a Microsoft 365 group takes no service principals": "Unified" in self.types,
            "the group is kept in step with a directory elsewhere and changes there alone": self.synchronized,
            "directory roles can be given to this group, so that the broker may not change it": self.role_assignable,
            "only security groups without mail can be changed": self.mail or not self.security,
        }
        return next((why for why, holds in reasons.items() if holds), "")


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A client secret. Graph shows its text once."""

    key_id: ObjectId
    secret: Secret


@dataclass(frozen=True, slots=True)
class NewTrust:
    """A federated identity credential to add to an application: whose assertions it takes in place of a credential.

    An assertion must have exactly this issuer, subject and audience, case and all. ``name`` is the credential's own.
    https://learn.microsoft.com/graph/api/resources/federatedidentitycredential
    """

    name: str
    issuer: str
    subject: str
    audience: str


@dataclass(frozen=True, slots=True)
class LookedAt:
    """What an application and its service principal have by which somebody could sign in as it, or change it.

    ``secrets`` and ``certificates`` are key ids, of either object, ``owners`` object ids. ``redirects`` and ``app_roles`` are
    numbers: of the addresses to which Entra ID would send users, and of the roles that others could be given in it.
    ``has_principal``: whether the service principal is there. ``is_enabled``: whether anybody may sign in as it.
    """

    sign_in_audience: str
    secrets: tuple[ObjectId, ...] = ()
    certificates: tuple[ObjectId, ...] = ()
    trusted: tuple[NewTrust, ...] = ()
    owners: tuple[ObjectId, ...] = ()
    redirects: int = 0
    app_roles: int = 0
    has_principal: bool = True
    is_enabled: bool = True


@dataclass(frozen=True, slots=True)
class HeldCredentials:
    """The numbers of an application's credentials, whoever has made them, and its ``signInAudience``.

    ``marked``: whether it has a mark of a lease's own application, which is deleted when that lease ends.
    """

    secrets: int
    certificates: int
    sign_in_audience: str
    marked: bool = False


@dataclass(frozen=True, slots=True)
class ExistingApplication:
    """An application that the broker did not make, unless it is ``marked`` as a lease's own."""

    object_id: ObjectId
    app_id: ObjectId
    principal_id: ObjectId | None
    marked: bool = False

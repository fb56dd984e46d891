"""What the directory and Resource Manager say of a caller. A fact is there, is definitely not there, or could not be read."""

from __future__ import annotations

from dataclasses import dataclass

MANAGED_IDENTITY = "ManagedIdentity"
"""The ``servicePrincipalType`` of a managed identity's service principal. An application's ``alternativeNames`` prove nothing:
its owner writes them. https://learn.microsoft.com/graph/api/resources/serviceprincipal"""


@dataclass(frozen=True, slots=True)
class Unread:
    """The fact could not be read. ``why`` is for the operator."""

    why: str


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller's service principal, as Graph shows it: ``servicePrincipalType`` and ``alternativeNames``."""

    type: str
    alternative_names: tuple[str, ...] = ()

    @property
    def resource_id(self) -> str | None:
        """The id of the resource whose identity it is: the one alternative name that begins with ``/``."""
        ids = [each for each in self.alternative_names if each.startswith("/")]
        return ids[0] if self.type == MANAGED_IDENTITY and len(ids) == 1 else None

    @property
    def is_user_assigned(self) -> bool:
        """Whether it is a user-assigned managed identity: Graph then lists ``isExplicit=True`` among the names."""
        return self.type == MANAGED_IDENTITY and "isexplicit=true" in {each.casefold() for each in self.alternative_names}


@dataclass(frozen=True, slots=True)
class Facts:
    """``None`` in any field means that there is no such thing: no such service principal, no group, no location.

    ``groups`` are all security groups of the caller, transitively, by object id. Graph is asked for them only if the caller is
    in too many groups for its token. ``location`` is the resource's own, as Resource Manager writes it: ``westeurope``.
    """

    principal: Principal | Unread | None = None
    groups: frozenset[str] | Unread | None = None
    location: str | Unread | None = None


NOT_ASKED = Unread("nobody asked for it")
NOTHING_ASKED = Facts(NOT_ASKED, NOT_ASKED, NOT_ASKED)
"""The facts of a caller of whom the token alone is known."""

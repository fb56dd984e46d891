"""The ports to the access configuration, and to what the directory says of callers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from shared.core.access.auth_role import AuthRole
from shared.core.access.bounds import Bounds, Constraint
from shared.core.access.configuration import Needs, Stored
from shared.core.access.facts import Facts, Principal, Unread
from shared.core.access.policy import Policy
from shared.core.audit import AuditEvent
from shared.core.caller import Caller
from shared.core.names import ObjectId
from shared.core.ports.documents import Deleted, Documents, Expect


@dataclass(frozen=True, slots=True)
class StoredAccess:
    """All auth roles and policies, by name, as they were stored at one version."""

    auth_roles: Mapping[str, Stored]
    policies: Mapping[str, Stored]
    version: str


class AccessStore(Protocol):
    """The store of auth roles and policies as a whole. Each write of one of them changes ``version``, in one transaction."""

    async def version(self) -> str:
        """Returns the version. Makes one point read. Empty if nothing was ever written. Raises ``Upstream``."""
        ...

    async def load(self) -> StoredAccess:
        """Returns everything, of a version that was true during the call. Raises ``Upstream``."""
        ...

    async def touch(self) -> None:
        """Changes the version, because a role was written or deleted: its bounds belong to the configuration as well."""
        ...


class AccessDocuments[T](Documents[T], Protocol):
    """A store of documents that belong to the access configuration.

    ``judged_at`` is the version of the whole configuration by which the change was judged. ``None``: whichever it is.
    """

    async def put(self, document: T, *, expected: Expect, event: AuditEvent | None = None, judged_at: str | None = None) -> T:
        """As ``Documents.put``. Raises ``PreconditionFailed`` as well if the configuration has another version."""
        ...

    async def delete(
        self, name: str, *, expected: Expect, event: AuditEvent | None = None, judged_at: str | None = None
    ) -> Deleted | None:
        """As ``Documents.delete``. Raises ``PreconditionFailed`` as well if the configuration has another version."""
        ...


class AuthRoles(AccessDocuments[AuthRole], Protocol):
    """The store of auth roles, one by one."""


class Policies(AccessDocuments[Policy], Protocol):
    """The store of policies, one by one."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A user or a service principal of the broker's directory, as somebody who asks about it sees it.

    ``app_roles`` are those of the broker's own API that a token of it would name: its own, and those of a user's groups.
    ``app_id`` is a service principal's.
    """

    is_user: bool
    name: str | None = None
    app_id: ObjectId | None = None
    app_roles: frozenset[str] = frozenset()
    groups: frozenset[str] | Unread = frozenset()
    principal: Principal | None = None
    is_enabled: bool = True
    """Whether it may sign in. Of a user that is not known: to read it would take another permission."""


class Subjects(Protocol):
    """Looks up who a caller would be."""

    async def find(self, object_id: ObjectId) -> Subject | None:
        """Returns the subject; ``None`` if the directory has no such user or service principal. Raises ``Upstream``."""
        ...


class DirectoryFacts(Protocol):
    """What Graph and Resource Manager say of callers. Facts are remembered for a stated time by tenant and object id.

    Absence and failure are never remembered, and no fact outlives its time. Nothing is raised: what cannot be read within ten
    seconds is ``Unread``.
    """

    async def read(self, caller: Caller, needs: Needs) -> Facts:
        """Returns what is needed of the caller. The rest is ``NOT_ASKED``, and so is the location."""
        ...

    async def location(self, caller: Caller, principal: Principal) -> str | Unread | None:
        """Returns the location of the caller's resource, as Resource Manager writes it, without blanks: ``westeurope``."""
        ...


@dataclass(frozen=True, slots=True)
class Existence:
    """Whether Azure has what a value of a document names. ``None``: the broker may not read it. ``name`` is for people."""

    exists: bool | None
    name: str = ""
    is_flexible: bool = False
    """Of a scale set: whether it is a flexible one, whose machines never match ``bound_scale_sets``."""


@dataclass(frozen=True, slots=True)
class ManagedIdentities:
    """The resource ids of the directory's managed identities. ``is_complete``: there are no more than these."""

    resource_ids: tuple[str, ...] = ()
    is_complete: bool = True


class DirectoryLookups(Protocol):
    """Looks up in Azure what the bounds of a document name, for a dry run. Nothing is remembered.

    What the broker may not read raises nothing. Any method may raise ``Upstream`` if Azure does not answer properly.
    """

    async def find(self, kind: Constraint, value: str, bounds: Bounds) -> Existence:
        """Looks for one value: a tenant, service principal, application, group, subscription, resource group or scale set.

        ``bounds`` are those of the document: a resource group is looked for in its subscriptions, a scale set in its groups.
        """
        ...

    async def managed_identities(self, most_pages: int) -> ManagedIdentities | None:
        """Returns those on so many pages of the directory's list, or ``None`` if the broker may not read them."""
        ...

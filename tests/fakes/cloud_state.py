"""An Azure in memory: what there is, and what each call does to it. Strict where Azure is.

With ``consistency`` it has replicas, by the local Azure's own seeded model: they show what is new late, and what has ended a
while longer; whether a change can be made is decided by the truth.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from local.cloud.disturbances.consistency import Consistency, Fact, Observer
from shared.core import ownership
from shared.core.caller import CallerType
from shared.core.definition import Definition, Permission
from shared.core.directory import ApplicationIds, FoundGroup, HeldCredentials, NewApplication, NewSecret, NewTrust
from shared.core.errors import Absent, AmbiguousRefusal, DefinitionGone, Locked, Refused, Upstream
from shared.core.footprint import Assignment
from shared.core.names import ObjectId, Scope
from shared.core.secret import Secret
from tests.fakes.clock import FakeClock, FixedIds
from tests.fakes.definition_ids import is_definition
from tests.fakes.own_identity import USER_ASSIGNED, DirectoryPrincipal


@dataclass(slots=True)
class StoredSecret:
    """A client secret, as the directory keeps it."""

    display_name: str
    end: datetime
    text: str


@dataclass(slots=True)
class Application:
    """An application. ``wanted`` is what it was registered as, ``None`` for one that was there before."""

    object_id: ObjectId
    app_id: ObjectId
    unique_name: str
    wanted: NewApplication | None = None
    secrets: dict[ObjectId, StoredSecret] = field(default_factory=dict)
    certificates: int = 0
    trusted: dict[str, tuple[ObjectId, NewTrust]] = field(default_factory=dict)
    """Federated identity credentials, each with its id, by their names."""
    sign_in_audience: str = "AzureADMyOrg"
    tags: tuple[str, ...] = ()
    owned: bool = True
    """By the broker."""
    other_owners: list[ObjectId] = field(default_factory=list)
    redirects: int = 0

    @property
    def is_marked(self) -> bool:
        """Whether it looks like a lease's own."""
        display_name, tags = (self.wanted.display_name, self.wanted.tags) if self.wanted else ("", self.tags)
        return ownership.is_marked(self.unique_name, display_name, tags)


@dataclass(slots=True)
class Principal:
    """A service principal; it remembers the unique name of its application."""

    object_id: ObjectId
    app_id: ObjectId
    unique_name: str


@dataclass(frozen=True, slots=True)
class Granted:
    """What a role assignment grants, and to whom."""

    definition_id: str
    principal: ObjectId
    condition: str | None
    description: str = ""
    principal_type: CallerType = CallerType.APPLICATION


@dataclass(frozen=True, slots=True)
class Thing:
    """One object that a lease has made. ``owner`` is the unique name, display name or assignment name that leads to it."""

    kind: str
    owner: str
    where: str = ""


@dataclass(slots=True)
class CloudState:
    """``lag``: for so many seconds a fresh object reads as absent. ``consistency``: see the module."""

    clock: FakeClock
    ids: FixedIds
    lag: float = 0.0
    consistency: Consistency | None = None
    applications: dict[ObjectId, Application] = field(default_factory=dict)
    principals: dict[ObjectId, Principal] = field(default_factory=dict)
    groups: dict[ObjectId, set[ObjectId]] = field(default_factory=dict)
    assignments: dict[Assignment, Granted] = field(default_factory=dict)
    bin: dict[ObjectId, Application | Principal] = field(default_factory=dict)
    definitions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    permissions: dict[str, tuple[Permission, ...]] = field(default_factory=dict)
    """By the id of a definition; one that is not here only reads."""
    assignable_scopes: tuple[str, ...] = ("/",)  # of every definition
    reach: tuple[Permission, ...] = (Permission(("Microsoft.Authorization/*",)),)
    """What the broker itself may do, wherever."""
    below: dict[str, set[str]] = field(default_factory=dict)
    """What each management group holds: keys of scopes, by the group's."""
    kinds: dict[ObjectId, FoundGroup] = field(default_factory=dict)
    """Of groups; one that is not here is an ordinary security group."""
    reaches_all: bool = False
    """Whether the broker may change applications that it does not own."""
    elsewhere: dict[Thing, Any] = field(default_factory=dict)
    """What there is in a service of a kind that a test brings, and what that knows of it."""
    broker: DirectoryPrincipal = USER_ASSIGNED
    """The broker's own service principal, as the directory tells of it."""
    tokens: dict[str, tuple[ObjectId, str, datetime]] = field(default_factory=dict)  # by text: client id, scope and end
    app_roles: dict[ObjectId, dict[ObjectId, ObjectId]] = field(default_factory=dict)  # see ``tests.fakes.app_roles``
    unseen: dict[ObjectId, Upstream] = field(default_factory=dict)  # see ``tests.fakes.cloud_trust``
    disabled: set[ObjectId] = field(default_factory=set)  # client ids, as which nobody may sign in
    lost_scopes: set[Scope] = field(default_factory=set)
    locked_scopes: set[Scope] = field(default_factory=set)
    _fresh_until: dict[object, float] = field(default_factory=dict)
    _kinds: dict[object, str] = field(default_factory=dict)

    def arriving(self) -> None:
        """A call of the broker's comes in: one of the replicas is to answer it."""
        if self.consistency is not None:
            self.consistency.turn()
            self.consistency.called_by("broker")

    def definitions_named(self, role_name: str) -> tuple[Definition, ...]:
        """What has this name, in any case."""
        found = (ids for name, ids in self.definitions.items() if name.casefold() == role_name.casefold())
        return tuple(self.definition(each) for ids in found for each in ids)

    def definition(self, definition_id: str) -> Definition:
        """One role definition."""
        known = ((name, each) for name, ids in self.definitions.items() for each in ids)
        name, known_id = next(((name, each) for name, each in known if is_definition(each, definition_id)), ("", ""))
        if not name:
            raise DefinitionGone(f"no definition {definition_id}", status=404)
        permissions = self.permissions.get(known_id, (Permission(("*/read",)),))
        return Definition(known_id, name, permissions, self.assignable_scopes)

    def descendants(self, group: Scope) -> frozenset[str]:
        """What the management group holds."""
        return frozenset(self.below.get(group.key, ()))

    def permissions_at(self, scope: Scope) -> tuple[Permission, ...]:
        """What the broker may do there."""
        if scope in self.lost_scopes:
            raise Absent(f"no scope {scope}", status=404)
        return self.reach

    def group(self, group: ObjectId) -> FoundGroup:
        """What kind of group it is."""
        if group not in self.groups:
            raise Absent(f"no group {group}", status=404)
        return self.kinds.get(group, FoundGroup())

    def upsert_application(self, wanted: NewApplication) -> ApplicationIds:
        """By its unique name, which no replica gets wrong."""
        for found in self.applications.values():
            if found.unique_name == wanted.unique_name:
                return ApplicationIds(found.object_id, found.app_id)
        made = Application(ObjectId(self.ids.guid()), ObjectId(self.ids.guid()), wanted.unique_name, wanted)
        self.applications[made.object_id] = made
        self.made(made.object_id, "application")
        return ApplicationIds(made.object_id, made.app_id)

    def find_application(self, unique_name: str) -> ApplicationIds:
        """Raises ``Absent``."""
        for found in self.shown_applications():
            if found.unique_name == unique_name:
                return ApplicationIds(found.object_id, found.app_id)
        raise Absent("Request_ResourceNotFound", status=404)

    def create_principal(self, app_id: ObjectId) -> ObjectId:
        """Made or found; the application must be known by now."""
        for principal in self.principals.values():
            if principal.app_id == app_id:
                return principal.object_id
        for application in self.applications.values():
            if application.app_id == app_id and self.sees(application.object_id):
                made = Principal(ObjectId(self.ids.guid()), app_id, application.unique_name)
                self.principals[made.object_id] = made
                self.made(made.object_id, "principal")
                return made.object_id
        raise AmbiguousRefusal("does not reference a valid application object", status=400)

    def find_principal(self, app_id: ObjectId) -> ObjectId:
        """Raises ``Absent``."""
        for principal in self.shown_principals():
            if principal.app_id == app_id:
                return principal.object_id
        raise Absent("Request_ResourceNotFound", status=404)

    def add_secret(self, application_id: ObjectId, display_name: str, end: datetime) -> NewSecret:
        """Each call makes another. Raises ``Absent``."""
        application = self.changeable(application_id)
        key_id, text = ObjectId(self.ids.guid()), f"secret~{self.ids.guid()}"
        application.secrets[key_id] = StoredSecret(display_name, end, text)
        self.made(key_id, "secret")
        return NewSecret(key_id, Secret(text))

    def credentials_of(self, application_id: ObjectId) -> HeldCredentials:
        """Those that this replica knows. Raises ``Absent``."""
        found = self.shown_application(application_id)
        return HeldCredentials(len(self.shown_secrets(found)), found.certificates, found.sign_in_audience, found.is_marked)

    def secrets_named(self, application_id: ObjectId, display_name: str) -> tuple[ObjectId, ...]:
        """Key ids. Raises ``Absent``."""
        secrets = self.shown_secrets(self.shown_application(application_id))
        return tuple(key for key, stored in secrets.items() if stored.display_name == display_name)

    def remove_secret(self, application_id: ObjectId, key_id: ObjectId) -> None:
        """Raises ``Absent``."""
        secrets = self.changeable(application_id).secrets
        self._require(key_id in secrets and self.sees(key_id))
        self._ended(key_id, (application_id, key_id, secrets.pop(key_id)))

    def add_member(self, group: ObjectId, principal: ObjectId) -> None:
        """Being in it is success. Raises ``Absent`` for an unknown group or principal."""
        self._require(group in self.groups and principal in self.principals and self.sees(principal))
        self.groups[group].add(principal)
        self.made((group, principal))

    def remove_member(self, group: ObjectId, principal: ObjectId) -> None:
        """Raises ``Absent``."""
        self._require(principal in self.groups.get(group, set()) and self.sees((group, principal)))
        self.groups[group].remove(principal)
        self._ended((group, principal), principal)

    def delete_principal(self, principal: ObjectId) -> None:
        """Into the bin, out of its groups; its assignments stay. Raises ``Absent``."""
        self._require(principal in self.principals and self.sees(principal))
        self._discard(principal)

    def delete_application(self, application: ObjectId) -> None:
        """Into the bin, with its service principal. Raises ``Absent``."""
        found = self.application(application)
        for principal in [each.object_id for each in self.principals.values() if each.app_id == found.app_id]:
            self._discard(principal)
        self.bin[application] = self.applications.pop(application)
        self._ended(application, self.bin[application])
        self.made(("bin", application))

    def purge(self, object_id: ObjectId) -> None:
        """Raises ``Absent``."""
        self._require(object_id in self.bin and self.sees(("bin", object_id)))
        self._ended(("bin", object_id), self.bin.pop(object_id))

    def assign(self, assignment: Assignment, granted: Granted) -> None:
        """Naming the principal's type, as the broker does, spares the check that the principal exists."""
        self._require(assignment.scope not in self.lost_scopes)
        former = self.assignments.get(assignment)
        if former is not None and former != granted:
            raise Refused("RoleAssignmentUpdateNotPermitted", status=400, azure_code="RoleAssignmentUpdateNotPermitted")
        self.assignments[assignment] = granted
        self.made(assignment)

    def unassign(self, assignment: Assignment) -> None:
        """Raises ``Absent``, ``Locked``."""
        if assignment.scope in self.locked_scopes:
            raise Locked("ScopeLocked", status=409, azure_code="ScopeLocked")
        self._require(assignment in self.assignments and self.sees(assignment))
        del self.assignments[assignment]
        self._ended(assignment, assignment)

    def is_denied(self, application_id: ObjectId) -> bool:
        """Whether the broker may not change it. Raises ``Absent``."""
        return not (self.application(application_id).owned or self.reaches_all)

    def changeable(self, application_id: ObjectId) -> Application:
        """An application that the broker may change. Raises ``Absent``, ``Refused``."""
        if self.is_denied(application_id):
            raise Refused("Insufficient privileges", status=403, azure_code="Authorization_RequestDenied")
        return self.application(application_id)

    def application(self, object_id: ObjectId) -> Application:
        """Raises ``Absent``."""
        self._require(object_id in self.applications and self.sees(object_id))
        return self.applications[object_id]

    def shown_application(self, object_id: ObjectId) -> Application:
        """As a read finds it. Raises ``Absent``."""
        found = next((each for each in self.shown_applications() if each.object_id == object_id), None)
        if found is None:
            raise Absent("Request_ResourceNotFound", status=404)
        return found

    def shown_applications(self) -> list[Application]:
        """Those that the answering replica shows."""
        return [each for each in self.and_gone(self.applications, "application") if self.sees(each.object_id)]

    def shown_principals(self) -> list[Principal]:
        """Those that the answering replica shows."""
        return [each for each in self.and_gone(self.principals, "principal") if self.sees(each.object_id)]

    def shown_in_bin(self) -> list[Application | Principal]:
        """What the answering replica shows there."""
        return [each for each in self.and_gone(self.bin, "binned") if self.sees(("bin", each.object_id))]

    def shown_secrets(self, application: Application) -> dict[ObjectId, StoredSecret]:
        """Those that the answering replica shows."""
        gone = {key: stored for holder, key, stored in self._ghosts("secret") if holder == application.object_id}
        return {key: stored for key, stored in (gone | application.secrets).items() if self.sees(key)}

    def shows_member(self, group: ObjectId, principal: ObjectId) -> bool:
        """Whether the answering replica takes the principal for a member."""
        gone = self.consistency is not None and self.consistency.ghosts.holds("member", group, principal)
        return (gone or principal in self.groups.get(group, ())) and self.sees((group, principal))

    def and_gone[T](self, stored: dict[ObjectId, T], kind: str) -> Iterable[T]:
        """What there is, and what some replica may still show."""
        return [*stored.values(), *(each for each in self._ghosts(kind) if each.object_id not in stored)]

    def _ghosts(self, kind: str) -> Iterable[Any]:
        return () if self.consistency is None else self.consistency.ghosts.of(kind)

    def made_at(self, key: object) -> datetime | None:
        """When it was made, or put into the bin (``("bin", object_id)``); ``None`` for fixtures."""
        if key not in self._fresh_until:
            return None
        return self.clock.truth() - timedelta(seconds=self.clock.monotonic() - self._fresh_until[key] + self.lag)

    def signs_in(self, client_id: ObjectId, secret: Secret) -> bool:
        """Whether there is a principal with an application that has this secret, not ended."""
        apps = [each for each in self.and_gone(self.applications, "application") if self.in_entra(each, client_id)]
        stored = {key: each for app in apps for key, each in app.secrets.items()}
        stored |= {key: each for holder, key, each in self._ghosts("secret") if holder in {app.object_id for app in apps}}
        good = (each for key, each in stored.items() if each.text == secret.reveal() and self.sees(key, "entra"))
        principals = self.and_gone(self.principals, "principal")
        return any(each.end > self.clock.truth() for each in good) and any(
            self.in_entra(principal, client_id) for principal in principals
        )

    def in_entra(self, item: Application | Principal, client_id: ObjectId) -> bool:
        """Whether that is its client id, and Entra has heard of it."""
        return item.app_id == client_id and self.sees(item.object_id, "entra")

    def things(self) -> Iterator[Thing]:
        """Everything that is not fixtures."""
        for application in self.applications.values():
            if application.wanted is not None:
                yield Thing("application", application.unique_name)
            else:
                yield from (Thing("secret", stored.display_name) for stored in application.secrets.values())
        names = {principal.object_id: principal.unique_name for principal in self.principals.values()}
        yield from (Thing("principal", name) for name in names.values() if name)
        yield from (Thing("assignment", each.name, each.scope) for each in self.assignments)
        yield from (Thing("binned", each.unique_name) for each in self.bin.values())
        for group, members in self.groups.items():
            yield from (Thing("membership", names[member], group) for member in members)
        yield from self.elsewhere

    def _discard(self, principal: ObjectId) -> None:
        for group, members in self.groups.items():
            if principal in members:
                members.remove(principal)
                self._ended((group, principal), principal)
        self.bin[principal] = self.principals.pop(principal)
        self._ended(principal, self.bin[principal])
        self.made(("bin", principal))

    def made(self, key: object, kind: str = "") -> None:
        """From now on there is this, and replicas hear of it."""
        self._kinds[key] = kind
        self._fresh_until.setdefault(key, self.clock.monotonic() + self.lag)
        if self.consistency is not None:
            self.consistency.wrote(*self._fact(key))

    def _ended(self, key: object, shown: object) -> None:
        if self.consistency is not None:
            self.consistency.ended(*self._fact(key), shown=shown)

    def sees(self, key: object, observer: Observer = "graph") -> bool:
        """Whether the answering replica shows it."""
        if self.consistency is not None and not self.consistency.sees(observer, *self._fact(key)):
            return False
        return observer != "graph" or self.clock.monotonic() >= self._fresh_until.get(key, 0.0)

    def _fact(self, key: object) -> Fact:
        match key:
            case Assignment():
                return ("assignment", key.name)
            case ("bin", object_id):
                return ("binned", str(object_id))
            case (group, principal):
                return ("member", str(group), str(principal))
        return (self._kinds.get(key, ""), str(key))

    def _require(self, there: bool) -> None:  # noqa: FBT001 - a predicate, read where it stands
        if not there:
            raise Absent("Request_ResourceNotFound", status=404)

"""The targets and footprints of service principal roles: reads, writes and judges them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from shared.core import ownership
from shared.core.azure_role import AzureRole
from shared.core.definition import Powers
from shared.core.directory import PERSONAL_AUDIENCES
from shared.core.errors import Caution, Fault, Malformed
from shared.core.footprint import Assignment
from shared.core.given_powers import assigns_identities
from shared.core.names import ObjectId, RoleName, Scope
from shared.core.parameters.errors import NotNarrowable
from shared.core.parameters.filling import fill
from shared.core.parameters.narrowing import WITHIN, narrow
from shared.core.parameters.parameter import FIELD, Parameter, write_parameters
from shared.core.parsing import Reader, text_item
from shared.core.protection import Protected
from shared.core.role import Ready
from shared.core.typed import named
from shared.kinds.azure_roles import (
    all_fillings,
    cautions_of_holes,
    compared,
    protected_faults,
    read_azure_roles,
    restore_azure_roles,
    write_azure_roles,
)
from shared.kinds.client_secret import ClientSecretCredential
from shared.kinds.kind import Watched
from shared.kinds.lenient import identity, listed, mapping, ready, text, texts
from shared.kinds.part import Places
from shared.resilience.outages import Service

if TYPE_CHECKING:
    from shared.kinds.fragment import Fragment

MAX_AZURE_GROUPS = 32
LONGEST_PERSONAL = 53
MAX_TAGS = 16
AUDIENCES = ("AzureADMyOrg", "AzureADMultipleOrgs", "AzureADandPersonalMicrosoftAccount", "PersonalMicrosoftAccount")


@dataclass(frozen=True, slots=True)
class ServicePrincipalTarget:
    """Each lease gets a new application and service principal, with these assignments and memberships.

    With ``parameters``, scopes and conditions have holes. A lease is made of a filled target, which has none.
    """

    type: ClassVar[str] = "service_principal"
    azure_roles: tuple[AzureRole, ...] = ()
    azure_groups: tuple[ObjectId, ...] = ()
    tags: tuple[str, ...] = ()
    sign_in_audience: str = "AzureADMyOrg"
    permanently_delete: bool = True
    ready: Ready = "none"
    parameters: tuple[Parameter, ...] = ()
    is_narrowable: bool = True
    """Whether a caller may ask for the same assignments further down."""

    @property
    def takes_personal_accounts(self) -> bool:
        """Whether personal Microsoft accounts may sign in to the application. Graph has rules of its own for them."""
        return self.sign_in_audience in PERSONAL_AUDIENCES


@dataclass(frozen=True, slots=True)
class ServicePrincipalFootprint:
    """An application of the lease's own. An id is ``None`` until Azure has returned it. ``unique_name`` leads to the ids."""

    type: ClassVar[str] = "service_principal"
    unique_name: str
    assignments: tuple[Assignment, ...] = ()
    groups: tuple[ObjectId, ...] = ()
    purge: bool = True
    """Whether to delete the application from the recycle bin as well."""
    application_id: ObjectId | None = None
    app_id: ObjectId | None = None
    principal_id: ObjectId | None = None
    secret_id: ObjectId | None = None
    """The key id of the secret that was handed out last."""
    unmade: tuple[str, ...] = ()
    """Names of assignments, and groups, that the worker has certainly not made, though it has made the rest."""
    purged: tuple[ObjectId, ...] = ()
    """The principal and the application, if an attempt to undo has purged them from the recycle bin already."""


class ServicePrincipalSchema:
    """Satisfies ``Schema``."""

    type = ServicePrincipalTarget.type

    @property
    def fragment(self) -> Fragment:
        """See the protocol, as for the other methods."""
        from shared.issuers.service_principal.fragment import FRAGMENT  # noqa: PLC0415 - only the contract wants it

        return FRAGMENT

    def read(self, reader: Reader) -> ServicePrincipalTarget:
        """Reads the fields. An absent field has its default."""
        reader.choice("credential", ("secret",), default="secret")
        _read_pool(reader)
        if not reader.has("azure_roles") and not reader.has("azure_groups"):
            reader.fault("azure_roles", "a service principal needs azure_roles, azure_groups or both")
        azure_roles, parameters = read_azure_roles(reader)
        return ServicePrincipalTarget(
            azure_roles=azure_roles,
            parameters=parameters,
            is_narrowable=reader.choice("narrowing", ("allow", "refuse"), default="allow") == "allow",
            azure_groups=reader.items("azure_groups", _azure_group, most=MAX_AZURE_GROUPS),
            tags=reader.items("tags", _tag, most=MAX_TAGS),
            sign_in_audience=reader.choice("sign_in_audience", AUDIENCES, default=AUDIENCES[0]),
            permanently_delete=reader.flag("permanently_delete", default=True),
            ready="token" if reader.choice("ready", ("none", "token"), default="none") == "token" else "none",
        )

    def write(self, target: ServicePrincipalTarget) -> dict[str, Any]:
        """Writes the fields. An empty field is left out."""
        document: dict[str, Any] = {
            "credential": "secret",
            "ready": target.ready,
            "sign_in_audience": target.sign_in_audience,
            "permanently_delete": target.permanently_delete,
        }
        if target.azure_roles:
            document["azure_roles"] = write_azure_roles(target.azure_roles)
        if target.azure_groups:
            document["azure_groups"] = [{"object_id": group} for group in target.azure_groups]
        if target.tags:
            document["tags"] = list(target.tags)
        if target.parameters:
            document[FIELD] = write_parameters(target.parameters)
        if not target.is_narrowable:
            document["narrowing"] = "refuse"
        return document

    def rules(self, name: RoleName, target: ServicePrincipalTarget) -> Iterator[Fault]:
        """Yields a fault for a repeated group or tag, and for a display name that Graph does not accept."""
        if len(set(target.azure_groups)) < len(target.azure_groups):
            yield Fault("azure_groups", "names a group twice")
        # Graph takes no value twice, and the broker's own tag is on every application.
        tags = [ownership.TAG, *(tag.casefold() for tag in target.tags)]
        for index, tag in enumerate(tags[1:]):
            if tag in tags[: index + 1]:
                yield Fault(f"tags[{index}]", "is on the application already: a tag may not repeat")
        # Where personal accounts may sign in, Graph takes display names of 90 characters; ours hold a role's name and 37 more.
        # https://learn.microsoft.com/entra/identity-platform/supported-accounts-validation
        if target.takes_personal_accounts and len(name) > LONGEST_PERSONAL:
            message = f"takes personal accounts, for which a role's name has at most {LONGEST_PERSONAL} characters"
            yield Fault("sign_in_audience", message)

    def keep(self, target: ServicePrincipalTarget) -> dict[str, Any]:
        """Returns each assignment's definition, what that allows, whether it or the scope is gone, whether it is protected."""
        roles = target.azure_roles
        return {
            "definition_ids": [role.definition_id for role in roles],
            "powers": [_write_powers(role.powers) for role in roles],
            "gone": [role.gone for role in roles],
            "reaches_protected": [role.reaches_protected for role in roles],
            "scope_gone": [role.scope_gone for role in roles],
        }

    def kept(self, target: ServicePrincipalTarget, stored: Mapping[str, Any]) -> ServicePrincipalTarget:
        """Joins what was stored by the assignments' places. An assignment whose place is missing stays unresolved."""
        count = len(target.azure_roles)
        ids = _as_many(count, [text(each) or "" for each in listed(stored.get("definition_ids"))], "")
        powers = _as_many(count, [_powers(each) for each in listed(stored.get("powers"))], None)
        gone = _as_many(count, [each is True for each in listed(stored.get("gone"))], otherwise=False)
        reaching = _as_many(count, [each is True for each in listed(stored.get("reaches_protected"))], otherwise=False)
        nowhere = _as_many(count, [each is True for each in listed(stored.get("scope_gone"))], otherwise=False)
        each = zip(target.azure_roles, ids, powers, gone, reaching, nowhere, strict=True)
        roles = (
            replace(role, definition_id=found, powers=known, gone=lost, reaches_protected=reaches, scope_gone=away)
            for role, found, known, lost, reaches, away in each
        )
        return replace(target, azure_roles=tuple(roles))

    def restore(self, document: Mapping[str, Any]) -> ServicePrincipalTarget | None:
        """Returns ``None`` if one part cannot be read: a target is read as a whole or not at all."""
        restored = restore_azure_roles(document)
        azure_groups = [identity(mapping(each).get("object_id")) for each in listed(document.get("azure_groups"))]
        if restored is None or None in azure_groups:
            return None
        azure_roles, parameters = restored
        return ServicePrincipalTarget(
            azure_roles,
            tuple(each for each in azure_groups if each),
            tuple(texts(document.get("tags", [])) or ()),
            text(document.get("sign_in_audience")) or "AzureADMyOrg",
            document.get("permanently_delete", True) is True,
            ready(document),
            parameters,
            document.get("narrowing", "allow") == "allow",
        )

    def unresolved(self, target: ServicePrincipalTarget) -> Iterator[Fault]:
        """Yields a fault for each assignment without a definition."""
        for index, role in enumerate(target.azure_roles):
            if not role.definition_id:
                yield Fault(f"azure_roles[{index}]", "was never looked up in Azure; write the role again")

    def granted(self, target: ServicePrincipalTarget) -> Mapping[str, Any]:
        """Definitions as they were resolved, scopes, conditions, groups, audience; in no order.

        Neither tags nor ``ready`` nor ``permanently_delete`` count: they change nothing in what the credential may do.
        """
        granted: dict[str, Any] = {"sign_in_audience": target.sign_in_audience}
        if target.azure_roles:
            granted["azure_roles"] = sorted(map(compared, target.azure_roles))
        if target.azure_groups:
            granted["azure_groups"] = sorted(target.azure_groups)
        return granted

    def fill(self, target: ServicePrincipalTarget, values: Mapping[str, str]) -> ServicePrincipalTarget:
        """Fills scopes and conditions."""
        return replace(target, azure_roles=fill(target.azure_roles, values), parameters=())

    def narrow(self, target: ServicePrincipalTarget, within: Scope) -> ServicePrincipalTarget:
        """Raises ``NotNarrowable`` as well if the role refuses it, or has groups: what these give lies at no scope."""
        if not target.is_narrowable:
            raise NotNarrowable(Fault(WITHIN, "this role refuses it"))
        if target.azure_groups:
            raise NotNarrowable(Fault(WITHIN, "the role has groups, and what they give lies at no scope"))
        return replace(target, azure_roles=narrow(target.azure_roles, within))

    def azure_roles(self, target: ServicePrincipalTarget) -> tuple[AzureRole, ...]:
        """Returns all assignments."""
        return target.azure_roles

    def with_azure_roles(self, target: ServicePrincipalTarget, azure_roles: tuple[AzureRole, ...]) -> ServicePrincipalTarget:
        """Returns the target with these assignments, in the same order."""
        return replace(target, azure_roles=azure_roles)

    def faults(self, target: ServicePrincipalTarget, protected: Protected) -> tuple[Fault, ...]:
        """Judges the scopes of the assignments."""
        return protected_faults(target.azure_roles, target.parameters, protected)

    def closed(self, target: ServicePrincipalTarget) -> Malformed | None:  # noqa: ARG002 - the protocol's
        """Never."""
        return None

    def watched(self, target: ServicePrincipalTarget) -> Watched | None:  # noqa: ARG002 - the protocol's
        """Nothing: the definitions of its assignments are looked at apart."""
        return None

    def warnings(self, target: ServicePrincipalTarget, protected: Protected) -> tuple[Caution, ...]:
        """Returns a caution for each protected resource that it reads, and for identities as which it can act."""
        cautions = (*protected.warnings(target.azure_roles), *assigns_identities(target.azure_roles))
        if not target.parameters:
            return cautions
        message = "what the groups give does not depend on the parameters"
        groups = (Caution("azure_groups", "not_confined", message),) if target.azure_groups else ()
        return (*cautions, *groups, *cautions_of_holes(target.azure_roles, target.parameters, protected))

    def places(self, target: ServicePrincipalTarget) -> Places:
        """Returns scopes and groups. Of a scope with holes: all that it may become, or nothing if that is not known."""
        filled = [role for found in all_fillings(target.azure_roles, target.parameters) for role in found or ()]
        return Places(tuple(each.scope for each in filled), target.azure_groups)

    def places_of(self, footprint: ServicePrincipalFootprint) -> Places:
        """Returns the scopes and groups of a lease."""
        return Places(tuple(each.scope for each in footprint.assignments), footprint.groups)

    def write_footprint(self, footprint: ServicePrincipalFootprint) -> dict[str, Any]:
        """Writes every field under its name."""
        return {
            "unique_name": footprint.unique_name,
            "assignments": [{"scope": each.scope, "name": each.name} for each in footprint.assignments],
            "groups": list(footprint.groups),
            "purge": footprint.purge,
            "application_id": footprint.application_id,
            "app_id": footprint.app_id,
            "principal_id": footprint.principal_id,
            "secret_id": footprint.secret_id,
            "unmade": list(footprint.unmade),
            "purged": list(footprint.purged),
        }

    def read_footprint(self, stored: Mapping[str, Any]) -> ServicePrincipalFootprint:
        """Rows of the first version lack what follows the secret's id, and the id."""
        return ServicePrincipalFootprint(
            stored["unique_name"],
            tuple(Assignment(named(Scope, each["scope"]), each["name"]) for each in stored["assignments"]),
            tuple(named(ObjectId, group) for group in stored["groups"]),
            stored.get("purge", True),
            _known(stored.get("application_id")),
            _known(stored.get("app_id")),
            _known(stored.get("principal_id")),
            _known(stored.get("secret_id")),
            tuple(stored.get("unmade", ())),
            tuple(named(ObjectId, each) for each in stored.get("purged", ())),
        )

    def can_hold_credential(self, footprint: ServicePrincipalFootprint) -> bool:
        """Returns whether there is an application: a secret needs no service principal."""
        return footprint.application_id is not None and footprint.app_id is not None

    def with_credential(self, footprint: ServicePrincipalFootprint, credential_id: ObjectId) -> ServicePrincipalFootprint:
        """Adds the secret's key id."""
        return replace(footprint, secret_id=credential_id)

    def complete(self, credential: ClientSecretCredential, footprint: ServicePrincipalFootprint) -> ClientSecretCredential:
        """Adds the principal's id: the secret may be there before the principal."""
        return replace(credential, object_id=footprint.principal_id)

    def principals(self, footprint: ServicePrincipalFootprint) -> frozenset[ObjectId]:
        """Returns the service principal's object id and the application's client id."""
        return frozenset(each for each in (footprint.principal_id, footprint.app_id) if each is not None)

    def remains(self, footprint: ServicePrincipalFootprint) -> tuple[str, ...]:
        """Returns application, principal, memberships and assignments, but not those that were certainly never made."""
        principal = (f"service principal {footprint.principal_id}",) if footprint.principal_id else ()
        application = f"application {footprint.application_id or ''} ({footprint.unique_name})".replace("  ", " ")
        unmade = footprint.unmade
        groups = (f"membership in group {each}" for each in footprint.groups if each not in unmade)
        assigned = (f"role assignment {each.name} at {each.scope}" for each in footprint.assignments if each.name not in unmade)
        return (application, *principal, *groups, *assigned)

    def services(self, footprint: ServicePrincipalFootprint) -> frozenset[Service]:
        """Returns Graph, and Resource Manager if there are assignments."""
        return frozenset((Service.GRAPH, *((Service.RESOURCE_MANAGER,) if footprint.assignments else ())))


def _read_pool(reader: Reader) -> None:
    if reader.has("pool"):
        pool = Reader(reader.take("pool"), reader.at("pool"), reader.faults)
        if pool.has("size") and pool.take("size") != 0:
            pool.fault("size", "expected 0: principals are made when they are asked for")
        pool.done()


def _azure_group(value: Any, path: str, faults: list[Fault]) -> ObjectId | None:
    reader = Reader(value, path, faults)
    object_id = reader.parsed("object_id", ObjectId.parse, required=True)
    reader.done()
    return object_id


def _tag(value: Any, path: str, faults: list[Fault]) -> str | None:
    tag = text_item(value, path, faults)
    if tag is not None and any(character.isspace() for character in tag):
        faults.append(Fault(path, "a tag has no blanks"))
        return None
    return tag


def _write_powers(powers: Powers | None) -> dict[str, Any] | None:
    return None if powers is None else asdict(powers) | {"gives_roles": list(powers.gives_roles)}


def _powers(value: Any) -> Powers | None:
    stored = mapping(value)
    if not stored:
        return None
    gives = tuple(each for each in listed(stored.get("gives_roles")) if isinstance(each, str))
    assigns, reads = (stored.get(name) is True for name in ("assigns_identities", "only_reads"))
    return Powers(gives, assigns, reads, stored.get("changes") is not False)


def _as_many[T](count: int, found: Iterable[T], otherwise: T) -> list[T]:
    """So many: what is too much is left out, what is missing is ``otherwise``."""
    some = list(found)[:count]
    return some + [otherwise] * (count - len(some))


def _known(stored: str | None) -> ObjectId | None:
    return named(ObjectId, stored) if stored is not None else None

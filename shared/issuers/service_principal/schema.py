"""The targets and footprints of service principal roles: reads, writes and judges them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shared.core import ownership
from shared.core.errors import Caution, Fault
from shared.core.federated_identity import FederatedIdentity
from shared.core.footprint import Assignment
from shared.core.given_powers import assigns_identities
from shared.core.graph_app_roles import FIELD as GRAPH_APP_ROLES
from shared.core.graph_app_roles import names_of
from shared.core.names import ObjectId, RoleName, Scope
from shared.core.parameters.errors import NotNarrowable
from shared.core.parameters.narrowing import WITHIN, narrow
from shared.core.parsing import Reader, text_item
from shared.core.pool import FIELD as POOL
from shared.core.pool import NONE, Pool, read_pool, restore_pool, write_pool, writes
from shared.core.protection import Protected
from shared.core.readiness.observability import PROBES, shows_itself, unseen
from shared.core.role import Ready
from shared.core.typed import named
from shared.issuers.service_principal import choice, graph_app_roles
from shared.issuers.service_principal.credentials import CREDENTIALS
from shared.issuers.service_principal.held import Held
from shared.issuers.service_principal.sas_place import needs_within, unsignable
from shared.issuers.service_principal.target import ServicePrincipalFootprint, ServicePrincipalTarget
from shared.kinds.assigning import Assigning, is_narrowable, require_narrowable, scopes_of, was_narrowable, write_holes
from shared.kinds.azure_roles import (
    cautions_of_holes,
    compared,
    read_azure_roles,
    restore_azure_roles,
    unresolved_azure_roles,
    write_azure_roles,
)
from shared.kinds.kept_roles import keep_azure_roles, kept_azure_roles
from shared.kinds.kind import Asking
from shared.kinds.lenient import identity, listed, mapping, ready, text, texts
from shared.kinds.part import Places
from shared.kinds.ready_probes import (
    keep_ready_probes,
    kept_ready_probes,
    read_ready_probes,
    restore_ready_probes,
    write_ready_probes,
)
from shared.resilience.outages import Service

if TYPE_CHECKING:
    from shared.kinds.fragment import Fragment

__all__ = ["ServicePrincipalFootprint", "ServicePrincipalSchema", "ServicePrincipalTarget"]

MAX_AZURE_GROUPS = 32
LONGEST_PERSONAL = 53
MAX_TAGS = 16
AUDIENCES = ("AzureADMyOrg", "AzureADMultipleOrgs", "AzureADandPersonalMicrosoftAccount", "PersonalMicrosoftAccount")


class ServicePrincipalSchema(Assigning):
    """Satisfies ``Schema``."""

    type = ServicePrincipalTarget.type

    @property
    def fragment(self) -> Fragment:
        """See the protocol, as for the other methods."""
        from shared.issuers.service_principal.fragment import FRAGMENT  # noqa: PLC0415 - only the contract wants it

        return FRAGMENT

    def read(self, reader: Reader) -> ServicePrincipalTarget:
        """Reads the fields. An absent field has its default."""
        if not any(reader.has(each) for each in ("azure_roles", "azure_groups", "graph_app_roles")):
            reader.fault("azure_roles", "a service principal needs azure_roles, azure_groups or graph_app_roles")
        azure_roles, parameters = read_azure_roles(reader)
        return ServicePrincipalTarget(
            azure_roles=azure_roles,
            parameters=parameters,
            is_narrowable=is_narrowable(reader),
            azure_groups=reader.items("azure_groups", _azure_group, most=MAX_AZURE_GROUPS),
            tags=reader.items("tags", _tag, most=MAX_TAGS),
            sign_in_audience=reader.choice("sign_in_audience", AUDIENCES, default=AUDIENCES[0]),
            permanently_delete=reader.flag("permanently_delete", default=True),
            ready=_READY[reader.choice("ready", (*_READY,), default="token")],
            ready_probes=read_ready_probes(reader, len(azure_roles)),
            credential=choice.read(reader),
            pool=read_pool(reader),
            graph_app_roles=graph_app_roles.read(reader),
        )

    def write(self, target: ServicePrincipalTarget) -> dict[str, Any]:
        """Writes the fields. An empty field is left out."""
        document: dict[str, Any] = {
            **choice.write(target.credential),
            **graph_app_roles.write(target.graph_app_roles),
            "ready": target.ready,
            "sign_in_audience": target.sign_in_audience,
            "permanently_delete": target.permanently_delete,
        }
        if target.pool != NONE:
            document[POOL] = write_pool(target.pool)
        if target.azure_roles:
            document["azure_roles"] = write_azure_roles(target.azure_roles)
        if target.azure_groups:
            document["azure_groups"] = [{"object_id": group} for group in target.azure_groups]
        if target.tags:
            document["tags"] = list(target.tags)
        if target.ready_probes:
            document[PROBES] = write_ready_probes(target.ready_probes)
        return document | write_holes(target)

    def rules(self, name: RoleName, target: ServicePrincipalTarget) -> Iterator[Fault]:
        """Yields a fault for a repeated group or tag, and for a display name that Graph does not accept."""
        if len(set(target.azure_groups)) < len(target.azure_groups):
            yield Fault("azure_groups", "names a group twice")
        # Graph takes no value twice, and the broker's own tag is on every application.
        own = [ownership.TAG, ownership.NO_SECRET]
        tags = [*own, *(tag.casefold() for tag in target.tags)]
        for index, tag in enumerate(tags[len(own) :]):
            if tag in tags[: index + len(own)]:
                yield Fault(f"tags[{index}]", "is on the application already: a tag may not repeat")
        if target.ready_probes and target.ready != "access":
            yield Fault(PROBES, "counts with `ready: access` alone")
        # Where personal accounts may sign in, Graph takes display names of 90 characters; ours hold a role's name and 37 more.
        # https://learn.microsoft.com/entra/identity-platform/supported-accounts-validation
        if target.takes_personal_accounts and len(name) > LONGEST_PERSONAL:
            message = f"takes personal accounts, for which a role's name has at most {LONGEST_PERSONAL} characters"
            yield Fault("sign_in_audience", message)
        yield from choice.rules(target.credential)
        yield from graph_app_roles.twice(target.graph_app_roles)

    def keep(self, target: ServicePrincipalTarget) -> dict[str, Any]:
        """Returns what was looked up of each assignment and each permission of Graph, and what each probe covers."""
        found = keep_azure_roles(target.azure_roles) | keep_ready_probes(target.ready_probes)
        return found | graph_app_roles.keep(target.graph_app_roles)

    def kept(self, target: ServicePrincipalTarget, stored: Mapping[str, Any]) -> ServicePrincipalTarget:
        """Joins what was stored by places. An assignment whose place is missing stays unresolved."""
        return replace(
            target,
            azure_roles=kept_azure_roles(target.azure_roles, stored),
            ready_probes=kept_ready_probes(target.ready_probes, stored),
            graph_app_roles=graph_app_roles.kept(target.graph_app_roles, stored),
        )

    def restore(self, document: Mapping[str, Any]) -> ServicePrincipalTarget | None:
        """Returns ``None`` if one part cannot be read: a target is read as a whole or not at all."""
        restored, credential = restore_azure_roles(document), choice.restore(document)
        azure_groups = [identity(mapping(each).get("object_id")) for each in listed(document.get("azure_groups"))]
        app_roles = graph_app_roles.restore(document)
        if restored is None or credential is None or app_roles is None or None in azure_groups:
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
            was_narrowable(document),
            restore_ready_probes(document),
            credential,
            restore_pool(document.get(POOL)),
            app_roles,
        )

    def unresolved(self, target: ServicePrincipalTarget) -> Iterator[Fault]:
        """Yields a fault for each assignment without a definition, and each permission of Graph without its id."""
        yield from unresolved_azure_roles(target.azure_roles)
        yield from graph_app_roles.unresolved(target.graph_app_roles)
        if target.ready == "access" and all(role.powers is not None for role in target.azure_roles):
            # A definition may have changed since, or a probe that covers it cannot be read.
            yield from unseen(target)
        yield from unsignable(target)

    def granted(self, target: ServicePrincipalTarget) -> Mapping[str, Any]:
        """Definitions as they were resolved, scopes, conditions, groups, audience, permissions of Graph; in no order. The kind
        of credential.

        Neither tags nor ``ready`` nor ``permanently_delete`` count: they change nothing in what the credential may do. Which
        tokens and which workloads a role allows is looked at when somebody asks.
        """
        granted: dict[str, Any] = {"sign_in_audience": target.sign_in_audience}
        if target.credential.name != "secret":
            granted["credential"] = target.credential.name
        if target.azure_roles:
            granted["azure_roles"] = sorted(map(compared, target.azure_roles))
        if target.azure_groups:
            granted["azure_groups"] = sorted(target.azure_groups)
        return granted | graph_app_roles.granted(target.graph_app_roles)

    def narrow(self, target: ServicePrincipalTarget, within: Scope) -> ServicePrincipalTarget:
        """Raises ``NotNarrowable`` as well if the role refuses it, or has groups or permissions of Graph: what these give lies
        at no scope.
        """
        require_narrowable(target)
        for what, is_there in (("groups", target.azure_groups), ("permissions of Microsoft Graph", target.graph_app_roles)):
            if is_there:
                raise NotNarrowable(Fault(WITHIN, f"the role has {what}, and what they give lies at no scope"))
        azure_roles = narrow(target.azure_roles, within)
        if target.ready != "access" or {role.scope.key for role in target.azure_roles} == {within.key}:
            return replace(target, azure_roles=azure_roles)
        # A probe has one address, which may lie outside of what is left.
        if any(not shows_itself(role) for role in azure_roles):
            raise NotNarrowable(
                Fault(WITHIN, "only a probe of the role shows that it works, and the probe is not for this scope")
            )
        return replace(target, azure_roles=azure_roles, ready_probes=())

    def warnings(self, target: ServicePrincipalTarget, protected: Protected) -> tuple[Caution, ...]:
        """Returns a caution for each protected resource that it reads, and for identities as which it can act."""
        roles = (*protected.warnings(target.azure_roles), *assigns_identities(target.azure_roles))
        cautions = (*roles, *choice.warnings(target.credential), *_pool_warnings(target), *needs_within(target))
        if not target.parameters:
            return cautions
        fields = {"azure_groups": target.azure_groups, GRAPH_APP_ROLES: target.graph_app_roles}
        message = "what they give does not depend on the parameters"
        unconfined = (Caution(field, "not_confined", message) for field, given in fields.items() if given)
        return (*cautions, *unconfined, *cautions_of_holes(target.azure_roles, target.parameters, protected))

    def pool(self, target: ServicePrincipalTarget) -> Pool:
        """See ``PoolSchema``, as for the next two. A lease's own target has the pool of its role."""
        return target.pool

    def assigned_in_pool(self, target: ServicePrincipalTarget) -> int:
        """Returns their number, or none if they are made at the claim."""
        return len(target.azure_roles) if target.assigns_in_pool else 0

    def pooled(self, target: ServicePrincipalTarget) -> Mapping[str, Any]:
        """Returns what the credential may do, and what else is written into an application, or seen of it."""
        made_for: dict[str, Any] = {
            **self.granted(target),
            "assigned": target.assigns_in_pool,
            "permanently_delete": target.permanently_delete,
            "ready": target.ready,
        }
        if target.tags:
            made_for["tags"] = sorted(target.tags)
        if target.ready_probes:
            made_for[PROBES] = write_ready_probes(target.ready_probes)
        return made_for

    def places(self, target: ServicePrincipalTarget) -> Places:
        """Returns scopes and groups, and permissions of Graph."""
        return Places(scopes_of(target), target.azure_groups, graph_app_roles=names_of(target.graph_app_roles))

    def places_of(self, footprint: ServicePrincipalFootprint) -> Places:
        """Returns the scopes and groups of a lease, and its permissions of Graph."""
        scopes = tuple(each.scope for each in footprint.assignments)
        return Places(scopes, footprint.groups, graph_app_roles=footprint.graph_app_roles)

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
            **footprint.held.write(),
            **({GRAPH_APP_ROLES: list(footprint.graph_app_roles)} if footprint.graph_app_roles else {}),
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
            Held.read(stored),
            tuple(stored.get(GRAPH_APP_ROLES, ())),
        )

    def is_deliverable(self, target: ServicePrincipalTarget) -> bool:
        """Returns whether it is a secret. A token is over before it is read, and the others hold nothing to be kept."""
        return target.credential.name == "secret"

    def can_hold_credential(self, footprint: ServicePrincipalFootprint) -> bool:
        """Asks the kind of credential."""
        return CREDENTIALS[footprint.held.name].can_be_added(footprint)

    def asks_who(self, target: ServicePrincipalTarget, fields: Mapping[str, Any]) -> bool:
        """Asks the kind of credential."""
        return CREDENTIALS[target.credential.name].asks_who(target.credential, fields)

    def asked(self, target: ServicePrincipalTarget, asking: Asking) -> Any:
        """Asks the kind of credential."""
        return CREDENTIALS[target.credential.name].asked(target, asking)

    def asked_again(
        self, target: ServicePrincipalTarget, footprint: ServicePrincipalFootprint, fields: Mapping[str, Any]
    ) -> Any:
        """Asks the kind of credential that the lease has. The role may be of another type by now if the lease has no digest."""
        today = target.credential if target.type == self.type else choice.SECRET
        return CREDENTIALS[footprint.held.name].asked_again(today, footprint.held, fields)

    def used_by(self, footprint: ServicePrincipalFootprint) -> FederatedIdentity | None:
        """Returns whose tokens the application takes, the broker's own apart."""
        return footprint.held.trusted

    def with_credential(self, footprint: ServicePrincipalFootprint, credential_id: ObjectId) -> ServicePrincipalFootprint:
        """Adds the secret's key id. A credential that is no secret needs none: it has a name of its own."""
        if footprint.held.name != "secret":
            return replace(footprint, held=replace(footprint.held, added=True))
        return replace(footprint, secret_id=credential_id)

    def complete(self, credential: Any, footprint: ServicePrincipalFootprint) -> Any:
        """Adds the principal's id: the credential may be there before the principal."""
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


def _pool_warnings(target: ServicePrincipalTarget) -> Iterator[Caution]:
    """Yields a caution for a pool whose principals hold, while nobody has leased them, a right to change something."""
    if target.pool.size and target.pool.assigned and (writes(target.azure_roles) or target.graph_app_roles):
        message = "the pool's principals may change things while nobody holds them; with `assigned: false` they may not"
        yield Caution(f"{POOL}.assigned", "pool_holds_writes", message)


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


_READY: Mapping[str, Ready] = {"none": "none", "token": "token", "access": "access"}


def _known(stored: str | None) -> ObjectId | None:
    return named(ObjectId, stored) if stored is not None else None

"""Roles as JSON documents: how the API reads and writes them. How they are kept is ``shared.core.stored_role``.

A rule that one field breaks by itself stands where the field is read; one about the whole role in ``shared.core.role_rules``.
"""

from __future__ import annotations

from typing import Any

from shared.core.condition import condition
from shared.core.errors import Fault
from shared.core.names import ObjectId, RoleName, Scope, Unparsable
from shared.core.parsing import Reader, parsed_item, text_item
from shared.core.role import (
    DEFAULT_MAX_TTL,
    DEFAULT_TTL,
    MAX_AZURE_GROUPS,
    MAX_AZURE_ROLES,
    MAX_TTL,
    MIN_TTL,
    ApplicationSecretTarget,
    AzureRole,
    Bounds,
    Role,
    ServicePrincipalTarget,
    Target,
    UnknownTarget,
)
from shared.core.role_rules import RULES

MAX_BOUND = 256
MAX_TAGS = 16
MAX_CONDITION = 8192
MAX_LIVE = 1_000_000
_ROLE_ID_MARK = "/providers/microsoft.authorization/roledefinitions/"
_TYPES = ("service_principal", "application_secret")
AUDIENCES = ("AzureADMyOrg", "AzureADMultipleOrgs", "AzureADandPersonalMicrosoftAccount", "PersonalMicrosoftAccount")


def read_role(name: RoleName, document: Any) -> Role:
    """The role that a caller wrote, not yet resolved. Raises ``Malformed`` with every fault, those of ``RULES`` included."""
    reader = Reader(document)
    target = _target(reader)
    asked = reader.duration("ttl", least=MIN_TTL, most=MAX_TTL)
    max_ttl = reader.duration("max_ttl", least=MIN_TTL, most=MAX_TTL) or max(DEFAULT_MAX_TTL, asked or 0)
    ttl = asked or min(DEFAULT_TTL, max_ttl)
    if ttl > max_ttl:
        reader.fault("ttl", f"is longer than max_ttl, which is {max_ttl} seconds")
    role = Role(
        name=name,
        target=target,
        bounds=_bounds(reader),
        ttl=ttl,
        max_ttl=max_ttl,
        renewable=reader.flag("renewable", default=True),
        max_leases=reader.whole("max_leases", least=1, most=MAX_LIVE),
    )
    _follow_rules(reader, role)
    reader.finish()
    return role


def _follow_rules(reader: Reader, role: Role) -> None:
    """A field that could not be read is not judged: what is left of it would be told by wrong places."""
    unread = {_field(fault) for fault in reader.faults}
    reader.faults += [fault for rule in RULES for fault in rule(role) if _field(fault) not in unread]


def _field(fault: Fault) -> str:
    return fault.path.partition(".")[0].partition("[")[0]


def write_role(role: Role) -> dict[str, Any]:
    """The public document: what ``read_role`` would read back."""
    document: dict[str, Any] = {
        "type": role.type,
        "ttl": role.ttl,
        "max_ttl": role.max_ttl,
        "renewable": role.renewable,
    }
    if role.max_leases is not None:
        document["max_leases"] = role.max_leases
    document |= _write_bounds(role.bounds)
    match role.target:
        case ServicePrincipalTarget():
            return document | _write_service_principal(role.target)
        case ApplicationSecretTarget():
            return document | {
                "application_object_id": role.target.application_object_id,
                "ready": role.target.ready,
            }
        case UnknownTarget():
            return document


def _target(reader: Reader) -> Target:
    if not reader.has("type"):
        reader.fault("type", "is required")
    match reader.choice("type", _TYPES, default=_TYPES[0]):
        case "application_secret":
            return _read_application_secret(reader)
        case _:
            return _read_service_principal(reader)


def _read_service_principal(reader: Reader) -> ServicePrincipalTarget:
    reader.choice("credential", ("secret",), default="secret")
    _read_pool(reader)
    if not reader.has("azure_roles") and not reader.has("azure_groups"):
        reader.fault("azure_roles", "a service principal needs azure_roles, azure_groups or both")
    return ServicePrincipalTarget(
        azure_roles=reader.items("azure_roles", _azure_role, most=MAX_AZURE_ROLES),
        azure_groups=reader.items("azure_groups", _azure_group, most=MAX_AZURE_GROUPS),
        tags=reader.items("tags", _tag, most=MAX_TAGS),
        sign_in_audience=reader.choice("sign_in_audience", AUDIENCES, default=AUDIENCES[0]),
        permanently_delete=reader.flag("permanently_delete", default=True),
        ready="token" if reader.choice("ready", ("none", "token"), default="none") == "token" else "none",
    )


def _read_application_secret(reader: Reader) -> ApplicationSecretTarget:
    object_id = reader.parsed("application_object_id", ObjectId.parse, required=True)
    ready = reader.choice("ready", ("none", "token"), default="none")
    return ApplicationSecretTarget(object_id or ObjectId(""), ready="token" if ready == "token" else "none")


def _read_pool(reader: Reader) -> None:
    if reader.has("pool"):
        pool = Reader(reader.take("pool"), reader.at("pool"), reader.faults)
        if pool.has("size") and pool.take("size") != 0:
            pool.fault("size", "expected 0: principals are made when they are asked for")
        pool.done()


def _azure_role(value: Any, path: str, faults: list[Fault]) -> AzureRole | None:
    before = len(faults)
    reader = Reader(value, path, faults)
    name = reader.text("role_name")
    role_id = reader.parsed("role_id", _role_definition)
    scope = reader.parsed("scope", Scope.parse, required=True)
    under = _condition(reader)
    if reader.has("role_name") == reader.has("role_id"):
        reader.fault("", "expected either role_name or role_id")
    reader.done()
    return AzureRole(scope, name, role_id, under) if scope and len(faults) == before else None


def _condition(reader: Reader) -> str | None:
    text = reader.text("condition", longest=MAX_CONDITION, lines=True)
    try:
        return None if text is None else condition(text)
    except Unparsable as wrong:
        reader.fault("condition", str(wrong))
        return None


def _role_definition(text: str) -> str:
    head, mark, name = text.lower().rpartition(_ROLE_ID_MARK)
    if not mark:
        raise Unparsable("expected a role definition's id, .../providers/Microsoft.Authorization/roleDefinitions/{guid}")
    if head:
        Scope.parse(head)
    ObjectId.parse(name)
    return text


def _azure_group(value: Any, path: str, faults: list[Fault]) -> ObjectId | None:
    reader = Reader(value, path, faults)
    object_id = reader.parsed("object_id", ObjectId.parse, required=True)
    reader.done()
    return object_id


def _tag(value: Any, path: str, faults: list[Fault]) -> str | None:
    text = text_item(value, path, faults)
    if text is not None and any(character.isspace() for character in text):
        faults.append(Fault(path, "a tag has no blanks"))
        return None
    return text


def _app_role(value: Any, path: str, faults: list[Fault]) -> str | None:
    text = text_item(value, path, faults)
    if text is not None and "*" in text:
        faults.append(Fault(path, "an app role is named whole: * stands for nothing here"))
        return None
    return text


def _bounds(reader: Reader) -> Bounds:
    identity = parsed_item(ObjectId.parse)
    return Bounds(
        frozenset(reader.items("bound_service_principal_ids", identity, most=MAX_BOUND)),
        frozenset(reader.items("bound_application_ids", identity, most=MAX_BOUND)),
        frozenset(reader.items("bound_app_roles", _app_role, most=MAX_BOUND)),
        frozenset(reader.items("bound_tenant_ids", identity, most=MAX_BOUND)),
    )


def _write_bounds(bounds: Bounds) -> dict[str, Any]:
    kinds = {
        "bound_service_principal_ids": bounds.service_principal_ids,
        "bound_application_ids": bounds.application_ids,
        "bound_app_roles": bounds.app_roles,
        "bound_tenant_ids": bounds.tenant_ids,
    }
    return {kind: sorted(values) for kind, values in kinds.items() if values}


def _write_service_principal(target: ServicePrincipalTarget) -> dict[str, Any]:
    document: dict[str, Any] = {
        "credential": "secret",
        "ready": target.ready,
        "sign_in_audience": target.sign_in_audience,
        "permanently_delete": target.permanently_delete,
    }
    if target.azure_roles:
        document["azure_roles"] = [_write_azure_role(role) for role in target.azure_roles]
    if target.azure_groups:
        document["azure_groups"] = [{"object_id": group} for group in target.azure_groups]
    if target.tags:
        document["tags"] = list(target.tags)
    return document


def _write_azure_role(role: AzureRole) -> dict[str, str]:
    named = {"role_name": role.role_name, "role_id": role.role_id, "scope": role.scope, "condition": role.condition}
    return {key: value for key, value in named.items() if value is not None}

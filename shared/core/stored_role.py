"""Roles as they are kept: the public document, plus ``resolved``, what was looked up in Azure when the role was written.

A stored document is read leniently. It may be from another version of the broker, which had other rules and other fields, and
one that cannot be read must not keep the others from being listed, decided on or reconciled: whatever stands there, a role
comes of it. What today's rules find wrong with it is told in ``Role.outdated``.

Nothing is made wider by that: a role is open to nobody but administrators when any of its bounds cannot be read.

An older version reads these documents strictly. So a new public field is written only where it differs from its default, and
what is looked up goes into ``resolved``, of which every version reads what it knows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

from shared.core.definition import Powers
from shared.core.errors import Fault, Malformed
from shared.core.forms import PROPERTY, ROLE
from shared.core.names import ObjectId, RoleName, Scope, Unparsable
from shared.core.role import (
    DEFAULT_MAX_TTL,
    DEFAULT_TTL,
    ApplicationSecretTarget,
    AzureRole,
    Bounds,
    Closed,
    Ready,
    Role,
    ServicePrincipalTarget,
    Target,
    UnknownTarget,
)
from shared.core.role_document import read_role, write_role

_WRITE_AGAIN = "was never looked up in Azure; write the role again"
_BOUNDS = ("bound_service_principal_ids", "bound_application_ids", "bound_app_roles", "bound_tenant_ids")


def store_role(role: Role) -> dict[str, Any]:
    """The document that is kept."""
    return write_role(role) | {"resolved": _resolution(role.target)}


def _resolution(target: Target) -> dict[str, Any]:
    match target:
        case ServicePrincipalTarget():
            roles = target.azure_roles
            return {
                "definition_ids": [role.definition_id for role in roles],
                "powers": [_write_powers(role.powers) for role in roles],
                "gone": [role.gone for role in roles],
            }
        case ApplicationSecretTarget():
            return {
                "app_id": target.app_id,
                "principal_id": target.principal_id,
                "closed": target.closed,
                "owned": target.owned,
            }
        case UnknownTarget():
            raise TypeError("a role of an unknown type is read, and never written")


def restore_role(name: RoleName, stored: Any, version: str, *, form: int = ROLE.written) -> Role:
    """The role that was kept. Raises nothing: ``stored`` may be anything that a JSON text says.

    Of a form that this version does not know nothing is believed, whom it lets in least of all.
    """
    if not ROLE.knows({PROPERTY: form}):
        fault = Fault("", f"is stored in form {form}, and this version of the broker reads up to form {ROLE.newest}")
        return Role(name, UnknownTarget(), version=version, outdated=(fault,))
    kept = _object(stored)
    public = {key: value for key, value in kept.items() if key != "resolved"}
    faults: tuple[Fault, ...] = ()
    try:
        role = read_role(name, public)
    except Malformed as malformed:
        role, faults = _read_leniently(name, public), malformed.faults
    target = _resolved(role.target, _object(kept.get("resolved")))
    return replace(role, target=target, version=version, outdated=(*faults, *_unresolved(target)))


def _resolved(target: Target, resolved: Mapping[str, Any]) -> Target:
    match target:
        case ServicePrincipalTarget():
            found = _list(resolved.get("definition_ids"))
            ids = [_text(each) or "" for each in found[: len(target.azure_roles)]]
            ids += [""] * (len(target.azure_roles) - len(ids))
            kept = [_powers(each) for each in _list(resolved.get("powers"))[: len(ids)]]
            kept += [None] * (len(ids) - len(kept))
            gone = [each is True for each in _list(resolved.get("gone"))[: len(ids)]]
            gone += [False] * (len(ids) - len(gone))
            each = zip(target.azure_roles, ids, kept, gone, strict=True)
            roles = (replace(role, definition_id=found, powers=powers, gone=lost) for role, found, powers, lost in each)
            return replace(target, azure_roles=tuple(roles))
        case ApplicationSecretTarget():
            app_id, principal_id = (_identity(resolved.get(field)) for field in ("app_id", "principal_id"))
            owned = resolved.get("owned") is not False
            return replace(
                target, app_id=app_id, principal_id=principal_id, closed=_closed(resolved.get("closed")), owned=owned
            )
        case UnknownTarget():
            return target


def _write_powers(powers: Powers | None) -> dict[str, Any] | None:
    return None if powers is None else asdict(powers) | {"gives_roles": list(powers.gives_roles)}


def _powers(value: Any) -> Powers | None:
    kept = _object(value)
    if not kept:
        return None
    gives = tuple(each for each in _list(kept.get("gives_roles")) if isinstance(each, str))
    return Powers(gives, kept.get("assigns_identities") is True, kept.get("only_reads") is True)


def _closed(value: Any) -> Closed:
    known: tuple[Closed, ...] = ("marked", "denied")
    return next((each for each in known if each == value), "")


def _unresolved(target: Target) -> tuple[Fault, ...]:
    match target:
        case ServicePrincipalTarget():
            missing = [index for index, role in enumerate(target.azure_roles) if not role.definition_id]
            return tuple(Fault(f"azure_roles[{index}]", _WRITE_AGAIN) for index in missing)
        case ApplicationSecretTarget():
            return (Fault("application_object_id", _WRITE_AGAIN),) if target.app_id is None else ()
        case UnknownTarget():
            return ()


def _read_leniently(name: RoleName, document: Mapping[str, Any]) -> Role:
    """Each field as it stands if it has the right shape, else its default."""
    max_ttl = _whole(document.get("max_ttl")) or DEFAULT_MAX_TTL
    return Role(
        name=name,
        target=_target(document),
        bounds=_bounds(document),
        ttl=min(_whole(document.get("ttl")) or DEFAULT_TTL, max_ttl),
        max_ttl=max_ttl,
        renewable=document.get("renewable", True) is True,
        max_leases=_whole(document.get("max_leases")),
    )


def _bounds(document: Mapping[str, Any]) -> Bounds:
    """Nobody's, unless every one of them can be read: each takes callers away, so none may be passed over."""
    named = {field for field in document if field.startswith("bound_")}
    lists = [_texts(document.get(field, [])) for field in _BOUNDS]
    if not named <= set(_BOUNDS) or any(found is None for found in lists):
        return Bounds()
    principals, applications, app_roles, tenants = (found or () for found in lists)
    return Bounds(
        frozenset(ObjectId(each.lower()) for each in principals),
        frozenset(ObjectId(each.lower()) for each in applications),
        frozenset(app_roles),
        frozenset(ObjectId(each.lower()) for each in tenants),
    )


def _target(document: Mapping[str, Any]) -> Target:
    match document.get("type"):
        case "service_principal":
            return _service_principal(document)
        case "application_secret":
            application = _identity(document.get("application_object_id"))
            return ApplicationSecretTarget(application, _ready(document)) if application else UnknownTarget()
        case _:
            return UnknownTarget()


def _service_principal(document: Mapping[str, Any]) -> ServicePrincipalTarget | UnknownTarget:
    """Unknown when one of its parts is: what is kept of a target is all of it."""
    azure_roles = [_azure_role(_object(each)) for each in _list(document.get("azure_roles"))]
    azure_groups = [_identity(_object(each).get("object_id")) for each in _list(document.get("azure_groups"))]
    if None in azure_roles or None in azure_groups:
        return UnknownTarget()
    return ServicePrincipalTarget(
        tuple(each for each in azure_roles if each),
        tuple(each for each in azure_groups if each),
        tuple(_texts(document.get("tags", [])) or ()),
        _text(document.get("sign_in_audience")) or "AzureADMyOrg",
        document.get("permanently_delete", True) is True,
        _ready(document),
    )


def _azure_role(document: Mapping[str, Any]) -> AzureRole | None:
    scope = _parsed(Scope.parse, document.get("scope"))
    role_name, role_id, condition = (_text(document.get(field)) for field in ("role_name", "role_id", "condition"))
    return AzureRole(scope, role_name, role_id, condition) if scope else None


def _ready(document: Mapping[str, Any]) -> Ready:
    return "token" if document.get("ready") == "token" else "none"


def _identity(value: Any) -> ObjectId | None:
    return _parsed(ObjectId.parse, value)


def _parsed[T](parse: Callable[[str], T], value: Any) -> T | None:
    try:
        return parse(value) if isinstance(value, str) else None
    except Unparsable:
        return None


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _texts(value: Any) -> list[str] | None:
    return value if isinstance(value, list) and all(isinstance(each, str) for each in value) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None

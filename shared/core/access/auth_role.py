"""Auth roles: which callers, and the policies that they get."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from shared.core.access.bounds import (
    FIELD_NAMES,
    Bounds,
    bounds_cautions,
    faults_of,
    read_bounds,
    readable_bounds,
    write_bounds,
)
from shared.core.access.policy import PolicyName
from shared.core.errors import Caution, Fault, Malformed
from shared.core.forms import AUTH_ROLE, PROPERTY
from shared.core.parsing import Reader, parsed_item

MAX_POLICIES = 64


@dataclass(frozen=True, slots=True)
class AuthRole:
    """An auth role. ``version`` is the stored row's ETag. ``faults``: the rules of today that a stored one breaks. Then it
    matches nobody, and the denies of its policies count for everybody whom its readable bounds do not exclude. Without
    readable bounds that name a caller, that is everybody.
    """

    name: str
    bounds: Bounds
    policies: tuple[str, ...] = ()
    version: str = ""
    faults: tuple[Fault, ...] = field(default=())


def read_auth_role(name: str, document: Any) -> AuthRole:
    """Reads an auth role that a caller has written. Raises ``Malformed`` with all faults."""
    reader = Reader(document)
    auth_role = AuthRole(name, read_bounds(reader), tuple(dict.fromkeys(_policies(reader))))
    unread = {fault.path.partition("[")[0] for fault in reader.faults}
    if not auth_role.bounds.kinds and not unread & {*FIELD_NAMES, ""}:
        reader.fault("", f"names no caller: at least one of {', '.join(FIELD_NAMES)} must be there")
    reader.faults += [fault for fault in faults_of(auth_role.bounds) if not unread & {*FIELD_NAMES}]
    reader.finish()
    return auth_role


def write_auth_role(auth_role: AuthRole) -> dict[str, Any]:
    """Returns the public document."""
    return {**write_bounds(auth_role.bounds), "policies": list(auth_role.policies)}


def restore_auth_role(name: str, document: Any, version: str, form: int = AUTH_ROLE.written) -> AuthRole:
    """Returns a stored auth role. Raises nothing. If it breaks a rule of today, ``faults`` says which, and its bounds are the
    kinds that can be read. If this version does not know the form, nothing in the document is believed.
    """
    if not AUTH_ROLE.knows({PROPERTY: form}):
        return AuthRole(name, Bounds(), version=version, faults=(AUTH_ROLE.fault_of(form),))
    try:
        found = read_auth_role(name, document)
        return AuthRole(name, found.bounds, found.policies, version)
    except Malformed as malformed:
        stored = document if isinstance(document, dict) else {}
        policies = stored.get("policies", [])
        named = tuple(each for each in policies if isinstance(each, str)) if isinstance(policies, list) else ()
        return AuthRole(name, readable_bounds(stored), named, version, malformed.faults)


def auth_role_cautions(auth_role: AuthRole) -> Iterator[Caution]:
    """Yields what the author should know. Looks at nothing else than the auth role."""
    yield from bounds_cautions(auth_role.bounds)
    if not auth_role.policies:
        yield Caution("policies", "no_policies", "whoever matches gets nothing: no policy is named")


def _policies(reader: Reader) -> tuple[str, ...]:
    """The list may be empty: an auth role may be written before its policies."""
    if reader.take("policies") == []:
        return ()
    return reader.items("policies", parsed_item(PolicyName.parse), most=MAX_POLICIES)

"""Delivery: a lease's credential is put into an Azure Key Vault, and its caller is told where. Pure.

A role names the vaults, and under which name its leases' secrets lie there. If the name holds ``{ulid}``, each lease has a
secret of its own. If not, each lease has a version of one secret, whose name consumers know.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol, cast, runtime_checkable

from shared.core.errors import Fault
from shared.core.life import State
from shared.core.names import LeaseId, ObjectId, RoleName, Unparsable
from shared.core.parsing import Reader, parsed_item

FIELD = "delivery"
TYPE = "key_vault"
MAX_VAULTS = 16
MAX_NAME = 127
"""Characters: https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates#objects-identifiers-and-versioning"""
DEFAULT_NAME = "lh-{role}-{ulid}"
FORMATS = ("json", "env", "value")
type Format = Literal["json", "env", "value"]
"""What lies in the vault: the credential as an object, as lines of a dotenv file, or the bare secret."""

_ULID, _HOLDER, _ROLE = "{ulid}", "{holder}", "{role}"
_LENGTHS = {_ULID: 26, _HOLDER: 36}
_TEMPLATE = re.compile(r"(?:[0-9a-zA-Z-]|\{role\}|\{ulid\}|\{holder\})+", re.ASCII)
_ADDRESS = re.compile(
    r"https://(?P<name>[a-z](?:[a-z0-9]|-(?!-)){1,22}[a-z0-9])\.(?P<suffix>[a-z0-9-]+(?:\.[a-z0-9-]+)+)", re.ASCII
)
"""The name's rule: https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules#microsoftkeyvault"""
_GUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where the credentials of a role's leases are put. ``vaults`` are addresses, the first one the usual."""

    vaults: tuple[str, ...]
    name: str = DEFAULT_NAME
    format: Format = "json"
    required: bool = True
    """Whether every lease is delivered. If not, only a lease whose ask says so."""

    @property
    def is_shared(self) -> bool:
        """Whether leases of the role have versions of one secret, and not a secret each."""
        return _ULID not in self.name

    def name_of(self, lease_id: LeaseId, holder: ObjectId) -> str:
        """Returns the name of the lease's secret."""
        filled = self.name.replace(_ROLE, lease_id.role).replace(_ULID, lease_id.ulid)
        return filled.replace(_HOLDER, holder)

    def meets(self, role: RoleName, other: Delivery, other_role: RoleName) -> bool:
        """Whether a secret of one role may have the name of one of another role, in a vault that both name.

        Key Vault's names have no case.
        """
        one, two = (each.name.replace(_ROLE, name).lower() for each, name in ((self, role), (other, other_role)))
        return _pattern(one).fullmatch(_sample(two)) is not None or _pattern(two).fullmatch(_sample(one)) is not None

    def document(self) -> dict[str, Any]:
        """Returns the delivery as ``read_delivery`` reads it."""
        return {
            "type": TYPE,
            "vaults": [*self.vaults],
            "name": self.name,
            "format": self.format,
            "required": self.required,
        }


@dataclass(frozen=True, slots=True)
class DeliveryAsk:
    """What an ask says of its delivery. Without a ``vault``, the role's usual one is meant."""

    vault: str | None = None


@dataclass(frozen=True, slots=True)
class Delivered:
    """A credential that lies in a vault: what its caller is told of it. Satisfies ``Credential``. Nothing of it is secret."""

    vault: str
    secret_name: str
    secret_version: str
    ends_at: datetime | None = None
    type: str = "delivered"

    @property
    def secret_id(self) -> str:
        """Key Vault's own id of the version."""
        return f"{self.vault}/secrets/{self.secret_name}/{self.secret_version}"

    def fields(self) -> Mapping[str, str]:
        """Returns the id, and its parts."""
        return {
            "key_vault_secret_id": self.secret_id,
            "vault": self.vault,
            "secret_name": self.secret_name,
            "secret_version": self.secret_version,
        }


type DeliveryState = Literal["pending", "delivered", "ending", "kept_by_azure", "ended"]


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """What callers may see of a lease's delivery.

    ``version`` is empty until there is one. ``kept_by_azure``: the lease has ended, and the vault keeps the deleted secret,
    which nobody can read and only the vault's owner can recover, until its retention is over. Of a shared secret, somebody else
    has deleted it.
    """

    vault: str
    name: str
    version: str
    state: DeliveryState


@runtime_checkable
class DeliveryPart(Protocol):
    """The part of a lease that says where its credential lies. ``version`` is empty until there is one."""

    @property
    def vault(self) -> str:
        """The vault's address."""
        ...

    @property
    def name(self) -> str:
        """The secret's name."""
        ...

    @property
    def version(self) -> str:
        """The secret's version."""
        ...

    @property
    def is_kept(self) -> bool:
        """Whether the vault keeps the deleted secret for a while."""
        ...

    @property
    def kept_because(self) -> str:
        """Why it does, as a stable code for the audit trail. Empty if it does not."""
        ...


def delivery_of(parts: Sequence[object], undone: Collection[int], state: State) -> DeliveryView | None:
    """Returns the delivery among a lease's parts; ``None`` if the lease is not delivered."""
    for place, part in enumerate(parts):
        if isinstance(part, DeliveryPart):
            found = _state_of(part, state, is_undone=state is State.ENDED or place in undone)
            return DeliveryView(part.vault, part.name, part.version, found)
    return None


def kept_because(parts: Sequence[object]) -> str:
    """Returns why the vault keeps the secret that is among a lease's parts. Empty if it keeps none."""
    return next((part.kept_because for part in parts if isinstance(part, DeliveryPart)), "")


def _state_of(part: DeliveryPart, state: State, *, is_undone: bool) -> DeliveryState:
    if is_undone:
        return "kept_by_azure" if part.is_kept else "ended"
    if state in {State.ENDING, State.STUCK}:
        return "ending"
    return "delivered" if part.version else "pending"


def vault_address(text: str) -> str:
    """Returns the address of a vault. Whether the host is one of the cloud's is not known here. Raises ``Unparsable``."""
    if _ADDRESS.fullmatch(text) is None:
        raise Unparsable(
            "expected the address of a vault such as https://kv-app.vault.azure.net: lower case, no port, no path, no query"
        )
    return text


def placed(delivery: Delivery | None) -> Iterator[tuple[str, str]]:
    """Yields each vault, behind its place in the role's document."""
    for index, vault in enumerate(delivery.vaults if delivery is not None else ()):
        yield f"{FIELD}.vaults[{index}]", vault


def suffix_of(address: str) -> str:
    """Returns what stands behind the name of a vault in its address: ``vault.azure.net``."""
    found = _ADDRESS.fullmatch(address)
    return found["suffix"] if found else ""


def read_delivery(reader: Reader, role: RoleName) -> Delivery | None:
    """Reads the field of a role's document. Returns ``None`` if there is none, or nothing that can be used."""
    document = reader.take(FIELD)
    if not reader.has(FIELD):
        return None
    known = len(reader.faults)
    inner = Reader(document, reader.at(FIELD), reader.faults)
    if not inner.has("type"):
        inner.fault("type", "is required")
    inner.choice("type", (TYPE,), default=TYPE)
    vaults = inner.items("vaults", parsed_item(vault_address), most=MAX_VAULTS, required=True)
    for place in _repeated(vaults):
        reader.faults.append(Fault(f"{inner.at('vaults')}[{place}]", "is named twice"))
    name = inner.parsed("name", lambda text: _name(text, role)) or DEFAULT_NAME
    if not inner.has("name") and len(_longest(name, role)) > MAX_NAME:
        inner.fault("name", f"the name's default would be longer than {MAX_NAME} characters: say another one")
    found = Delivery(
        vaults,
        name,
        cast("Format", inner.choice("format", FORMATS, default="json")),
        inner.flag("required", default=True),
    )
    inner.done()
    return found if len(reader.faults) == known else None


def restore_delivery(document: Mapping[str, Any]) -> Delivery | None:
    """Reads the field of a stored document that today's rules refuse. Returns ``None`` if there is none to be read."""
    found = document.get(FIELD)
    if not isinstance(found, Mapping):
        return None
    reader = Reader(dict(document))
    return read_delivery(reader, RoleName("r"))


def _repeated(vaults: Sequence[str]) -> list[int]:
    return [place for place, each in enumerate(vaults) if each in vaults[:place]]


def _name(text: str, role: RoleName) -> str:
    if _TEMPLATE.fullmatch(text) is None:
        raise Unparsable("expected letters of a-z and A-Z, digits, '-', {role}, {ulid} and {holder}")
    if len(_longest(text, role)) > MAX_NAME:
        raise Unparsable(f"the name would be longer than {MAX_NAME} characters")
    return text


def _longest(name: str, role: RoleName) -> str:
    """Returns a name of the length that a lease's has."""
    filled = name.replace(_ROLE, role)
    for placeholder, length in _LENGTHS.items():
        filled = filled.replace(placeholder, "0" * length)
    return filled


def _pattern(name: str) -> re.Pattern[str]:
    return re.compile(re.escape(name).replace(re.escape(_ULID), "[0-9a-z]{26}").replace(re.escape(_HOLDER), _GUID))


def _sample(name: str) -> str:
    return name.replace(_ULID, "0" * 26).replace(_HOLDER, "00000000-0000-0000-0000-000000000000")

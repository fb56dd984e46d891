"""What an event rule does: issue a lease to somebody, or revoke leases."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from shared.core.access.wanted import LONGEST_PARAMETER_VALUE, MAX_PARAMETERS, PARAMETER_NAME
from shared.core.errors import Fault
from shared.core.names import ObjectId, RoleName, Scope, Unparsable
from shared.core.parsing import Reader
from shared.core.role import MAX_TTL, MIN_TTL

SUBJECT_IDENTITY = "subject_identity"
REFERENCE = "subject."
SUBJECT_ID = "subject.id"
REFERENCES = ("subject.subscription_id", "subject.resource_group", "subject.resource_name")
"""What of a verified subject may fill a parameter. A text that begins with ``subject.`` is one of these."""
OF_RULE, OF_SCOPE, OF_HOLDER = "rule:", "scope", "holder"
_VAULT = re.compile(r"https://[a-z][a-z0-9-]{1,22}[a-z0-9](\.[a-z0-9-]+)+")
_NAME = re.compile(PARAMETER_NAME)


@dataclass(frozen=True, slots=True)
class Issuing:
    """Issue a lease of the role to ``holder``, or to the subject's own identity if that is ``None``.

    ``parameters``: name and value of each, in the order of the names. ``ttl`` is in seconds; ``None``: the role's.
    """

    role: RoleName
    holder: ObjectId | None
    ttl: int | None = None
    vault: str = ""
    """Where the credential is delivered; empty for the only vault of the role, or for none."""
    parameters: tuple[tuple[str, str], ...] = ()
    within: str = ""
    rotate: bool = False
    """Whether each lease gets a successor before it ends, so that something that works always lies under the secret's name."""

    @property
    def references(self) -> tuple[str, ...]:
        """What of the subject it asks for."""
        wanted = (*(value for _, value in self.parameters), self.within)
        return tuple(each for each in wanted if each.startswith(REFERENCE))


@dataclass(frozen=True, slots=True)
class Revoking:
    """Revoke leases of the subject: those that the rule named has issued, those that were granted something there, or those
    that its identity holds.
    """

    of: str
    """``rule:NAME``, ``scope``, or ``holder``."""

    @property
    def rule(self) -> str:
        """The rule that is named; empty if none is."""
        return self.of.removeprefix(OF_RULE) if self.of.startswith(OF_RULE) else ""


type Action = Issuing | Revoking
type Verb = Literal["issue", "revoke"]


def read_action(reader: Reader) -> Action | None:
    """Reads the field ``action``. Notes every fault."""
    field = "action"
    if not reader.has(field):
        reader.fault(field, "is required")
        return None
    inner = Reader(reader.take(field), reader.at(field), reader.faults)
    named = [verb for verb in ("issue", "revoke") if inner.has(verb)]
    if len(named) != 1:
        inner.fault("", "has one key: issue or revoke")
    found = _read_issue(inner) if inner.has("issue") else None
    other = _read_revoke(inner) if inner.has("revoke") else None
    inner.done()
    return found or other if len(named) == 1 else None


def write_action(action: Action) -> dict[str, Any]:
    """Returns the public form."""
    if isinstance(action, Revoking):
        return {"revoke": {"of": action.of}}
    return {
        "issue": {
            "role": action.role,
            **({"ttl": action.ttl} if action.ttl is not None else {}),
            "holder": action.holder or SUBJECT_IDENTITY,
            **({"delivery": {"vault": action.vault}} if action.vault else {}),
            **({"parameters": dict(action.parameters)} if action.parameters else {}),
            **({"within": action.within} if action.within else {}),
            **({"rotate": True} if action.rotate else {}),
        }
    }


def _read_issue(outer: Reader) -> Issuing | None:
    reader = Reader(outer.take("issue"), outer.at("issue"), outer.faults)
    before = len(reader.faults)
    role = reader.parsed("role", RoleName.parse, required=True)
    ttl = reader.duration("ttl", least=MIN_TTL, most=MAX_TTL)
    holder = reader.parsed("holder", _holder, required=True)
    vault = _vault(reader)
    parameters = _parameters(reader)
    within = reader.parsed("within", _within)
    rotate = reader.flag("rotate", default=False)
    reader.done()
    if len(reader.faults) > before or role is None or holder is None:
        return None
    named = ObjectId(holder) if holder != SUBJECT_IDENTITY else None
    return Issuing(role, named, ttl, vault, parameters, within or "", rotate)


def _read_revoke(outer: Reader) -> Revoking | None:
    reader = Reader(outer.take("revoke"), outer.at("revoke"), outer.faults)
    of = reader.parsed("of", _of, required=True)
    reader.done()
    return Revoking(of) if of is not None else None


def _holder(text: str) -> str:
    if text == SUBJECT_IDENTITY:
        return text
    try:
        return ObjectId.parse(text)
    except Unparsable:
        raise Unparsable(f"expected the object id of a principal, or {SUBJECT_IDENTITY}") from None


def _vault(reader: Reader) -> str:
    if not reader.has("delivery"):
        return ""
    inner = Reader(reader.take("delivery"), reader.at("delivery"), reader.faults)
    vault = inner.text("vault", required=True)
    inner.done()
    if vault is not None and _VAULT.fullmatch(vault) is None:
        inner.fault("vault", "expected a vault's address, such as https://kv-app.vault.azure.net")
        return ""
    return vault or ""


def _parameters(reader: Reader) -> tuple[tuple[str, str], ...]:
    field = "parameters"
    if not reader.has(field):
        return ()
    given = reader.take(field)
    if not isinstance(given, dict) or not 0 < len(given) <= MAX_PARAMETERS:
        reader.fault(field, f"expected an object of 1 to {MAX_PARAMETERS} values; leave the field out to give none")
        return ()
    found: list[tuple[str, str]] = []
    for name, value in sorted(given.items()):
        path = f"{reader.at(field)}.{name}"
        if _NAME.fullmatch(name) is None:
            reader.faults.append(Fault(path, "is no name of a parameter"))
        elif not isinstance(value, str) or not 0 < len(value) <= LONGEST_PARAMETER_VALUE:
            reader.faults.append(Fault(path, f"expected a text of 1 to {LONGEST_PARAMETER_VALUE} characters"))
        elif value.startswith(REFERENCE) and value not in REFERENCES:
            reader.faults.append(Fault(path, f"of a subject there are {', '.join(REFERENCES)}"))
        else:
            found.append((name, value))
    return tuple(found)


def _within(text: str) -> str:
    return text if text == SUBJECT_ID else Scope.parse(text)


def _of(text: str) -> str:
    if text in {OF_SCOPE, OF_HOLDER}:
        return text
    if not text.startswith(OF_RULE):
        raise Unparsable("expected scope, holder, or rule: and the name of a rule")
    return f"{OF_RULE}{RoleName.parse(text.removeprefix(OF_RULE))}"

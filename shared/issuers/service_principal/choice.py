"""The kind of credential of a service principal role, with what depends on it: the fields of a role's document."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from shared.core.errors import Caution, Fault
from shared.core.federated_identity import FederatedIdentity
from shared.core.parsing import Reader, text_item
from shared.kinds.lenient import listed, mapping, text

type CredentialName = Literal["secret", "token", "federated", "certificate", "storage_sas"]
NAMES: tuple[CredentialName, ...] = get_args(CredentialName.__value__)
MAX_TOKEN_SCOPES = 8
MAX_FEDERATED_IDENTITIES = 16
LONGEST = 600
"""Characters of an issuer or a subject: https://learn.microsoft.com/graph/api/resources/federatedidentitycredential."""
TOKEN_SCOPE = r"(https|api)://[A-Za-z0-9][A-Za-z0-9._~/-]{0,200}/\.default"  # noqa: S105 - a pattern
_TOKEN_SCOPE = re.compile(TOKEN_SCOPE)
_GITHUB = "https://token.actions.githubusercontent.com"
_NAMED_BY_IDS = re.compile(r"repo:[^/:@]+@\d+/[^/:@]+@\d+(:.*)?")
"""GitHub's subjects with ids that nobody gets again: ``repo:octocat@123456/my-repo@456789:ref:refs/heads/main``."""


@dataclass(frozen=True, slots=True)
class CredentialChoice:
    """What a role's leases hand out. ``token_scopes`` are of tokens alone, ``federated_identities`` of federation alone.

    Without ``federated_identities``, only user-assigned managed identities may issue, for themselves.
    """

    name: CredentialName = "secret"
    token_scopes: tuple[str, ...] = ()
    federated_identities: tuple[FederatedIdentity, ...] = ()


SECRET = CredentialChoice()


def read(reader: Reader) -> CredentialChoice:
    """Reads the fields, and notes every fault in the reader."""
    wanted = reader.choice("credential", NAMES, default="secret")
    name = next(each for each in NAMES if each == wanted)
    for field, owner in (("token_scopes", "token"), ("federated_identities", "federated")):
        if reader.has(field) and name != owner:
            reader.take(field)
            reader.fault(field, f"is only for roles whose credential is {owner}")
    if name == "token":
        return CredentialChoice(name, reader.items("token_scopes", _token_scope, most=MAX_TOKEN_SCOPES, required=True))
    if name == "federated":
        identities = reader.items("federated_identities", _federated_identity, most=MAX_FEDERATED_IDENTITIES)
        return CredentialChoice(name, federated_identities=identities)
    return CredentialChoice(name)


def write(choice: CredentialChoice) -> dict[str, Any]:
    """Writes the fields. An empty list is left out."""
    document: dict[str, Any] = {"credential": choice.name}
    if choice.token_scopes:
        document["token_scopes"] = list(choice.token_scopes)
    if choice.federated_identities:
        document["federated_identities"] = [each.document() for each in choice.federated_identities]
    return document


def restore(document: Mapping[str, Any]) -> CredentialChoice | None:
    """Reads the fields from a stored document that today's rules refuse. ``None`` if nothing can be handed out by them."""
    name = next((each for each in NAMES if each == document.get("credential", "secret")), None)
    scopes = [text(each) for each in listed(document.get("token_scopes"))]
    pairs = [
        (text(mapping(each).get("issuer")), text(mapping(each).get("subject")))
        for each in listed(document.get("federated_identities"))
    ]
    identities = [FederatedIdentity(issuer, subject) for issuer, subject in pairs if issuer and subject]
    if name is None or None in scopes or len(identities) < len(pairs) or (name == "token" and not scopes):
        return None
    return CredentialChoice(name, tuple(each for each in scopes if each), tuple(identities))


def rules(choice: CredentialChoice) -> Iterator[Fault]:
    """Yields a fault for what is named twice."""
    for field, items in (("token_scopes", choice.token_scopes), ("federated_identities", choice.federated_identities)):
        for index, item in enumerate(items):
            if item in items[:index]:
                yield Fault(f"{field}[{index}]", "is named twice")


def warnings(choice: CredentialChoice) -> Iterator[Caution]:
    """Yields a caution for a subject of GitHub's that holds names alone. Whoever gets the name later gets the access."""
    for index, each in enumerate(choice.federated_identities):
        if _normal(each.issuer) == _GITHUB and not _NAMED_BY_IDS.fullmatch(each.subject):
            message = "names a repository without its ids: whoever gets the name later gets the access"
            yield Caution(f"federated_identities[{index}].subject", "name_only_subject", message)


def _host_of(issuer: str) -> str:
    return issuer.removeprefix("https://").partition("/")[0]


def _normal(issuer: str) -> str:
    """Returns the issuer as a server would name itself: whoever compares may be laxer than by the letter."""
    return issuer.strip().rstrip("/").casefold()


def _token_scope(value: Any, path: str, faults: list[Fault]) -> str | None:
    scope = text_item(value, path, faults)
    if scope is not None and not _TOKEN_SCOPE.fullmatch(scope):
        faults.append(Fault(path, "expected the scope of one resource, such as https://management.azure.com/.default"))
        return None
    return scope


def _federated_identity(value: Any, path: str, faults: list[Fault]) -> FederatedIdentity | None:
    return read_identity(Reader(value, path, faults))


def read_identity(reader: Reader) -> FederatedIdentity | None:
    """Reads a pair of issuer and subject. A pattern would let one workload hand its access to another: there is none."""
    before = len(reader.faults)
    issuer = reader.text("issuer", required=True, longest=LONGEST)
    subject = reader.text("subject", required=True, longest=LONGEST)
    reader.done()
    if issuer and (not issuer.startswith("https://") or "*" in issuer):
        reader.fault("issuer", "expected the iss of the tokens, which begins with https://")
    elif issuer and _host_of(issuer) != _host_of(issuer).lower():
        reader.fault("issuer", f"expected the iss of the tokens, to the letter: its host is {_host_of(issuer).lower()}")
    elif issuer and issuer.rstrip("/") == _GITHUB != issuer:
        reader.fault("issuer", f"expected the iss of the tokens, to the letter: {_GITHUB}")
    for name, value in (("issuer", issuer), ("subject", subject)):
        if value and value != value.strip():
            reader.fault(name, "expected no blank at its beginning and end")
    if subject and "*" in subject:
        reader.fault("subject", "expected the sub of the tokens, exactly: there are no patterns")
    return FederatedIdentity(issuer, subject) if issuer and subject and len(reader.faults) == before else None

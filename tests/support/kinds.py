"""The product's kinds of credential without issuers, what reads and writes by their schemas, and what tells them apart."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Never

from shared.core.credential import Credential
from shared.core.footprint import Footprint
from shared.issuers.service_principal.schema import ServicePrincipalFootprint
from shared.kinds import role_document, stored_role, target_digest
from shared.kinds.client_secret import ClientSecretCredential
from shared.kinds.kind import Kind
from shared.kinds.part import LazyPart
from shared.kinds.registry import Kinds
from shared.wiring.kinds import KINDS, PARTS


def _none() -> Never:
    raise TypeError("these kinds mint nothing")


SCHEMAS = Kinds(*(Kind(schema, _none) for schema, _ in KINDS), parts=[LazyPart(each, _none) for each in PARTS])

read_role = partial(role_document.read_role, SCHEMAS)
write_role = partial(role_document.write_role, SCHEMAS)
store_role = partial(stored_role.store_role, SCHEMAS)
restore_role = partial(stored_role.restore_role, SCHEMAS)
digest_of = partial(target_digest.target_digest, SCHEMAS)


def names_in(kinds: Kinds, footprint: Footprint) -> set[str]:
    """All texts by which a footprint, as it is stored, may know what it stands for."""
    return set(_texts(kinds.write_footprint(footprint)))


def _texts(stored: object) -> Iterator[str]:
    if isinstance(stored, str):
        yield stored
    elif isinstance(stored, dict | list):
        for each in stored.values() if isinstance(stored, dict) else stored:
            yield from _texts(each)


def as_client_secret(credential: Credential) -> ClientSecretCredential:
    """A credential that is a client secret. Raises ``AssertionError`` for another."""
    assert isinstance(credential, ClientSecretCredential)
    return credential


def as_principal(footprint: Footprint) -> ServicePrincipalFootprint:
    """A footprint of a service principal. Raises ``AssertionError`` for another."""
    assert isinstance(footprint, ServicePrincipalFootprint)
    return footprint

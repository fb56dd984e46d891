"""Every kind of credential that there is: the product's, and the one that tests bring.

The suites that hold for every kind take their kinds from here. A new kind is run through all of them by one line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from shared.core.credential import Credential
from shared.core.delivery import Delivered
from shared.core.directory import NewTrust
from shared.core.errors import LeaseholdError
from shared.core.federated_identity import FederatedIdentity
from shared.core.role import Target
from shared.issuers.service_principal.access_token import AccessTokenCredential
from shared.issuers.service_principal.certificate import CertificateCredential
from shared.issuers.service_principal.choice import CredentialChoice
from shared.issuers.service_principal.federated import FederatedCredential
from shared.issuers.service_principal.storage_sas import StorageSasCredential
from shared.issuers.service_principal.target import ServicePrincipalTarget
from shared.kinds.client_secret import ClientSecretCredential
from tests.fakes.cloud_trust import takes, trusts
from tests.fakes.delegation import may_use
from tests.fakes.world import (
    ACCOUNT,
    CONTAINER,
    EXISTING,
    GROUPS,
    SCOPES,
    MakeKind,
    World,
    principal_target,
    sas_target,
    secret_target,
)
from tests.support.certificates import plain
from tests.support.grants import each_to_another, grant_target, granted
from tests.support.kinds import as_client_secret
from tests.support.toy_kind import BadgeCredential, BadgeTarget, badge


def secret_works(world: World, credential: Credential) -> bool:
    """Whether Entra takes the client secret."""
    secret = as_client_secret(credential)
    return world.cloud.signs_in(secret.client_id, secret.client_secret)


def secret_is_held(world: World, credential: Credential) -> bool:
    """Whether an application has the client secret, whatever the replicas have heard of that."""
    secret = as_client_secret(credential)
    apps = [each for each in world.cloud.applications.values() if each.app_id == secret.client_id]
    held = [each for app in apps for each in app.secrets.values()]
    return any(each.text == secret.client_secret.reveal() and each.end > world.cloud.clock.truth() for each in held)


def token_works(world: World, credential: Credential) -> bool:
    """Whether a resource takes the token."""
    assert isinstance(credential, AccessTokenCredential)
    return takes(world.cloud, credential.access_token.reveal())


def workload_signs_in(world: World, credential: Credential) -> bool:
    """Whether the application takes the workload's tokens just now."""
    assert isinstance(credential, FederatedCredential)
    presented = NewTrust("", credential.identity.issuer, credential.identity.subject, credential.audience)
    return trusts(world.cloud, credential.client_id, presented)


def workload_is_trusted(world: World, credential: Credential) -> bool:
    """Whether it takes them, whatever the replicas have heard of that."""
    assert isinstance(credential, FederatedCredential)
    held = [each for each in world.cloud.applications.values() if each.app_id == credential.client_id]
    return any(each.trusted["lh-caller"][1].subject == credential.identity.subject for each in held)


def certificate_is_held(world: World, credential: Credential) -> bool:
    """Whether an application has the certificate, and has a service principal."""
    assert isinstance(credential, CertificateCredential)
    apps = world.cloud.applications.values()
    held = [each for each in apps if each.app_id == credential.client_id and each.wanted and each.wanted.key]
    keys = [each.wanted.key for each in held if each.wanted and each.wanted.key]
    good = any(key.key_id == credential.key_id and key.end > world.cloud.clock.truth() for key in keys)
    return good and credential.client_id in {each.app_id for each in world.cloud.principals.values()}


def lies_there(world: World, credential: Delivered) -> bool:
    """Whether a consumer reads a secret in the vault, in the form of an object, that an application has."""
    try:
        text = world.vaults.value(credential.vault, credential.secret_name, credential.secret_version)
    except LeaseholdError:
        return False
    secret = json.loads(text)["client_secret"]
    held = [each for app in world.cloud.applications.values() for each in app.secrets.values()]
    return any(each.text == secret and each.end > world.cloud.clock.truth() for each in held)


def sas_works(world: World, credential: Credential) -> bool:
    """Whether the account takes the signature: it has not expired, and its signer still has an assignment there."""
    assert isinstance(credential, StorageSasCredential)
    signer = parse_qs(credential.sas_token.reveal())["skoid"][0]
    return credential.ends_at > world.cloud.clock.truth() and may_use(world.cloud, signer, credential.place.account)


def badge_works(world: World, credential: Credential) -> bool:
    """Whether the door opens."""
    assert isinstance(credential, BadgeCredential)
    return credential.number in {each.number for each in world.cloud.elsewhere.values()}


@dataclass(frozen=True, slots=True)
class Sample:
    """A kind as the suites use it.

    ``target`` is a role's, resolved, whose credential is tried out; ``document`` is a role as somebody writes it. ``undoes``
    is the call that ends the credential, ``works`` whether it is taken just now, ``held`` whether it is taken once all replicas
    know it. ``kinds`` is what a world needs beside the product's own, or in place of one of these. ``is_brought``: tests alone
    have it.
    """

    target: Target
    document: Mapping[str, Any]
    undoes: str
    works: Callable[[World, Credential], bool] = secret_works
    held: Callable[[World, Credential], bool] = secret_is_held
    kinds: tuple[MakeKind, ...] = ()
    is_brought: bool = False
    ask: Mapping[str, Any] = field(default_factory=dict)
    """What an ask says of the credential."""


ARM = "https://management.azure.com/.default"
WORKLOAD = FederatedIdentity("https://token.actions.githubusercontent.com", "repo:acme@1/app@2:environment:prod")
TOKENS = CredentialChoice("token", (ARM, "https://storage.azure.com/.default"))
FEDERATED = CredentialChoice("federated", federated_identities=(WORKLOAD,))
CERTIFICATES = CredentialChoice("certificate")
_PRINCIPAL = {
    "azure_roles": [{"role_name": "Reader", "scope": SCOPES[0]}],
    "azure_groups": [{"object_id": GROUPS[0]}],
}

EVERY_KIND = {
    "service principal": Sample(principal_target(2, 1, ready="token"), _PRINCIPAL, "directory.delete_application"),
    "token": Sample(
        principal_target(1, 1, credential=TOKENS),
        _PRINCIPAL | {"credential": "token", "token_scopes": [*TOKENS.token_scopes]},
        "directory.delete_application",
        *(token_works, token_works),
    ),
    "federated": Sample(
        principal_target(2, 0, ready="token", credential=FEDERATED),
        _PRINCIPAL | {"credential": "federated", "federated_identities": [WORKLOAD.document()]},
        "directory.delete_application",
        *(workload_signs_in, workload_is_trusted),
        ask={"federated_identity": WORKLOAD.document()},
    ),
    "certificate": Sample(
        principal_target(2, 0, ready="token", credential=CERTIFICATES),
        _PRINCIPAL | {"credential": "certificate"},
        "directory.delete_application",
        *(certificate_is_held, certificate_is_held),
        ask={"certificate": plain()},
    ),
    "storage sas": Sample(
        sas_target(ready="token"),
        {
            "credential": "storage_sas",
            "azure_roles": [
                {"role_name": "Storage Blob Delegator", "scope": ACCOUNT},
                {"role_name": "Storage Blob Data Contributor", "scope": CONTAINER},
            ],
        },
        "directory.delete_application",
        *(sas_works, sas_works),
    ),
    "application secret": Sample(
        secret_target(ready="token"), {"application_object_id": EXISTING}, "applications.remove_secret"
    ),
    "role grant": Sample(
        grant_target(),
        {"azure_roles": [{"role_name": "Reader", "scope": SCOPES[0]}]},
        "authorization.unassign",
        granted,
        granted,
        (each_to_another,),
    ),
    "badge": Sample(
        *(BadgeTarget("north", ready="token"), {"door": "south"}, "doors.keep_out", badge_works, badge_works, (badge,)),
        is_brought=True,
    ),
}


WITH_SECRETS = [name for name, each in EVERY_KIND.items() if each.works is secret_works]
"""The kinds whose credentials are client secrets."""


def kinds_for(target: Target) -> tuple[MakeKind, ...]:
    """What a world needs for roles with that target."""
    return next(each.kinds for each in EVERY_KIND.values() if each.target.type == target.type)


def ask_for(target: Target) -> Mapping[str, Any]:
    """What an ask of a role with that target says of the credential."""
    return next((each.ask for each in EVERY_KIND.values() if _kind_of(each.target) == _kind_of(target)), {})


def document_of(name: str) -> dict[str, Any]:
    """The document of a role of that kind, but for who may issue."""
    sample = EVERY_KIND[name]
    return {"type": sample.target.type, **sample.document}


def works(world: World, credential: Credential) -> bool:
    """Whether the credential is taken just now."""
    if isinstance(credential, Delivered):
        return lies_there(world, credential)
    return _sample_of(credential).works(world, credential)


def is_held(world: World, credential: Credential) -> bool:
    """Whether the credential is taken once all replicas know it."""
    if isinstance(credential, Delivered):
        return lies_there(world, credential)
    return _sample_of(credential).held(world, credential)


def name_of(target: Target) -> str:
    """The name here of the kind of a role's target."""
    return next(name for name, each in EVERY_KIND.items() if _kind_of(each.target) == _kind_of(target))


def _kind_of(target: Target) -> tuple[str, object]:
    return target.type, target.credential.name if isinstance(target, ServicePrincipalTarget) else None


def _sample_of(credential: Credential) -> Sample:
    handed_out = {
        ClientSecretCredential: "secret",
        AccessTokenCredential: "token",
        FederatedCredential: "federated",
        CertificateCredential: "certificate",
        StorageSasCredential: "storage_sas",
    }
    found = (credential.type, handed_out[type(credential)] if credential.type == ServicePrincipalTarget.type else None)
    return next(each for each in EVERY_KIND.values() if _kind_of(each.target) == found)

"""Federated identity credentials, certificates and access tokens in the Azure in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from shared.core.directory import ApplicationIds, LookedAt, NewKey, NewTrust
from shared.core.errors import Absent, AlreadyExists, NotReplicated, Refused, Upstream
from shared.core.names import ObjectId
from tests.fakes.cloud_state import CloudState

TOKEN_LASTS = timedelta(hours=1)


def add_federated(cloud: CloudState, application_id: ObjectId, trust: NewTrust) -> None:
    """One of that name with the same content is success. Raises ``Absent``, ``AlreadyExists``, ``Refused``."""
    trusted = cloud.changeable(application_id).trusted
    if trust.name in trusted:
        if trusted[trust.name][1] != trust:
            raise AlreadyExists("Request_MultipleObjectsWithSameKeyValue", status=409)
        return
    if (trust.issuer, trust.subject) in {(known.issuer, known.subject) for _, known in trusted.values()}:
        raise Refused("InvalidFederatedIdentityCredentialValue", status=400)
    made = ObjectId(cloud.ids.guid())
    trusted[trust.name] = (made, trust)
    cloud.made(made, "federated")


def trusts(cloud: CloudState, client_id: ObjectId, presented: NewTrust) -> bool:
    """Whether the answering replica lets an assertion sign in as the application, by a credential of whatever name."""
    apps = [each for each in cloud.and_gone(cloud.applications, "application") if cloud.in_entra(each, client_id)]
    trusted = (known for each in apps for key, known in each.trusted.values() if cloud.sees(key, "entra"))
    good = [replace(known, name=presented.name) == presented for known in trusted]
    principals = cloud.and_gone(cloud.principals, "principal")
    return any(good) and any(cloud.in_entra(principal, client_id) for principal in principals)


def exchange(cloud: CloudState, client_id: ObjectId, presented: NewTrust, scope: str) -> tuple[str, datetime]:
    """An access token in exchange for an assertion that the application trusts. Raises ``NotReplicated``."""
    if not trusts(cloud, client_id, presented):
        raise NotReplicated("AADSTS70021", status=400, azure_code="AADSTS70021")
    text, end = f"token~{cloud.ids.guid()}", cloud.clock.truth() + TOKEN_LASTS
    cloud.tokens[text] = (client_id, scope, end)
    return text, end


def takes(cloud: CloudState, token: str) -> bool:
    """Whether a resource takes the token: it has not expired, and there is a principal that may have rights."""
    client_id, _, end = cloud.tokens[token]
    return end > cloud.clock.truth() and client_id in {each.app_id for each in cloud.principals.values()}


def add_key(cloud: CloudState, application_id: ObjectId, key: NewKey) -> None:
    """The application takes the certificate. Raises ``Absent``, ``Refused``."""
    application = cloud.changeable(application_id)
    assert application.wanted is not None
    application.wanted = replace(application.wanted, key=key)


def looked_at(cloud: CloudState, wanted: ApplicationIds) -> LookedAt | Upstream | None:
    """What an application has by which somebody could sign in as it; ``None`` if it is not there."""
    application_id = wanted.object_id
    if application_id in cloud.unseen:
        return cloud.unseen[application_id]
    try:
        found = cloud.shown_application(application_id)
    except Absent:
        return None
    key = found.wanted.key if found.wanted is not None else None
    return LookedAt(
        found.wanted.sign_in_audience if found.wanted is not None else found.sign_in_audience,
        tuple(cloud.shown_secrets(found)),
        (key.key_id,) if key is not None else (),
        tuple(trust for key_id, trust in found.trusted.values() if cloud.sees(key_id)),
        tuple(found.other_owners),
        found.redirects,
        has_principal=any(each.app_id == wanted.app_id for each in cloud.shown_principals()),
        is_enabled=wanted.app_id not in cloud.disabled,
    )


def has_principal(cloud: CloudState, client_id: ObjectId) -> bool:
    """Whether Entra ID knows the application's service principal."""
    return any(cloud.in_entra(each, client_id) for each in cloud.and_gone(cloud.principals, "principal"))

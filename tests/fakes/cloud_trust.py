"""Federated identity credentials and access tokens in the Azure in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from shared.core.directory import NewTrust
from shared.core.errors import AlreadyExists, NotReplicated, Refused
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

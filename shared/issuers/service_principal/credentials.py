"""The kinds of credential of service principals, a line each."""

from __future__ import annotations

from collections.abc import Mapping

from shared.issuers.service_principal.access_token import AccessToken
from shared.issuers.service_principal.certificate import CertificateOfCallers
from shared.issuers.service_principal.client_secret import ClientSecret
from shared.issuers.service_principal.credential_kind import CredentialKind
from shared.issuers.service_principal.federated import Federated
from shared.issuers.service_principal.storage_sas import StorageSas

CREDENTIALS: Mapping[str, CredentialKind] = {
    "secret": ClientSecret(),
    "token": AccessToken(),
    "federated": Federated(),
    "certificate": CertificateOfCallers(),
    "storage_sas": StorageSas(),
}

"""Which api-versions each type has, as Azure tells them in its own refusals.

Lists and texts: https://github.com/Azure/azure-sdk-for-go/issues/16699 (``roleAssignments``; the types beside it share it),
https://learn.microsoft.com/azure/templates/microsoft.managedidentity/userassignedidentities/federatedidentitycredentials,
https://github.com/pulumi/pulumi-azure-native/issues/3637 (subscriptions and resource groups). Of those, of
locks, and of resources of any type, the local cloud knows no list: it takes every date since the first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from local.cloud.arm import errors

if TYPE_CHECKING:
    from local.cloud.engine.http import HttpRequest
    from local.cloud.local_azure import LocalAzure

_VERSION = re.compile(r"^\d{4}-\d{2}-\d{2}(-[a-z]+)?$")
_FIRST = "2013-03-01"
"""Of Azure Resource Manager itself."""


@dataclass(frozen=True, slots=True)
class Type:
    """A resource type, with the versions that it is known to have."""

    name: str
    versions: tuple[str, ...]
    namespace: str = "Microsoft.Authorization"


_ROLES = (
    *("2014-04-01-preview", "2014-07-01-preview", "2014-10-01-preview", "2015-05-01-preview", "2015-06-01", "2015-07-01"),
    *("2016-07-01", "2017-05-01", "2017-09-01", "2017-10-01-preview", "2018-01-01-preview", "2018-07-01"),
    *("2018-09-01-preview", "2018-12-01-preview", "2019-04-01-preview", "2020-03-01-preview", "2020-04-01-preview"),
    *("2020-08-01-preview", "2021-04-01-preview", "2022-01-01-preview", "2022-04-01", "2022-05-01-preview"),
)
ROLE_ASSIGNMENTS = Type("roleAssignments", _ROLES)
ROLE_DEFINITIONS = Type("roleDefinitions", _ROLES)
PERMISSIONS = Type("permissions", _ROLES)
FEDERATED = Type(
    "userAssignedIdentities/federatedIdentityCredentials",
    (
        *("2022-01-31-preview", "2023-01-31", "2023-07-31-preview", "2024-11-30"),
        *("2025-01-31-preview", "2025-05-31-preview"),
    ),
    "Microsoft.ManagedIdentity",
)
TYPES = (ROLE_ASSIGNMENTS, ROLE_DEFINITIONS, PERMISSIONS, FEDERATED)


def known(namespace: str, name: str) -> list[str]:
    """The versions of this type, as its provider tells them: one where the local cloud knows no list."""
    listed = (kind.versions for kind in TYPES if (kind.namespace, kind.name) == (namespace, name))
    return list(next(listed, ("2022-04-01",)))


def named(call: HttpRequest) -> str:
    """The version that the call names; raises Azure's 400 for none, and for a text that is none."""
    version = next((value for key, value in call.query.items() if key.lower() == "api-version"), "").lower()
    if not version:
        raise errors.gateway_refusal(
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        )
    if not _VERSION.match(version) or not _is_day(version[:10]):
        raise errors.gateway_refusal(400, "InvalidApiVersionParameter", f"The api-version '{version}' is invalid.")
    return version


def _is_day(text: str) -> bool:
    try:
        return bool(date.fromisoformat(text))
    except ValueError:
        return False


def check(world: LocalAzure, call: HttpRequest, asked: Type | None) -> None:
    """Raises Azure's error for a version that there is not, and 501 for one that the type may have got since."""
    version = named(call)
    today = f"{datetime.fromtimestamp(world.clock.now(), UTC):%Y-%m-%d}"
    if asked is not None:
        _check_listed(asked, version, today)
    elif not _FIRST <= version[:10] <= today:
        raise errors.gateway_refusal(400, "InvalidApiVersionParameter", f"The api-version '{version}' is invalid.")


def _check_listed(asked: Type, version: str, today: str) -> None:
    if version in asked.versions:
        return
    if max(known[:10] for known in asked.versions) < version[:10] <= today:
        raise errors.not_implemented(f"api-version {version} of {asked.name}")
    raise errors.gateway_refusal(
        404,
        "InvalidResourceType",
        f"The resource type '{asked.name}' could not be found in the namespace '{asked.namespace}' for api version "
        f"'{version}'. The supported api-versions are '{','.join(asked.versions)}'.",
    )

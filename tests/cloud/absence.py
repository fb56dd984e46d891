"""What must not be taken for an absence."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from shared.cloud.inventory import AzureLists
from shared.core.errors import Absent, LeaseholdError
from shared.core.names import ObjectId
from shared.issuers.application_secret.issuer import ApplicationSecretIssuer
from shared.issuers.application_secret.schema import ApplicationSecretFootprint

OFTEN = 40
"""More than any adapter, or its patience, asks."""


async def is_no_absence(call: Callable[[], Awaitable[object]], absent: object = Absent) -> None:
    """Mostly a failure; a success that was not looked into may say that the object is there. ``absent`` is what says not."""
    failure: LeaseholdError | None = None
    result: object = absent
    try:
        result = await call()
    except LeaseholdError as raised:
        failure = raised
    assert not isinstance(failure, Absent)
    assert failure is not None or absent != result


async def secret_stands(inventory: AzureLists, footprint: ApplicationSecretFootprint) -> bool:
    """Whether the secret of a lease on an existing application is there, as its issuer says."""
    nothing: Any = None
    issuer = ApplicationSecretIssuer(nothing, nothing, inventory, nothing, nothing, ObjectId(""), ObjectId(""), frozenset())
    return await issuer.stands(footprint)

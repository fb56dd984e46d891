"""What a tenant's policies forbid. ``shared.core.errors`` draws the whole tree of errors."""

from __future__ import annotations

from shared.core.errors import Refused


class PolicyForbids(Refused):
    """A policy of the tenant forbids secrets or certificates, or ones that last so long."""

    code = "azure_policy_forbids"
    sentence = (
        "A policy of the tenant forbids it. Roles with `token`, `storage_sas` or `federated` need none, with `certificate` no"
        " secret."
    )

"""Query options that Azure may take and the local cloud does not know: 501, never silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.cloud.arm import assignments, definitions, errors, federated, locks, management_groups, resources

if TYPE_CHECKING:
    from local.cloud.arm.requests import Operation
    from local.cloud.engine.http import HttpRequest

_PAGED = ("$skiptoken",)
_TAKEN: dict[Operation, tuple[str, ...]] = {
    assignments.listing: ("$filter", *_PAGED),
    definitions.listing: ("$filter", *_PAGED),
    federated.listing: _PAGED,
    locks.listing: _PAGED,
    management_groups.descendants: _PAGED,
    resources.list_groups: _PAGED,
    resources.list_providers: _PAGED,
    resources.list_resources: ("$filter", *_PAGED),
}


def check(call: HttpRequest, operation: Operation) -> None:
    """Raises 501 for an option that this operation does not read (``$top``, ``tenantId``), and for one given twice."""
    for name in call.repeated:
        raise errors.not_implemented(f"the query option {name} twice")
    for name in call.query:
        known = name.lower()
        if (known.startswith("$") or known == "tenantid") and known not in _TAKEN.get(operation, ()):
            raise errors.not_implemented(f"the query option {name} here")

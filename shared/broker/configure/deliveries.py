"""Checks where a role's credentials are to be delivered: whose the vaults are, and whether a name is free there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from shared.broker.ports import Ports
from shared.broker.rules import foreign_suffixes
from shared.core.delivery import FIELD, placed
from shared.core.errors import Caution, Fault, Malformed, Upstream
from shared.core.role import Role
from shared.resilience.tasks import all_of

REFUSES, SHARED = "vault_refuses", "vault_shared"


def taken_names(role: Role, others: Iterable[Role]) -> Iterator[Fault]:
    """Yields a fault if another role may give its secrets the same name, in one of the vaults. Makes no call."""
    delivery = role.delivery
    for other in others:
        if delivery is None or other.delivery is None or other.name == role.name:
            continue
        if not (delivery.is_shared or other.delivery.is_shared):
            # Each of their names holds the id of one lease.
            continue
        if {*delivery.vaults} & {*other.delivery.vaults} and delivery.meets(role.name, other.delivery, other.name):
            yield Fault(f"{FIELD}.name", f"the role {other.name} may give its secrets the same name in one of the vaults")


def shared_vaults(role: Role, others: Iterable[Role]) -> Iterator[Caution]:
    """Yields a caution for each vault in which roles for other callers deliver. Makes no call."""
    strangers = [each for each in others if each.name != role.name and each.delivery and each.bounds != role.bounds]
    for place, vault in placed(role.delivery):
        names = sorted(each.name for each in strangers if each.delivery is not None and vault in each.delivery.vaults)
        if names:
            message = (
                f"{', '.join(names)} delivers there as well, for other callers: give consumers rights at their secrets alone"
            )
            yield Caution(place, SHARED, message)


async def require_own_vaults(ports: Ports, role: Role, former: Role | None, *, is_untried: bool) -> None:
    """Meets each vault's challenge, unless the role has the same delivery already.

    ``is_untried``: whether a vault that does not answer is taken all the same. Raises ``Malformed`` with the faults.
    """
    if faults := foreign_suffixes(ports, role):
        raise Malformed(*faults)
    if former is not None and former.delivery == role.delivery:
        return
    vaults = [*placed(role.delivery)]
    found = await all_of(*(_met(ports, vault) for _, vault in vaults))
    silent = [
        Fault(place, "the vault does not answer") for (place, _), is_own in zip(vaults, found, strict=True) if is_own is None
    ]
    foreign = [
        Fault(place, "the vault belongs to another tenant: no credential goes there")
        for (place, _), is_own in zip(vaults, found, strict=True)
        if is_own is False
    ]
    if foreign:
        raise Malformed(*foreign, code="vault_foreign")
    if silent and not is_untried:
        raise Malformed(*silent, code="vault_unreachable")


async def _met(ports: Ports, vault: str) -> bool | None:
    """Returns whether the vault is of the broker's tenant; ``None`` if it does not answer."""
    try:
        return await ports.courier.tenant_of(vault) == ports.home
    except Upstream:
        return None


async def tried_vaults(ports: Ports, role: Role) -> tuple[Caution, ...]:
    """Returns a caution for each vault that does not let the broker list its secrets."""
    vaults = [*placed(role.delivery)]
    refused = await all_of(*(_refusal(ports, vault) for _, vault in vaults))
    return tuple(
        Caution(place, REFUSES, f"the vault does not let the broker list its secrets ({code})")
        for (place, _), code in zip(vaults, refused, strict=True)
        if code
    )


async def _refusal(ports: Ports, vault: str) -> str:
    try:
        await ports.courier.try_to_list(vault)
    except Upstream as failure:
        return failure.azure_code or failure.code
    return ""

"""For which container a role's leases can sign a SAS, and with which letters. Pure.

A user delegation SAS is for one container (or less), never for an account:
https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas#specify-the-signed-resource-field.
Its key is the account's: the action ``generateUserDelegationKey`` counts at the account or above, and not at a container
(https://learn.microsoft.com/rest/api/storageservices/get-user-delegation-key#permissions).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shared.core.azure_role import AzureRole
from shared.core.blob_rights import DELEGATE, joined
from shared.core.errors import Caution, Fault, Malformed
from shared.core.names import Scope
from shared.core.parameters.holes import holes_of_scope
from shared.core.parameters.kinds import CONTAINER
from shared.core.parameters.narrowing import WITHIN
from shared.issuers.service_principal.target import ServicePrincipalTarget

NAME = "storage_sas"
FIELD = "container"
"""In an ask."""
_ACCOUNTS = ("microsoft.storage", "storageaccounts")
_PROVIDER_AT = 6
"""The place of a resource's provider among the segments of its scope, of which the first is empty."""
_NAME_AT = _PROVIDER_AT + 2
_EXPECTED = "a storage account, or a container of blobs: a SAS is for nothing else, and nothing less"
_NO_KEY = f"none gives {DELEGATE} at the storage account or above: add Storage Blob Delegator at the account"


@dataclass(frozen=True, slots=True)
class SasPlace:
    """What is signed: a container of an account, and letters (``shared.core.blob_rights``)."""

    account: str
    container: str
    permissions: str


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where an assignment stands: above accounts if ``account`` is ``None``. Without ``container`` it is for all of them."""

    role: AzureRole
    account: Scope | None
    container: str = ""
    is_account: bool = False
    """Whether it is the account itself."""

    @property
    def letters(self) -> str:
        return self.role.powers.blobs if self.role.powers is not None else ""

    @property
    def delegates(self) -> bool:
        """Whether it gives the key, as far as its scope and its definition say."""
        at_account = self.account is None or self.is_account
        return at_account and self.role.powers is not None and self.role.powers.delegates


def unsignable(target: ServicePrincipalTarget) -> tuple[Fault, ...]:
    """Returns why no SAS could be signed for a role, by its document and what its definitions allow. Scopes may have holes.

    Empty if the role hands out something else, and as long as a definition was not read.
    """
    if target.credential.name != NAME or any(role.powers is None for role in target.azure_roles):
        return ()
    return (*_form_faults(target), *_power_faults(target))


def require_signable(target: ServicePrincipalTarget) -> None:
    """Raises ``Malformed`` (``not_signable``) with all of these faults."""
    if faults := unsignable(target):
        raise Malformed(*faults, code="not_signable")


def needs_within(target: ServicePrincipalTarget) -> Iterator[Caution]:
    """Yields a caution for each scope above storage accounts: an ask has to name one."""
    for index, role in enumerate(target.azure_roles if target.credential.name == NAME else ()):
        spot = _spot(role)
        if spot is not None and spot.account is None:
            message = "is above storage accounts: every ask has to name one in `within`"
            yield Caution(f"azure_roles[{index}].scope", "needs_within", message)


def place_of(target: ServicePrincipalTarget, wanted: str | None) -> SasPlace:
    """Returns what is signed for a filled target, and for the container that the ask names, if it names one.

    Raises ``Malformed`` (``not_signable``), with a fault at ``within``, at ``parameters`` or at ``container``.
    """
    spots = [_required_spot(role) for role in target.azure_roles]
    account = _account_of(spots)
    if not any(each.delegates for each in spots):
        message = (
            f"the storage account's keys are not given below it: expected {account}, and the container's name in `{FIELD}`"
        )
        raise _not_signable(WITHIN, message)
    container = _container_of(spots, wanted)
    permissions = joined(*(each.letters for each in spots if each.container in {"", container}))
    return SasPlace(account.rpartition("/")[2].lower(), container, permissions)


def _required_spot(role: AzureRole) -> _Spot:
    """Returns where an assignment of a filled target stands. Raises ``Malformed``: no role is written for such a scope."""
    if (found := _spot(role)) is None:
        raise _not_signable(WITHIN, f"expected {_EXPECTED}")
    return found


def _account_of(spots: Sequence[_Spot]) -> Scope:
    """Returns the one account at or above all scopes. Raises ``Malformed``."""
    if above := [each.role.scope for each in spots if each.account is None]:
        raise _not_signable(WITHIN, f"a SAS is for one storage account, and the role is for {above[0]}: name the account here")
    accounts = {each.account.key: each.account for each in spots if each.account is not None}
    if len(accounts) != 1:
        raise _not_signable("parameters", "lead to several storage accounts, and a SAS is for one")
    return next(iter(accounts.values()))


def _container_of(spots: Sequence[_Spot], wanted: str | None) -> str:
    """Returns the container: the one that the ask names, or the only one that the role has. Raises ``Malformed``."""
    giving = [each for each in spots if each.letters]
    named = dict.fromkeys(each.container for each in giving if each.container)
    is_wide = any(not each.container for each in giving)
    if wanted is None:
        if is_wide or len(named) != 1:
            listed = f": {', '.join(named)}" if named and not is_wide else ""
            raise _not_signable(FIELD, f"a SAS is for one container: name one of the storage account's{listed}")
        return next(iter(named))
    if wanted in named:
        return wanted
    if not is_wide:
        raise _not_signable(FIELD, f"expected one of {', '.join(named)}")
    if why := CONTAINER.wrong(wanted):
        raise _not_signable(FIELD, why)
    return wanted


def _form_faults(target: ServicePrincipalTarget) -> Iterator[Fault]:
    for field, given in (("azure_groups", target.azure_groups), ("graph_app_roles", target.graph_app_roles)):
        if given:
            yield Fault(field, "a SAS carries nothing of it: it is for one storage account's blobs alone")
    if not target.azure_roles:
        yield Fault("azure_roles", "a SAS takes an assignment at a storage account or a container")
    spots = [_spot(role) for role in target.azure_roles]
    known = [each.account for each in spots if each is not None and each.account is not None]
    first = next((each for each in known if not holes_of_scope(each)), None)
    for index, spot in enumerate(spots):
        if why := _wrong(spot, first, is_narrowable=target.is_narrowable):
            yield Fault(f"azure_roles[{index}].scope", why)


def _wrong(spot: _Spot | None, first: Scope | None, *, is_narrowable: bool) -> str:
    """Returns why an assignment does not fit, beside one in the ``first`` account. Empty if it fits, or may fit once filled."""
    if spot is None:
        return f"expected {_EXPECTED}"
    if spot.account is None:
        return "" if is_narrowable else "is above storage accounts, and the role refuses `within`, in which an ask names one"
    if first is not None and not holes_of_scope(spot.account) and spot.account.key != first.key:
        return f"is in another storage account than {first}, and a SAS is for one"
    return ""


def _power_faults(target: ServicePrincipalTarget) -> Iterator[Fault]:
    spots = [_spot(role) for role in target.azure_roles]
    if not spots or any(each is None for each in spots):
        return
    if not any(each.delegates for each in spots if each is not None):
        yield Fault("azure_roles", _NO_KEY)
    if not any(each.letters for each in spots if each is not None):
        yield Fault("azure_roles", "none gives data actions of blobs: there is nothing to sign")


def _spot(role: AzureRole) -> _Spot | None:
    """Returns where an assignment stands, or ``None`` if it is for something else than a storage account's blobs."""
    segments = role.scope.split("/")
    words = [each.lower() for each in segments]
    if len(words) < _PROVIDER_AT or words[1] == "providers":
        return _Spot(role, None)
    if len(words) <= _NAME_AT or (words[_PROVIDER_AT], words[_PROVIDER_AT + 1]) != _ACCOUNTS:
        return None
    account, below = Scope("/".join(segments[: _NAME_AT + 1])), words[_NAME_AT + 1 :]
    if below in ([], ["blobservices", "default"]):
        return _Spot(role, account, is_account=not below)
    if below[:-1] == ["blobservices", "default", "containers"]:
        return _Spot(role, account, below[-1])
    return None


def _not_signable(path: str, message: str) -> Malformed:
    return Malformed(Fault(path, message), code="not_signable")

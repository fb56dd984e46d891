"""What one answer of Azure's says of a fresh credential: yes, not yet, never, or nothing at all. Pure.

The codes of Entra ID "should never be used by the client" and change
(https://learn.microsoft.com/entra/identity-platform/reference-error-codes). So the codes that stay are listed, and every other
refusal may pass by itself.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum, auto

from shared.core.definition import Permission

SETTLED_SECONDS = 600.0
"""After that time, an object is known everywhere: microsoft-graph-docs#17966 and role-based-access-control/troubleshooting tell
of ten minutes at most."""
_OK = 200
_NOT_FOUND = 404
_FORBIDDEN = 403
_TOO_MANY = 429
_SERVER_ERROR = 500
_CONDITIONAL_ACCESS = frozenset({*range(53000, 53012), 530031, 530032, 530034, 530035})
HOPELESS: frozenset[int] = _CONDITIONAL_ACCESS | {
    *(90002, 500011),  # no such tenant, no such resource
    *(7000112, 7000222),  # the application is disabled, the secret has expired
    *(700222, 700226, 700229, 700231, 700236, 7002138),  # assertions that no application takes
}
"""AADSTS codes that stay, however fresh the objects are."""
VANISHED: frozenset[int] = frozenset({700016, 7000229})
"""AADSTS codes of an application, and of a service principal, that a replica does not know. Where these have existed for
``SETTLED_SECONDS``, they are gone."""
_SCOPE_GONE = {"ResourceGroupNotFound", "ResourceNotFound", "ParentResourceNotFound"}
"""Resource Manager's codes for a scope that is not there. ``SubscriptionNotFound`` is none of them: a replica that does not
know the caller's rights in the subscription may answer so as well."""
_NETWORK = {"AuthorizationFailure", "ForbiddenByFirewall", "ForbiddenByConnection"}
"""403 of Azure Storage and of Key Vault for a network that may not come in: no role assignment changes that.
https://learn.microsoft.com/troubleshoot/azure/azure-storage/blobs/authentication/storage-troubleshoot-403-errors
https://learn.microsoft.com/azure/key-vault/general/rest-error-codes"""


class Word(Enum):
    """What an answer says."""

    YES = auto()
    NOT_YET = auto()
    NEVER = auto()
    """Waiting does not change it."""
    NOTHING = auto()
    """Neither yes nor no: the service was busy or down, or something else has answered in its place."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One answer. ``code`` is the service's own. ``retry_after`` are the seconds that it asks to wait."""

    word: Word
    code: str = ""
    status: int | None = None
    retry_after: float = 0.0


def of_sign_in(
    status: int, codes: Collection[int], *, has_token: bool, is_settled: bool = False, retry_after: float = 0.0
) -> Verdict:
    """Judges an answer of Entra ID's token endpoint. ``codes`` are its AADSTS numbers.

    ``is_settled``: application and service principal have existed for ``SETTLED_SECONDS``. The credential itself is fresh.
    """
    if status == _OK:
        # A proxy may answer in Entra's place.
        return Verdict(Word.YES if has_token else Word.NOTHING, status=status)
    if (busy := _busy(status, retry_after)) is not None:
        return busy
    final = sorted(code for code in codes if code in HOPELESS or (is_settled and code in VANISHED))
    code = next((f"AADSTS{each}" for each in (*final, *sorted(codes))), "")
    return Verdict(Word.NEVER if final else Word.NOT_YET, code, status)


def of_permissions(
    status: int, code: str, shown: Collection[Permission], wanted: Collection[str], retry_after: float = 0.0
) -> Verdict:
    """Judges an answer of Resource Manager's list of permissions at a scope.

    ``wanted`` are the digests of the entries that the role definitions have (``Permission.digest``). All of them must be shown.
    """
    if status == _OK:
        return Verdict(Word.YES if {*wanted} <= {each.digest for each in shown} else Word.NOT_YET, status=status)
    if (busy := _busy(status, retry_after)) is not None:
        return busy
    is_gone = status == _NOT_FOUND and code in _SCOPE_GONE
    return Verdict(Word.NEVER if is_gone else Word.NOT_YET, code, status)


def of_probe(
    status: int, code: str, expected: Collection[int], *, is_resource_manager: bool = False, retry_after: float = 0.0
) -> Verdict:
    """Judges an answer to a probe, which says yes by its status alone.

    404 says that what the probe asks for is not there. Resource Manager says so by its codes.
    """
    if status in expected:
        return Verdict(Word.YES, status=status)
    if (busy := _busy(status, retry_after)) is not None:
        return busy
    is_gone = status == _NOT_FOUND and (not is_resource_manager or code in _SCOPE_GONE)
    is_closed = status == _FORBIDDEN and code in _NETWORK
    return Verdict(Word.NEVER if is_gone or is_closed else Word.NOT_YET, code, status)


def _busy(status: int, retry_after: float) -> Verdict | None:
    is_busy = status == _TOO_MANY or status >= _SERVER_ERROR
    return Verdict(Word.NOTHING, status=status, retry_after=retry_after) if is_busy else None

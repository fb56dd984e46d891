"""Why a role may make no secret on its application, as that was when it was last looked at. Pure.

The application is somebody's own, and changes after the role was written.
"""

from __future__ import annotations

from shared.core.errors import Caution, Fault, Malformed
from shared.core.role import ApplicationSecretTarget, Closed, Target

_FIELD = "application_object_id"
_MARKED = "the application was made for a lease, and goes when that ends"
_DENIED = (
    "the broker may not change this application: make the broker's service principal an owner of it, "
    "or grant the broker a permission that reaches it, and write the role again"
)
_WHY: dict[Closed, tuple[str, str]] = {"marked": ("protected_target", _MARKED), "denied": ("unresolvable", _DENIED)}
"""The code of the refusal and what is wrong, by what was found."""


def closed(target: Target) -> tuple[Fault, ...]:
    """What keeps the role from making secrets; empty where nothing is known to."""
    found = target.closed if isinstance(target, ApplicationSecretTarget) else ""
    return (Fault(_FIELD, _WHY[found][1]),) if found else ()


def require_open(target: Target) -> None:
    """For whoever writes a role. Raises ``Malformed``."""
    if isinstance(target, ApplicationSecretTarget) and target.closed:
        raise Malformed(*closed(target), code=_WHY[target.closed][0])


def not_owned(target: Target) -> tuple[Caution, ...]:
    """That the broker needs more than to own the application, which it does not, and that nothing else tells beforehand."""
    if not isinstance(target, ApplicationSecretTarget) or target.owned or target.closed:
        return ()
    message = "the broker does not own the application: a secret can be made only while another permission of it allows that"
    return (Caution(_FIELD, "not_an_owner", message),)

"""Whether a role's kind of credential can be handed out by this broker: looked up when the role is written."""

from __future__ import annotations

from shared.core.errors import Absent, Fault, Malformed
from shared.issuers.service_principal.credentials import CREDENTIALS
from shared.issuers.service_principal.means import Federation
from shared.issuers.service_principal.target import ServicePrincipalTarget
from shared.kinds.calls import Directory

_UNSUITABLE = (
    "takes a broker whose own identity is a user-assigned managed identity: no application can trust a system-assigned one"
)


async def require_suitable(directory: Directory, federation: Federation, target: ServicePrincipalTarget) -> None:
    """Makes one call if the role's applications have to trust the broker, and none if not.

    Raises ``Malformed`` if the broker's identity is not user-assigned, or if a token is for what the operator does not allow.
    Raises ``Upstream``.
    """
    choice = target.credential
    with_graph = bool(target.graph_app_roles)
    wrong = {
        index: federation.resources.refusal(scope, with_graph=with_graph) for index, scope in enumerate(choice.token_scopes)
    }
    if faults := [Fault(f"token_scopes[{index}]", why) for index, why in wrong.items() if why]:
        raise Malformed(*faults)
    trusts = CREDENTIALS[choice.name].trusts_broker(proven=target.ready != "none")
    if not trusts and not target.pool.size:
        return
    if not await can_be_trusted(directory, federation):
        field = "credential" if trusts else "pool"
        raise Malformed(Fault(field, _UNSUITABLE), code="broker_identity_unsuitable")


async def can_be_trusted(directory: Directory, federation: Federation) -> bool:
    """Returns whether the broker's own identity is a user-assigned one. Makes one call. Raises ``Upstream``."""
    try:
        own = await directory.own_principal(federation.client_id)
    except Absent:
        return False
    return own.is_user_assigned

"""Access tokens of service principals: the broker signs in, and hands out what it gets. Nobody can make another with it.

A token cannot be revoked, and lasts until its ``exp``. Resource Manager looks at the assignments at every call, so a token is
worth nothing once these are gone. https://learn.microsoft.com/entra/identity-platform/access-tokens
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shared.core.errors import Fault, Malformed, RoleOutdated
from shared.core.graph_app_roles import names_of
from shared.core.names import ObjectId
from shared.core.role import role_changed
from shared.core.secret import Secret
from shared.issuers.service_principal.choice import CredentialChoice
from shared.issuers.service_principal.credential_kind import Usual
from shared.issuers.service_principal.held import Held
from shared.issuers.service_principal.means import Means, common_fields, known, made_at
from shared.issuers.service_principal.target import ServicePrincipalFootprint, ServicePrincipalTarget
from shared.kinds.kind import Asking, Minted, Order, refuse_fields

_FIELD = "scope"


@dataclass(frozen=True, slots=True)
class AccessTokenCredential:
    """Satisfies ``Credential``. ``ends_at`` is the token's own end, in UTC."""

    type: str
    tenant_id: ObjectId
    client_id: ObjectId
    access_token: Secret
    scope: str
    ends_at: datetime
    object_id: ObjectId | None
    subscription_id: ObjectId | None = None

    def fields(self) -> Mapping[str, str | Secret | None]:
        """Returns the subscription only if there is one."""
        return {
            **common_fields("token", self),
            "access_token": self.access_token,
            "token_type": "Bearer",
            "scope": self.scope,
            "token_expires_at": self.ends_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }


class AccessToken(Usual):
    """Satisfies ``CredentialKind``. What is read of an ask is the scope."""

    writes: bool = False

    def asked(self, target: ServicePrincipalTarget, asking: Asking) -> str:
        """Returns one of the role's scopes: the first, unless the ask names one."""
        return _scope(target.credential, asking.fields)

    def asked_again(self, choice: CredentialChoice, held: Held, fields: Mapping[str, Any]) -> str:
        """Returns the same, of the role as it is today."""
        if choice.name != held.name:
            raise role_changed()
        return _scope(choice, fields)

    def held(self, means: Means, order: Order) -> Held:  # noqa: ARG002 - the protocol's
        """Names the kind: there is nothing to remove."""
        return Held("token")

    def trusts_broker(self, *, proven: bool) -> bool:  # noqa: ARG002 - the protocol's
        """Always: the broker signs in."""
        return True

    def can_be_added(self, footprint: ServicePrincipalFootprint) -> bool:
        """Returns whether everything else is made: a token from before would be too old to know of it."""
        return footprint.app_id is not None and footprint.held.given

    async def add(
        self,
        means: Means,
        order: Order,
        footprint: ServicePrincipalFootprint,
        note: Callable[[ObjectId], None],  # noqa: ARG002 - the protocol's
    ) -> Minted:
        """Signs in. Raises ``RoleOutdated`` if the operator allows no tokens for that resource any more. No other call.

        A token for Microsoft Graph is one that carries all permissions of the role: it is the proof of these as well.
        """
        scope, app_roles = str(order.asked), _app_roles(order)
        if refusal := means.federation.resources.refusal(scope, with_graph=bool(app_roles)):
            raise RoleOutdated(Fault("token_scopes", f"{scope}: {refusal}"), audit_reason=f"{scope}: {refusal}")
        common = means.common(footprint)
        carrying = app_roles if scope in means.federation.resources.graph else frozenset[str]()
        found = await means.federation.sign_in.token(
            known(footprint.app_id), scope, deadline=order.deadline, since=made_at(order), carrying=carrying
        )
        credential = AccessTokenCredential(**common, access_token=found.token, scope=scope, ends_at=found.end)
        return Minted(credential, proven=carrying == app_roles or order.target.ready == "none")

    async def signs_in(
        self,
        means: Means,  # noqa: ARG002 - the protocol's
        credential: AccessTokenCredential,  # noqa: ARG002
        *,
        deadline: float,  # noqa: ARG002
        since: datetime | None,  # noqa: ARG002
    ) -> bool:
        """The token is the proof."""
        return True


def _app_roles(order: Order) -> frozenset[str]:
    target = order.target
    return frozenset(names_of(target.graph_app_roles) if isinstance(target, ServicePrincipalTarget) else ())


def _scope(choice: CredentialChoice, fields: Mapping[str, Any]) -> str:
    refuse_fields(fields, but=_FIELD)
    if _FIELD not in fields:
        return choice.token_scopes[0]
    if fields[_FIELD] not in choice.token_scopes:
        is_of_azure = isinstance(fields[_FIELD], str) and fields[_FIELD].startswith("/")
        hint = "; did you mean within?" if is_of_azure else ""
        raise Malformed(Fault(_FIELD, f"expected one of {', '.join(choice.token_scopes)}{hint}"))
    return str(fields[_FIELD])

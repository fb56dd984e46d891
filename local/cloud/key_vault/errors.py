"""Key Vault's errors: one shape, a code within the code, and the codes and texts that Azure answers with, as recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.cloud.engine.http import Refusal, Reply

if TYPE_CHECKING:
    from collections.abc import Mapping


def error(status: int, code: str, message: str, *, inner: str | None = None, headers: Mapping[str, str] | None = None) -> Reply:
    """An error; ``inner`` is the finer code."""
    body: dict[str, object] = {"code": code, "message": message}
    if inner is not None:
        body["innererror"] = {"code": inner}
    return Reply(status, {"error": body}, headers or {})


def unauthorized(tenant_id: str, message: str) -> Refusal:
    """401 with the challenge that tells clients the tenant and what to ask a token for: Azure's own names."""
    authority = f"https://login.microsoftonline.com/{tenant_id}"
    challenge = f'Bearer authorization="{authority}", resource="https://vault.azure.net"'
    return Refusal(error(401, "Unauthorized", message, headers={"www-authenticate": challenge}))


def bad_parameter(message: str) -> Refusal:
    """400 for a query that Key Vault does not take."""
    return Refusal(error(400, "BadParameter", message))


def not_implemented(what: str) -> Refusal:
    """The local cloud does not have this; Azure may."""
    return Refusal(error(501, "NotImplemented", f"The local cloud does not implement {what}."))


def vault_not_found(name: str) -> Refusal:
    """No such vault. In Azure its name does not resolve."""
    return Refusal(error(404, "VaultNotFound", f"The vault '{name}' does not exist."))


def forbidden(caller: str, action: str, resource: str, vault: str) -> Refusal:
    """403: no role assignment that Key Vault knows of gives the caller this action."""
    lines = (
        "Caller is not authorized to perform action on resource.",
        "If role assignments, deny assignments or role definitions were changed recently, please observe propagation time.",
        f"Caller: {caller}",
        f"Action: '{action}'",
        f"Resource: '{resource}'",
        "Assignment: (not found)",
        "DenyAssignmentId: null",
        "DecisionReason: null ",
        f"Vault: {vault}",
        "",
    )
    return Refusal(error(403, "Forbidden", "\r\n".join(lines), inner="ForbiddenByRbac"))

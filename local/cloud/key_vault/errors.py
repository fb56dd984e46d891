"""Key Vault's errors: one shape, a code within the code, and the codes and texts that Azure answers with, as recorded.

Not recorded, but reported by users: the texts for a purge that is protected against
(https://github.com/microsoft/AzureTRE/issues/1760), a firewall
(https://github.com/MicrosoftDocs/azure-devops-docs/issues/8581), too many calls (https://github.com/dotnet/sign/issues/403),
and the code ``ObjectIsBeingRecovered`` (https://github.com/Azure/azure-sdk-for-net/issues/31581).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.cloud.engine.http import Refusal, Reply

if TYPE_CHECKING:
    from collections.abc import Mapping


_FINER = {
    **dict.fromkeys(("ForbiddenByRbac", "ForbiddenByFirewall", "AccessDenied", "SecretDisabled"), "Forbidden"),
    **dict.fromkeys(("ObjectIsBeingDeleted", "ObjectIsDeletedButRecoverable", "ObjectIsBeingRecovered"), "Conflict"),
}
"""Codes within a code, and which."""


def error(status: int, code: str, message: str, *, inner: str | None = None, headers: Mapping[str, str] | None = None) -> Reply:
    """An error; ``inner`` is the finer code."""
    body: dict[str, object] = {"code": code, "message": message}
    if inner is not None:
        body["innererror"] = {"code": inner}
    return Reply(status, {"error": body}, headers or {})


def named(status: int, code: str, message: str) -> Reply:
    """An error by its code alone: a finer one stands within the one that it refines."""
    return error(status, _FINER.get(code, code), message, inner=code if code in _FINER else None)


def unauthorized(tenant_id: str, message: str) -> Refusal:
    """401 with the challenge that tells clients the tenant and what to ask a token for: Azure's own names."""
    authority = f"https://login.microsoftonline.com/{tenant_id}"
    challenge = f'Bearer authorization="{authority}", resource="https://vault.azure.net"'
    return Refusal(error(401, "Unauthorized", message, headers={"www-authenticate": challenge}))


def bad_parameter(message: str) -> Refusal:
    """400 for what Key Vault does not take."""
    return Refusal(error(400, "BadParameter", message))


def not_implemented(what: str) -> Refusal:
    """The local cloud does not have this; Azure may."""
    return Refusal(error(501, "NotImplemented", f"The local cloud does not implement {what}."))


def vault_not_found(name: str) -> Refusal:
    """No such vault. In Azure its name does not resolve."""
    return Refusal(error(404, "VaultNotFound", f"The vault '{name}' does not exist."))


def not_found(name: str) -> Refusal:
    """404: no live secret or version with this name, perhaps a deleted one."""
    text = (
        f"A secret with (name/id) {name} was not found in this key vault. If you recently deleted this secret you may be able "
        "to recover it using the correct recovery command. For help resolving this issue, please see "
        "https://go.microsoft.com/fwlink/?linkid=2125182"
    )
    return Refusal(error(404, "SecretNotFound", text))


def deleted_not_found(name: str) -> Refusal:
    """404: no deleted secret with this name, or it is not there yet."""
    return Refusal(error(404, "SecretNotFound", f"Deleted Secret not found: {name}"))


def disabled() -> Refusal:
    """403: its value is not given out. Neither is what remains of it, once it is deleted."""
    return Refusal(error(403, "Forbidden", "Operation get is not allowed on a disabled secret.", inner="SecretDisabled"))


def being_deleted(name: str) -> Refusal:
    """409 for a change of a secret whose deletion is under way."""
    return _conflict(f"Secret {name} is currently being deleted.", "ObjectIsBeingDeleted")


def not_to_be_made_yet(name: str) -> Refusal:
    """409 for a new secret under a name that is being deleted or purged."""
    text = f"Secret {name} is currently being deleted and cannot be re-created; retry later."
    return _conflict(text, "ObjectIsBeingDeleted")


def purge_too_early() -> Refusal:
    """409: it is deleted first, and purged then. This text alone does not name the secret."""
    return _conflict("Secret is currently being deleted.", "ObjectIsBeingDeleted")


def being_recovered(name: str) -> Refusal:
    """409 while a secret comes back."""
    return _conflict(f"Secret {name} is currently being recovered; retry later.", "ObjectIsBeingRecovered")


def recoverable(name: str) -> Refusal:
    """409: the name of a deleted secret is taken until it is purged."""
    text = (
        f"Secret {name} is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the "
        "secret can only be recovered or purged."
    )
    return _conflict(text, "ObjectIsDeletedButRecoverable")


def not_deleted(name: str) -> Refusal:
    """400: what is live cannot be recovered."""
    text = f"Secret exists already: {name}"
    return Refusal(error(400, "MethodNotAllowed", text, inner="RequestNotAllowedOnNonDeletedObject"))


def restore_conflict(secret_id: str) -> Refusal:
    """409: the name of what a backup holds is taken, or not free yet."""
    text = (
        f"There was a conflict restoring the secret '{secret_id}'. This can happen if either: a second secret with the same "
        "name was created after the first secret was deleted; thus trying to restore a secret whose name is already in use. "
        "To fix this, rename the second secret to something else so that the restore works. The second probable cause of "
        "this exception is when multiple operations are performed in parallel against the secret. To avoid this error, "
        "perform operations against a secret in a sequential manner."
    )
    return Refusal(error(409, "Conflict", text))


def purge_protected(vault: str) -> Refusal:
    """403: nobody can purge in this vault; time does."""
    text = (
        'Operation "purge" is not allowed because purge protection is enabled for this vault. Key Vault service will '
        f"automatically purge it after the retention period has passed.\r\nVault: {vault}"
    )
    return Refusal(error(403, "Forbidden", text))


def outside(caller: str, address: str, vault: str) -> Refusal:
    """403: the vault's firewall does not let the caller in."""
    lines = (
        "Client address is not authorized and caller is not a trusted service.",
        f"Client address: {address}",
        f"Caller: {caller}",
        f"Vault: {vault}",
    )
    return Refusal(error(403, "Forbidden", "\r\n".join(lines), inner="ForbiddenByFirewall"))


def throttled() -> Refusal:
    """429: the vault has served as many calls as it may. Azure promises no ``Retry-After``."""
    text = "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached"
    return Refusal(error(429, "Throttled", text))


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


def _conflict(message: str, inner: str) -> Refusal:
    return Refusal(error(409, "Conflict", message, inner=inner))

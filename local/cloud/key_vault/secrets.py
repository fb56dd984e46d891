"""What a vault answers of its secrets. It can hold none yet: a list tells who may see one.

Rights: https://learn.microsoft.com/azure/key-vault/general/rbac-guide; the list:
https://learn.microsoft.com/rest/api/keyvault/secrets/get-secrets
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.cloud.engine.http import HttpRequest, Reply
from local.cloud.key_vault import errors
from local.cloud.key_vault.authentication import authenticate
from local.cloud.rbac.access import Verdict, decide
from local.cloud.rbac.condition_evaluation import Circumstances
from local.cloud.rbac.scopes import Scope

if TYPE_CHECKING:
    from local.cloud.key_vault.authentication import Caller
    from local.cloud.local_azure import LocalAzure
    from local.cloud.tenant.resources import Resource

DOMAIN = ".vault.azure.net"
_VAULTS = "/providers/microsoft.keyvault/vaults/"
_LIST = "Microsoft.KeyVault/vaults/secrets/readMetadata/action"
_QUERY = {"api-version", "maxresults"}
_MOST = 25


def handle(world: LocalAzure, call: HttpRequest) -> Reply:
    """Any call: first who it is, then what it asks for."""
    caller = authenticate(world, call)
    name, rest = _addressed(call)
    if (call.method, rest.rstrip("/").lower()) != ("GET", "secrets"):
        raise errors.not_implemented(f"{call.method} of this")
    vault = _vault(world, name)
    _check_query(call)
    _require(world, caller, vault, _LIST)
    return Reply(200, {"value": [], "nextLink": None})


def _addressed(call: HttpRequest) -> tuple[str, str]:
    """The vault and the path in it: by the host, or else by the path's first segment."""
    host, path = call.headers.get("host", "").rsplit(":", 1)[0].lower(), call.path.strip("/")
    if host.endswith(DOMAIN):
        return host.removesuffix(DOMAIN), path
    name, _, rest = path.partition("/")
    return name.lower(), rest


def _vault(world: LocalAzure, name: str) -> Resource:
    ending = f"{_VAULTS}{name}"
    for key, found in world.tree.resources.items():
        if key.endswith(ending):
            return found
    raise errors.vault_not_found(name)


def _check_query(call: HttpRequest) -> None:
    if not call.query.get("api-version"):
        raise errors.bad_parameter("api-version must be specified")
    if unknown := sorted(call.query.keys() - _QUERY):
        raise errors.not_implemented(f"the query option {unknown[0]} here")
    wanted = call.query.get("maxresults", str(_MOST))
    if not (wanted.isascii() and wanted.isdecimal() and 1 <= int(wanted) <= _MOST):
        raise errors.bad_parameter(f"maxresults must be a number from 1 to {_MOST}")


def _require(world: LocalAzure, caller: Caller, vault: Resource, action: str) -> None:
    """By role assignments at the vault and above it. Conditions see no attribute, so those that need one give nothing."""
    circumstances = Circumstances(action, known=frozenset())
    verdict = decide(world, caller.object_id, Scope.of(vault.id), circumstances, data=True, observer="key_vault")
    if verdict is not Verdict.GRANTED:
        place = f"{vault.id.rsplit('/', 1)[-1]};location={vault.location}"
        raise errors.forbidden(caller.text, action, _spoken(vault.id), place)


def _spoken(resource_id: str) -> str:
    """The id as Key Vault writes it: lower case but for the names."""
    parts = resource_id.split("/")
    fixed = {"resourcegroups", "providers", "microsoft.keyvault", "vaults", "subscriptions"}
    return "/".join(part.lower() if part.lower() in fixed else part for part in parts)

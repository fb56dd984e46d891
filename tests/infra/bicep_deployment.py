"""Evaluates ``infra/main.bicep`` as a deployment would: the resources that it comes down to, with their properties."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, reduce
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from tests.infra.bicep_syntax import BicepError, Declaration, read

INFRA = Path(__file__).parents[2] / "infra"
TENANT = "8d7b1f6e-6a57-4a0c-9a53-0c6f3a1f0001"
SUBSCRIPTION = "8d7b1f6e-6a57-4a0c-9a53-0c6f3a1f0002"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/broker"
BROKER_PRINCIPAL = "8d7b1f6e-6a57-4a0c-9a53-0c6f3a1f0003"
BROKER_CLIENT = "8d7b1f6e-6a57-4a0c-9a53-0c6f3a1f0004"
API = "8d7b1f6e-6a57-4a0c-9a53-0c6f3a1f0005"
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"

_STORAGE_HOST = "account.{}.core.windows.net"
_KNOWN_LATER: Mapping[str, dict[str, Any]] = {
    "Microsoft.ManagedIdentity/userAssignedIdentities": {"principalId": BROKER_PRINCIPAL, "clientId": BROKER_CLIENT},
    "Microsoft.Storage/storageAccounts": {
        "primaryEndpoints": {each: f"https://{_STORAGE_HOST.format(each)}/" for each in ("blob", "queue", "table")}
    },
    "Microsoft.Insights/components": {"ConnectionString": "InstrumentationKey=0;IngestionEndpoint=https://example.net/"},
    "Microsoft.Web/sites": {"defaultHostName": "leasehold.example.net"},
}
"""Properties that Azure tells once the resource is there."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource that would be deployed. ``scope`` is the id of what the template deploys into or names as scope."""

    type: str
    scope: str
    body: dict[str, Any]

    @property
    def properties(self) -> dict[str, Any]:
        """What its ``properties`` say."""
        found: dict[str, Any] = self.body.get("properties", {})
        return found


@dataclass(slots=True)
class Deployment:
    """What was evaluated: the resources of all modules, and the outermost outputs."""

    resources: list[Resource] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)

    def of_type(self, kind: str) -> list[Resource]:
        """All resources of a type."""
        return [each for each in self.resources if each.type == kind]

    def only(self, kind: str) -> Resource:
        """The one resource of a type."""
        (found,) = self.of_type(kind)
        return found

    @property
    def settings(self) -> dict[str, str]:
        """The function app's settings."""
        (found,) = [each for each in self.of_type("Microsoft.Web/sites/config") if each.body["name"] == "appsettings"]
        return found.properties


def deploy(**parameters: Any) -> Deployment:
    """``main.bicep`` with these parameters, and the ones that it requires."""
    made = Deployment()
    given = {"audience": API, "assignableRoles": [READER], **parameters}
    made.outputs = _evaluate(made, INFRA / "main.bicep", given, GROUP)
    return made


@cache
def declarations(path: Path) -> list[Declaration]:
    """A file's statements."""
    return read(path.read_text())


def _evaluate(made: Deployment, path: Path, given: dict[str, Any], scope: str) -> dict[str, Any]:
    names: dict[str, Any] = {**_functions(scope)}
    outputs: dict[str, Any] = {}
    waiting = list(declarations(path))
    unknown = set(given) - {each.name for each in waiting if each.kind == "param"}
    if unknown:
        raise BicepError(f"{path.name} has no parameters {sorted(unknown)}")
    # Statements may stand in any order: whatever names something that is not there yet waits for the next round.
    while waiting:
        later = [each for each in waiting if not _settle(made, path, each, given, scope, names, outputs)]
        if len(later) == len(waiting):
            _settle(made, path, later[0], given, scope, names, outputs, last=True)
        waiting = later
    return outputs


def _settle(
    made: Deployment,
    path: Path,
    item: Declaration,
    given: dict[str, Any],
    scope: str,
    names: dict[str, Any],
    outputs: dict[str, Any],
    *,
    last: bool = False,
) -> bool:
    try:
        value = given[item.name] if item.kind == "param" and item.name in given else _value(item, names, path)
    except BicepError as error:
        if last or "nothing is named" not in str(error):
            raise
        return False
    match item.kind:
        case "param" | "var":
            names[item.name] = value
        case "output":
            outputs[item.name] = value
        case "resource" | "existing":
            names[item.name] = _placed(made, item, value, scope)
        case "module":
            names[item.name] = _modules(made, path.parent / item.type, value, scope)
    return True


def _value(item: Declaration, names: dict[str, Any], path: Path) -> Any:
    if item.value is None:
        if item.kind == "param":
            raise BicepError(f"{path.name} needs {item.name}")
        return None
    return item.value(names)


def _placed(made: Deployment, item: Declaration, value: Any, scope: str) -> Any:
    if value is None:
        return None
    if isinstance(value, list):
        return [_placed(made, item, each, scope) for each in value]
    kind = item.type.partition("@")[0]
    inside = value.get("parent") or value.get("scope")
    below = inside["id"] if inside else scope
    if item.kind == "resource":
        made.resources.append(Resource(kind, below, value))
    properties = {**value.get("properties", {}), **_KNOWN_LATER.get(kind, {})}
    return {"id": f"{below}/providers/{kind}/{value['name']}", "name": value["name"], "properties": properties}


def _modules(made: Deployment, path: Path, value: Any, scope: str) -> Any:
    if isinstance(value, list):
        return [_modules(made, path, each, scope) for each in value]
    return {"outputs": _evaluate(made, path, value["params"], value.get("scope", {"id": scope})["id"])}


def _functions(scope: str) -> dict[str, Any]:
    own = scope.split("/")[2]

    def subscription(subscription_id: str = own) -> dict[str, str]:
        return {"id": f"/subscriptions/{subscription_id}", "subscriptionId": subscription_id}

    def group(*where: str) -> dict[str, str]:
        return {"id": f"/subscriptions/{where[0]}/resourceGroups/{where[1]}" if where else scope, "location": "westeurope"}

    return {
        "subscription()": subscription,
        "resourceGroup()": group,
        "tenant()": lambda: {"tenantId": TENANT},
        "environment()": lambda: {
            "name": "AzureCloud",
            "resourceManager": "https://management.azure.com/",
            "authentication": {"loginEndpoint": "https://login.microsoftonline.com/"},
        },
        "subscriptionResourceId()": lambda kind, name: f"/subscriptions/{own}/providers/{kind}/{name}",
        "guid()": lambda *parts: str(uuid5(UUID(TENANT), "/".join(parts))),
        "uniqueString()": lambda *_: "abcdefghijklm",
        "union()": lambda *objects: reduce(lambda left, right: {**left, **right}, objects),
        "concat()": lambda *arrays: [each for array in arrays for each in array],
        "items()": lambda mapping: [{"key": key, "value": mapping[key]} for key in sorted(mapping)],
        "join()": lambda items, separator: separator.join(items),
        "empty()": lambda value: not value,
        "take()": lambda text, count: text[:count],
        "toLower()": str.lower,
        "replace()": str.replace,
    }

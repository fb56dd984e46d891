"""What a deployment of ``infra/`` comes down to, as Azure's own compiler has worked it out, in ``infra/snapshots``.

The files are made for ids that nobody has; whoever reads one may put ids of its own in their place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

INFRA = Path(__file__).parents[1] / "infra"
FOLDER = INFRA / "snapshots"
TENANT = "8d7b1f6e-6a57-4a0c-9a53-0c6f3a1f0001"
SUBSCRIPTION = "8d7b1f6e-6a57-4a0c-9a53-0c6f3a1f0002"
PRINCIPAL = "8d7b1f6e-6a57-4a0c-9a53-0c6f3a1f0003"
"""Object id of the broker's identity."""
CLIENT = "8d7b1f6e-6a57-4a0c-9a53-0c6f3a1f0004"
"""Its client id."""
AUDIENCE = "8d7b1f6e-6a57-4a0c-9a53-0c6f3a1f0005"
"""Client id of the API application."""
APPLICATION = "8d7b1f6e-6a57-4a0c-9a53-0c6f3a1f0008"
"""Object id of the API application."""
APPLICATION_PRINCIPAL = "8d7b1f6e-6a57-4a0c-9a53-0c6f3a1f0009"
"""Object id of its service principal."""
GROUP = "leasehold"
"""The broker's resource group."""
GROUP_ID = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource that would be made. What only Azure can tell stands as an expression, ``[...]``."""

    id: str
    type: str
    body: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The last part of its name."""
        return str(self.body["name"]).rpartition("/")[2]

    @property
    def scope(self) -> str:
        """The id of what it is an extension of, such as a role assignment's."""
        return self.id.rpartition("/providers/")[0]

    @property
    def properties(self) -> dict[str, Any]:
        """What its ``properties`` say."""
        found: dict[str, Any] = self.body.get("properties", {})
        return found


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The resources of all modules, and the outermost outputs."""

    resources: tuple[Resource, ...]
    outputs: Mapping[str, Any]

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
        (found,) = [each for each in self.of_type("Microsoft.Web/sites/config") if each.name == "appsettings"]
        return found.properties


def read(name: str, ids: Mapping[str, str] | None = None) -> Snapshot:
    """The snapshot of a parameter set, each of ``ids`` that stands in it replaced by its value."""
    text = (FOLDER / f"{name}.snapshot.json").read_text()
    for there, here in (ids or {}).items():
        text = text.replace(there, here)
    document = json.loads(text)
    resources = tuple(Resource(each["id"], each["type"], each) for each in document["predictedResources"])
    return Snapshot(resources, document["outputs"])

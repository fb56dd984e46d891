"""Runs a pod's containers one after the other, as Kubernetes does, with what AKS's workload identity puts into each.

https://azure.github.io/azure-workload-identity/docs/topics/service-account-labels-and-annotations.html. Volumes are folders;
where a program names the path of a mount, it is given the folder's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from tests.support.samples.machine import Done, Machine
from tests.support.samples.oidc import Issuer


@dataclass(slots=True)
class Pod:
    """One run of the only pod of the documents: ``await Pod(...).run(machine)``."""

    documents: Iterable[dict[str, Any]]
    issuer: Issuer
    tenant_id: str
    uid: str = field(default_factory=lambda: str(uuid4()))
    done: dict[str, Done] = field(default_factory=dict)
    """How each container ended, by its name."""

    async def run(self, machine: Machine) -> bool:
        """Whether every container succeeded, on this machine. After one that did not, no other is started."""
        kinds = {each["kind"]: each for each in self.documents}
        pod, spec = kinds["Pod"], kinds["Pod"]["spec"]
        folders = self._volumes(machine, spec["volumes"], kinds["ConfigMap"])
        identity = self._identity(machine, pod, kinds["ServiceAccount"])
        for container in [*spec["initContainers"], *spec["containers"]]:
            given = {each["name"]: self._value(each["valueFrom"], kinds["ConfigMap"]) for each in container["env"]}
            command = [self._mounted(part, container, folders) for part in (*container["command"], *container["args"])]
            self.done[container["name"]] = done = await machine.run(*command, **given, **identity)
            if done.status:
                return False
        return True

    def _identity(self, machine: Machine, pod: dict[str, Any], account: dict[str, Any]) -> dict[str, str]:
        """What the webhook adds to a labelled pod, with a token of its service account."""
        if pod["metadata"]["labels"].get("azure.workload.identity/use") != "true":
            return {}
        here = pod["metadata"]["namespace"]
        if (here, pod["spec"]["serviceAccountName"]) != (account["metadata"]["namespace"], account["metadata"]["name"]):
            raise ValueError("the pod's service account is another one")
        token = machine.home / "azure-identity-token"
        token.write_text(self.issuer.token(f"system:serviceaccount:{here}:{account['metadata']['name']}"))
        return {
            "AZURE_AUTHORITY_HOST": "https://login.microsoftonline.com/",
            "AZURE_CLIENT_ID": account["metadata"]["annotations"]["azure.workload.identity/client-id"],
            "AZURE_TENANT_ID": self.tenant_id,
            "AZURE_FEDERATED_TOKEN_FILE": str(token),
        }

    def _volumes(self, machine: Machine, volumes: list[dict[str, Any]], configuration: dict[str, Any]) -> dict[str, str]:
        folders = {}
        for volume in volumes:
            folder = machine.home / "volumes" / volume["name"]
            folder.mkdir(parents=True)
            if "configMap" in volume:
                for name, text in configuration["data"].items():
                    (folder / name).write_text(text)
            folders[volume["name"]] = str(folder)
        return folders

    def _mounted(self, text: str, container: dict[str, Any], folders: dict[str, str]) -> str:
        for mount in container["volumeMounts"]:
            text = re.sub(rf"(?<![\w/]){re.escape(mount['mountPath'])}(?=/)", folders[mount["name"]], text)
        return text

    def _value(self, source: dict[str, Any], configuration: dict[str, Any]) -> str:
        if "configMapKeyRef" in source:
            return str(configuration["data"][source["configMapKeyRef"]["key"]])
        return {"metadata.uid": self.uid}[source["fieldRef"]["fieldPath"]]

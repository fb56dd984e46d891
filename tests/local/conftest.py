"""A local cloud for tests: over the wire in a thread of its own (``cloud``), or its world alone (``world``)."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.cloud.control import first_party
from local.cloud.control.deployment import graph_permissions
from local.cloud.control.sample import furnish
from local.cloud.local_azure import LocalAzure, new_world


@dataclass(frozen=True, slots=True)
class Cloud:
    """A running local cloud, as a test sees it: from outside."""

    control_url: str
    ca_bundle: str
    http: httpx.Client
    """Trusts the cloud's authority."""

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Calls the control API; its answer's JSON, or ``None`` when there is none. Raises on an error."""
        reply = self.http.request(method, f"{self.control_url}/{path}".rstrip("/"), json=body)
        reply.raise_for_status()
        return reply.json() if reply.content else None

    @property
    def document(self) -> dict[str, Any]:
        """``GET /_control``."""
        document: dict[str, Any] = self.control("GET", "")
        return document

    @property
    def endpoints(self) -> dict[str, str]:
        """Every service's origin."""
        endpoints: dict[str, str] = self.document["endpoints"]
        return endpoints

    def identity(self, name: str) -> dict[str, Any]:
        """One identity's ids and endpoints."""
        identity: dict[str, Any] = self.document["identities"][name]
        return identity

    def token(self, identity: str, resource: str, **options: Any) -> str:
        """A token from the control API."""
        answer = self.control("POST", "token", {"identity": identity, "resource": resource, **options})
        return str(answer["access_token"])


@pytest.fixture(scope="session")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    from local.cloud.local_cloud import Settings, running  # noqa: PLC0415 - tests of one service need no server

    with running(Settings(state_dir=tmp_path_factory.mktemp("cloud"))) as cloud:
        yield cloud.control_url, cloud.ca_bundle


@pytest.fixture
def cloud(_running: tuple[str, Path]) -> Iterator[Cloud]:
    """A local cloud in the state right after set-up, with profile ``none``."""
    url, bundle = _running
    with httpx.Client(verify=ssl.create_default_context(cafile=str(bundle)), trust_env=False) as http:
        found = Cloud(url, str(bundle), http)
        found.control("PUT", "consistency", {"profile": "none"})
        found.control("POST", "reset")
        yield found


@pytest.fixture
def groups(cloud: Cloud) -> None:
    """The broker may do what roles with ``azure_groups`` need: least privilege is the default here as well."""
    wider = set(graph_permissions(groups=True)) - set(graph_permissions(groups=False))
    cloud.control("POST", "app-roles", {"identity": "leasehold", "app_roles": sorted(wider)})


@pytest.fixture
def world() -> LocalAzure:
    """A world furnished with the sample, for handlers called directly."""
    made = new_world()
    first_party.settle(made)
    furnish(made)
    return made

"""For which resources roles may hand out access tokens, and which permissions of Microsoft Graph they may have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from shared.core.graph_app_roles import is_forbidden, parse_name
from shared.core.names import Unparsable
from shared.settings.reader import Reader

_RESOURCE = re.compile(r"(https|api)://[A-Za-z0-9][A-Za-z0-9._~/-]{0,200}")
_EVERYWHERE = frozenset({"storage.azure.com"})
_PUBLIC = frozenset(
    {
        *("management.azure.com", "management.core.windows.net", "vault.azure.net", "managedhsm.azure.net"),
        *("database.windows.net", "ossrdbms-aad.database.windows.net", "servicebus.windows.net", "azconfig.io"),
        *("cognitiveservices.azure.com", "search.azure.com", "documents.azure.com"),
    }
)
_CLOUDS = {
    "login.microsoftonline.us": frozenset(
        {
            *("management.usgovcloudapi.net", "management.core.usgovcloudapi.net", "vault.usgovcloudapi.net"),
            *("managedhsm.usgovcloudapi.net", "database.usgovcloudapi.net", "ossrdbms-aad.database.usgovcloudapi.net"),
            *("servicebus.usgovcloudapi.net", "azconfig.azure.us", "cognitiveservices.azure.us", "search.azure.us"),
            "documents.azure.us",
        }
    ),
    "login.partner.microsoftonline.cn": frozenset(
        {
            *("management.chinacloudapi.cn", "management.core.chinacloudapi.cn", "vault.azure.cn", "managedhsm.azure.cn"),
            *("database.chinacloudapi.cn", "ossrdbms-aad.database.chinacloudapi.cn", "servicebus.chinacloudapi.cn"),
            *("azconfig.azure.cn", "cognitiveservices.azure.cn", "search.azure.cn", "documents.azure.cn"),
        }
    ),
}
"""Resources that take role assignments, by the host of Entra ID in that cloud; in every other one, those of the public cloud.
https://learn.microsoft.com/azure/azure-government/compare-azure-government-global-azure and
https://learn.microsoft.com/azure/china/resources-developer-guide"""
_GRAPH = frozenset({"graph.microsoft.com"})
_GRAPHS = {
    "login.microsoftonline.us": frozenset({"graph.microsoft.us", "dod-graph.microsoft.us"}),
    "login.partner.microsoftonline.cn": frozenset({"microsoftgraph.chinacloudapi.cn"}),
}
"""Microsoft Graph, as above. https://learn.microsoft.com/graph/deployments"""


@dataclass(frozen=True, slots=True)
class Tokens:
    """``resources``: those that the operator adds, each as the audience that its tokens are asked for, without ``/.default``.

    ``hosts``: Azure's own in this cloud, with whatever lies below them. ``graph``: the hosts of Microsoft Graph in this cloud.
    ``graph_app_roles``: the application permissions of Graph that roles may have.
    """

    resources: frozenset[str] = frozenset()
    hosts: frozenset[str] = _EVERYWHERE | _PUBLIC
    graph: frozenset[str] = _GRAPH
    graph_app_roles: frozenset[str] = frozenset()

    @classmethod
    def read(cls, reader: Reader, authority: str) -> Self:
        """Reads the section."""
        host = urlsplit(authority).hostname or ""
        return cls(
            frozenset(reader.listed("TOKEN_RESOURCES", _resource)),
            _EVERYWHERE | _CLOUDS.get(host, _PUBLIC),
            _GRAPHS.get(host, _GRAPH),
            frozenset(reader.listed("GRAPH_APP_ROLES", _app_role)),
        )


def _app_role(text: str) -> str:
    name = parse_name(text)
    if is_forbidden(name):
        raise Unparsable(f"{name} may never stand here: whoever has it can give itself any other permission")
    return name


def _resource(text: str) -> str:
    if _RESOURCE.fullmatch(text) is None or text.endswith(("/", "/.default")):
        raise Unparsable("expected resources such as https://api.example.net or api://name, without a slash at the end")
    return text

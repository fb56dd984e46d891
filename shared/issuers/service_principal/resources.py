"""The resources for which roles may hand out access tokens."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

_DEFAULT = "/.default"
_GRAPH = frozenset(
    {
        *("graph.microsoft.com", "graph.microsoft.us", "dod-graph.microsoft.us", "microsoftgraph.chinacloudapi.cn"),
        *("graph.windows.net", "00000003-0000-0000-c000-000000000000", "00000002-0000-0000-c000-000000000000"),
    }
)
"""Microsoft Graph and its predecessor, by host and by client id."""


@dataclass(frozen=True, slots=True)
class TokenResources:
    """``hosts``: Azure's own in this cloud, with whatever is below them. ``listed``: those that the operator has added.

    ``never``: audiences for which no role gets tokens, whatever is listed: the broker's own, and Microsoft Graph, where a token
    carries its rights in itself. ``graph``: the scopes of Graph in this cloud, for roles that have permissions there alone.
    """

    hosts: frozenset[str] = frozenset()
    listed: frozenset[str] = frozenset()
    never: frozenset[str] = frozenset()
    graph: frozenset[str] = frozenset()

    @classmethod
    def of(cls, hosts: Iterable[str], listed: Iterable[str], *, never: Iterable[str], graph: Iterable[str] = ()) -> Self:
        """Returns the resources. ``never``: audiences or addresses, in any case. ``graph``: hosts of Microsoft Graph."""
        scopes = frozenset(f"https://{host}{_DEFAULT}" for host in graph)
        return cls(frozenset(hosts), frozenset(listed), _GRAPH | {each.casefold() for each in never}, scopes)

    def refusal(self, scope: str, *, with_graph: bool = False) -> str:
        """Returns why no token is handed out for the scope. Empty if one is.

        ``with_graph``: whether the role has permissions of Microsoft Graph.
        """
        if scope in self.graph:
            return "" if with_graph else "only a role with graph_app_roles gets tokens for Microsoft Graph"
        resource = scope.removesuffix(_DEFAULT).rstrip("/")
        parts, folded = urlsplit(resource), resource.casefold()
        host = (parts.hostname or "").lower()
        if self.never & {folded, host, folded.partition("://")[2].partition("/")[0]}:
            return "no role gets tokens for this resource"
        is_azures = parts.scheme == "https" and not parts.path and any(_is_at_or_below(host, each) for each in self.hosts)
        if is_azures or resource in self.listed:
            return ""
        return "is no resource of Azure's that takes role assignments, and LEASEHOLD_TOKEN_RESOURCES does not list it"


def _is_at_or_below(host: str, above: str) -> bool:
    return host == above or host.endswith(f".{above}")

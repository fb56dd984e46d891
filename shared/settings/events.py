"""Events: the topic to which the broker publishes its own, and the door over HTTP for those from outside."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from shared.core.access.folding import fold
from shared.core.events.door import EVENT_GRID, EVENT_GRID_GOVERNMENT
from shared.core.names import ObjectId, Unparsable
from shared.settings.addresses import endpoint, is_loopback
from shared.settings.reader import Reader

_PUBLIC = "eventgrid.azure.net"
_GOVERNMENT = "login.microsoftonline.us"
_SUFFIXES = {_GOVERNMENT: "eventgrid.azure.us", "login.partner.microsoftonline.cn": "eventgrid.azure.cn"}
"""What the host of a topic ends with, by the host of Entra ID in that cloud.
https://learn.microsoft.com/azure/azure-government/compare-azure-government-global-azure"""
_PATH = "/api/events"
_TOPIC = re.compile(r"[a-z0-9-]{3,50}(\.[a-z0-9-]{1,63})*")
_ORIGIN = re.compile(r"[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})+(?::\d{1,5})?")


@dataclass(frozen=True, slots=True)
class Events:
    """``topic`` is the address to which events are sent; empty if there is none. ``source`` names the broker in events.

    ``webhook``: whether the door is open. ``event_grid``: the application as which Event Grid calls. ``origins`` are hosts, in
    lower case.
    """

    topic: str = ""
    source: str = "/leasehold/local"
    webhook: bool = False
    event_grid: ObjectId = EVENT_GRID
    origins: frozenset[str] = frozenset()

    @classmethod
    def read(cls, reader: Reader, authority: str) -> Self:
        """Reads the section. ``authority`` is Entra ID's address, which says in which cloud the broker is.

        The platform sets ``WEBSITE_SITE_NAME``.
        """
        entra = urlsplit(authority).hostname or ""
        suffix = _SUFFIXES.get(entra, _PUBLIC)
        usual = EVENT_GRID_GOVERNMENT if entra == _GOVERNMENT else EVENT_GRID
        return cls(
            topic=reader.optional("EVENT_TOPIC", lambda text: _topic(text, suffix)) or "",
            source=f"/leasehold/{reader.told('WEBSITE_SITE_NAME').lower() or 'local'}",
            webhook=reader.optional("EVENT_WEBHOOK", _switch) or False,
            event_grid=reader.optional("EVENT_GRID_APP_ID", ObjectId.parse) or usual,
            origins=frozenset(reader.listed("EVENT_ORIGINS", _origin)),
        )


def _topic(text: str, suffix: str) -> str:
    """A token of the broker goes there: so it is Event Grid, or this machine."""
    found = endpoint(text)
    parts = urlsplit(found)
    host = parts.hostname or ""
    is_topic = host.endswith(f".{suffix}") and _TOPIC.fullmatch(host.removesuffix(f".{suffix}")) is not None
    is_topic = is_topic and parts.scheme == "https" and parts.port in {None, 443}
    if not (is_topic or is_loopback(host)) or parts.path not in {"", _PATH}:
        raise Unparsable(f"expected the endpoint of a topic, such as https://name.westeurope-1.{suffix}{_PATH}")
    return found.removesuffix(_PATH) + _PATH


def _switch(text: str) -> bool:
    if text not in {"on", "off"}:
        raise Unparsable("expected on or off")
    return text == "on"


def _origin(text: str) -> str:
    found = fold(text)
    if _ORIGIN.fullmatch(found) is None:
        raise Unparsable("expected a host's name, such as events.example.net")
    return found

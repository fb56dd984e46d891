"""The topic to which the broker publishes events, and the broker's name in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from shared.core.names import Unparsable
from shared.settings.addresses import endpoint, is_loopback
from shared.settings.reader import Reader

_PUBLIC = "eventgrid.azure.net"
_SUFFIXES = {"login.microsoftonline.us": "eventgrid.azure.us", "login.partner.microsoftonline.cn": "eventgrid.azure.cn"}
"""What the host of a topic ends with, by the host of Entra ID in that cloud.
https://learn.microsoft.com/azure/azure-government/compare-azure-government-global-azure"""
_PATH = "/api/events"
_TOPIC = re.compile(r"[a-z0-9-]{3,50}(\.[a-z0-9-]{1,63})*")


@dataclass(frozen=True, slots=True)
class Events:
    """``topic`` is the address to which events are sent; empty if there is none. ``source`` names the broker in events."""

    topic: str = ""
    source: str = "/leasehold/local"

    @classmethod
    def read(cls, reader: Reader, authority: str) -> Self:
        """Reads the section. The platform sets ``WEBSITE_SITE_NAME``."""
        suffix = _SUFFIXES.get(urlsplit(authority).hostname or "", _PUBLIC)
        found = reader.optional("EVENT_TOPIC", lambda text: _topic(text, suffix))
        return cls(found or "", f"/leasehold/{reader.told('WEBSITE_SITE_NAME').lower() or 'local'}")


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

"""The cloud's own hosts of data, at which a fresh credential is tried, and the region that looks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from shared.core.names import Unparsable
from shared.core.readiness.probes import DataHosts
from shared.settings.addresses import endpoint, is_loopback
from shared.settings.azure import arm_endpoint
from shared.settings.reader import Reader

_SUFFIX = re.compile(r"[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})+")


@dataclass(frozen=True, slots=True)
class DataPlane:
    """``gateway`` is an origin on this machine that takes connections to such hosts; empty outside of tests."""

    hosts: DataHosts
    gateway: str = ""
    region: str = ""

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Reads the section. By default, the suffixes are those of the public cloud. The platform sets ``REGION_NAME``."""
        usual = DataHosts()
        address = urlsplit(arm_endpoint(reader))
        host = address.hostname or ""
        return cls(
            DataHosts(
                reader.optional("STORAGE_SUFFIX", _suffix) or usual.storage_suffix,
                reader.optional("VAULT_SUFFIX", _suffix) or usual.vault_suffix,
                # On this machine it has a port, and a probe has none.
                usual.resource_manager if is_loopback(host) else host,
            ),
            reader.optional("DATA_GATEWAY", _gateway) or "",
            reader.told("REGION_NAME"),
        )


def _suffix(text: str) -> str:
    """Azure writes that of vaults with a dot at its beginning."""
    found = text.lower().removeprefix(".")
    if _SUFFIX.fullmatch(found) is None:
        raise Unparsable("expected the end of a host's name, such as core.windows.net")
    return found


def _gateway(text: str) -> str:
    found = endpoint(text)
    parts = urlsplit(found)
    if parts.scheme != "https" or parts.path or not is_loopback(parts.hostname or ""):
        raise Unparsable("expected an https origin on this machine, such as https://127.0.0.1:8443: tokens go there")
    return found

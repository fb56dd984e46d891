"""Addresses as an operator or the platform writes them."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from shared.core.names import Unparsable

_ADDRESS = re.compile(r"[A-Za-z0-9._~:/?#@!$&'()*+,;=%\[\]-]+")
_HOST_NAME = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


def endpoint(text: str) -> str:
    """Returns the address of a service, without a slash at its end.

    Raises ``Unparsable``. Plain HTTP is accepted for this machine alone.
    """
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise Unparsable("expected an address such as https://example.net") from None
    if not host or not _ADDRESS.fullmatch(text) or parts.query or parts.fragment or parts.username is not None:
        raise Unparsable("expected an address such as https://example.net")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise Unparsable("expected an https address")
    return text.rstrip("/")


def of_host(name: str) -> str:
    """Returns the address of the host with that name. Raises ``Unparsable``."""
    if _HOST_NAME.fullmatch(name) is None:
        raise Unparsable("expected a host name such as example.net")
    host = urlsplit(f"//{name}").hostname or ""
    return f"{'http' if is_loopback(host) else 'https'}://{name}"


def is_loopback(host: str) -> bool:
    """Returns whether the host is this machine, by its name or address alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")

"""Whose tokens the broker accepts, for which audiences, and the addresses of the broker's own pages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from shared.core.names import ObjectId, Unparsable
from shared.settings.addresses import of_host
from shared.settings.azure import own_tenant
from shared.settings.reader import Reader

_AUDIENCE = re.compile(r"[A-Za-z0-9._~:/?#@!$&()*+;=%-]+")


@dataclass(frozen=True, slots=True)
class Callers:
    """Addresses have no slash at their end."""

    allowed_tenants: tuple[ObjectId, ...]
    """The broker's own tenant first, whether it is listed or not."""
    audiences: tuple[str, ...]
    """The listed audiences, and the client ids that they are made of."""
    docs_url: str = ""
    """The page that explains problems; empty if the operator names none."""
    public_url: str = ""
    """The address at which callers reach the app, with a path if a gateway adds one; empty if nobody names it."""
    directory_cache: float = 300.0
    """For so many seconds, what the directory says of a caller is remembered."""

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Reads the section. If the operator names no address of the app, takes the platform's."""
        tenants = (own_tenant(reader), *reader.listed("ALLOWED_TENANTS", ObjectId.parse))
        audiences = listed_audiences(reader)
        return cls(
            allowed_tenants=tuple(dict.fromkeys(tenants)),
            audiences=tuple(dict.fromkeys((*audiences, *client_ids(audiences)))),
            docs_url=reader.endpoint("DOCS_URL", ""),
            public_url=reader.endpoint("PUBLIC_URL", "") or _platform_url(reader),
            directory_cache=reader.number("DIRECTORY_CACHE_SECONDS", 300, least=0, most=3600),
        )


def listed_audiences(reader: Reader) -> tuple[str, ...]:
    """Returns the audiences for one of which a caller's token must be."""
    return reader.listed("AUDIENCE", _audience, required=True)


def client_ids(audiences: tuple[str, ...]) -> tuple[ObjectId, ...]:
    """Returns the client ids in the audiences that are, or are made of, an application's client id."""
    found = []
    for audience in audiences:
        try:
            found.append(ObjectId.parse(audience.removeprefix("api://").partition("/")[0]))
        except Unparsable:
            continue
    return tuple(found)


def _audience(text: str) -> str:
    if _AUDIENCE.fullmatch(text) is None:
        raise Unparsable("expected identifier URIs or client ids without blanks")
    return text


def _platform_url(reader: Reader) -> str:
    """Returns the app's address, from the host name that the platform sets; empty if it sets none.

    ``WEBSITE_HOSTNAME``: https://learn.microsoft.com/azure/app-service/reference-app-settings#app-environment. The local host
    of Azure's tools sets it to ``localhost:7071``, and speaks plain HTTP there.
    """
    name = reader.told("WEBSITE_HOSTNAME")
    try:
        return of_host(name) if name else ""
    except Unparsable as wrong:
        reader.refuse(f"WEBSITE_HOSTNAME: {wrong}")
        return ""

"""Who may call the broker, with tokens for whom, and where callers find it."""

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
    """The broker's own first, whether it is listed or not."""
    audiences: tuple[str, ...]
    """The listed ones, and the client ids that they are made of."""
    docs_url: str = ""
    """The page that explains problems; empty when the operator names none."""
    public_url: str = ""
    """Where callers reach the app, with a path where a gateway adds one; empty when neither operator nor platform says."""

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Takes the app's own address from the platform where the operator names none."""
        tenants = (own_tenant(reader), *reader.listed("ALLOWED_TENANTS", ObjectId.parse))
        audiences = listed_audiences(reader)
        return cls(
            allowed_tenants=tuple(dict.fromkeys(tenants)),
            audiences=tuple(dict.fromkeys((*audiences, *client_ids(audiences)))),
            docs_url=reader.endpoint("DOCS_URL", ""),
            public_url=reader.endpoint("PUBLIC_URL", "") or _platform_url(reader),
        )


def listed_audiences(reader: Reader) -> tuple[str, ...]:
    """What a caller's token must be meant for, one of them."""
    return reader.listed("AUDIENCE", _audience, required=True)


def client_ids(audiences: tuple[str, ...]) -> tuple[ObjectId, ...]:
    """Of audiences that are, or are made of, an application's client id."""
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
    """The app's own address, by the name that the platform gives it; empty without one.

    ``WEBSITE_HOSTNAME``: https://learn.microsoft.com/azure/app-service/reference-app-settings#app-environment. The local host
    of Azure's tools sets it to ``localhost:7071``, where it speaks plain HTTP.
    """
    name = reader.told("WEBSITE_HOSTNAME")
    try:
        return of_host(name) if name else ""
    except Unparsable as wrong:
        reader.refuse(f"WEBSITE_HOSTNAME: {wrong}")
        return ""

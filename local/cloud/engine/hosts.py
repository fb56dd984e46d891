"""Which of the services behind one port a call is for: by the public cloud's names, else by path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from local.cloud.engine.http import HttpRequest
from local.cloud.engine.service import REST, Service


def choose[W](services: Mapping[str, Service[W]], call: HttpRequest) -> Service[W]:
    """The service that this call is for: the only one, or the one by name, or by path; one of several takes ``REST``."""
    first = call.path.lstrip("/").split("/", 1)[0].lower()
    every = services.values()
    if len(every) == 1:
        return next(iter(every))
    return _named(every, call.host) or _at(every, first) or next(found for found in every if REST in found.endpoint.paths)


def _named[W](services: Iterable[Service[W]], host: str) -> Service[W] | None:
    return next((found for found in services if any(_fits(name, host) for name in found.endpoint.hosts)), None)


def _fits(name: str, host: str) -> bool:
    return host.endswith(name[1:]) if name.startswith("*.") else host == name


def _at[W](services: Iterable[Service[W]], segment: str) -> Service[W] | None:
    return next((found for found in services if segment in found.endpoint.paths), None)

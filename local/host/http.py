"""HTTP triggers: from a request's octets to the worker's shapes and back, as the real host turns them.

The conversion follows ``GrpcMessageConversionExtensions`` of https://github.com/Azure/azure-functions-host: header names in
lower case, same-named headers and query values joined by a comma, empty query values left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from local.host import worker

type Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back on the wire."""

    status: int
    headers: Headers
    body: bytes = b""


def empty(status: int) -> Reply:
    """An answer of the host itself: a status and nothing else."""
    return Reply(status, [])


def incoming(scope: Mapping[str, Any], body: bytes, route: Mapping[str, str]) -> Any:
    """The request as the function will get it."""
    headers = _joined((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"])
    query = scope["query_string"].decode("latin-1")
    found = _joined(parse_qsl(query, keep_blank_values=True))
    path = scope["raw_path"].decode("latin-1")
    url = f"{scope['scheme']}://{headers.get('host', '')}{path}{'?' + query if query else ''}"
    return worker.request(
        {
            "method": worker.text(scope["method"]),
            "url": worker.text(url),
            "headers": _texts(headers),
            "body": worker.octets(body),
            "params": _texts(route),
            "query": _texts({name: value for name, value in found.items() if value}),
        }
    )


def outgoing(value: Any) -> Reply:
    """What the function returned, on the wire: nothing is 204, a string 200, else as the function said."""
    if value is None:
        return empty(204)
    if value.type == "string":
        return Reply(200, [(b"content-type", b"text/plain; charset=utf-8")], value.value.encode())
    answer = value.value
    headers = [(name.encode("latin-1"), field.value.encode("latin-1")) for name, field in answer["headers"].items()]
    cookies = [
        (b"set-cookie", morsel.OutputString().encode("latin-1")) for jar in answer["cookies"] or () for morsel in jar.values()
    ]
    return Reply(int(answer["status_code"].value), headers + cookies, answer["body"].value)


def _texts(values: Mapping[str, str]) -> dict[str, Any]:
    return {name: worker.text(value) for name, value in values.items()}


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in pairs:
        values[name] = f"{values[name]},{value}" if name in values else value
    return values

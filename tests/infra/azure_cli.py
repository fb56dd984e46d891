"""Stands in for the program ``az``, against the local cloud, with tokens given: ``cloud show``, ``account show``, ``rest``.

What it does of Resource Manager's commands stands in ``resource_cli.py`` beside it.

The test puts a program of this name into a folder of its own, first on ``PATH``; what it must know comes by environment.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import ssl
import sys
import urllib.error
import urllib.request
from typing import Any

from tests.infra import resource_cli

_FIRST_OF = re.compile(r"(?P<list>\w+)\[\?(?P<tests>.+)\]\.(?P<field>\w+) \| \[0\]")
_TEST = re.compile(r"(?P<field>\w+)=='(?P<value>[^']*)'")


def main(arguments: list[str]) -> int:
    """The exit code."""
    settings = os.environ
    if arguments[:2] == ["cloud", "show"]:
        cloud = {
            "endpoints.microsoftGraphResourceId": settings["FAKE_AZ_GRAPH"] + "/",
            "name": settings.get("FAKE_AZ_CLOUD", "AzureCloud"),
        }
        print(cloud[_options(arguments[2:])["--query"][0]])  # noqa: T201 - a program's output
        return 0
    if arguments[:2] == ["account", "show"]:
        result = {
            "user.type": "servicePrincipal",
            "user.name": settings.get("FAKE_AZ_USER"),
            "tenantId": settings.get("FAKE_AZ_TENANT"),
        }
        print(result[_options(arguments[2:])["--query"][0]])  # noqa: T201
        return 0
    if arguments[:1] == ["rest"]:
        return _rest(_options(arguments[1:]))
    words = list(itertools.takewhile(lambda each: not each.startswith("-"), arguments))
    try:
        lines = resource_cli.run(" ".join(words), _options(arguments[len(words) :]), _to_resource_manager)
    except KeyError as unknown:
        return _failed(f"{unknown} is not known here: az {' '.join(arguments)}")
    except urllib.error.HTTPError as refused:
        return _refused(refused)
    print("".join(f"{line}\n" for line in lines), end="")  # noqa: T201 - a program's output
    return 0


def _rest(given: dict[str, list[str]]) -> int:
    try:
        content = _sent(
            given["--method"][0].upper(),
            given["--url"][0].replace("https://graph.microsoft.com", os.environ["FAKE_AZ_GRAPH"]).replace(" ", "%20"),
            os.environ["FAKE_AZ_TOKEN"],
            given["--body"][0].encode() if "--body" in given else None,
            dict(header.split("=", 1) for header in given.get("--headers", [])),
        )
    except urllib.error.HTTPError as refused:
        return _refused(refused)
    if content and "--query" in given:
        print(_found(json.loads(content), given["--query"][0]) or "")  # noqa: T201
    elif content:
        print(content.decode())  # noqa: T201
    return 0


def _to_resource_manager(method: str, path: str) -> Any:
    content = _sent(method, os.environ["FAKE_AZ_ARM"] + path, os.environ["FAKE_AZ_ARM_TOKEN"])
    return json.loads(content) if content else None


def _sent(method: str, url: str, token: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> bytes:
    request = urllib.request.Request(url, data=body, headers=headers or {}, method=method)
    request.add_header("Authorization", f"Bearer {token}")
    trusted = ssl.create_default_context(cafile=os.environ["FAKE_AZ_CA"])
    with urllib.request.urlopen(request, context=trusted) as answer:
        return bytes(answer.read())


def _refused(why: urllib.error.HTTPError) -> int:
    return _failed(f"{why.reason}({why.read().decode()})")


def _failed(why: str) -> int:
    print(f"ERROR: {why}", file=sys.stderr)  # noqa: T201
    return 1


def _options(arguments: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    name = ""
    for argument in arguments:
        if argument.startswith("-"):
            name = argument
            found[name] = []
        else:
            found[name].append(argument)
    return found


def _found(document: Any, query: str) -> Any:
    """The two forms of JMESPath that the script uses: a field, and a field of the first element that passes equalities."""
    first = _FIRST_OF.fullmatch(query)
    if first is None:
        return document[query] if re.fullmatch(r"\w+", query) else sys.exit(f"not a query known here: {query}")
    tests = [(test["field"], test["value"]) for test in _TEST.finditer(first["tests"])]
    passing = [each for each in document[first["list"]] if all(each.get(field) == value for field, value in tests)]
    return passing[0][first["field"]] if passing else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

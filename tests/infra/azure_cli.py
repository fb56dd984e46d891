"""Stands in for the program ``az``: ``cloud show``, ``account show`` and ``rest``, against the local cloud, with a token given.

The test puts a file of this name into a folder of its own, first on ``PATH``; address, token and authority come by environment.
"""

from __future__ import annotations

import json
import os
import re
import ssl
import sys
import urllib.error
import urllib.request
from typing import Any

_FIRST_OF = re.compile(r"(?P<list>\w+)\[\?(?P<tests>.+)\]\.(?P<field>\w+) \| \[0\]")
_TEST = re.compile(r"(?P<field>\w+)=='(?P<value>[^']*)'")


def main(arguments: list[str]) -> int:
    """The exit code."""
    settings = os.environ
    if arguments[:2] == ["cloud", "show"]:
        print(settings["FAKE_AZ_GRAPH"] + "/")  # noqa: T201 - a program's output
        return 0
    if arguments[:2] == ["account", "show"]:
        print({"user.type": "servicePrincipal", "user.name": settings["FAKE_AZ_USER"]}[_options(arguments[2:])["--query"][0]])  # noqa: T201
        return 0
    if arguments[:1] != ["rest"]:
        return _failed(f"not known here: az {' '.join(arguments)}")
    given = _options(arguments[1:])
    request = urllib.request.Request(
        given["--url"][0].replace(" ", "%20"),
        data=given["--body"][0].encode() if "--body" in given else None,
        headers=dict(header.split("=", 1) for header in given.get("--headers", [])),
        method=given["--method"][0].upper(),
    )
    request.add_header("Authorization", f"Bearer {settings['FAKE_AZ_TOKEN']}")
    try:
        with urllib.request.urlopen(request, context=ssl.create_default_context(cafile=settings["FAKE_AZ_CA"])) as answer:
            content = answer.read()
    except urllib.error.HTTPError as refused:
        return _failed(f"{refused.reason}({refused.read().decode()})")
    if content and "--query" in given:
        print(_found(json.loads(content), given["--query"][0]) or "")  # noqa: T201
    elif content:
        print(content.decode())  # noqa: T201
    return 0


def _failed(why: str) -> int:
    print(f"ERROR: {why}", file=sys.stderr)  # noqa: T201
    return 1


def _options(arguments: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    name = ""
    for argument in arguments:
        if argument.startswith("--"):
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

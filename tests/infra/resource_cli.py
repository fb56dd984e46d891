"""What the stand-in for ``az`` does of Azure Resource Manager's commands, as the Azure CLI does it: each option counts.

Which subscription is the current one stands in a file, between one command and the next.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

type Options = Mapping[str, list[str]]
type Send = Callable[[str, str], Any]
"""Method and address below Resource Manager's origin; the answer's document."""

_AUTHORIZATION = "/providers/Microsoft.Authorization"
_VERSION = "api-version=2022-04-01"


def run(words: str, options: Options, send: Send) -> list[str]:
    """The lines that the command prints; ``KeyError`` for a command, or an option, that is not known here."""
    handle, known = _COMMANDS[words]
    if unknown := options.keys() - known:
        raise KeyError(*unknown)
    return handle(options, send)


def _current() -> Path:
    return Path(os.environ["FAKE_AZ_CURRENT"])


def _set_account(options: Options, _: Send) -> list[str]:
    _current().write_text(options["--subscription"][0])
    return []


def _subscriptions(options: Options, send: Send) -> list[str]:
    """Those of every tenant, which the query narrows."""
    (tenant,) = re.fullmatch(r"\[\?tenantId=='(.+)'\]\.id", options["--query"][0]).groups()  # type: ignore[union-attr]
    found = send("GET", "/subscriptions?api-version=2022-12-01")["value"]
    return [each["subscriptionId"] for each in found if each["tenantId"] == tenant]


def _management_groups(options: Options, _: Send) -> list[str]:
    _only_ids(options)
    return os.environ["FAKE_AZ_MANAGEMENT_GROUPS"].split()


def _storage_account(options: Options, send: Send) -> list[str]:
    group, name = options["-g"][0], options["-n"][0]
    account = (
        f"/subscriptions/{_current().read_text()}/resourceGroups/{group}/providers/Microsoft.Storage/storageAccounts/{name}"
    )
    found = send("GET", f"{account}?api-version=2023-05-01")
    return [str(found[options["--query"][0]])]


def _delete_lock(options: Options, send: Send) -> list[str]:
    """One that is not there is no error."""
    lock = f"{options['--resource'][0]}{_AUTHORIZATION}/locks/{options['--name'][0]}"
    send("DELETE", f"{lock}?api-version=2016-09-01")
    return []


def _assignments(options: Options, send: Send) -> list[str]:
    """With ``--all`` each that Azure lists for the subscription, else those at the very scope."""
    _only_ids(options)
    subscription = f"/subscriptions/{options.get('--subscription', [_current().read_text()])[0]}"
    scope = options.get("--scope", [subscription])[0]
    narrowed = quote(f"principalId eq '{options['--assignee'][0]}'")
    found = send("GET", f"{scope}{_AUTHORIZATION}/roleAssignments?{_VERSION}&$filter={narrowed}")["value"]
    stored = [each for each in found if "--all" in options or each["properties"]["scope"].lower() == scope.lower()]
    return [each["id"] for each in stored]


def _delete_assignments(options: Options, send: Send) -> list[str]:
    for each in options["--ids"]:
        send("DELETE", f"{each}?{_VERSION}")
    return []


def _delete_group(options: Options, send: Send) -> list[str]:
    send("DELETE", f"/subscriptions/{_current().read_text()}/resourceGroups/{options['--name'][0]}?api-version=2022-09-01")
    return []


def _only_ids(options: Options) -> None:
    if options["--query"] != ["[].id"]:
        raise KeyError(*options["--query"])


_COMMANDS: Mapping[str, tuple[Callable[[Options, Send], list[str]], set[str]]] = {
    "account set": (_set_account, {"--subscription"}),
    "account list": (_subscriptions, {"--query", "-o"}),
    "account management-group list": (_management_groups, {"--query", "-o"}),
    "storage account show": (_storage_account, {"-g", "-n", "--query", "-o"}),
    "lock delete": (_delete_lock, {"--name", "--resource"}),
    "role assignment list": (_assignments, {"--assignee", "--all", "--subscription", "--scope", "--query", "-o"}),
    "role assignment delete": (_delete_assignments, {"--ids"}),
    "group delete": (_delete_group, {"--name"}),
}

"""In place of ``az``: the few commands that the samples use, at the addresses and with the messages of the real one.

``login --service-principal`` with a federated token, ``account get-access-token``, ``rest --method get``. The sign-in is kept
in the home, with the tokens that were got by it, as the real one keeps them.
"""

from __future__ import annotations

import argparse
import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

_ARM = "https://management.azure.com"


class _Refused(Exception):
    """The text is what ``az`` writes."""


def main() -> int:
    """Runs a command: 0, or 1 with ``ERROR:`` and what Entra ID or Azure says."""
    options = _parser().parse_args()
    try:
        return int(options.run(options) or 0)
    except _Refused as refusal:
        sys.stderr.write(f"ERROR: {refusal}\n")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("az")
    commands = parser.add_subparsers(required=True)
    login = commands.add_parser("login")
    login.set_defaults(run=_login)
    login.add_argument("--service-principal", action="store_true", required=True)
    login.add_argument("--allow-no-subscriptions", action="store_true")
    for name in ("--username", "--tenant", "--federated-token"):
        login.add_argument(name, required=True)
    login.add_argument("--output", choices=["none"])
    account = commands.add_parser("account").add_subparsers(required=True).add_parser("get-access-token")
    account.set_defaults(run=_token)
    account.add_argument("--resource", required=True)
    rest = commands.add_parser("rest")
    rest.set_defaults(run=_rest)
    rest.add_argument("--method", choices=["get"], required=True)
    rest.add_argument("--url", required=True)
    for command in (account, rest):
        command.add_argument("--query", required=True)
        command.add_argument("--output", choices=["tsv"], required=True)
    return parser


def _login(options: argparse.Namespace) -> None:
    given = {"client": options.username, "tenant": options.tenant, "assertion": options.federated_token}
    _kept().unlink(missing_ok=True)
    _kept_token(given, _ARM)


def _token(options: argparse.Namespace) -> None:
    sys.stdout.write(f"{ {'accessToken': _kept_token(_signed_in(), options.resource)}[options.query] }\n")


def _rest(options: argparse.Namespace) -> None:
    headers = {"Authorization": f"Bearer {_kept_token(_signed_in(), _ARM)}"}
    answer = _json(urllib.request.Request(_ARM + options.url, headers=headers))
    sys.stdout.write(f"{answer[options.query]}\n")


def _kept() -> Path:
    return Path.home() / ".azure.json"


def _signed_in() -> dict[str, str]:
    if not _kept().exists():
        raise _Refused("Please run 'az login' to setup account.")
    found: dict[str, str] = json.loads(_kept().read_text(encoding="utf-8"))
    return found


def _kept_token(given: dict[str, str], resource: str) -> str:
    if resource not in given:
        given[resource] = _asked(given, resource)
        _kept().write_text(json.dumps(given), encoding="utf-8")
    return given[resource]


def _asked(given: dict[str, str], resource: str) -> str:
    form = {
        "grant_type": "client_credentials",
        "client_id": given["client"],
        "scope": f"{resource}/.default",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": given["assertion"],
    }
    address = f"https://login.microsoftonline.com/{given['tenant']}/oauth2/v2.0/token"
    return str(_json(urllib.request.Request(address, urllib.parse.urlencode(form).encode()))["access_token"])


def _json(request: urllib.request.Request) -> Any:
    try:
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as refusal:
        problem = json.load(refusal)
        raise _Refused(problem.get("error_description") or problem["error"]["code"]) from refusal


if __name__ == "__main__":
    sys.exit(main())

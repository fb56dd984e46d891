"""What entra.sh has to say to Microsoft Graph about the API application: compares the one that is there with application.json.

``application.py changes CLIENT_ID`` reads the application and prints the bodies of the changes that are needed, a line each, in
their order: none when there is nothing to change. Whatever else the application has, it keeps: scopes, app roles, authorized
clients and claims of other people's stay in their lists.

``application.py strangers [OBJECT_ID...]`` reads a list of directory objects (the application, its service principal, lists of
owners and of federated credentials), and prints what lets anybody act as one: owners other than those named, and credentials.

``application.py settings`` reads the application, and prints what entra.sh does not make and what lets others get tokens by it:
an app role or a scope with a value of application.json's under another id, addresses that tokens are sent to, and the like.
An application that entra.sh has made, and nobody has changed, has none of that.

``application.py trusted`` reads the application and the list of its app roles' holders, and prints whom it lets in: clients
that need nobody's consent, besides those of application.json, and holders of app roles. Nobody but people can tell whether
they are meant: whoever had the application before may have left them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

_WANTED = Path(__file__).with_name("application.json")
_AT_BIRTH = ("displayName", "signInAudience")
"""Given when the application is made; whoever changes them later has a reason."""
_KEYS = ("id", "appId", "name")
"""What tells the entries of Graph's lists apart."""
_HARMLESS = {"signInAudience": "AzureADMyOrg"}
_SETTINGS = (
    "signInAudience",
    "isFallbackPublicClient",
    "web.redirectUris",
    "spa.redirectUris",
    "publicClient.redirectUris",
    "web.implicitGrantSettings.enableAccessTokenIssuance",
    "web.implicitGrantSettings.enableIdTokenIssuance",
    "api.acceptMappedClaims",
    "api.knownClientApplications",
)
"""What lets somebody else get tokens through the application, or say what stands in them. Each is off unless set."""


def merged(there: Any, wanted: Any) -> Any:
    """What is wanted, laid over what is there: objects member by member, lists entry by entry."""
    if isinstance(wanted, dict):
        held = there or {}
        return {**held, **{name: merged(held.get(name), value) for name, value in wanted.items()}}
    if isinstance(wanted, list):
        return _listed(there or [], wanted)
    return there if _same(there, wanted) else wanted


def _listed(there: list[Any], wanted: list[Any]) -> list[Any]:
    result = list(there)
    for value in wanted:
        place = next((index for index, held in enumerate(result) if _same(_key(held), _key(value))), None)
        if place is None:
            result.append(value)
        else:
            result[place] = merged(result[place], value)
    return result


def _key(entry: Any) -> Any:
    return next((entry[name] for name in _KEYS if name in entry), None) if isinstance(entry, dict) else entry


def _same(one: Any, other: Any) -> bool:
    """GUIDs are the same in any case."""
    return bool(one == other) or (isinstance(one, str) and isinstance(other, str) and one.lower() == other.lower())


def changes(there: dict[str, Any], client_id: str) -> list[dict[str, Any]]:
    """The bodies, in order. A client can be authorized in advance only for a scope that exists: a new scope goes first."""
    wanted = {name: value for name, value in _wanted(there).items() if name not in _AT_BIRTH}
    wanted["identifierUris"] = [f"api://{client_id}"]
    laid = merged({name: there.get(name) for name in wanted}, wanted)
    differing = {name: laid[name] for name in wanted if laid[name] != there.get(name)}
    if "api" not in differing:
        return [differing] if differing else []
    held = there.get("api") or {}
    scopes = {scope["id"].lower() for scope in held.get("oauth2PermissionScopes") or []}
    if scopes >= {scope["id"].lower() for scope in wanted["api"]["oauth2PermissionScopes"]}:
        return [differing]
    clients = held.get("preAuthorizedApplications") or []
    return [{**differing, "api": {**laid["api"], "preAuthorizedApplications": clients}}, {"api": laid["api"]}]


def _wanted(there: dict[str, Any]) -> dict[str, Any]:
    """application.json, with the ids that its app roles and scopes have there already: Graph takes no value twice in a list."""
    text = _WANTED.read_text()
    for wanted, held in zip(_entitlements(json.loads(text)), _entitlements(there), strict=True):
        ids = {each["value"]: each["id"] for each in held if each.get("value")}
        for each in wanted:
            text = text.replace(each["id"], ids.get(each["value"], each["id"]))
    found: dict[str, Any] = json.loads(text)
    return found


def _entitlements(application: dict[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """App roles and scopes."""
    return application.get("appRoles") or [], (application.get("api") or {}).get("oauth2PermissionScopes") or []


def settings(application: dict[str, Any]) -> list[str]:
    """What entra.sh has not made of the application, and nobody should take unseen, a line each."""
    roles, scopes = _entitlements(json.loads(_WANTED.read_text()))
    ids = {each["value"]: each["id"] for each in (*roles, *scopes)}
    found = [
        f"{kind} {each['value']} has the id {each['id']}, which is not Leasehold's"
        for kind, held in zip(("app role", "scope"), _entitlements(application), strict=True)
        for each in held
        if not _same(ids.get(each.get("value"), each["id"]), each["id"])
    ]
    for path in _SETTINGS:
        value: Any = application
        for name in path.split("."):
            value = (value or {}).get(name)
        if value and value != _HARMLESS.get(path):
            found.append(f"{path} is {json.dumps(value)}")
    return found


def strangers(documents: list[dict[str, Any]], expected: set[str]) -> list[str]:
    """Who else can act as the application, a line each."""
    found = []
    for document in documents:
        for entry in document.get("value", []):
            kind = "federated credential" if "issuer" in entry else "owner"
            if entry["id"].lower() not in expected:
                found.append(f"{kind} {entry['id']} {entry.get('displayName') or entry.get('name') or ''}".rstrip())
        for kind in ("passwordCredentials", "keyCredentials"):
            found += [f"{kind[: -len('Credentials')]} credential {each['keyId']}" for each in document.get(kind) or []]
    return found


def trusted(application: dict[str, Any], holders: list[dict[str, Any]]) -> list[str]:
    """Whom the application lets in, a line each."""
    meant = [each["appId"] for each in json.loads(_WANTED.read_text())["api"]["preAuthorizedApplications"]]
    clients = [each["appId"] for each in (application.get("api") or {}).get("preAuthorizedApplications") or []]
    names = {role["id"].lower(): role["value"] for role in application.get("appRoles") or []}
    return [
        *(f"client {each} is authorized in advance" for each in clients if each.lower() not in meant),
        *(
            f"{each['principalId']} {each.get('principalDisplayName') or ''} holds {names[each['appRoleId'].lower()]}"
            for each in holders
            if each["appRoleId"].lower() in names
        ),
    ]


def main(arguments: list[str]) -> None:
    """Reads standard input, writes standard output."""
    command, *given = arguments
    if command == "changes":
        lines = [json.dumps(body) for body in changes(json.load(sys.stdin), given[0])]
    elif command == "settings":
        lines = settings(json.load(sys.stdin))
    elif command == "trusted":
        application, holders = _documents(sys.stdin.read())
        lines = trusted(application, holders["value"])
    else:
        lines = strangers(_documents(sys.stdin.read()), {each.lower() for each in given})
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def _documents(text: str) -> list[dict[str, Any]]:
    """JSON documents, one behind the other."""
    decoder, found, rest = json.JSONDecoder(), [], text.strip()
    while rest:
        document, end = decoder.raw_decode(rest)
        found.append(document)
        rest = rest[end:].strip()
    return found


if __name__ == "__main__":
    main(sys.argv[1:])

"""A world with a vault, and a client of it, without a network."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from local.cloud.engine.dispatch import handle
from local.cloud.engine.http import HttpRequest, Reply
from local.cloud.key_vault.service import KeyVault
from local.cloud.tenant.resources import RoleDefinition
from tests.local.arm.calls import GROUP, Azure

AUDIENCE = "https://vault.azure.net"
HOST = "one.vault.azure.net"
VAULT = f"{GROUP}/providers/Microsoft.KeyVault/vaults/one"
SECRETS_USER = "4633458b-17de-408a-b874-0445c86b69e6"
READER = "21090545-7ca7-4776-b22c-e363652d74d2"
ADMINISTRATOR = "00482a5a-887f-4fb3-b363-3b7fe8e74483"
QUERY = {"api-version": "7.4", "maxresults": "1"}


@dataclass(slots=True)
class Vault:
    """The vault ``one``."""

    azure: Azure = field(default_factory=Azure)
    service: KeyVault = field(default_factory=KeyVault)
    administrator: str = field(init=False)
    """Who calls, unless a test says otherwise."""

    def __post_init__(self) -> None:
        """Makes it, and who may do everything in it."""
        self.azure.resource(VAULT, "Microsoft.KeyVault/vaults")
        self.administrator = self.holder(ADMINISTRATOR)

    def settings(self, **properties: Any) -> None:
        """Changes the vault's properties, in the names of Azure Resource Manager."""
        self.azure.world.tree.resources[VAULT.casefold()].properties |= properties

    def wait(self, seconds: float) -> None:
        """Moves time on."""
        self.azure.clock.at += seconds

    def slow(self, profile: str = "typical", seed: int = 1) -> None:
        """From now on the vault takes as long as Azure's."""
        self.azure.world.consistency.configure(profile, seed=seed)

    def holder(self, role: str = SECRETS_USER, scope: str = VAULT, condition: str | None = None) -> str:
        """A principal with this role; its object id."""
        made = self.azure.principal()
        self.azure.grant(made, role, scope, condition)
        return made

    def custom(self, *verbs: str) -> str:
        """A role with these data actions on secrets; its name."""
        name = self.azure.world.guid()
        allowed = {"dataActions": [f"Microsoft.KeyVault/vaults/secrets/{verb}" for verb in verbs]}
        self.azure.world.tree.role_definitions[name] = RoleDefinition(name, name, "", "CustomRole", [allowed], ["/"])
        return name

    def call(
        self, method: str, path: str, body: object = None, *, by: str | None = None, version: str = "7.4", **query: str
    ) -> Reply:
        """Calls as this principal, the administrator by default; ``skiptoken`` is the only query option with a ``$``."""
        token = self.azure.token(by or self.administrator, audience=AUDIENCE)
        asked = {"api-version": version, **{name.replace("skip", "$skip"): value for name, value in query.items()}}
        content = b"" if body is None else json.dumps(body).encode()
        return self.send(method, path, asked, {"authorization": f"Bearer {token}"}, content)

    def put(self, name: str, value: str = "x", **given: Any) -> str:
        """Sets a secret, which must succeed; the version's id."""
        reply = self.call("PUT", f"/secrets/{name}", {"value": value, **given})
        assert reply.status == 200, reply.body
        return str(reply.body["id"]).rsplit("/", 1)[-1]

    def gone(self, name: str, value: str = "x") -> None:
        """A secret that was set and deleted."""
        self.put(name, value)
        assert self.call("DELETE", f"/secrets/{name}").status == 200

    def listed(self, by: str, query: dict[str, str] | None = None, **claims: Any) -> Reply:
        """Asks for a list of secrets as this principal."""
        token = self.azure.token(by, **{"audience": AUDIENCE, **claims})
        return self.send("GET", "/secrets", QUERY if query is None else query, {"authorization": f"Bearer {token}"})

    def send(self, method: str, path: str, query: dict[str, str], headers: dict[str, str], body: bytes = b"") -> Reply:
        """Sends exactly this, by the vault's name unless the headers say otherwise."""
        call = HttpRequest(method, path, query, {"host": HOST, **headers}, body, f"https://{headers.get('host', HOST)}")
        return handle(self.azure.world, self.service, call)[1]


def outcome(reply: Reply) -> tuple[int, str]:
    """Status and code, the finer one if there is one; no code for a success."""
    error = reply.body["error"] if reply.status >= 400 else {}
    return reply.status, str(error.get("innererror", error).get("code", ""))


def names(reply: Reply) -> list[str]:
    """The last part of each id in a list."""
    return [each["id"].rsplit("/", 1)[-1] for each in reply.body["value"]]

"""A tenant, and clients of its Microsoft Graph, without a network."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from local.cloud.control import first_party, provision
from local.cloud.engine.clock import Clock
from local.cloud.engine.dispatch import handle
from local.cloud.engine.http import HttpRequest, Reply
from local.cloud.graph.service import Graph
from local.cloud.local_azure import LocalAzure
from local.cloud.tenant.directory import Application, Group, ServicePrincipal, User
from local.cloud.tenant.first_party import AZURE_CLI
from tests.local.ticking import Ticking

TENANT = "54826b22-38d6-4fb2-bad9-b7b93a3e9c5a"
SUBSCRIPTION = "20000000-0000-4000-8000-000000000002"
ORIGIN = "https://graph.microsoft.com"
ABSENT = "6589d867-6da8-4c37-b716-08bb99066944"


@dataclass(slots=True)
class Client:
    """Someone who calls Graph with a token."""

    world: LocalAzure
    graph: Graph
    token: str | None
    object_id: str

    def __call__(
        self, method: str, url: str, body: Any = None, headers: dict[str, str] | None = None, version: str = "v1.0"
    ) -> Reply:
        """The finished reply to one call; ``url`` begins below the version, or is a whole address."""
        parts = urlsplit(url if "://" in url else f"{ORIGIN}/{version}{url}")
        sent = {name.lower(): value for name, value in (headers or {}).items()}
        if self.token is not None:
            sent["authorization"] = f"Bearer {self.token}"
        call = HttpRequest(
            method=method,
            path=unquote(parts.path),
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers=sent,
            body=b"" if body is None else json.dumps(body).encode(),
            origin=ORIGIN,
        )
        return handle(self.world, self.graph, call)[1]

    def get(self, url: str, **headers: str) -> Reply:
        """A read."""
        return self("GET", url, headers=headers)

    def post(self, url: str, body: Any = None) -> Reply:
        """A creation or an action."""
        return self("POST", url, {} if body is None else body)

    def patch(self, url: str, body: Any, **headers: str) -> Reply:
        """A change."""
        return self("PATCH", url, body, headers)

    def delete(self, url: str) -> Reply:
        """A deletion."""
        return self("DELETE", url)


@dataclass(slots=True)
class Tenant:
    """One world with Microsoft's own service principals in it."""

    clock: Ticking = field(default_factory=Ticking)
    graph: Graph = field(default_factory=Graph)
    world: LocalAzure = field(init=False)

    def __post_init__(self) -> None:
        """Settles the world."""
        self.world = LocalAzure(TENANT, SUBSCRIPTION, Clock(self.clock))
        first_party.settle(self.world)

    def client(self, *permissions: str, **claims: Any) -> Client:
        """A fresh application that holds these permissions; claims given as ``None`` are left out of its token."""
        principal = provision.application(self.world, "caller")[1]
        held = {"oid": principal.id, "appid": principal.app_id, "roles": list(permissions)} | claims
        return Client(self.world, self.graph, self.token(**held), principal.id)

    def person(self, *scopes: str, administrator: bool = False) -> Client:
        """A fresh user, by way of an application that was granted these scopes."""
        user = provision.user(self.world, f"person {len(self.world.directory.users)}")
        roles = ["62e90394-69f5-4237-9190-012177145e10"] if administrator else []
        token = self.token(oid=user.id, appid=AZURE_CLI, scp=" ".join(scopes), wids=roles)
        return Client(self.world, self.graph, token, user.id)

    def token(self, **claims: Any) -> str:
        """A token for Graph with these claims."""
        now = int(self.world.clock.now())
        issued = {
            "aud": ORIGIN,
            "iss": f"https://sts.windows.net/{TENANT}/",
            "nbf": now - 300,
            "iat": now - 300,
            "exp": now + 3600,
            "tid": TENANT,
            "ver": "1.0",
        }
        return self.world.tokens.issue({name: value for name, value in (issued | claims).items() if value is not None})

    def application(self, name: str = "app", owners: tuple[str, ...] = ()) -> Application:
        """A registration without a service principal."""
        made, principal = provision.application(self.world, name, owners=owners)
        del self.world.directory.service_principals[principal.id]
        return made

    def principal(self, name: str = "app", owners: tuple[str, ...] = ()) -> ServicePrincipal:
        """A service principal, with its registration."""
        return provision.application(self.world, name, owners=owners)[1]

    def group(self, name: str = "team", members: tuple[str, ...] = ()) -> Group:
        """A security group."""
        return provision.group(self.world, name, members)

    def user(self, name: str = "someone") -> User:
        """A person's account."""
        return provision.user(self.world, name)


def error(reply: Reply) -> tuple[int, str]:
    """Status and code of a refusal."""
    return reply.status, reply.body["error"]["code"]


def ids(reply: Reply) -> list[str]:
    """The ids that a list holds."""
    return [item["id"] for item in reply.body["value"]]


def certificate() -> x509.Certificate:
    """A self-signed certificate that is valid for as long as any recording may ask."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(x509.NameOID.COUNTRY_NAME, "AU"),
            x509.NameAttribute(x509.NameOID.STATE_OR_PROVINCE_NAME, "Some-State"),
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Widgits"),
        ]
    )
    start = datetime(2020, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(private.public_key())
    builder = builder.serial_number(1).not_valid_before(start).not_valid_after(start + timedelta(days=36_500))
    return builder.sign(private, hashes.SHA256())


def encoded(made: x509.Certificate) -> str:
    """A certificate as ``keyCredentials`` carries it."""
    return base64.b64encode(made.public_bytes(serialization.Encoding.DER)).decode()

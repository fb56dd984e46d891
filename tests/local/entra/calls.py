"""Token requests straight to Entra ID's handlers, without a server."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlencode

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from local.cloud.control import provision
from local.cloud.engine.certificates import self_signed
from local.cloud.engine.dispatch import handle
from local.cloud.engine.http import HttpRequest, Reply
from local.cloud.entra.service import Entra
from local.cloud.local_azure import LocalAzure
from local.cloud.tenant.directory import Application, Certificate, FederatedCredential

ORIGIN = "https://127.0.0.1:7443"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
EXCHANGE = "api://AzureADTokenExchange"


@dataclass(frozen=True, slots=True)
class App:
    """A registered application with a secret."""

    application: Application
    object_id: str
    secret: str
    key_id: str

    @property
    def client_id(self) -> str:
        """Its client id."""
        return self.application.app_id


def register(world: LocalAzure, name: str = "client") -> App:
    """A fresh application with one secret."""
    application, principal = provision.application(world, name)
    secret = provision.secret(world, application, "test")
    return App(application, principal.id, secret.secret, secret.key_id)


def post(
    world: LocalAzure,
    form: dict[str, str],
    *,
    tenant: str | None = None,
    v1: bool = False,
    headers: dict[str, str] | None = None,
) -> Reply:
    """The token endpoint's reply to this form."""
    path = f"/{tenant or world.tenant_id}/oauth2{'' if v1 else '/v2.0'}/token"
    call = HttpRequest("POST", path, headers=headers or {}, body=urlencode(form).encode(), origin=ORIGIN)
    return handle(world, Entra(), call)[1]


def get(world: LocalAzure, path: str, query: dict[str, str] | None = None) -> Reply:
    """The reply to a GET of this path."""
    return handle(world, Entra(), HttpRequest("GET", path, query=query or {}, origin=ORIGIN))[1]


def grant(app: App, scope: str = "https://graph.microsoft.com/.default", **fields: str) -> dict[str, str]:
    """A version 2 form that is in order."""
    usual = {"grant_type": "client_credentials", "client_id": app.client_id, "client_secret": app.secret, "scope": scope}
    return usual | fields


def asserting(app: App, assertion: str) -> dict[str, str]:
    """A version 2 form with an assertion in the secret's place."""
    form = grant(app, client_assertion_type=ASSERTION, client_assertion=assertion)
    del form["client_secret"]
    return form


def claims(reply: Reply) -> dict[str, Any]:
    """What the token in a reply says."""
    decoded: dict[str, Any] = jwt.decode(reply.body["access_token"], options={"verify_signature": False})
    return decoded


def aadsts(reply: Reply) -> tuple[int, str, list[int]]:
    """Status, OAuth error and AADSTS codes of a refusal."""
    return reply.status, reply.body["error"], reply.body["error_codes"]


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A client's own key with its certificate."""

    private: rsa.RSAPrivateKey
    der: bytes

    @property
    def x5t(self) -> str:
        """The certificate's SHA-1, as a token's header has it."""
        return _encoded(hashlib.sha1(self.der).digest())

    @property
    def x5t_s256(self) -> str:
        """The certificate's SHA-256."""
        return _encoded(hashlib.sha256(self.der).digest())

    def pem(self) -> bytes:
        """Key and certificate in one, as azure-identity wants them."""
        certificate = x509.load_der_x509_certificate(self.der).public_bytes(serialization.Encoding.PEM)
        encoding, form, plain = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        return self.private.private_bytes(encoding, form, plain) + certificate


def _encoded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


@cache
def key_pair(name: str = "client") -> KeyPair:
    """A key pair; the same one for the same name."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return KeyPair(private, self_signed(name, private).public_bytes(serialization.Encoding.DER))


def add_certificate(world: LocalAzure, app: App, pair: KeyPair, *, days: float = 30) -> Certificate:
    """Registers the certificate with the application."""
    now = world.clock.now()
    thumbprint = hashlib.sha1(pair.der).hexdigest().upper()
    made = Certificate(world.guid(), thumbprint, pair.der, None, now - 60, now + days * 86400)
    app.application.certificates[made.key_id] = made
    return made


def certified(world: LocalAzure, app: App, pair: KeyPair, *, header: dict[str, str] | None = None, **overrides: Any) -> str:
    """An assertion as MSAL makes it."""
    now = world.clock.source()
    stated = {
        "aud": f"{ORIGIN}/{world.tenant_id}/oauth2/v2.0/token",
        "iss": app.client_id,
        "sub": app.client_id,
        "jti": world.guid(),
        "nbf": int(now),
        "exp": int(now) + 600,
    } | overrides
    return jwt.encode(stated, pair.private, algorithm="RS256", headers=header or {"x5t": pair.x5t})


def trust(world: LocalAzure, app: App, issuer: str, subject: str, audience: str = EXCHANGE) -> FederatedCredential:
    """Adds a federated credential."""
    made = FederatedCredential(world.guid(), "trust", issuer, subject, [audience])
    app.application.federated[made.id] = made
    return made
